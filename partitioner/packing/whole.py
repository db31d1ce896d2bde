"""Copies that need no crossing: how many whole replicas each region can hold.

Small pipelines are a packing problem with a simple structure: copies inside one region are alike,
so a number per region says everything. Refuses to place what spans regions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from partitioner.bounds import smallest_share
from partitioner.packing.chain import Room, pack
from partitioner.problem import Item, Problem, Vector

_NO_PART = "none"


def copies_per_region(problem: Problem) -> dict[int, int]:
    """Return how many whole replicas were found to fit into each region, at most all of them.

    Kernels and memory ports of a board are given to its regions in order.
    """
    found: dict[int, int] = {}
    if any(item.regions is not None for item in problem.items):
        return found
    alike: dict[object, int] = {}
    for board in problem.boards:
        left = min(problem.replicas, copies_by_kernels(problem, (board,)))
        for region in problem.regions_of(board):
            record = replace(problem.regions[region], name="", board=None, die="", memory=None)
            key = (record, controller_at(problem, region))
            if key not in alike:
                alike[key] = _copies_in(problem, region)
            found[region] = min(left, alike[key])
            left -= found[region]
    return found


def copies_by_kernels(problem: Problem, boards: tuple[int, ...]) -> int:
    """Return how many replicas the kernels and memory ports of some boards together allow."""
    movers = sum(item.memory_ports for item in problem.items)
    most = problem.replicas
    control = sum(min(option.control_ports for option in item.options) for item in problem.items)
    if problem.compute_units is not None:
        kernels = max(1, control)
        most = min(most, len(boards) * problem.compute_units // (kernels + movers))
    ports = [_ports_of(problem, board) for board in boards]
    if movers and None not in ports:
        most = min(most, sum(count for count in ports if count is not None) // movers)
    return most


def kernels_are_scarce(problem: Problem) -> bool:
    """Return whether control ports could use up the kernels of the boards."""
    if problem.compute_units is None:
        return False
    most = max(sum(max(o.control_ports for o in item.options) for item in problem.items), 1)
    movers = sum(item.memory_ports for item in problem.items)
    kernels = problem.replicas * (most + movers)
    return most > 1 and kernels > len(problem.boards) * problem.compute_units


def without_control_ports(problem: Problem) -> Problem:
    """Return the problem without options that have a control port where there are others.

    Options keep their numbers: those left out are made for no part.
    """
    return replace(problem, items=tuple(_plain(item) for item in problem.items))


def _plain(item: Item) -> Item:
    if all(option.control_ports for option in item.options):
        return item
    return replace(
        item,
        options=tuple(
            replace(option, parts=(_NO_PART,)) if option.control_ports else option
            for option in item.options
        ),
    )


def _ports_of(problem: Problem, board: int) -> int | None:
    """Return how many streams the memories of a board can serve, None without a limit."""
    homes = {problem.regions[r].memory for r in problem.regions_of(board)}
    limits = [None if home is None else problem.regions[home].memory_ports for home in homes]
    return None if None in limits else sum(most for most in limits if most is not None)


def controller_at(problem: Problem, region: int) -> Vector:
    """Return what the memory controller in a region takes if it is built."""
    charge = problem.regions[region].memory_charge
    used = charge and any(other.memory == region for other in problem.regions)
    return charge if used else (0,) * len(problem.resources)


def _copies_in(problem: Problem, region: int) -> int:
    room = Room(region=region, reserved=controller_at(problem, region))
    once = room.loads(problem, problem.items)
    share = smallest_share(np.minimum(once, 1e6))
    count = problem.replicas if share <= 0 else min(problem.replicas, int(1 / share + 1e-9))
    while count and pack(np.concatenate([once] * count)) is None:
        count -= 1
    return count


def share_out(replicas: int, room: Mapping[int, int]) -> dict[int, int]:
    """Return how many replicas go to each region, evenly relative to the room there.

    >>> share_out(5, {0: 4, 1: 4, 2: 0})
    {0: 3, 1: 2, 2: 0}
    """
    given = dict.fromkeys(room, 0)
    for _ in range(min(replicas, sum(room.values()))):
        open_regions = [region for region in room if given[region] < room[region]]
        given[min(open_regions, key=lambda r: (given[r] / room[r], r))] += 1
    return given
