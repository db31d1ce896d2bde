"""The partitioner against brute force on problems small enough to try everything."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations, product

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from partitioner import exact
from partitioner.formulation import Formulation
from partitioner.plan import CrossingKind, Outcome
from partitioner.problem import Arc, Item, Link, LinkEnd, MeanLimit, Option, Problem, Region
from partitioner.routes import RouteTable
from partitioner.solution import Placement
from partitioner.solver import SolverOptions, Status
from partitioner.verify import measure, violations

OPTIONS = SolverOptions(time_limit=20)
QUIET = settings(
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


def _links(shape: str, sizes: list[int], draw: st.DrawFn) -> tuple[list[Region], list[Link]]:
    """Boards of some dies in a row; their last dies are joined as the shape says."""
    regions: list[Region] = []
    links: list[Link] = []
    ports: list[int] = []
    for board, size in enumerate(sizes):
        first = len(regions)
        for die in range(size):
            regions.append(
                Region(
                    name=f"{board}.{die}",
                    board=board,
                    die=str(die),
                    capacity=(draw(st.integers(4, 12)), draw(st.integers(0, 8))),
                    limits=(0.8, 0.7),
                    mean_limits=(MeanLimit(resources=(0, 1), limit=0.6),),
                    memory=first,
                    memory_charge=(1, 0) if die == 0 else (),
                    memory_ports=draw(st.integers(2, 4)) if die == 0 else None,
                )
            )
            if die:
                links.append(
                    Link(
                        kind=CrossingKind.DIE,
                        ends=(LinkEnd(region=first + die - 1), LinkEnd(region=first + die)),
                        cost=1,
                        wires=draw(st.integers(8, 40)),
                    )
                )
        ports.append(len(regions) - 1)
    rate = draw(st.integers(5, 30)) * 1_000_000
    pairs = {
        "apart": [],
        "chain": [(a, a + 1) for a in range(len(sizes) - 1)],
        "ring": [(a, (a + 1) % len(sizes)) for a in range(len(sizes))] if len(sizes) > 2 else [],
        "mesh": list(combinations(range(len(sizes)), 2)),
        "double": [(0, 1), (0, 1)] if len(sizes) > 1 else [],
        "switch": [],
        "host": [],
    }[shape]

    def end(region: int) -> LinkEnd:
        return LinkEnd(region=region, port=0, charge=(1, 0), adapter=(0, 1), sockets=2)

    links += [
        Link(
            kind=CrossingKind.BOARD,
            ends=(end(ports[a]), end(ports[b])),
            cost=10,
            bits_per_second=rate,
        )
        for a, b in pairs
    ]
    if shape in ("switch", "host"):
        regions.append(Region(name=shape, board=None, die="", capacity=(0, 0), limits=(0.0, 0.0)))
        for port in ports:
            near = end(port) if shape == "switch" else LinkEnd(region=port)
            links.append(
                Link(
                    kind=CrossingKind.BOARD if shape == "switch" else CrossingKind.HOST,
                    ends=(near, LinkEnd(region=len(regions) - 1)),
                    cost=5,
                    bits_per_second=rate,
                )
            )
    return regions, links


@st.composite
def problems(draw: st.DrawFn) -> Problem:
    shape = draw(st.sampled_from(["apart", "chain", "ring", "mesh", "double", "switch", "host"]))
    replicas = draw(st.integers(1, 2))
    sizes = draw(st.sampled_from([[3], [1, 1], [2, 1], [1, 1, 1], *([[2, 2]] * (2 - replicas))]))
    if shape == "mesh":
        sizes, replicas = [1, 1, 1, 1], 1
    regions, links = _links(shape, sizes, draw)
    count = draw(st.integers(2, 3)) if replicas == 1 and shape != "mesh" else 2
    mode = draw(st.sampled_from(["hw", "tmp", "sw", "dp"]))
    items = tuple(
        Item(
            name=f"item{i}",
            options=tuple(
                Option(
                    resources=(draw(st.integers(0, 5)), draw(st.integers(0, 3))),
                    wires=8 * draw(st.integers(1, 3)),
                    control_ports=draw(st.sampled_from([0, 0, 1, 2])),
                )
                for _ in range(draw(st.integers(1, 2)))
            ),
            regions=draw(
                st.one_of(
                    st.none(), st.none(), st.just((0,)), st.just(tuple(range(len(regions[:2]))))
                )
            ),
            memory_ports=1 if i in (0, count - 1) else 0,
        )
        for i in range(count)
    )
    skips = [(0, count - 1)] if count > 2 and draw(st.booleans()) else []
    arcs = tuple(
        Arc(
            source=a,
            target=b,
            bits_per_second=draw(st.integers(1, 12)) * 1_000_000,
            forbidden=(CrossingKind.BOARD, CrossingKind.HOST) if mode == "dp" else (),
        )
        for a, b in [*((i, i + 1) for i in range(count - 1)), *skips]
    )
    return Problem(
        name="tiny",
        resources=("lut", "bram18"),
        regions=tuple(regions),
        links=tuple(links),
        items=items,
        arcs=arcs,
        replicas=replicas,
        together=((0, count - 1),) if draw(st.integers(0, 4)) == 0 else (),
        same_board=((0, count - 1),) if mode == "tmp" else (),
        segmented=mode == "sw",
        through_boards=draw(st.booleans()),
        compute_units=draw(st.sampled_from([None, 5, 60])),
    )


def _everything(problem: Problem) -> Iterator[Placement]:
    table = RouteTable(problem=problem)
    size = len(problem.items)
    choices = [
        [
            (region, v)
            for region in problem.places
            for v in range(len(problem.items[p % size].options))
        ]
        for p in range(problem.replicas * size)
    ]
    for chosen in product(*choices):
        regions = tuple(region for region, _ in chosen)
        ways = [
            table.between(
                regions[r * size + arc.source], regions[r * size + arc.target], arc.forbidden
            )
            for r in range(problem.replicas)
            for arc in problem.arcs
        ]
        for routes in product(*ways):
            yield Placement(regions=regions, options=tuple(v for _, v in chosen), routes=routes)


def brute_force(problem: Problem) -> int | None:
    """Return the least crossing cost of all placements, None if there is none."""
    best: int | None = None
    for placement in _everything(problem):
        cost = sum(problem.links[link].cost for route in placement.routes for link, _ in route)
        if (best is None or cost < best) and not violations(problem, placement):
            best = cost
    return best


def _agrees(problem: Problem) -> None:
    expected = brute_force(problem)
    formulation = Formulation(problem)
    answer = formulation.solve(OPTIONS, OPTIONS.time_limit)
    solution = exact.solve(problem, OPTIONS)
    if expected is None:
        assert answer.status is Status.INFEASIBLE
        assert solution.outcome is Outcome.INFEASIBLE
        return
    placement = formulation.placement(answer)
    assert violations(problem, placement) == ()
    assert measure(problem, placement).cost == expected
    assert solution.outcome is Outcome.OPTIMAL
    assert solution.cost is not None
    assert solution.cost.value == solution.cost.bound == expected


@settings(QUIET, max_examples=60)
@given(problems())
def test_solver_agrees_with_brute_force(problem: Problem) -> None:
    _agrees(problem)


@settings(QUIET, max_examples=40)
@given(problems())
def test_flows_in_circles_become_routes(problem: Problem) -> None:
    formulation = Formulation(problem)
    cost = formulation.model.objective_terms
    formulation.model.charge({index: -2 * weight for index, weight in cost.items()})
    answer = formulation.solve(OPTIONS, OPTIONS.time_limit)  # as many crossings as limits allow
    if answer.values is not None:
        assert violations(problem, formulation.placement(answer)) == ()


@pytest.mark.slow
@settings(QUIET, max_examples=3000)
@given(problems())
def test_solver_agrees_with_brute_force_thousands_of_times(problem: Problem) -> None:
    _agrees(problem)


@st.composite
def pipelines(draw: st.DrawFn) -> Problem:
    """A chain with one option per item on a tree of unlimited wires: what walks solve exactly."""
    shape = draw(st.sampled_from(["apart", "chain", "switch"]))
    sizes = draw(st.sampled_from([[3], [2, 2], [2, 1]])) if shape != "apart" else [3]
    regions, links = _links(shape, sizes, draw)
    bare = [
        Link(
            kind=link.kind,
            ends=(LinkEnd(region=link.regions[0]), LinkEnd(region=link.regions[1])),
            cost=link.cost,
        )
        for link in links
    ]
    plain = [
        Region(name=r.name, board=r.board, die=r.die, capacity=r.capacity, limits=r.limits)
        for r in regions
    ]
    count = draw(st.integers(3, 6))
    items = tuple(
        Item(
            name=f"item{i}",
            options=(Option(resources=(draw(st.integers(1, 4)), draw(st.integers(0, 2)))),),
        )
        for i in range(count)
    )
    return Problem(
        name="chain",
        resources=("lut", "bram18"),
        regions=tuple(plain),
        links=tuple(bare),
        items=items,
        arcs=tuple(Arc(source=i, target=i + 1) for i in range(count - 1)),
        together=((0, count - 1),) if draw(st.booleans()) else (),
        through_boards=True,
        replicas=1,
    )


def _walks_agree(problem: Problem) -> None:
    formulation = Formulation(problem)
    answer = formulation.solve(OPTIONS, OPTIONS.time_limit)
    walked = exact.solve_by_walks(problem, OPTIONS)
    if answer.status is Status.INFEASIBLE:
        assert walked.placement is None
        return
    expected = measure(problem, formulation.placement(answer)).cost
    if walked.cost is None:  # walks that come twice to a region are left to the other models
        assert walked.outcome is None
        return
    assert walked.cost.bound <= expected <= walked.cost.value
    if walked.outcome is Outcome.OPTIMAL:
        assert walked.cost.value == expected


@settings(QUIET, max_examples=60)
@given(pipelines())
def test_walks_and_the_general_model_agree(problem: Problem) -> None:
    _walks_agree(problem)


@pytest.mark.slow
@settings(QUIET, max_examples=1000)
@given(pipelines())
def test_walks_and_the_general_model_agree_a_thousand_times(problem: Problem) -> None:
    _walks_agree(problem)
