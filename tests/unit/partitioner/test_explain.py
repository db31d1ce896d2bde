"""Requests without a plan: conflicts none of which is superfluous, and remedies that work."""

from __future__ import annotations

from dataclasses import replace
from math import inf
from time import monotonic
from typing import Any

import pytest

from elasticdf.errors import InfeasibleError
from elasticdf.hardware.board import Board
from elasticdf.hardware.cluster import Cable, Cluster, implied_cluster, parse_target
from elasticdf.hardware.load import load_board
from elasticdf.ir import Resources
from partitioner.choices import ChoiceTable
from partitioner.clock import Clock
from partitioner.explain import PLAIN_LIMITS, Loosened, dropped, wishes
from partitioner.infeasible.decision import Decision, decide
from partitioner.lower import Choice
from partitioner.menu import offered
from partitioner.plan import Mode, Outcome
from partitioner.request import Anchor, Request
from partitioner.search import plan
from partitioner.solver import SolverOptions
from partitioner.space import Space
from tests.placed import chain, dense, diamond

BOARD = load_board("u280")
FIRST, SECOND, LAST = "Thresholding_rtl_0", "Thresholding_rtl_1", "Thresholding_rtl_3"
ENDS = (Anchor(layer=FIRST, board=0), Anchor(layer=LAST, board=1))
TWO = implied_cluster("2xu280", (BOARD, BOARD))
FORK = diamond(2)


def _boards(count: int, **changes: Any) -> Cluster:
    return implied_cluster(f"{count}xchanged", (replace(BOARD, **changes),) * count)


def _narrow(board: Board, wires: int) -> Cluster:
    boundaries = tuple(replace(b, sll_wires=2 * wires) for b in board.boundaries)
    return _boards(1, boundaries=boundaries)


def _cable(first: tuple[int, int], second: tuple[int, int], rate: int = 10**11) -> Cable:
    return Cable(ends=(first, second), rate_bits_per_second=rate)


ROW = Cluster(
    name="row", boards=(BOARD,) * 3, cables=(_cable((0, 0), (1, 0)), _cable((1, 1), (2, 0)))
)
REQUEST = Request(
    graph=chain(4),
    target=TWO,
    costs="calibrated",
    mode=Mode.HARDWARE,
    options=SolverOptions(time_limit=30),
)

CASES: dict[str, tuple[dict[str, Any], set[str], str | None]] = {
    "no LUT": (
        {"limits": {"lut": 0.001}},
        {"capacity[lut]"},
        "raise the limit: --limit lut=0.0",
    ),
    "no BRAM": (
        {"target": parse_target("u280"), "limits": {"bram18": 0.001}},
        {"capacity[bram18]"},
        "raise the limit: --limit bram18=0.0",
    ),
    "boards of a mode without streams between them": (
        {"mode": Mode.DATA_PARALLEL, "anchors": ENDS},
        {"mode", f"anchor[{FIRST}=0]", f"anchor[{LAST}=1]"},
        "change the mode to hw: --mode hw",
    ),
    "ends on different boards in a mode that keeps them on one": (
        {"mode": Mode.TRANSPARENT, "anchors": ENDS},
        {"mode", f"anchor[{FIRST}=0]", f"anchor[{LAST}=1]"},
        f"drop the anchor of layer {FIRST} on board 0",
    ),
    "together and apart": (
        {"anchors": ENDS, "together": ((FIRST, LAST),)},
        {f"together[{FIRST},{LAST}]", f"anchor[{FIRST}=0]", f"anchor[{LAST}=1]"},
        f"let {FIRST} and {LAST} be apart",
    ),
    "a rate no folding reaches": (
        {"fps": 1e9, "replicas": 2},
        {"fps", "replicas"},
        "lower the rate: --fps 25000000",
    ),
    "more copies than kernels": (
        {"replicas": 41},
        {"kernels", "replicas"},
        "leave the number of replicas open: --replicas auto",
    ),
    "a board that holds few kernels": (
        {"target": _boards(1, max_compute_units=2)},
        {"kernels"},
        None,
    ),
    "a memory that serves no kernel": (
        {"target": _boards(1, max_interfaces_per_bank=0)},
        {"memory_ports"},
        None,
    ),
    "streams wider than any boundary": (
        {
            "target": _narrow(BOARD, 7),
            "anchors": (
                Anchor(layer=FIRST, board=0, die="SLR0"),
                Anchor(layer=LAST, board=0, die="SLR2"),
            ),
        },
        {"wires", f"anchor[{FIRST}=0.SLR0]", f"anchor[{LAST}=0.SLR2]"},
        f"drop the anchor of layer {LAST} on board 0.SLR2",
    ),
    "a cable too slow for any stream": (
        {
            "target": replace(TWO, cables=(_cable((0, 0), (1, 0), 10**8),)),
            "anchors": ENDS,
        },
        {"links", f"anchor[{FIRST}=0]", f"anchor[{LAST}=1]"},
        "change the mode to sw: --mode sw",
    ),
    "a cable too slow for the rate": (
        {
            "target": replace(TWO, cables=(_cable((0, 0), (1, 0), 4 * 10**9),)),
            "anchors": ENDS,
            "fps": 6e6,
        },
        {"links", "fps", f"anchor[{FIRST}=0]", f"anchor[{LAST}=1]"},
        "lower the rate: --fps ",
    ),
    "PCIe too slow for the host's copies": (
        {
            "target": _boards(
                2,
                host_link=replace(
                    BOARD.host_link,
                    to_board_bits_per_second=10**8,
                    from_board_bits_per_second=10**8,
                ),
            ),
            "mode": Mode.SOFTWARE,
            "anchors": ENDS,
        },
        {"links", f"anchor[{FIRST}=0]", f"anchor[{LAST}=1]"},
        f"drop the anchor of layer {FIRST} on board 0",
    ),
    "more streams than sockets": (
        {"anchors": ENDS, "replicas": 17},
        {"sockets", "replicas", f"anchor[{FIRST}=0]", f"anchor[{LAST}=1]"},
        "ask for fewer copies: --replicas 16",
    ),
    "a cut inside a branch": (
        {
            "graph": FORK,
            "target": parse_target("u280"),
            "linear_cuts": True,
            "anchors": (
                Anchor(layer=FORK.layers[0].name, board=0, die="SLR0"),
                Anchor(layer=FORK.layers[-1].name, board=0, die="SLR1"),
            ),
        },
        {
            "linear_cuts",
            f"anchor[{FORK.layers[0].name}=0.SLR0]",
            f"anchor[{FORK.layers[-1].name}=0.SLR1]",
        },
        "allow cuts inside branches: without --linear-cuts",
    ),
    "a way through a third board": (
        {
            "graph": chain(2),
            "target": ROW,
            "anchors": (Anchor(layer=FIRST, board=0), Anchor(layer=SECOND, board=2)),
        },
        {"routes", f"anchor[{FIRST}=0]", f"anchor[{SECOND}=2]"},
        "let streams pass a third board: routes_through = true in the cluster file",
    ),
    "a group larger than a die": (
        {
            "costs": "finn",
            "target": _boards(
                1,
                dies=tuple(
                    replace(die, capacity=replace(die.capacity, lut=29)) for die in BOARD.dies
                ),
                controllers=(),
            ),
            "together": ((FIRST, SECOND, LAST),),
        },
        {"capacity[lut]", f"together[{FIRST},{SECOND},{LAST}]"},
        f"let {FIRST} and {SECOND} and {LAST} be apart",
    ),
}


