"""Counting copies never refuses what is possible, and what it places is valid."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings

from partitioner.bounds import boards_only
from partitioner.clock import Clock
from partitioner.counting.boardwise import place_boardwise
from partitioner.counting.census import Census
from partitioner.packing.fill import construct
from partitioner.plan import CrossingKind
from partitioner.problem import Problem
from partitioner.room import room_of
from partitioner.solver import Status, minimise
from partitioner.verify import measure, violations
from tests.property.test_partitioner import OPTIONS, QUIET, brute_force, problems


def _is_a_relaxation(problem: Problem) -> None:
    least = brute_force(problem)
    poured = boards_only(problem)
    relaxed = (
        [] if poured is None else [Census(poured, charged=True, split=frozenset(poured.boards))]
    )
    for census in (Census(problem, charged=True), *relaxed):
        answer = minimise(census.model, OPTIONS)
        placement = census.placement(answer)
        if least is None:
            assert placement is None or violations(problem, placement)
            continue
        assert answer.status is Status.OPTIMAL
        assert answer.objective <= least + 1e-6
        if placement is not None and not violations(problem, placement):
            assert measure(problem, placement).cost >= least


def _begins_with(problem: Problem) -> None:
    placement = construct(problem, Clock(60.0))
    if placement is None:
        return
    census = Census(problem, charged=True)
    census.begin_with(placement)
    assert census.model.first is not None
    assert census.model.checked(census.model.first, relaxed=False) is not None
    assert census.model.value_of(census.model.first) == measure(problem, placement).cost


@settings(QUIET, max_examples=60)
@given(problems())
def test_counts_are_a_relaxation(problem: Problem) -> None:
    _is_a_relaxation(problem)


@settings(QUIET, max_examples=150)
@given(problems())
def test_a_placement_has_counts(problem: Problem) -> None:
    _begins_with(problem)
    _begins_with(replace(problem, replicas=problem.replicas + 1))


def _room_is_a_bound(problem: Problem) -> None:
    room = room_of(problem, spanning=True, serving_apart=bool(problem.same_board))
    possible = brute_force(problem) is not None
    assert not possible or problem.replicas <= room.most
    for board in room.must_join(problem.replicas):
        apart = tuple(
            link
            for link in problem.links
            if link.kind is CrossingKind.DIE
            or all(problem.regions[region].board != board for region in link.regions)
        )
        assert brute_force(replace(problem, links=apart)) is None


def _boardwise_agrees(problem: Problem) -> None:
    room = room_of(problem, spanning=True, serving_apart=bool(problem.same_board))
    joined = room.must_join(problem.replicas)
    found = place_boardwise(problem, joined, OPTIONS, Clock(60.0), known={})
    if brute_force(problem) is None:
        assert found.placement is None
    else:
        assert not found.impossible
    if found.placement is not None:
        assert not violations(problem, found.placement)
        again = place_boardwise(problem, joined, OPTIONS, Clock(60.0), known=found.copies)
        assert again.placement is not None


@settings(QUIET, max_examples=100)
@given(problems())
def test_room_is_a_bound(problem: Problem) -> None:
    _room_is_a_bound(problem)


@settings(QUIET, max_examples=60)
@given(problems())
def test_boards_before_dies_agree_with_brute_force(problem: Problem) -> None:
    _boardwise_agrees(problem)


@pytest.mark.slow
@settings(QUIET, max_examples=2000)
@given(problems())
def test_boards_before_dies_agree_with_brute_force_thousands_of_times(problem: Problem) -> None:
    _room_is_a_bound(problem)
    _boardwise_agrees(problem)


@pytest.mark.slow
@settings(QUIET, max_examples=2000)
@given(problems())
def test_counts_are_a_relaxation_thousands_of_times(problem: Problem) -> None:
    _is_a_relaxation(problem)
