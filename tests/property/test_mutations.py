"""Whatever is changed in a valid placement, the verifier says so."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from partitioner import exact
from partitioner.problem import Problem
from partitioner.solution import Placement
from partitioner.solver import SolverOptions
from partitioner.verify import Loads, compute_units, measure, violations
from tests.property.test_partitioner import QUIET, problems

OPTIONS = SolverOptions(time_limit=20)


def _changed(values: tuple[Any, ...], index: int, value: Any) -> tuple[Any, ...]:
    return (*values[:index], value, *values[index + 1 :])


def _wrong_places(problem: Problem, placement: Placement) -> Iterator[Placement]:
    """Yield the placement with one item moved, its streams left where they were."""
    for position, region in enumerate(placement.regions):
        item = position % len(problem.items)
        streams = any(item in (arc.source, arc.target) for arc in problem.arcs)
        for other in range(len(problem.regions)):
            if other != region and streams:
                yield replace(placement, regions=_changed(placement.regions, position, other))


def _wrong_routes(problem: Problem, placement: Placement) -> Iterator[Placement]:
    """Yield the placement with a hop dropped, doubled or turned, or on a link there is not."""
    for index, route in enumerate(placement.routes):
        turned = tuple((link, not forward) for link, forward in route)
        for changed in (route[:-1], route[1:], (*route, *route), turned):
            if changed != route:
                yield replace(placement, routes=_changed(placement.routes, index, changed))
        foreign = (*route, (len(problem.links), True))
        yield replace(placement, routes=_changed(placement.routes, index, foreign))


def _wrong_shapes(problem: Problem, placement: Placement) -> Iterator[Placement]:
    """Yield the placement with an assignment or a stream missing, doubled or of no option."""
    yield replace(placement, regions=placement.regions[:-1])
    yield replace(placement, options=placement.options[:-1])
    yield replace(placement, regions=(*placement.regions, placement.regions[-1]))
    yield replace(placement, routes=placement.routes[:-1])
    yield replace(placement, routes=(*placement.routes, ()))
    for position in range(len(placement.options)):
        most = len(problem.items[position % len(problem.items)].options)
        for option in (-1, most):
            yield replace(placement, options=_changed(placement.options, position, option))


@settings(QUIET, max_examples=30)
@given(problems())
def test_a_changed_placement_is_refused(problem: Problem) -> None:
    placement = exact.solve(problem, OPTIONS).placement
    assume(placement is not None)
    assert placement is not None
    for wrong in (_wrong_places, _wrong_routes, _wrong_shapes):
        for changed in wrong(problem, placement):
            assert violations(problem, changed)


def _tightened(problem: Problem, placement: Placement, loads: Loads) -> Iterator[Problem]:
    """Yield the problem with one limit set one below what the placement needs."""
    for index in problem.places:
        region = problem.regions[index]
        for r, used in enumerate(loads.resources[index]):
            if used:
                capacity = _changed(region.capacity, r, used - 1)
                limits = _changed(region.limits, r, 1.0)
                tight = replace(region, capacity=capacity, limits=limits, mean_limits=())
                yield replace(problem, regions=_changed(problem.regions, index, tight))
    for region_index, ports in loads.memory_ports.items():
        tight = replace(problem.regions[region_index], memory_ports=ports - 1)
        yield replace(problem, regions=_changed(problem.regions, region_index, tight))
    for (number, forward), wires in loads.wires.items():
        link = problem.links[number]
        changes: list[dict[str, Any]] = [{"wires": wires - 1}]
        bits = loads.bits_per_second[number, forward]
        changes.append({"bits_per_second": bits - 1})
        for change in changes:
            yield replace(problem, links=_changed(problem.links, number, replace(link, **change)))
    for (number, end), streams in loads.streams.items():
        link = problem.links[number]
        ends = _changed(link.ends, end, replace(link.ends[end], sockets=streams - 1))
        yield replace(
            problem,
            links=_changed(problem.links, number, replace(link, ends=(ends[0], ends[1]))),
        )
    most = max(compute_units(problem, placement, loads).values())
    yield replace(problem, compute_units=most - 1)


def _made_heavier(problem: Problem, placement: Placement) -> Iterator[Problem]:
    """Yield the problem with one item larger, or one stream wider or faster, than all there is."""
    huge = 10**6
    for i, item in enumerate(problem.items):
        options = tuple(
            replace(o, resources=(o.resources[0] + huge, *o.resources[1:])) for o in item.options
        )
        yield replace(problem, items=_changed(problem.items, i, replace(item, options=options)))
    for a, arc in enumerate(problem.arcs):
        routes = placement.routes[a :: len(problem.arcs)]
        hops = [problem.links[link] for route in routes for link, _ in route]
        if any(link.wires is not None for link in hops):
            wide = replace(arc, wires=huge)
            yield replace(problem, arcs=_changed(problem.arcs, a, wide))
        if any(link.bits_per_second is not None for link in hops):
            fast = replace(arc, bits_per_second=arc.bits_per_second + 10**12)
            yield replace(problem, arcs=_changed(problem.arcs, a, fast))


def _forbidden(problem: Problem, placement: Placement) -> Iterator[Problem]:
    """Yield the problem with a wish that the placement does not keep."""
    for item, region in enumerate(placement.regions[: len(problem.items)]):
        others = tuple(r for r in problem.places if r != region)
        away = replace(problem.items[item], regions=others)
        yield replace(problem, items=_changed(problem.items, item, away))
        for other, elsewhere in enumerate(placement.regions[: len(problem.items)]):
            if region != elsewhere:
                yield replace(problem, together=(*problem.together, (item, other)))
            if problem.regions[region].board != problem.regions[elsewhere].board:
                yield replace(problem, same_board=(*problem.same_board, (item, other)))
    for a, arc in enumerate(problem.arcs):
        kinds = {problem.links[link].kind for link, _ in placement.routes[a]}
        for kind in sorted(kinds):
            barred = replace(arc, forbidden=(*arc.forbidden, kind))
            yield replace(problem, arcs=_changed(problem.arcs, a, barred))


Harder = Callable[[Problem, Placement], Iterator[Problem]]


@pytest.mark.parametrize("harder", [_made_heavier, _forbidden], ids=["heavier", "forbidden"])
def test_a_placement_is_refused_where_more_is_asked(harder: Harder) -> None:
    @settings(QUIET, max_examples=25)
    @given(problems())
    def refused(problem: Problem) -> None:
        placement = exact.solve(problem, OPTIONS).placement
        assume(placement is not None)
        assert placement is not None
        for changed in harder(problem, placement):
            assert violations(changed, placement)

    refused()


@settings(QUIET, max_examples=30)
@given(problems(), st.integers(0, 10**6))
def test_a_limit_exceeded_by_one_is_refused(problem: Problem, pick: int) -> None:
    placement = exact.solve(problem, OPTIONS).placement
    assume(placement is not None)
    assert placement is not None
    tightened = list(_tightened(problem, placement, measure(problem, placement)))
    for changed in tightened[pick % 3 :: 3]:
        assert violations(changed, placement)


@pytest.mark.slow
@settings(QUIET, max_examples=500)
@given(problems(), st.integers(0, 10**6))
def test_hundreds_of_placements_are_refused_in_every_way(problem: Problem, pick: int) -> None:
    placement = exact.solve(problem, OPTIONS).placement
    assume(placement is not None)
    assert placement is not None
    mutations: list[tuple[Problem, Placement]] = [
        (problem, changed)
        for wrong in (_wrong_places, _wrong_routes, _wrong_shapes)
        for changed in wrong(problem, placement)
    ]
    mutations += [
        (changed, placement)
        for changed in (
            *_made_heavier(problem, placement),
            *_forbidden(problem, placement),
            *_tightened(problem, placement, measure(problem, placement)),
        )
    ]
    for changed_problem, changed_placement in mutations[pick % 2 :: 2]:
        assert violations(changed_problem, changed_placement)