def _decided(request: Request, without: Loosened) -> Decision:
    changed = dropped(request, without)
    assert isinstance(changed.target, Cluster)
    space = Space.of(changed, changed.target, Clock(60), without)
    return decide(space, space.clock)


SLOW = ("more copies than kernels", "more streams than sockets", "a cable too slow for the rate")
"""Where many numbers of copies have to be placed or refuted."""


@pytest.mark.parametrize(
    "case", [pytest.param(case, marks=[pytest.mark.campaign] * (case in SLOW)) for case in CASES]
)
def test_every_limit_of_a_conflict_is_needed_and_every_remedy_works(case: str) -> None:
    changes, expected, remedy = CASES[case]
    seconds = 120 if case in SLOW else 30
    request = replace(REQUEST, options=SolverOptions(time_limit=seconds), **changes)
    with pytest.raises(InfeasibleError) as caught:
        plan(request)
    document = caught.value.explanation
    assert document["outcome"] == document["certificate"]["outcome"] == Outcome.INFEASIBLE
    explanation = document["explanation"]
    conflict = set(explanation["conflict"])
    assert conflict == expected
    assert explanation["irreducible"]
    others = dict.fromkeys({*PLAIN_LIMITS, *wishes(request)} - conflict, inf)
    assert _decided(request, others).proven
    for name in conflict:
        assert _decided(request, {**others, name: inf}).found is not None
    remedies = [entry["change"] for entry in explanation["remedies"]]
    assert remedy is None or any(change.startswith(remedy) for change in remedies)
    assert all(entry["verified"] for entry in explanation["remedies"])
    assert str(caught.value).startswith(explanation["message"])


def test_what_is_missing_is_said_in_units() -> None:
    for case, shortfall in (
        ("a rate no folding reaches", {"reachable": 25e6, "short": 975e6}),
        ("a board that holds few kernels", {"allowed": 2, "enough": 3, "short": 1}),
    ):
        with pytest.raises(InfeasibleError) as caught:
            plan(replace(REQUEST, **CASES[case][0]))
        entry = caught.value.explanation["explanation"]["shortfall"][0]
        assert shortfall.items() <= entry.items()


def test_a_slower_folding_whose_words_pad_more_proves_nothing() -> None:
    """In 3 cycles a frame is one word of 16 bits; in 4 it is four of 4, each padded to 8."""
    graph, rate = dense((3, 4, 1)), 1_200_000_000  # 16 bits in 3 cycles of 5 ns, not 32 in 4
    link = replace(BOARD.host_link, to_board_bits_per_second=rate, from_board_bits_per_second=rate)
    request = replace(
        REQUEST,
        graph=graph,
        target=_boards(2, host_link=link),
        costs="finn",
        mode=Mode.SOFTWARE,
        anchors=tuple(Anchor(layer=layer.name, board=i) for i, layer in enumerate(graph)),
        replicas=1,
    )
    assert plan(request).interval_cycles == 3
    asked = replace(request, fps=request.clock_hz / 4)
    assert not _decided(asked, {}).proven
    assert plan(asked).interval_cycles == 3


def test_a_choice_the_host_loads_undercuts_none_it_does_not() -> None:
    assert isinstance(REQUEST.target, Cluster)
    table = ChoiceTable.of(replace(REQUEST, graph=chain(1)), REQUEST.target)
    plain = Choice(attributes={}, cycles=1, resources=Resources(lut=2), output_bits=(8,))
    loaded = {"runtime_writeable_weights": 1}
    smaller = replace(plain, attributes=loaded, resources=Resources(lut=1))
    choices = ((smaller, plain),)
    assert offered(replace(table, targets=(1,), _found={1: choices}), 0, 0) == choices


def test_explaining_ends_with_the_time_limit() -> None:
    request = replace(REQUEST, replicas=41, options=SolverOptions(time_limit=3))
    start = monotonic()
    with pytest.raises(InfeasibleError):
        plan(request)
    assert monotonic() - start < 20
