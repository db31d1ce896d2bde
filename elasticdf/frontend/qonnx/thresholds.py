"""Exact integer thresholds of a quantiser behind real-valued steps.

A quantiser's code reaches k where a monotone function of the accumulator passes a bound. The bound
is pulled back through the steps in double precision; where that ends within rounding error of a
whole number, rational arithmetic decides. Nothing here knows of layers.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from elasticdf.errors import InternalError, UserError
from elasticdf.frontend.qonnx.values import Clip, Divide, Reals, Scale, Shift, Step, evaluate

_SUSPICIOUS = 1e-6
"""A pulled-back bound closer than this (relative) to a whole number is decided exactly."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Bounds:
    """What the real value must pass for each further code.

    Attributes:
        values: Shape (channels or 1, steps).
        reached: Per step, whether equality counts as passed.
    """

    values: Reals
    reached: NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Thresholds:
    """Whole numbers an accumulator is compared with (``>=``).

    Attributes:
        values: Shape (channels, steps), whole or infinite: -inf always holds, +inf never.
        falling: Per channel, whether the *negated* accumulator must be compared.
    """

    values: Reals
    falling: NDArray[np.bool_]


_ROUNDING = {
    # mode: (offset, equality counts) for codes above zero, then for the others
    "ROUND": None,
    "HALF_EVEN": None,
    "CEIL": ((1.0, False), (1.0, False)),
    "FLOOR": ((0.0, True), (0.0, True)),
    "UP": ((1.0, False), (0.0, True)),
    "DOWN": ((0.0, True), (1.0, False)),
    "HALF_UP": ((0.5, True), (0.5, False)),
    "HALF_DOWN": ((0.5, False), (0.5, True)),
}
"""A code k is reached at k minus the offset; half to even is decided per code."""

ROUNDING_MODES = tuple(_ROUNDING)


def rounding_bounds(low: int, high: int, mode: str) -> Bounds:
    """Return the bounds of the codes ``low + 1`` to ``high`` under a rounding mode.

    >>> rounding_bounds(0, 2, "ROUND").values.tolist()
    [[0.5, 1.5]]
    """
    codes = np.arange(low + 1, high + 1)
    rule = _ROUNDING[mode]
    if rule is None:
        return Bounds(values=np.asarray(codes - 0.5, np.float64)[None, :], reached=codes % 2 == 0)
    above, others = rule
    offsets = np.where(codes > 0, above[0], others[0])
    reached = np.where(codes > 0, above[1], others[1])
    return Bounds(
        values=np.asarray(codes - offsets, np.float64)[None, :], reached=reached.astype(bool)
    )


def pull_back(steps: tuple[Step, ...], bounds: Bounds, channels: int) -> Thresholds:
    """Return the thresholds on the whole numbers the steps start from."""
    reals = np.broadcast_to(bounds.values, (channels, bounds.values.shape[1])).astype(np.float64)
    rising = np.ones((channels, 1), dtype=bool)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        for step in reversed(steps):
            reals, rising = _through(step, reals, rising, bounds.reached)
    if np.isnan(reals).any():
        raise UserError("scales and offsets overflow double precision; train the network again")
    signed = np.where(rising, reals, -reals)
    thresholds = np.where(bounds.reached | np.isinf(signed), np.ceil(signed), np.floor(signed) + 1)
    _settle_ties(steps, bounds, signed, rising[:, 0], thresholds)
    return Thresholds(values=thresholds, falling=~rising[:, 0])


def _through(
    step: Step, reals: Reals, rising: NDArray[np.bool_], reached: NDArray[np.bool_]
) -> tuple[Reals, NDArray[np.bool_]]:
    match step:
        case Shift(term):
            return reals - _column(term), rising
        case Scale(factor):
            return _unscale(_column(factor), reals, rising, reached)
        case Divide(divisor):
            column = _column(divisor)
            return reals * column, rising ^ (column < 0)
        case Clip(low, high):
            return _unclip(low, high, reals, rising, reached), rising
    raise InternalError(f"step {step!r} has no inverse")


def _unclip(
    low: float,
    high: float,
    reals: Reals,
    rising: NDArray[np.bool_],
    reached: NDArray[np.bool_],
) -> Reals:
    """Make a bound outside the clip infinite: minus where always met, plus where never.

    On a falling function the condition reads "at most", so the two ends change places.
    """
    below = np.where(reached, reals <= low, reals < low)
    above = np.where(reached, reals > high, reals >= high)
    up = np.where(below, -np.inf, np.where(above, np.inf, reals))
    beyond = np.where(reached, reals >= high, reals > high)
    short = np.where(reached, reals < low, reals <= low)
    down = np.where(beyond, np.inf, np.where(short, -np.inf, reals))
    return np.where(rising, up, down)


def _unscale(
    column: Reals, reals: Reals, rising: NDArray[np.bool_], reached: NDArray[np.bool_]
) -> tuple[Reals, NDArray[np.bool_]]:
    """Divide by the gain; a gain of zero makes the condition hold always or never."""
    ahead = np.where(rising, reals, -reals)
    holds = (ahead < 0) | ((ahead == 0) & reached)
    constant = np.where(holds == rising, -np.inf, np.inf)
    return np.where(column == 0, constant, reals / column), rising ^ (column < 0)


def _column(constant: Reals) -> Reals:
    return constant.reshape(-1, 1)


def _settle_ties(
    steps: tuple[Step, ...],
    bounds: Bounds,
    signed: Reals,
    rising: NDArray[np.bool_],
    thresholds: Reals,
) -> None:
    """Decide in place, exactly, the thresholds that double precision leaves in doubt."""
    finite = np.isfinite(signed)
    nearest = np.where(finite, np.round(np.where(finite, signed, 0.0)), 0.0)
    near = finite & (np.abs(signed - nearest) <= _SUSPICIOUS * np.maximum(1.0, np.abs(signed)))
    values = np.broadcast_to(bounds.values, signed.shape)
    cache: dict[tuple[int, int], Fraction] = {}
    for channel, index in zip(*np.nonzero(near), strict=True):
        number = int(nearest[channel, index])
        at = number if rising[channel] else -number
        key = (int(channel), at)
        if key not in cache:
            cache[key] = evaluate(steps, int(channel), at)
        result, bound = cache[key], float(values[channel, index])
        passed = result >= bound if bounds.reached[index] else result > bound
        thresholds[channel, index] = number if passed else number + 1
