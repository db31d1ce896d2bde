"""The independent verifier catches every single thing that can be wrong with a placement."""

from __future__ import annotations

from dataclasses import replace

import pytest

from partitioner.plan import CrossingKind
from partitioner.problem import Arc, Item, Link, LinkEnd, MeanLimit, Option, Problem, Region
from partitioner.solution import Placement
from partitioner.verify import measure, segment_kernels, violations


def _region(board: int, die: int, lut: int = 10) -> Region:
    return Region(
        name=f"{board}.{die}",
        board=board,
        die=str(die),
        capacity=(lut, 10),
        limits=(0.8, 0.8),
        mean_limits=(MeanLimit(resources=(0, 1), limit=0.75),),
        part="a" if board == 0 else "b",
        memory=0 if board == 0 else 2,
        memory_charge=(1, 0) if die == 0 else (),
        memory_ports=2,
    )


PROBLEM = Problem(
    name="two boards",
    resources=("lut", "bram18"),
    regions=(_region(0, 0), _region(0, 1), _region(1, 0), _region(1, 1)),
    links=(
        Link(
            kind=CrossingKind.DIE,
            ends=(LinkEnd(region=0), LinkEnd(region=1)),
            cost=1,
            wires=24,
        ),
        Link(
            kind=CrossingKind.BOARD,
            ends=(
                LinkEnd(region=1, port=0, charge=(2, 1), adapter=(1, 0), sockets=1),
                LinkEnd(region=3, port=0, charge=(2, 1), adapter=(1, 0), sockets=1),
            ),
            cost=10,
            bits_per_second=100,
        ),
        Link(
            kind=CrossingKind.DIE,
            ends=(LinkEnd(region=2), LinkEnd(region=3)),
            cost=1,
            wires=24,
        ),
    ),
    items=(
        Item(name="first", options=(Option(resources=(7, 1), wires=24),), memory_ports=1),
        Item(
            name="middle",
            options=(
                Option(resources=(5, 6), wires=16, parts=("a",)),
                Option(resources=(6, 5), wires=16, parts=("a",)),
                Option(resources=(1, 1), wires=16, parts=("b",)),
            ),
        ),
        Item(
            name="last",
            options=(Option(resources=(2, 2), wires=8),),
            regions=(3,),
        ),
    ),
    arcs=(
        Arc(source=0, target=1, bits_per_second=50, forbidden=(CrossingKind.BOARD,)),
        Arc(source=1, target=2, bits_per_second=100),
    ),
    compute_units=8,
)
VALID = Placement(regions=(0, 1, 3), options=(0, 0, 0), routes=(((0, True),), ((1, True),)))


def test_a_valid_placement_breaks_nothing_and_is_measured() -> None:
    assert violations(PROBLEM, VALID) == ()
    loads = measure(PROBLEM, VALID)
    assert loads.cost == 11
    assert loads.resources == ((8, 1), (8, 7), (0, 0), (5, 3))
    assert loads.wires == {(0, True): 24, (1, True): 16}
    assert loads.bits_per_second == {(0, True): 50, (1, True): 100}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"regions": (0, 0, 3), "routes": ((), ((0, True), (1, True)))}, "region 0.0 uses 13 lut"),
        ({"regions": (0, 1)}, "the placement has 2 regions"),
        ({"regions": (0, 1, 9)}, "item last of replica 0 sits in region 9"),
        ({"regions": (0, 1, 2)}, "item last of replica 0 sits in region 2"),
        ({"options": (0, 3, 0)}, "item middle of replica 0 has option 3 of 3"),
        ({"options": (0, 2, 0)}, "item middle of replica 0 is built for another part"),
        ({"options": (0, 1, 0)}, "region 0.1 uses 9 lut of 8 allowed"),
        ({"routes": ((), ((1, True),))}, "ends in region 0 instead of 1"),
        ({"routes": (((0, True),), ())}, "ends in region 1 instead of 3"),
        ({"routes": (((0, False),), ((1, True),))}, "jumps from region 0 to 1"),
        ({"routes": (((7, True),), ((1, True),))}, "uses link 7, which does not exist"),
        (
            {"routes": (((0, True), (0, False), (0, True)), ((1, True),))},
            "visits a region twice on one route",
        ),
    ],
)
def test_a_changed_placement_is_caught(change: dict[str, object], message: str) -> None:
    broken = violations(PROBLEM, replace(VALID, **change))  # type: ignore[arg-type]
    assert any(message in sentence for sentence in broken), broken


def _with_link(index: int, **changes: object) -> Problem:
    links = list(PROBLEM.links)
    links[index] = replace(links[index], **changes)  # type: ignore[arg-type]
    return replace(PROBLEM, links=tuple(links))


def _with_region(index: int, **changes: object) -> Problem:
    regions = list(PROBLEM.regions)
    regions[index] = replace(regions[index], **changes)  # type: ignore[arg-type]
    return replace(PROBLEM, regions=tuple(regions))


