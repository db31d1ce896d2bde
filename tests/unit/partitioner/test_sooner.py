"""Latency breaks ties of throughput: the rate stays, no plan of it is quicker on tiny networks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from elasticdf.errors import InfeasibleError
from elasticdf.hardware.cluster import Cluster, parse_target
from elasticdf.ir import Graph
from partitioner import search
from partitioner.clock import Clock, Meter
from partitioner.fifos.fitting import plan_with_fifos
from partitioner.in_place import loads_in_place, rebuilt
from partitioner.latency.quickest import latency_cycles, sooner
from partitioner.menu import menu
from partitioner.plan import Mode
from partitioner.request import Request
from partitioner.routes import RouteTable, assign_routes
from partitioner.solution import Placement
from partitioner.solver import SolverOptions
from partitioner.space import Found, Space
from partitioner.verify import violations
from tests.placed import chain, dense, diamond, small_board

REQUEST = Request(
    graph=chain(3), target=parse_target("u280"), costs="finn", options=SolverOptions(time_limit=30)
)


def _placements(space: Space, replicas: int) -> Iterator[Found]:
    """Yield a valid placement of every combination of foldings and routes, alike in all copies."""
    offered = menu(space.table, space.fastest, len(space.table.targets) - 1)
    for folds in product(*offered.folds):
        choices = tuple(fold.choices for fold in folds)
        interval = max(fold.cycles for fold in folds)
        problem = space.problem(choices, interval, replicas)
        table, seen = RouteTable(problem=problem), set()
        variants = product(*(range(len(fold.choices)) for fold in folds))
        for options, regions in product(
            variants, product(problem.places, repeat=replicas * len(folds))
        ):
            routes = assign_routes(table, regions, options * replicas)
            steps = None if routes is None else tuple(len(route) for route in routes)
            if routes is None or steps in seen:
                continue
            placement = Placement(regions=regions, options=options * replicas, routes=routes)
            if not violations(problem, placement):
                seen.add(steps)
                yield space.found(choices, interval, problem, placement)


@pytest.mark.parametrize(
    ("graph", "luts"),
    [
        (chain(3), (200, 90, 40)),
        (diamond(1), (70, 60, 0)),
        (dense((8, 4, 2)), (1300, 0, 0)),
        (dense((8, 4, 2)), (1600, 0, 0)),
        (dense((4, 8, 2)), (1000, 0, 0)),
        (dense((4, 8, 2)), (700, 650, 0)),
    ],
    ids=lambda value: value.name if isinstance(value, Graph) else str(value),
)
def test_no_plan_of_the_highest_rate_is_quicker(graph: Graph, luts: tuple[int, ...]) -> None:
    _check_all(replace(REQUEST, graph=graph, target=small_board(luts), replicas=1), (1,))


@pytest.mark.parametrize(
    ("graph", "luts"),
    [(chain(2), (60, 40, 0)), (dense((4, 2)), (700, 0, 0))],
    ids=["chain", "dense"],
)
def test_nor_is_one_with_other_copies(graph: Graph, luts: tuple[int, ...]) -> None:
    _check_all(replace(REQUEST, graph=graph, target=small_board(luts)), (1, 2, 3))


def _check_all(request: Request, copies: tuple[int, ...]) -> None:
    assert isinstance(request.target, Cluster)
    space = Space.of(request, request.target, Clock(60))
    every = [found for replicas in copies for found in _placements(space, replicas)]
    rate = max(found.rate() for found in every)
    least = min(latency_cycles(space, found) for found in every if found.rate() == rate)
    searched = search.searched(request)
    best = searched.sooner().found
    assert searched.found.rate() == best.rate() == rate
    assert latency_cycles(space, best) == least <= latency_cycles(space, searched.found)


def test_fewer_copies_of_a_shorter_interval_are_the_same_rate() -> None:
    request = replace(REQUEST, target=small_board((400, 400, 400)))
    assert isinstance(request.target, Cluster)
    space = Space.of(request, request.target, Clock(60))
    found = space.place(len(space.table.targets) - 1, 4)
    assert found is not None
    best = sooner(space, found)
    assert best.replicas < found.replicas
    assert best.rate() >= found.rate()
    assert latency_cycles(space, best) < latency_cycles(space, found)


_PARTS = st.sampled_from((0, 50, 90, 130, 400, 800, 1300))


@settings(max_examples=8)
@given(
    st.tuples(_PARTS, _PARTS, _PARTS).filter(lambda luts: sum(luts) >= 150),
    st.sampled_from(list(Mode)),
    st.sampled_from((chain(2), chain(4), diamond(2), dense((4, 4, 4)))),
)
def test_the_rate_stays_and_so_does_the_plan(
    luts: tuple[int, ...], mode: Mode, graph: Graph
) -> None:
    request = replace(REQUEST, graph=graph, target=small_board(luts), mode=mode)
    try:
        searched = search.searched(request)
    except InfeasibleError:
        return
    first, second = searched.sooner(), searched.sooner()
    assert first.found == second.found
    assert not violations(first.found.problem, first.found.placement)
    assert first.found.rate() >= searched.found.rate()
    assert first.rate_bound == searched.rate_bound
    space = searched.space
    assert latency_cycles(space, first.found) <= latency_cycles(space, searched.found)


@pytest.mark.parametrize("changes", [{"fps": 1e6}, {"fps": 1e6, "replicas": 1}], ids=str)
def test_a_rate_that_is_asked_for_leaves_the_cheapest_plan(changes: dict[str, float]) -> None:
    searched = search.searched(replace(REQUEST, **changes))  # type: ignore[arg-type]
    assert searched.sooner() is searched


def test_layers_are_built_anew_where_they_sit() -> None:
    request = replace(REQUEST, target=small_board((200, 90, 40)), replicas=2)
    assert isinstance(request.target, Cluster)
    space = Space.of(request, request.target, Clock(60))
    slowest = len(space.table.targets) - 1
    found = space.place(slowest, 2)
    assert found is not None
    faster = space.table.at(space.table.targets[slowest - 1])
    assert faster is not None
    other = rebuilt(space, found, faster, found.interval_cycles)
    assert other is not None
    assert other.placement.regions == found.placement.regions
    assert other.placement.routes == found.placement.routes
    assert other.interval_cycles < found.interval_cycles
    assert not violations(other.problem, other.placement)
    loads = loads_in_place(found.problem, found)
    options = found.placement.options[: len(found.problem.items)]
    assert (loads[range(len(options)), options].sum(axis=0) <= 1).all()


def test_nothing_is_built_anew_without_room() -> None:
    request = replace(REQUEST, target=small_board((70, 60, 0)), replicas=1)
    assert isinstance(request.target, Cluster)
    space = Space.of(request, request.target, Clock(60))
    found = space.place(len(space.table.targets) - 1, 1)
    fastest = space.table.at(space.table.targets[space.fastest])
    assert found is not None
    assert fastest is not None
    assert rebuilt(space, found, fastest, found.interval_cycles) is None


def test_a_quicker_plan_has_room_for_its_fifos() -> None:
    request = replace(REQUEST, target=small_board((400, 400, 400)), replicas=1)
    bare = search.searched(request).plan()[0]
    sized, _ = plan_with_fifos(request)
    assert sized.frames_per_second == bare.frames_per_second
    assert sized.latency_seconds <= bare.latency_seconds
    assert all(u.used <= u.limit * u.available for u in sized.utilisation)


def test_a_space_of_counted_work_has_no_time_once_its_own_is_over() -> None:
    assert isinstance(REQUEST.target, Cluster)
    meter = Meter()
    counted = Space.of(REQUEST, REQUEST.target, Clock(9, meter)).counted(3)
    assert counted.clock.left() == 3
    meter.add(9)
    assert counted.clock.left() == 0
