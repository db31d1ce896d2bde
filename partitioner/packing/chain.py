"""How much of a chain of items fits into one region, choosing an option for each.

A region's limits are one vector constraint per resource; choosing options under it is a
multi-dimensional knapsack. Prices per resource (a Lagrangian) give good choices and a proof when
nothing can fit; a repair step makes them whole. Refuses to know the order of regions.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from partitioner.packing import core
from partitioner.problem import Item, Problem, Vector

Loads = NDArray[np.float64]
"""Shape (items, options, rows): the share of each row's limit an option takes; inf if illegal."""

Choice = NDArray[np.int64]
"""Shape (items,): the option of each item."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """What is left of a region.

    Attributes:
        region: Its index.
        reserved: Units already promised to ports, controllers and returning items.
    """

    region: int
    reserved: Vector

    def loads(self, problem: Problem, items: tuple[Item, ...]) -> Loads:
        """Return what every option of the items takes of every limit of the region."""
        region = problem.regions[self.region]
        capacity = np.array(region.capacity, dtype=float)
        reserved = np.array(self.reserved or (0,) * len(capacity), dtype=float)
        left = np.array(region.allowed(), dtype=float) - reserved
        amounts = option_amounts(items, region.part)
        for i, item in enumerate(items):
            if item.regions is not None and self.region not in item.regions:
                amounts[i] = np.inf
        rows = [_share(amounts, left)]
        for mean in region.mean_limits:
            present = [r for r in mean.resources if capacity[r] > 0]
            weights = np.zeros(len(capacity))
            weights[present] = 1.0 / capacity[present]
            limit = mean.limit * len(present) - float(reserved @ weights)
            rows.append(_share(weighted(amounts, weights), np.array([limit])))
        return np.concatenate(rows, axis=2)


def option_amounts(items: tuple[Item, ...], part: str) -> Loads:
    """Return the resources of every option, shape (items, options, resources); inf for none."""
    most = max(len(item.options) for item in items)
    width = len(items[0].options[0].resources)
    amounts = np.full((len(items), most, width), np.inf)
    for i, item in enumerate(items):
        for v, option in enumerate(item.options):
            if option.fits_part(part):
                amounts[i, v] = option.resources
    return amounts


def weighted(amounts: Loads, weights: NDArray[np.float64]) -> Loads:
    """Return the weighted sum over resources, the last axis of length 1; inf stays inf."""
    illegal: NDArray[np.bool_] = np.asarray(np.isinf(amounts).any(axis=-1))[..., None]
    total: Loads = (np.where(illegal, 0.0, amounts) @ weights)[..., None]
    return np.where(illegal, np.inf, total)


def _share(amounts: Loads, limit: NDArray[np.float64]) -> Loads:
    """Divide by the limit; nothing of a forbidden resource is 0, anything of it is infinite."""
    with np.errstate(divide="ignore", invalid="ignore"):
        shares = amounts / np.maximum(limit, 0.0)
    shares[np.isnan(shares)] = 0.0
    return np.where(np.isinf(amounts), np.inf, shares)


def pack(loads: Loads) -> Choice | None:
    """Return an option per item so that no row exceeds 1, or None if none was found."""
    legal = _Legal.of(loads)
    if legal.count < len(loads):
        return None
    fits, chosen = core.pack(legal.loads, legal.start, legal.count)
    return legal.choice(chosen) if fits else None


def longest_prefix(loads: Loads) -> tuple[int, Choice]:
    """Return how many of the first items fit together, and how.

    One pass over all items per price vector gives both a prefix that fits and one that cannot: the
    prices then move towards the rows that end the prefix. What lies between is tried one by one.
    """
    legal = _Legal.of(loads)
    chosen = core.longest_prefix(legal.loads, legal.start)
    return len(chosen), legal.choice(chosen)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Legal:
    """The legal options of the items before the first that has none, one after another.

    Attributes:
        loads: Shape (legal options, rows).
        start: Where each item's begin, and where the last one's end.
        numbers: Which option of its item each is.
    """

    loads: Loads
    start: NDArray[np.int64]
    numbers: NDArray[np.int64]

    @property
    def count(self) -> int:
        """How many items there are."""
        return len(self.start) - 1

    @staticmethod
    def of(loads: Loads) -> _Legal:
        legal: NDArray[np.bool_] = np.asarray(np.isfinite(loads).all(axis=2))
        each = legal.sum(axis=1)
        count = len(each) if each.all() else int(each.argmin())
        items, numbers = np.nonzero(legal[:count])
        return _Legal(
            loads=loads[items, numbers],
            start=np.concatenate([[0], np.cumsum(each[:count])]).astype(np.int64),
            numbers=numbers,
        )

    def choice(self, chosen: NDArray[np.int64]) -> Choice:
        """Return the option of each of the first items, where ``chosen`` says which row it is."""
        return self.numbers[chosen]
