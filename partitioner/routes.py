"""Ways between regions: the cheapest routes a stream may take, and giving each stream one.

Refuses routes through a board that holds neither end unless the problem allows them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from heapq import heappop, heappush

from partitioner.problem import Problem
from partitioner.solution import Hop

_ALTERNATIVES = 4
"""Routes kept per pair of regions: parallel cables and both ways round a ring."""

Route = tuple[Hop, ...]


@dataclass(frozen=True, kw_only=True)
class RouteTable:
    """The routes of a problem, found once per pair of regions.

    Attributes:
        problem: Whose regions and links these are.
    """

    problem: Problem

    @cached_property
    def _neighbours(self) -> dict[int, list[tuple[int, int, bool]]]:
        found: dict[int, list[tuple[int, int, bool]]] = defaultdict(list)
        for index, link in enumerate(self.problem.links):
            near, far = link.regions
            found[near].append((far, index, True))
            found[far].append((near, index, False))
        return found

    def between(self, start: int, goal: int, forbidden: tuple[str, ...] = ()) -> tuple[Route, ...]:
        """Return up to four routes, cheapest first; empty if there is no way.

        Args:
            start: Region index.
            goal: Region index.
            forbidden: Kinds of links not to use.
        """
        key = (start, goal, forbidden)
        if key not in self._found:
            self._found[key] = self._search(start, goal, forbidden)
        return self._found[key]

    @cached_property
    def _found(self) -> dict[tuple[int, int, tuple[str, ...]], tuple[Route, ...]]:
        return {}

    def _search(self, start: int, goal: int, forbidden: tuple[str, ...]) -> tuple[Route, ...]:
        problem = self.problem
        ends = {problem.regions[start].board, problem.regions[goal].board, None}
        found: list[Route] = []
        # Ordered by cost, then by link indices, so that equal routes come in one order.
        heap: list[tuple[int, Route, int, frozenset[int]]] = [(0, (), start, frozenset((start,)))]
        while heap and len(found) < _ALTERNATIVES:
            cost, route, region, seen = heappop(heap)
            if region == goal:
                found.append(route)
                continue
            for neighbour, link, forward in self._neighbours[region]:
                allowed = problem.through_boards or problem.regions[neighbour].board in ends
                if neighbour in seen or not allowed or problem.links[link].kind in forbidden:
                    continue
                step = cost + problem.links[link].cost
                heappush(heap, (step, (*route, (link, forward)), neighbour, seen | {neighbour}))
        return tuple(found)

    def distance(self, start: int, goal: int) -> int | None:
        """Return the cost of the cheapest route, None if there is no way."""
        routes = self.between(start, goal)
        return self.cost(routes[0]) if routes else None

    def cost(self, route: Route) -> int:
        """Return the sum of the costs of a route's links."""
        return sum(self.problem.links[link].cost for link, _ in route)


def assign_routes(
    table: RouteTable, regions: Sequence[int], options: Sequence[int]
) -> tuple[Route, ...] | None:
    """Return a route for every arc of every replica, filling cheap links first.

    Args:
        table: Routes of the problem.
        regions: As in `Placement`.
        options: As in `Placement`.

    Returns:
        None if some stream has no way that still has room.
    """
    problem = table.problem
    wires: dict[Hop, int] = defaultdict(int)
    bits: dict[Hop, int] = defaultdict(int)
    streams: dict[int, int] = defaultdict(int)
    routes: list[Route] = []
    for replica in range(problem.replicas):
        offset = replica * len(problem.items)
        for arc in problem.arcs:
            start, goal = regions[offset + arc.source], regions[offset + arc.target]
            width = problem.arc_wires(arc, options[offset + arc.source])
            choice = next(
                (
                    route
                    for route in table.between(start, goal, arc.forbidden)
                    if all(
                        _has_room(problem, hop, wires[hop] + width, bits[hop] + arc.bits_per_second)
                        and _has_socket(problem, hop[0], streams[hop[0]] + 1)
                        for hop in route
                    )
                ),
                None,
            )
            if choice is None:
                return None
            for hop in choice:
                wires[hop] += width
                bits[hop] += arc.bits_per_second
                streams[hop[0]] += 1
            routes.append(choice)
    return tuple(routes)


def _has_room(problem: Problem, hop: Hop, wires: int, bits_per_second: int) -> bool:
    link = problem.links[hop[0]]
    return (link.wires is None or wires <= link.wires) and (
        link.bits_per_second is None or bits_per_second <= link.bits_per_second
    )


def _has_socket(problem: Problem, link: int, streams: int) -> bool:
    return all(end.sockets is None or streams <= end.sockets for end in problem.links[link].ends)
