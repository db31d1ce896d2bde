"""Limits on what any placement can reach, without search: all regions poured into one.

If the items do not fit into one region with the capacity of all, they fit nowhere. Prices per
resource (Lagrangian relaxation) make that a proof: items that cost more than the whole machine at
some prices cannot be placed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from partitioner.packing.chain import Loads, option_amounts, weighted
from partitioner.plan import CrossingKind
from partitioner.problem import MeanLimit, Problem, Region, Vector, exact

_ROUNDS = 200

Amounts = NDArray[np.float64]
"""Amounts along the last axis: one per resource of a problem, or one per row of a `Pool`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """Some regions of a problem poured into one, in rows: per resource, then per limit on a mean.

    Means over resources pool only between regions of one capacity, so a mean is over the largest
    capacities, and its limit the sum over the regions of what each could take.
    """

    problem: Problem
    regions: tuple[int, ...]

    def allowed(self, regions: tuple[int, ...] | None = None) -> Amounts:
        """Return what some of the regions allow per row, by default all of them."""
        places = self._places(regions)
        means = [
            sum(
                float(exact(m.limit)) * len([r for r in m.resources if region.capacity[r]])
                for region in places
                for m in region.mean_limits
                if m.resources == mean.resources
            )
            for mean in self._means()
        ]
        return np.array([*np.sum([region.allowed() for region in places], axis=0), *means], float)

    def rows(self, amounts: Amounts) -> Amounts:
        """Return amounts per row from amounts per resource, the last axis; inf stays inf."""
        largest = np.max([region.capacity for region in self._places()], axis=0).astype(float)
        found = [amounts]
        for mean in self._means():
            weights = np.zeros(len(largest))
            present = [r for r in mean.resources if largest[r] > 0]
            weights[present] = 1.0 / largest[present]
            found.append(weighted(amounts, weights))
        return np.concatenate(found, axis=-1)

    def loads(self, room: Amounts) -> Loads:
        """Return each option's share of some room per row, shape (items, options, rows)."""
        parts = sorted({region.part for region in self._places()})
        items = self.problem.items
        amounts = np.concatenate([option_amounts(items, part) for part in parts], axis=1)
        return _shares(self.rows(amounts), np.maximum(room, 0.0))

    def _places(self, regions: tuple[int, ...] | None = None) -> list[Region]:
        return [self.problem.regions[r] for r in (regions or self.regions)]

    def _means(self) -> tuple[MeanLimit, ...]:
        return self._places()[0].mean_limits


def pooled_loads(
    problem: Problem, regions: tuple[int, ...] | None = None, *, taken: Vector = ()
) -> Loads:
    """Return each option's share of every limit of some regions together, by default of all.

    Args:
        problem: Whose items and regions these are.
        regions: Indices of the regions.
        taken: What ports and controllers take of them in any case.

    Shape (items, options, rows).
    """
    pool = Pool(problem=problem, regions=regions or problem.places)
    gone = np.array(taken or (0,) * len(problem.resources), dtype=float)
    return pool.loads(pool.allowed() - pool.rows(gone))


def _shares(amounts: Loads, total: Loads) -> Loads:
    finite = np.where(np.isinf(amounts), 0.0, amounts)
    with np.errstate(divide="ignore", invalid="ignore"):
        shares = finite / total
    shares[np.isnan(shares)] = 0.0
    shares[np.isinf(amounts).any(axis=2)] = np.inf
    return shares


def least_controller(problem: Problem, regions: tuple[int, ...]) -> Vector:
    """Return what one memory controller of some regions takes at least, per resource.

    Whatever is placed there whole exchanges its frames with the host through one of them.
    """
    width = len(problem.resources)
    homes = {problem.regions[r].memory for r in regions}
    if None in homes or not any(item.memory_ports for item in problem.items):
        return (0,) * width
    charges = [problem.regions[h].memory_charge or (0,) * width for h in homes if h is not None]
    return tuple(min(charge[r] for charge in charges) for r in range(width))