def _with_control_ports(count: int) -> tuple[Item, ...]:
    first, middle, last = PROBLEM.items
    options = tuple(replace(option, control_ports=count) for option in middle.options)
    return first, replace(middle, options=options), last


def test_what_comes_back_to_a_die_is_another_kernel() -> None:
    """0 -> 1 -> 0 are three kernels; beside a shortcut 0 -> 0 the third is one of its own still."""
    items = tuple(Item(name=str(i), options=(Option(resources=(1, 1)),)) for i in range(3))
    chain = replace(PROBLEM, items=items, arcs=(Arc(source=0, target=1), Arc(source=1, target=2)))
    away = Placement(regions=(0, 1, 0), options=(0,) * 3, routes=(((0, True),), ((0, False),)))
    assert segment_kernels(chain, away) == {(0, 0): 2, (0, 1): 1}
    home = replace(away, regions=(0, 0, 0), routes=((), ()))
    assert segment_kernels(chain, home) == {(0, 0): 1}
    shortcut = replace(chain, arcs=(*chain.arcs, Arc(source=0, target=2)))
    assert segment_kernels(shortcut, replace(away, routes=(*away.routes, ()))) == {
        (0, 0): 2,
        (0, 1): 1,
    }


@pytest.mark.parametrize(
    ("problem", "message"),
    [
        (
            _with_link(0, wires=23),
            "the boundary from 0.0 to 0.1 carries 24 wires of 23",
        ),
        (
            _with_link(1, bits_per_second=99),
            "the link from 0.1 to 1.1 carries 100 bit/s of 99",
        ),
        (
            _with_link(1, ends=tuple(replace(e, sockets=0) for e in PROBLEM.links[1].ends)),
            "port 0 at 0.1 has 1 streams for 0 sockets",
        ),
        (_with_region(1, capacity=(9, 10)), "region 0.1 uses 8 lut of 7 allowed"),
        (_with_region(3, limits=(0.4, 0.8)), "region 1.1 uses 5 lut of 4 allowed"),
        (
            _with_region(1, mean_limits=(MeanLimit(resources=(0, 1), limit=0.74),)),
            "region 0.1 uses 0.7500 of lut, bram18 in the mean, 0.74 is allowed",
        ),
        (_with_region(0, memory_charge=(2, 0)), "region 0.0 uses 9 lut of 8 allowed"),
        (_with_region(0, memory_ports=0), "the memory at 0.0 has 1 ports of 0"),
        (replace(PROBLEM, compute_units=7), "board 0 has 8 kernels of 7"),
        (
            replace(PROBLEM, items=_with_control_ports(2), compute_units=8),
            "board 0 has 9 kernels of 8",
        ),
        (replace(PROBLEM, together=((0, 1),)), "first and middle of replica 0 are not in one"),
        (replace(PROBLEM, same_board=((0, 2),)), "first and last of replica 0 are not on one"),
        (
            replace(
                PROBLEM,
                arcs=(PROBLEM.arcs[0], replace(PROBLEM.arcs[1], forbidden=(CrossingKind.BOARD,))),
            ),
            "stream middle to last of replica 0 uses a board link, which it may not",
        ),
    ],
)
def test_a_limit_exceeded_by_one_is_caught(problem: Problem, message: str) -> None:
    broken = violations(problem, VALID)
    assert any(message in sentence for sentence in broken), broken


def _row(count: int, **wishes: object) -> Problem:
    """Three boards of one die in a row, one item on each."""
    return Problem(
        name="row",
        resources=("lut",),
        regions=tuple(
            Region(name=f"{b}.0", board=b, die="0", capacity=(9,), limits=(1.0,)) for b in range(3)
        ),
        links=tuple(
            Link(kind=CrossingKind.BOARD, ends=(LinkEnd(region=a), LinkEnd(region=a + 1)), cost=10)
            for a in range(2)
        ),
        items=tuple(Item(name=f"item{i}", options=(Option(resources=(1,)),)) for i in range(count)),
        arcs=tuple(Arc(source=i, target=i + 1) for i in range(count - 1)),
        **wishes,  # type: ignore[arg-type]
    )


def test_a_stream_through_a_third_board_needs_permission() -> None:
    placement = Placement(regions=(0, 2), options=(0, 0), routes=(((0, True), (1, True)),))
    assert violations(_row(2), placement) == (
        "stream item0 to item1 of replica 0 passes through board 1",
    )
    assert violations(_row(2, through_boards=True), placement) == ()


def test_a_segment_is_not_entered_twice() -> None:
    placement = Placement(
        regions=(0, 1, 0), options=(0, 0, 0), routes=(((0, True),), ((0, False),))
    )
    assert violations(_row(3), placement) == ()
    assert violations(_row(3, segmented=True), placement) == (
        "replica 0 comes back to a board it has left",
    )
