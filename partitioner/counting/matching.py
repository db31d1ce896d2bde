"""From counts to replicas: which copy of an item belongs to which replica.

Item by item, the copies go to replicas so that streams from their producers cross as little as
possible; for chains that is the least possible for the given counts.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy.optimize import linear_sum_assignment

from partitioner.problem import Problem
from partitioner.routes import RouteTable, assign_routes
from partitioner.solution import Placement

Counts = Mapping[tuple[int, int, int], int]
"""Copies by item, region and option."""

_FAR = 1e6
"""A cost beyond that of any route: what may not be."""

_MOVE = 1e-3
"""Of a move, less than any crossing: of ways that cost the same, those with fewer kernels."""


def placed(problem: Problem, counts: Counts) -> Placement | None:
    """Return a placement with these counts, None if copies or streams find no way."""
    table = RouteTable(problem=problem)
    size = len(problem.items)
    regions = [0] * (problem.replicas * size)
    options = [0] * (problem.replicas * size)
    slots: list[list[tuple[int, int]]] = [[] for _ in problem.items]
    for (item, region, option), copies in counts.items():
        slots[item] += [(region, option)] * copies
    for item, places in enumerate(slots):
        for replica, slot in enumerate(_match(problem, table, regions, item, places)):
            regions[replica * size + item], options[replica * size + item] = places[slot]
    routes = assign_routes(table, regions, options)
    if routes is None:
        return None
    return Placement(regions=tuple(regions), options=tuple(options), routes=routes)


def _match(
    problem: Problem,
    table: RouteTable,
    regions: list[int],
    item: int,
    slots: list[tuple[int, int]],
) -> list[int]:
    """Return which slot each replica takes for an item, with the least crossings to its producers.

    Items before this one are placed already.
    """
    size = len(problem.items)
    cost = np.zeros((problem.replicas, len(slots)))
    for replica in range(problem.replicas):
        for number, (region, _) in enumerate(slots):
            cost[replica, number] = _way(problem, table, regions, replica * size, item, region)
    rows, columns = linear_sum_assignment(cost)
    taken = dict(zip(rows.tolist(), columns.tolist(), strict=True))
    return [taken[replica] for replica in range(problem.replicas)]


def _way(
    problem: Problem, table: RouteTable, regions: list[int], offset: int, item: int, region: int
) -> float:
    """Return the cost of an item's region given its producers and the groups it belongs to."""
    total = 0.0
    for arc in problem.arcs:
        if arc.target == item and arc.source < item:
            routes = table.between(regions[offset + arc.source], region, arc.forbidden)
            total += table.cost(routes[0]) + _MOVE * bool(routes[0]) if routes else _FAR
    for group in problem.together:
        if item in group and min(group) < item and regions[offset + min(group)] != region:
            total += _FAR
    for group in problem.same_board:
        if item in group and min(group) < item:
            home = problem.regions[regions[offset + min(group)]].board
            total += 0.0 if problem.regions[region].board == home else _FAR
    return total
