"""The compiled core of packing: options by price, prices by use, single switches at the end.

Knows arrays only; `partitioner.packing.chain` says what they mean and calls it. Legal options lie
one after another: those of item ``i`` at ``start[i]`` to ``start[i + 1]``, a row of loads each.

What is called has its types written out, so that it is compiled when this is first imported: no
time limit runs yet. Later imports find it in the cache.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
import numpy as np

_ROUNDS = 60
_REPAIRS = 40
_PREFIX_ROUNDS = 40
_SLACK = 1e-9
_LEAST_PRICE = 1e-6
_MOST_EXCESS = 1.3
"""Highest use of a row from which single switches are tried."""

_Function = Callable[..., Any]
_compiled: Callable[[_Function], _Function] = numba.njit(cache=True)


@_compiled
def _cheapest(loads: Any, start: Any, prices: Any, item: Any) -> Any:
    """Return the first of the cheapest options of an item, and its price."""
    chosen, least = start[item], np.inf
    for v in range(start[item], start[item + 1]):
        price = 0.0
        for k in range(len(prices)):
            price += loads[v, k] * prices[k]
        if price < least:
            chosen, least = v, price
    return chosen, least


@_compiled
def _move(prices: Any, usage: Any, peak: Any, step: Any) -> Any:
    """Raise the prices of rows that are used more than the mean, lower the others."""
    mean = usage.mean()
    total = 0.0
    for k in range(len(prices)):
        prices[k] *= np.exp(step * min(1.0, max(-1.0, (usage[k] - mean) / peak)))
        total += prices[k]
    for k in range(len(prices)):
        prices[k] = max(prices[k] / total, _LEAST_PRICE)


@_compiled
def _excess(usage: Any) -> Any:
    total = 0.0
    for amount in usage:
        total += max(amount - 1.0, 0.0)
    return total


@_compiled
def _repair(loads: Any, start: Any, choice: Any) -> Any:
    """Switch single options while that lowers the total excess over the limits."""
    rows = loads.shape[1]
    changed = np.zeros(rows)
    for _ in range(_REPAIRS):
        usage = np.zeros(rows)
        for v in choice:
            usage += loads[v]
        excess = _excess(usage)
        if excess <= _SLACK:
            return True
        item, option, lowest, left = 0, choice[0], np.inf, np.inf
        for i in range(len(choice)):
            for v in range(start[i], start[i + 1]):
                for k in range(rows):
                    changed[k] = usage[k] + loads[v, k] - loads[choice[i], k]
                after = _excess(changed)
                # Among switches that end the excess take the one that leaves the most room.
                score = changed.max() - 10 if after <= _SLACK else after
                if score < lowest:
                    item, option, lowest, left = i, v, score, after
        if left >= excess - 1e-12:
            return False
        choice[item] = option
    return False


@numba.njit("(float64[:, ::1], int64[::1], int64)", cache=True)
def pack(loads: Any, start: Any, count: Any) -> Any:
    """Return whether options of the first items were found that fit, and those."""
    rows = loads.shape[1]
    prices = np.full(rows, 1.0 / rows)
    choice = np.zeros(count, np.int64)
    best = np.zeros(count, np.int64)
    best_peak, step = np.inf, 1.0
    for _ in range(_ROUNDS):
        usage = np.zeros(rows)
        spent = 0.0
        for i in range(count):
            choice[i], price = _cheapest(loads, start, prices, i)
            spent += price
            usage += loads[choice[i]]
        if spent > prices.sum() * (1 + 1e-9):
            return False, choice  # the Lagrangian bound: no choice at all can satisfy every row
        peak = usage.max()
        if peak <= 1 + _SLACK:
            return True, choice
        if peak < best_peak:
            best[:], best_peak = choice, peak
        _move(prices, usage, peak, step)
        step *= 0.95
    return best_peak <= _MOST_EXCESS and _repair(loads, start, best), best


@_compiled
def _prefix(loads: Any, start: Any, prices: Any, least: Any, choice: Any) -> Any:
    """Choose by price, and return what that says of how many of the first items fit together.

    Returns:
        How many do, how many may by the Lagrangian bound, and the use of each row where the first
        of them end, but not before ``least``.
    """
    usage, end = np.zeros(len(prices)), np.zeros(len(prices))
    most, spent = prices.sum() * (1 + 1e-9), 0.0
    fit = may = 0
    for i in range(len(choice)):
        choice[i], price = _cheapest(loads, start, prices, i)
        spent += price
        usage += loads[choice[i]]
        if may == i and spent <= most:
            may = i + 1
        if fit == i and usage.max() <= 1 + _SLACK:
            fit = i + 1
        if i > max(least, fit) and may < i:
            break
        if i <= max(least, fit):
            end[:] = usage
    return fit, may, end


@numba.njit("(float64[:, ::1], int64[::1])", cache=True)
def longest_prefix(loads: Any, start: Any) -> Any:
    """Return the options of as many of the first items as were found to fit together."""
    count, rows = len(start) - 1, loads.shape[1]
    prices = np.full(rows, 1.0 / rows)
    choice = np.zeros(count, np.int64)
    found = np.zeros(count, np.int64)
    low, high, step = 0, count, 1.0
    for _ in range(_PREFIX_ROUNDS):
        fit, may, end = _prefix(loads, start, prices, low, choice)
        high = min(high, may)
        if fit > low:
            low = fit
            found[:low] = choice[:low]
        if low >= high:
            break
        _move(prices, end, end.max(), step)
        step *= 0.93
    while low < high:
        fits, further = pack(loads, start, low + 1)
        if not fits:
            break
        low += 1
        found[:low] = further
    return found[:low]
