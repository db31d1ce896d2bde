"""Walks on the tree of regions: every pipeline traces one, so their costs bound every placement.

The layers of a pipeline visit regions one after another. The cheapest walk that passes enough
capacity is therefore a lower bound on the crossing cost that needs no branch and bound. Refuses
topologies that are no tree; the general formulation takes those.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise, permutations

import networkx as nx

from partitioner.bounds import pooled_loads, smallest_share
from partitioner.problem import Problem
from partitioner.solution import Hop

_MOST_SYMMETRIC_BOARDS = 4
"""Boards up to which interchangeable ones are looked for (24 permutations)."""

_MOST_GROUNDS = 5_000
"""Connected sets of regions up to which all are looked at."""

Walk = tuple[int, ...]
"""Regions and hubs in the order they are passed; neighbours are joined by a link."""


@dataclass(frozen=True, kw_only=True)
class Ground:
    """The tree of regions of a problem and what walks on it may do.

    Attributes:
        problem: Whose regions and links these are.
    """

    problem: Problem

    @cached_property
    def is_tree(self) -> bool:
        """Whether there is exactly one way between any two connected regions."""
        graph = nx.MultiGraph()
        graph.add_nodes_from(range(len(self.problem.regions)))
        graph.add_edges_from(link.regions for link in self.problem.links)
        return bool(nx.is_forest(graph)) if len(graph) else False

    @cached_property
    def backbone(self) -> tuple[int, ...]:
        """The longest path of arcs through the items; a placement of it traces a walk."""
        return self.problem.longest_path

    @cached_property
    def neighbours(self) -> dict[int, list[tuple[int, Hop]]]:
        """Per region, the regions next to it with the hop there, in link order."""
        found: dict[int, list[tuple[int, Hop]]] = defaultdict(list)
        usable = {
            link.kind
            for link in self.problem.links
            if any(link.kind not in arc.forbidden for arc in self.problem.arcs)
        }
        for index, link in enumerate(self.problem.links):
            if link.kind in usable:
                first, second = link.regions
                found[first].append((second, (index, True)))
                found[second].append((first, (index, False)))
        return found

    def hops(self, walk: Walk) -> tuple[Hop, ...]:
        """Return the hop of each step of a walk."""
        return tuple(
            next(hop for region, hop in self.neighbours[near] if region == far)
            for near, far in pairwise(walk)
        )

    def weight(self, walk: Walk) -> int:
        """Return the sum of the costs of a walk's steps."""
        return sum(self.problem.links[link].cost for link, _ in self.hops(walk))

    @cached_property
    def _shares(self) -> dict[frozenset[int], float]:
        return {}

    def share_of(self, regions: tuple[int, ...]) -> float:
        """Return a lower bound on the share of these regions that one replica takes."""
        if regions not in self._exact_shares:
            self._exact_shares[regions] = smallest_share(pooled_loads(self.problem, regions))
        return self._exact_shares[regions]

    @cached_property
    def _exact_shares(self) -> dict[tuple[int, ...], float]:
        return {}

    def has_room(self, regions: frozenset[int]) -> bool:
        """Return whether one replica can fit into these regions, by the pooled bound."""
        if regions not in self._shares:
            holding = tuple(sorted(r for r in regions if r in self.problem.places))
            self._shares[regions] = (
                smallest_share(pooled_loads(self.problem, holding), enough=1 + 1e-9)
                if holding
                else 2.0
            )
        return self._shares[regions] <= 1 + 1e-9

    @cached_property
    def symmetries(self) -> tuple[dict[int, int], ...]:
        """Renamings of regions, board by board, that leave the problem as it is."""
        problem = self.problem
        boards = problem.boards
        anchored = any(item.regions is not None for item in problem.items)
        if anchored or not 1 < len(boards) <= _MOST_SYMMETRIC_BOARDS:
            return ()
        found = []
        for order in permutations(boards):
            renaming = self._renaming(dict(zip(boards, order, strict=True)))
            if renaming is not None and any(a != b for a, b in renaming.items()):
                found.append(renaming)
        return tuple(found)

    def _renaming(self, boards: dict[int, int]) -> dict[int, int] | None:
        problem = self.problem
        renaming = {r: r for r, region in enumerate(problem.regions) if region.is_hub}
        for board, image in boards.items():
            ours, theirs = problem.regions_of(board), problem.regions_of(image)
            if len(ours) != len(theirs):
                return None
            renaming.update(zip(ours, theirs, strict=True))
        same = all(
            _nature(problem, r) == _nature(problem, image) for r, image in renaming.items()
        ) and _edges(problem, {r: r for r in renaming}) == _edges(problem, renaming)
        return renaming if same else None

    def canonical(self, walks: tuple[Walk, ...]) -> bool:
        """Return whether no renaming of boards gives an earlier set of walks."""
        return all(
            tuple(sorted(tuple(renaming[r] for r in walk) for walk in walks)) >= walks
            for renaming in self.symmetries
        )

    @cached_property
    def _grounds(self) -> tuple[tuple[int, frozenset[int]], ...]:
        """Connected sets of regions with room for one replica, with their least walk's weight.

        Sorted by weight. Empty if there are too many to look at.
        """
        seen: set[frozenset[int]] = {frozenset((r,)) for r in range(len(self.problem.regions))}
        queue = sorted(seen, key=sorted)
        for regions in queue:
            for region in sorted(regions):
                for neighbour, _ in self.neighbours[region]:
                    grown = regions | {neighbour}
                    if grown not in seen:
                        seen.add(grown)
                        queue.append(grown)
            if len(queue) > _MOST_GROUNDS:
                return ()
        found = []
        for regions in queue:
            least = self._least_weight(regions)
            if least is not None and self.has_room(regions):
                found.append((least, regions))
        return tuple(sorted(found, key=lambda pair: (pair[0], sorted(pair[1]))))

    @property
    def least_weight(self) -> int | None:
        """A cost that no placement of one replica can undercut; None if it is not known."""
        return self._grounds[0][0] if self._grounds else None

    def _least_weight(self, regions: frozenset[int]) -> int | None:
        """Return the weight of the lightest allowed walk through all of some regions.

        A closed walk passes every link twice; an open one saves the way between its ends.
        """
        twice = 2 * self._weight_inside(regions)
        ends = [(a, b) for a in sorted(regions) for b in sorted(regions) if self._may_join(a, b)]
        return min((twice - self._distances[a][b] for a, b in ends), default=None)

    def _weight_inside(self, regions: frozenset[int]) -> int:
        if regions not in self._weights:
            self._weights[regions] = sum(
                link.cost for link in self.problem.links if set(link.regions) <= regions
            )
        return self._weights[regions]

    @cached_property
    def _weights(self) -> dict[frozenset[int], int]:
        return {}

    def _may_join(self, first: int, last: int) -> bool:
        """Whether a walk may begin and end there."""
        problem = self.problem
        if problem.regions[first].is_hub or problem.regions[last].is_hub:
            return False
        ends = {self.backbone[0], self.backbone[-1]}
        if any(ends <= set(group) for group in problem.together) and first != last:
            return False
        boards = problem.regions[first].board, problem.regions[last].board
        return boards[0] == boards[1] or not any(ends <= set(group) for group in problem.same_board)

    @cached_property
    def _distances(self) -> dict[int, dict[int, int]]:
        graph = nx.Graph()
        graph.add_nodes_from(range(len(self.problem.regions)))
        graph.add_weighted_edges_from((*link.regions, link.cost) for link in self.problem.links)
        return dict(nx.all_pairs_dijkstra_path_length(graph))

    def walks(self, weight: int) -> Iterator[Walk]:
        """Yield every walk of exactly this weight that passes room for one replica, in order."""
        for least, regions in self._grounds:
            if least <= weight:
                yield from self._through(regions, weight)

    def lean_walks(self) -> Iterator[Walk]:
        """Yield, for every set of regions with room, its lightest walks; light sets first."""
        for least, regions in self._grounds:
            yield from self._through(regions, least)

    def _through(self, regions: frozenset[int], weight: int) -> Iterator[Walk]:
        for start in sorted(regions):
            if not self.problem.regions[start].is_hub:
                yield from self._extend((start,), weight, regions)

    def _extend(self, walk: Walk, left: int, regions: frozenset[int]) -> Iterator[Walk]:
        seen = frozenset(walk)
        if left == 0:
            if seen == regions and self._may_join(walk[0], walk[-1]):
                yield walk
            return
        if self._owed(walk, seen, regions) > left:
            return
        for region, (link, _) in self.neighbours[walk[-1]]:
            cost = self.problem.links[link].cost
            if region in regions and cost <= left and self._may_step(walk, region):
                yield from self._extend((*walk, region), left - cost, regions)

    def _owed(self, walk: Walk, seen: frozenset[int], regions: frozenset[int]) -> int:
        """Return a weight that visiting the rest of the regions takes at least.

        Every link to a new region is passed twice, but for those on the way to the last one.
        """
        here = self._distances[walk[-1]]
        rest = regions - seen
        inside = self._weight_inside(regions) - self._weight_inside(seen)
        back = min(here[r] for r in regions if self._may_join(walk[0], r))
        return max(back, 2 * inside - max((here[r] for r in rest), default=0))

    def _may_step(self, walk: Walk, region: int) -> bool:
        """Whether a walk may go on to a region: sw never comes back to a board it has left."""
        board = self.problem.regions[region].board
        if not self.problem.segmented or board is None:
            return True
        last = self.problem.regions[walk[-1]].board
        return board == last or all(self.problem.regions[r].board != board for r in walk)


def _nature(problem: Problem, index: int) -> tuple[object, ...]:
    region = problem.regions[index]
    own = None if region.memory is None else problem.regions[region.memory].die
    return (
        region.die,
        region.capacity,
        region.limits,
        region.mean_limits,
        region.part,
        own,
        region.memory_charge,
        region.memory_ports,
    )


def _edges(problem: Problem, renaming: dict[int, int]) -> list[tuple[object, ...]]:
    return sorted(
        (
            *sorted(
                (renaming[end.region], str(end.charge), str(end.adapter), str(end.sockets))
                for end in link.ends
            ),
            link.kind.value,
            link.cost,
            str(link.wires),
            str(link.bits_per_second),
        )
        for link in problem.links
    )
