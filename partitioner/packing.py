"""How much of a chain of items fits into one region, choosing an option for each.

A region's limits are one vector constraint per resource; choosing options under it is a
multi-dimensional knapsack. Prices per resource (a Lagrangian) give good choices and a proof when
nothing can fit; a repair step makes them whole. Refuses to know the order of regions.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from partitioner.problem import Item, Problem, Vector

_ROUNDS = 60
_REPAIRS = 40
_PREFIX_ROUNDS = 40
_SLACK = 1e-9

Loads = NDArray[np.float64]
"""Shape (items, options, rows): the share of each row's limit an option takes; inf if illegal."""

Choice = NDArray[np.int64]
"""Shape (items,): the option of each item."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """What is left of a region.

    Attributes:
        region: Its index.
        allowed: Whole units of each resource that items may still use.
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
    """Return the weighted sum over resources, shape (items, options, 1); inf stays inf."""
    illegal: NDArray[np.bool_] = np.asarray(np.isinf(amounts).any(axis=2))[..., None]
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
    count, _, rows = loads.shape
    if count == 0:
        return np.zeros(0, dtype=np.int64)
    finite = np.where(np.isinf(loads), 1e6, loads)
    prices = np.full(rows, 1.0 / rows)
    everyone = np.arange(count)
    best, best_peak = None, np.inf
    step = 1.0
    for _ in range(_ROUNDS):
        priced = finite @ prices
        choice: Choice = priced.argmin(axis=1)
        if priced[everyone, choice].sum() > prices.sum() * (1 + 1e-9):
            return None  # the Lagrangian bound: no choice at all can satisfy every row
        usage = finite[everyone, choice].sum(axis=0)
        peak = usage.max()
        if peak <= 1 + _SLACK:
            return choice
        if peak < best_peak:
            best, best_peak = choice, peak
        prices = prices * np.exp(step * np.clip(usage / peak - usage.mean() / peak, -1, 1))
        prices = np.maximum(prices / prices.sum(), 1e-6)
        step *= 0.95
    return None if best is None or best_peak > 1.3 else _repair(finite, best)


def _repair(loads: Loads, choice: Choice) -> Choice | None:
    """Switch single options while that lowers the total excess over the limits."""
    choice = choice.copy()
    everyone = np.arange(len(choice))
    for _ in range(_REPAIRS):
        usage = loads[everyone, choice].sum(axis=0)
        excess = np.maximum(usage - 1, 0).sum()
        if excess <= _SLACK:
            return choice
        changed: Loads = usage + loads - loads[everyone, choice][:, None, :]
        after = np.maximum(changed - 1, 0).sum(axis=2)
        # Among switches that end the excess take the one that leaves the most room.
        score = np.where(after <= _SLACK, changed.max(axis=2) - 10, after)
        item, option = np.unravel_index(score.argmin(), score.shape)
        if after[item, option] >= excess - 1e-12:
            return None
        choice[item] = option
    return None


def longest_prefix(loads: Loads) -> tuple[int, Choice]:
    """Return how many of the first items fit together, and how.

    One pass over all items per price vector gives both a prefix that fits and one that cannot: the
    prices then move towards the rows that end the prefix. What lies between is tried one by one.
    """
    count, _, rows = loads.shape
    finite = np.where(np.isinf(loads), 1e6, loads)
    everyone = np.arange(count)
    prices = np.full(rows, 1.0 / rows)
    low, high, step = 0, count, 1.0
    found: Choice = np.zeros(0, dtype=np.int64)
    for _ in range(_PREFIX_ROUNDS):
        priced = finite @ prices
        choice: Choice = priced.argmin(axis=1)
        spent = np.cumsum(priced[everyone, choice])
        high = min(high, int(np.searchsorted(spent, prices.sum() * (1 + 1e-9), side="right")))
        usage = np.cumsum(finite[everyone, choice], axis=0)
        fits = int(np.searchsorted(usage.max(axis=1), 1 + _SLACK, side="right"))
        if fits > low:
            low, found = fits, choice[:fits]
        if low >= high:
            break
        end = usage[min(max(low, fits), count - 1)]
        prices = prices * np.exp(step * np.clip((end - end.mean()) / end.max(), -1, 1))
        prices = np.maximum(prices / prices.sum(), 1e-6)
        step *= 0.93
    while low < high:
        further = pack(loads[: low + 1])
        if further is None:
            break
        low, found = low + 1, further
    return low, found
