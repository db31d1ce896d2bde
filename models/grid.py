"""Numbers on a quantisation grid: weights drawn from a seed, and what to expect of activations.

A level is a whole number; a level times its step is the value in the network. Nothing here knows
of ONNX.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

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


def tap_presence(size: int, kernel: int, stride: int, padding: int) -> Reals:
    """Return how often each tap of a sliding window lies inside the image, row by row.

    Args:
        size: Height and width of the image.
        kernel: Of the window.
        stride: In both directions.
        padding: On each side.
    """
    starts = np.arange(-padding, size + padding - kernel + 1, stride)
    inside = starts[:, None] + np.arange(kernel)
    share = ((inside >= 0) & (inside < size)).mean(axis=0)
    return np.outer(share, share).ravel()


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
    against: Reals | None = None,
) -> Integers:
    """Draw weight levels such that every channel has at least one weight that is not zero.

    Args:
        random: The source; the result depends on nothing else.
        shape: [channels, fan-in].
        bits: 1 gives -1 and 1; more give the narrow signed grid, uniform before rounding.
        inputs: Smallest and largest level of the input.
        accumulator: Width of the widest channel's sum, or None for whatever comes.
        against: If given, an input, shape [fan-in], that every channel sums to about zero.

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
    if against is not None:
        weights = _balanced(weights, top, against)
    if accumulator is not None:
        weights[0] = _widened(weights, top, inputs, accumulator)
    return weights


def _density(usual_sum: float, accumulator: int, input_span: int) -> float:
    filled = usual_sum * input_span / (2 ** (accumulator - 1) - 1)
    return 1.0 if filled < _USUAL_SHARE else _SPARSE_SHARE / filled


def _balanced(weights: Integers, top: int, against: Reals) -> Integers:
    """Take from each channel its share of that input, as evenly as whole numbers allow."""
    excess = (weights @ against)[:, None] * against / (against @ against)
    return np.clip(np.rint(weights - excess), -top, top).astype(np.int64)


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


def normal_odds(low: int, high: int, sigma: Reals, centre: Reals) -> Reals:
    """Return the share of each level from low to high if a normal variable is rounded to them.

    Args:
        low: Smallest level.
        high: Largest level.
        sigma: Standard deviation, in levels, shape [channels].
        centre: Mean, in levels, shape [channels].

    Returns:
        Shape [channels, levels].
    """
    edges = np.arange(low, high) + 0.5
    below = ndtr((edges[None, :] - centre[:, None]) / sigma[:, None])
    shares: Reals = np.diff(below, axis=1, prepend=0.0, append=1.0)
    return shares


def sign_odds(sigma: Reals, centre: Reals) -> Reals:
    """Return the shares of -1, 0 (none) and 1 if only the sign of a normal variable is kept."""
    below = ndtr(-centre / sigma)
    return np.stack([below, np.zeros_like(below), 1 - below], axis=1)


def largest_of(odds: Reals, count: int) -> Reals:
    """Return the shares of the largest of that many independent levels."""
    shares: Reals = np.diff(np.cumsum(odds, axis=1) ** count, axis=1, prepend=0.0)
    return shares


def summed(one: Reals, other: Reals) -> Reals:
    """Return the shares of the sum of two independent levels that count from zero."""
    shares = np.zeros((max(len(one), len(other)), one.shape[1] + other.shape[1] - 1))
    for level in range(one.shape[1]):
        shares[:, level : level + other.shape[1]] += one[:, level, None] * other
    return shares


def rounded(odds: Reals, ratio: float, highest: int) -> Reals:
    """Return the shares after levels 0.. are multiplied by the ratio, rounded and clipped."""
    shares = np.zeros((len(odds), highest + 1))
    for level in range(odds.shape[1]):
        shares[:, min(round(level * ratio), highest)] += odds[:, level]
    return shares
