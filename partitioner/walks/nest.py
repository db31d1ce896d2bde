"""Exact cuts for one pipeline along one walk, by dynamic programming, where options are fixed.

On a tree a walk is nested: between two visits of a region lies an excursion that enters and leaves
through the same link. With one option per item only the cut positions are open, and what an
excursion can cover is summed up by how far it reaches from each start. Refuses (returns None for)
walks that come to a region by two different excursions; the walk model takes those.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from partitioner.packing.chain import Room
from partitioner.problem import Problem
from partitioner.walks.tree import Ground, Walk

_SLACK = 1e-9

Cover = tuple[tuple[int, int], ...]
"""(first item, region) of every piece, in order."""


@dataclass(frozen=True, slots=True)
class Visit:
    """A region and the excursions made from it.

    Attributes:
        region: Its index.
        children: Excursions in order; after each the walk is back here, except after an open last.
        entry_cost: Cost of a step into the region from where the walk came; 0 at the start.
        open_end: Whether the walk ends inside the last excursion.
    """

    region: int
    children: tuple[Visit, ...]
    entry_cost: int
    open_end: bool


def parse(ground: Ground, walk: Walk) -> Visit | None:
    """Return the nested form of a walk, None if a region belongs to two excursions."""
    visit = _parse(ground, walk, 0)
    regions: list[int] = []
    stack = [visit]
    while stack:
        node = stack.pop()
        regions.append(node.region)
        stack.extend(node.children)
    return visit if len(set(regions)) == len(regions) else None


def _parse(ground: Ground, walk: Walk, entry_cost: int) -> Visit:
    home = walk[0]
    stays = [k for k, region in enumerate(walk) if region == home]
    ends = [*stays[1:], len(walk)]
    children = tuple(
        _parse(ground, walk[start + 1 : end], ground.weight((home, walk[start + 1])))
        for start, end in zip(stays, ends, strict=True)
        if end > start + 1
    )
    return Visit(
        region=home,
        children=children,
        entry_cost=entry_cost,
        open_end=stays[-1] != len(walk) - 1,
    )


@dataclass(slots=True)
class Nest:
    """Finds the cuts along one walk.

    Attributes:
        problem: With one option per item.
        root: The walk.
        closed: Whether the first and the last item must sit in the first region.
    """

    problem: Problem
    root: Visit
    closed: bool
    _prefix: dict[int, NDArray[np.float64]] = field(default_factory=dict)
    _reached: dict[tuple[int, int, int], tuple[int, Cover]] = field(default_factory=dict)
    _span: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        size = len(self.problem.items)
        self._span = [0] * (size + 1)
        for arc in self.problem.arcs:
            low, high = sorted((arc.source, arc.target))
            if high > low + 1:
                for cut in range(low + 1, high + 1):
                    self._span[cut] += 1
        stack = [self.root]
        while stack:
            visit = stack.pop()
            stack.extend(visit.children)
            room = Room(region=visit.region, reserved=())
            loads = room.loads(self.problem, self.problem.items)[:, 0, :]
            loads = np.where(np.isinf(loads), 1e6, loads)
            self._prefix[visit.region] = np.vstack(
                [np.zeros(loads.shape[1]), np.cumsum(loads, axis=0)]
            )

    def cover(self, extra: int) -> Cover | None:
        """Return the pieces of a placement that pays at most ``extra`` for side arcs, or None."""
        size = len(self.problem.items)
        found: tuple[int, Cover] | None = self._stay(self.root, 0, 0, extra, first=True)
        return found[1] if found is not None and found[0] >= size else None

    def _reach(self, visit: Visit, start: int, extra: int) -> tuple[int, Cover]:
        """Return how far an excursion gets from ``start``, with the pieces; itself if useless."""
        key = (visit.region, start, extra)
        if key not in self._reached:
            left = extra - visit.entry_cost * self._span[start]
            best: tuple[int, Cover] = (start, ())
            if left >= 0:
                found = self._stay(visit, start, 0, left, first=False)
                if found is not None and found[0] > start:
                    best = found
            self._reached[key] = best
        return self._reached[key]

    def _stay(
        self, visit: Visit, start: int, child: int, extra: int, *, first: bool
    ) -> tuple[int, Cover] | None:
        """Return the furthest end of a visit that begins its stay number ``child`` at ``start``."""
        rows = self._prefix[visit.region]
        return self._continue(visit, start, child, extra, np.zeros(rows.shape[1]), first)

    def _continue(
        self,
        visit: Visit,
        start: int,
        child: int,
        extra: int,
        used: NDArray[np.float64],
        first: bool,
    ) -> tuple[int, Cover] | None:
        rows = self._prefix[visit.region]
        size = len(rows) - 1
        furthest = self._furthest(rows, start, used)
        if child == len(visit.children):
            return self._finish(visit, start, furthest, extra, first)
        best: tuple[int, Cover] | None = None
        is_open = visit.open_end and child == len(visit.children) - 1
        lowest = start + 1 if first and self.closed and child == 0 else start
        for cut in range(furthest, lowest - 1, -1):
            for paid in range(extra + 1):
                end, pieces = self._reach(visit.children[child], cut, paid)
                if end == cut and not is_open:
                    continue
                here = (((start, visit.region),) if cut > start else ()) + pieces
                if is_open:
                    result: tuple[int, Cover] | None = (end, here)
                else:
                    rest = self._continue(
                        visit, end, child + 1, extra - paid, used + rows[cut] - rows[start], first
                    )
                    result = None if rest is None else (rest[0], here + rest[1])
                if result is not None and (best is None or result[0] > best[0]):
                    best = result
                    if best[0] >= size:
                        return best
        return best

    def _furthest(self, rows: NDArray[np.float64], start: int, used: NDArray[np.float64]) -> int:
        limit = rows[start] - used + 1 + _SLACK
        return int(
            min(np.searchsorted(rows[:, r], limit[r], side="right") for r in range(rows.shape[1]))
            - 1
        )

    def _finish(
        self, visit: Visit, start: int, furthest: int, extra: int, first: bool
    ) -> tuple[int, Cover] | None:
        """End a visit: at the pipeline's end, or where leaving costs no more than is left."""
        size = len(self.problem.items)
        if furthest < start:
            return None
        if first:
            if furthest < size:
                return None
            end = size
        elif furthest >= size and not self.closed:
            end = size
        else:
            # On a closed walk the last item is kept for the first region.
            furthest = min(furthest, size - 1) if self.closed else furthest
            end = next(
                (
                    cut
                    for cut in range(furthest, start - 1, -1)
                    if visit.entry_cost * self._span[cut] <= extra
                ),
                -1,
            )
        if end < start:
            return None
        return end, (((start, visit.region),) if end > start else ())