def least_crossing_cost(problem: Problem) -> int:
    """Return a cost that the crossings of one connected replica cannot undercut.

    It needs a number of regions, and every further one is reached over a boundary or, on another
    board, over a connection.
    """
    share = smallest_share(pooled_loads(problem))
    sizes = np.array([_rooms(problem.regions[r]) for r in problem.places], dtype=float)
    with np.errstate(divide="ignore", invalid="ignore"):
        parts = np.nan_to_num(sizes / sizes.sum(axis=0)).max(axis=1)
    total = np.cumsum(np.sort(parts)[::-1])
    needed = int(np.searchsorted(total, min(share, total[-1]) - 1e-9)) + 1
    largest = max(len(problem.regions_of(board)) for board in problem.boards)
    boards = -(-needed // largest)
    within = [k.cost for k in problem.links if k.kind is CrossingKind.DIE]
    between = [
        k.cost * (2 if any(problem.regions[r].is_hub for r in k.regions) else 1)
        for k in problem.links
        if k.kind is not CrossingKind.DIE
    ]
    die, board = min(within, default=0), min(between, default=0)
    return (boards - 1) * max(board, die) + (needed - boards) * min(board or die, die or board)


def _rooms(region: Region) -> tuple[float, ...]:
    """Return a region's allowance of every resource and of all its means together."""
    means = (
        m.limit * sum(1 for r in m.resources if region.capacity[r]) for m in region.mean_limits
    )
    return (*region.allowed(), sum(means))


def smallest_share(loads: Loads, *, enough: float | None = None) -> float:
    """Return a lower bound on the share of all regions that one replica takes.

    A value above 1 proves that nothing fits; ``floor(1 / share)`` bounds the number of replicas.

    Args:
        loads: Shape (items, options, rows).
        enough: Stop as soon as the share is known to be on one side of this.
    """
    return priced_share(loads, enough=enough)[0]


def priced_share(loads: Loads, *, enough: float | None = None) -> tuple[float, Amounts]:
    """Return `smallest_share` and the prices per row, 1 together, at which one replica costs it."""
    finite = np.where(np.isinf(loads), 1e6, loads)
    everyone = np.arange(len(finite))
    prices = np.full(finite.shape[2], 1.0 / finite.shape[2])
    best, at, step = 0.0, prices, 2.0
    for _ in range(_ROUNDS):
        priced = finite @ prices
        choice = priced.argmin(axis=1)
        total = float(priced[everyone, choice].sum())
        best, at = (total, prices) if total > best else (best, at)
        usage = finite[everyone, choice].sum(axis=0)
        if enough is not None and (best > enough or usage.max() <= enough):
            break
        prices = prices * np.exp(step * (usage - usage.max()) / max(usage.max(), 1e-12))
        prices = prices / prices.sum()
        step *= 0.98
    return best, at


def boards_only(problem: Problem, *, but: int | None = None) -> Problem | None:
    """Return the problem with the dies of each board poured into one region, one board excepted.

    Whatever it refuses is impossible in the problem as well.

    Returns:
        None if a board has dies of different parts or several memories.
    """
    regions: list[Region] = []
    image: dict[int, int] = {}
    for board in problem.boards:
        dies = problem.regions_of(board)
        if board == but:
            image.update({die: len(regions) + i for i, die in enumerate(dies)})
            regions += [_moved(problem.regions[die], image) for die in dies]
            continue
        image.update(dict.fromkeys(dies, len(regions)))
        poured = _poured(problem, dies, len(regions))
        if poured is None:
            return None
        regions.append(poured)
    for index, region in enumerate(problem.regions):
        if region.is_hub:
            image[index] = len(regions)
            regions.append(region)
    return replace(
        problem,
        name=f"{problem.name}, boards only",
        regions=tuple(regions),
        links=tuple(
            link.between(image[link.regions[0]], image[link.regions[1]])
            for link in problem.links
            if image[link.regions[0]] != image[link.regions[1]]
        ),
        items=tuple(
            item
            if item.regions is None
            else replace(item, regions=tuple(sorted({image[r] for r in item.regions})))
            for item in problem.items
        ),
    )


def _moved(region: Region, image: dict[int, int]) -> Region:
    return replace(region, memory=None if region.memory is None else image[region.memory])


def _poured(problem: Problem, dies: tuple[int, ...], index: int) -> Region | None:
    """Return one region with the room of some dies; means are over the largest die's capacity."""
    places = [problem.regions[die] for die in dies]
    homes = {place.memory for place in places}
    if len({place.part for place in places}) > 1 or len(homes) > 1:
        return None
    home = homes.pop()
    memory = None if home is None else problem.regions[home]
    capacity = tuple(max(amounts) for amounts in zip(*(p.capacity for p in places), strict=True))
    allowed = [sum(amounts) for amounts in zip(*(p.allowed() for p in places), strict=True)]
    means = {mean.resources: 0.0 for place in places for mean in place.mean_limits}
    for resources in means:
        present = sum(1 for r in resources if capacity[r])
        total = sum(
            m.limit * sum(1 for r in resources if place.capacity[r])
            for place in places
            for m in place.mean_limits
            if m.resources == resources
        )
        means[resources] = total / max(present, 1)
    return Region(
        name=f"board {places[0].board}",
        board=places[0].board,
        die="",
        capacity=capacity,
        # Half a unit more keeps the product from being rounded below the whole units allowed.
        limits=tuple((a + 0.5) / c if c else 0.0 for a, c in zip(allowed, capacity, strict=True)),
        mean_limits=tuple(MeanLimit(resources=r, limit=limit) for r, limit in means.items()),
        part=places[0].part,
        memory=None if memory is None else index,
        memory_charge=() if memory is None else memory.memory_charge,
        memory_ports=None if memory is None else memory.memory_ports,
    )
