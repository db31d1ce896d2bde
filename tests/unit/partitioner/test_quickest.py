"""The lowest latency: equal to trying everything on tiny networks, and never worse than without."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import product

import pytest

from elasticdf.hardware.cluster import parse_target
from elasticdf.ir import Graph
from partitioner.clock import Clock
from partitioner.latency.quickest import latency_cycles
from partitioner.menu import menu
from partitioner.plan import Plan
from partitioner.request import Objective, Request
from partitioner.routes import RouteTable, assign_routes
from partitioner.search import plan
from partitioner.solution import Placement
from partitioner.solver import SolverOptions
from partitioner.space import Found, Space
from partitioner.verify import violations
from tests.placed import chain, diamond, small_board

REQUEST = Request(
    graph=chain(3),
    target=parse_target("u280"),
    costs="finn",
    replicas=1,
    objective=Objective.LATENCY,
    options=SolverOptions(time_limit=30),
)


def _placements(space: Space) -> Iterator[Found]:
    """Yield every valid placement of every combination of foldings, but for their variants."""
    offered = menu(space.table, space.fastest, len(space.table.targets) - 1)
    for folds in product(*offered.folds):
        choices = tuple(fold.choices for fold in folds)
        interval = max(fold.cycles for fold in folds)
        problem = space.problem(choices, interval, 1)
        table = RouteTable(problem=problem)
        for regions in product(problem.places, repeat=len(folds)):
            for options in product(*(range(len(fold.choices)) for fold in folds)):
                routes = assign_routes(table, regions, options)
                if routes is None:
                    continue
                placement = Placement(regions=regions, options=options, routes=routes)
                if not violations(problem, placement):
                    yield Found(
                        problem=problem,
                        placement=placement,
                        choices=choices,
                        interval_cycles=interval,
                        replicas=1,
                    )
                    break  # variants do not change latency


def _cycles(found: Plan) -> int:
    return round(found.latency_seconds * found.clock_hz)


@pytest.mark.parametrize(
    "luts",
    [(70, 60, 0), (120, 70, 20), (200, 90, 40), (400, 400, 400)],
    ids=str,
)
@pytest.mark.parametrize("graph", [chain(3), diamond(1)], ids=["chain", "diamond"])
def test_no_placement_of_a_tiny_network_is_quicker(graph: Graph, luts: tuple[int, ...]) -> None:
    request = replace(REQUEST, graph=graph, target=small_board(luts))
    space = Space.of(request, small_board(luts), Clock(60))
    known: dict[object, int] = {}
    for found in _placements(space):
        steps = tuple(len(route) for route in found.placement.routes)
        alike = (tuple(row[0].cycles for row in found.choices), steps)
        if alike not in known:
            known[alike] = latency_cycles(space, found)
    latencies = sorted(known.values())
    best = plan(request)
    latency = best.certificate.latency
    assert latency is not None
    assert _cycles(best) == latencies[0] < latencies[-1]
    assert latency.value == best.latency_seconds
    assert latency.bound * best.clock_hz <= latencies[0]


def test_a_frame_rate_is_kept_at_the_lowest_latency() -> None:
    request = replace(REQUEST, target=small_board((200, 90, 40)), replicas=None)
    free = plan(request)
    bound = plan(replace(request, fps=free.frames_per_second * 1.01))
    assert free.latency_seconds <= bound.latency_seconds
    assert bound.frames_per_second >= free.frames_per_second * 1.01


def test_copies_are_added_where_they_cost_no_latency() -> None:
    alone, several = plan(REQUEST), plan(replace(REQUEST, replicas=None))
    assert several.replicas > 1
    assert several.latency_seconds == alone.latency_seconds
    assert several.certificate.to_json()["latency"]["gap"] <= 0.01
