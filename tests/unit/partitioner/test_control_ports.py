"""Options without control ports, where they fit with room to spare."""

from __future__ import annotations

from dataclasses import replace

import pytest

from partitioner.control_ports import with_fewer_control_ports
from partitioner.problem import Item, Option, Problem, Region
from partitioner.solution import Placement
from partitioner.verify import violations

LOADED = Option(resources=(0, 3), cycles=9, wires=8, control_ports=1)
PLAIN = Option(resources=(2, 0), cycles=9, wires=8)


def _problem(*options: Option, count: int = 3, capacity: tuple[int, int] = (12, 12)) -> Problem:
    region = Region(name="0.0", board=0, die="0", capacity=capacity, limits=(1.0, 1.0))
    items = tuple(Item(name=f"item{i}", options=options) for i in range(count))
    return Problem(
        name="p", resources=("a", "b"), regions=(region,), links=(), items=items, arcs=()
    )


def _options(problem: Problem) -> tuple[int, ...]:
    size = len(problem.items)
    placement = Placement(regions=(0,) * size, options=(0,) * size, routes=())
    assert violations(problem, placement) == ()
    changed = with_fewer_control_ports(problem, placement)
    assert violations(problem, changed) == ()
    return changed.options


@pytest.mark.parametrize(
    ("capacity", "expected"),
    [
        ((12, 12), (1, 1, 1)),  # half of the first resource is used at the end
        ((8, 12), (1, 1, 1)),  # 6 of 8: as full as 9 of 12 had made it
        ((4, 40), (1, 0, 0)),  # 2 of 4 is half, 4 of 4 would be fuller than it was
        ((1, 12), (0, 0, 0)),
    ],
)
def test_a_region_becomes_no_fuller_than_it_was_or_than_half(
    capacity: tuple[int, int], expected: tuple[int, ...]
) -> None:
    assert _options(_problem(LOADED, PLAIN, capacity=capacity)) == expected


@pytest.mark.parametrize("change", [{"cycles": 8}, {"wires": 16}, {"control_ports": 1}])
def test_speed_and_width_stay(change: dict[str, int]) -> None:
    assert _options(_problem(LOADED, replace(PLAIN, **change))) == (0, 0, 0)  # type: ignore[arg-type]
