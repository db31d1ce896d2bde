"""Numbers on a quantisation grid: weights drawn from a seed, and what to expect of activations.

A level is a whole number; a level times its step is the value in the network. Nothing here knows
of ONNX.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from elasticdf.errors import InternalError

Integers = NDArray[np.int64]
Reals = NDArray[np.float64]

_MOST_REDRAWS = 200
"""Redraws of single channels before a requested accumulator width counts as unreachable."""

_USUAL_SHARE = 0.9
_SPARSE_SHARE = 0.6
"""Weights are thinned out where the usual sum would fill more than the first share of the
accumulator; they then fill about the second."""


def largest_level(bits: int) -> int:
    """Return the largest level of a narrow signed grid; 1 for bipolar weights."""
    return max(1, (1 << bits - 1) - 1)


def weight_step(fan_in: int, bits: int) -> float:
    """Return the power of two that brings the largest weight near one over the fan-in's root."""
    return float(2.0 ** -round(math.log2(largest_level(bits) * math.sqrt(fan_in))))


def lowest_bit(values: Reals | float) -> Reals:
    """Return the value of the lowest set bit of each number: 0.75 gives 0.25."""
    mantissas, exponents = np.frexp(np.asarray(values, np.float64))
    whole = (mantissas * 2.0**53).astype(np.int64)
    lowest: Reals = np.ldexp((whole & -whole).astype(np.float64), exponents - 53)
    return lowest


def accumulator_bits(weights: Integers, low: int, high: int) -> Integers:
    """Return the width each output channel's sum needs, as a signed integer.

    Args:
        weights: Levels, shape [channels, fan-in].
        low: Smallest input level.
        high: Largest input level.
    """
    positive = np.maximum(weights, 0).sum(axis=1)
    negative = np.maximum(-weights, 0).sum(axis=1)
    largest = positive * high - negative * low
    smallest = positive * low - negative * high
    magnitudes = np.maximum(largest, -smallest - 1)
    return np.array([1 + int(magnitude).bit_length() for magnitude in magnitudes])


def draw_weights(
    random: np.random.Generator,
    shape: tuple[int, int],
    bits: int,
    inputs: tuple[int, int],
    accumulator: int | None = None,
    *,
    balanced: bool = False,
) -> Integers:
    """Draw weight levels such that every channel has at least one weight that is not zero.

    Args:
        random: The source; the result depends on nothing else.
        shape: [channels, fan-in].
        bits: 1 gives -1 and 1; more give the narrow signed grid, uniform before rounding.
        inputs: Smallest and largest level of the input.
        accumulator: Width of the widest channel's sum, or None for whatever comes.
        balanced: Whether the weights of a channel add up to about zero.

    Raises:
        InternalError: No weights of that shape give that accumulator width.
    """
    top = largest_level(bits)
    low, high = inputs
    density = 1.0 if accumulator is None else _density(shape[1] * top / 4, accumulator, high - low)

    def fresh(channels: int) -> Integers:
        size = (channels, shape[1])
        if bits == 1:
            signs: Integers = random.integers(0, 2, size) * 2 - 1
            return signs
        levels = np.rint(random.uniform(-top, top, size)).astype(np.int64)
        thinned: Integers = levels * (random.random(size) < density)
        return thinned

    weights = fresh(shape[0])
    for _ in range(_MOST_REDRAWS):
        unfit = ~weights.any(axis=1)
        if accumulator is not None:
            unfit |= accumulator_bits(weights, low, high) > accumulator
        if not unfit.any():
            break
        weights[unfit] = fresh(int(unfit.sum()))
    else:
        raise InternalError(f"no {bits}-bit weights {shape} fit an accumulator of {accumulator}")
    if balanced:
        weights = _balanced(weights, top)
    if accumulator is not None:
        weights[0] = _widened(weights, top, inputs, accumulator)
    return weights


def _density(usual_sum: float, accumulator: int, input_span: int) -> float:
    filled = usual_sum * input_span / (2 ** (accumulator - 1) - 1)
    return 1.0 if filled < _USUAL_SHARE else _SPARSE_SHARE / filled


def _balanced(weights: Integers, top: int) -> Integers:
    """Spread each channel's excess over all its weights."""
    share, rest = np.divmod(weights.sum(axis=1, keepdims=True), weights.shape[1])
    evened: Integers = weights - share - (np.arange(weights.shape[1]) < rest)
    return np.clip(evened, -top, top)


def _widened(weights: Integers, top: int, inputs: tuple[int, int], accumulator: int) -> Integers:
    """Return channel 0, made to need the whole accumulator if no channel does."""
    first: Integers = weights[0].copy()
    if accumulator_bits(weights, *inputs).max() == accumulator:
        return first
    for index in range(first.size):
        first[index] = -top
        if accumulator_bits(first[None, :], *inputs)[0] == accumulator:
            return first
    raise InternalError(f"weights {weights.shape} cannot need an accumulator of {accumulator} bits")


def normal_odds(low: int, high: int, sigma: float, centre: float) -> Reals:
    """Return the share of each level from low to high if a normal variable is rounded to them."""
    edges = np.arange(low, high) + 0.5
    below = [0.5 * (1 + math.erf((edge - centre) / (sigma * math.sqrt(2)))) for edge in edges]
    return np.diff(np.array([0.0, *below, 1.0]))


def largest_of(odds: Reals, count: int) -> Reals:
    """Return the shares of the largest of that many independent levels."""
    return np.diff(np.concatenate([[0.0], np.cumsum(odds) ** count]))


def rounded(odds: Reals, ratio: float, highest: int) -> Reals:
    """Return the shares after levels 0.. are multiplied by the ratio, rounded and clipped."""
    levels = np.minimum(np.rint(np.arange(odds.size) * ratio), highest).astype(np.int64)
    shares: Reals = np.bincount(levels, weights=odds, minlength=highest + 1).astype(np.float64)
    return shares
