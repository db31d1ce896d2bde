"""Layers of quantised networks: weighted sums, and what becomes of them.

Batch normalisations are chosen so that every value is a whole multiple of a power of two that
float32 holds exactly, and that no value is ever halfway between two levels of its quantiser.
Refuses to know any particular network.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from models.grid import Reals, largest_of, lowest_bit, normal_odds, rounded, sign_odds, summed
from models.signal import Grid, Signal, Sums
from models.weighted import LEAST_VARIANCE, WeightedLayers

_EPSILON = 2.0**-17
"""A power of two, so that variance 1 - epsilon makes every normalisation divide by exactly 1."""


class Drawing(WeightedLayers):
    """A network under construction, layer by layer."""

    def image(self) -> Signal:
        """Return the network's input as an image of 8-bit unsigned pixels."""
        self.annotate_input("UINT8")
        odds = np.full((1, 256), 1 / 256)
        return Signal(
            tensor="global_in",
            shape=self.shape("global_in"),
            step=np.array(1.0),
            low=0,
            odds=odds,
        )

    def activation(
        self,
        sums: Sums,
        grid: Grid,
        *,
        step: Reals | float,
        centre: float = 0.0,
    ) -> Signal:
        """Normalise sums, rectify them if the grid has no sign, and quantise them.

        The gain is the power of two that spreads a channel's sums over the grid. Scaled sums and
        the quantiser's boundaries are whole multiples of a power of two; the bias is an odd
        multiple of half of it, so that half is the least distance to a boundary.

        Args:
            sums: What to normalise.
            grid: Levels of the result.
            step: Of the result; one value, or one per channel.
            centre: Expected level before rounding; below zero makes most levels zero.
        """
        channels = sums.shape[1]
        reach = 1.0 if grid.high == 1 else grid.high / 2
        out = np.broadcast_to(np.asarray(step, np.float64), (channels,))
        unit = np.broadcast_to(sums.step, (channels,))
        gain = 2.0 ** np.rint(np.log2(reach * out / (unit * sums.spread)))
        finest = np.minimum(lowest_bit(unit * gain), lowest_bit(out) / 2) / 2
        wanted = (centre + self.random.uniform(-0.5, 0.5, channels)) * out
        bias = (2 * np.floor(wanted / (2 * finest)) + 1) * finest
        tensor = self.node(
            "BatchNormalization",
            sums.tensor,
            *(
                values.astype(np.float32)
                for values in (gain, bias, sums.centre * unit, np.full(channels, 1 - _EPSILON))
            ),
            shape=sums.shape,
            epsilon=_EPSILON,
            momentum=0.9,
        )
        sigma, centres = sums.spread * unit * gain / out, bias / out
        if grid.bits == 1:
            odds = sign_odds(sigma, centres)
        else:
            odds = normal_odds(grid.low, grid.high, sigma, centres)
        if not grid.signed:
            tensor = self.node("Relu", tensor, shape=sums.shape)
        shaped = out.reshape(1, -1, 1, 1) if np.ndim(step) else np.asarray(step, np.float64)
        tensor = self.quantise(tensor, grid, shaped)
        return Signal(
            tensor=tensor,
            shape=sums.shape,
            step=np.asarray(step, np.float64),
            low=grid.low,
            odds=odds,
        )

    def requantise(self, source: Signal, bits: int, ratio: float) -> Signal:
        """Rectify an unsigned signal and quantise it anew.

        Args:
            source: What to quantise.
            bits: Of the result.
            ratio: New step over old step; an odd number over any whole number keeps every old
                level off the boundaries between new ones.
        """
        grid = Grid(bits=bits)
        tensor = self.node("Relu", source.tensor, shape=source.shape)
        step = source.step * ratio
        return Signal(
            tensor=self.quantise(tensor, grid, step),
            shape=source.shape,
            step=step,
            low=0,
            odds=rounded(source.odds, 1 / ratio, grid.high),
        )

    def join(self, one: Signal, other: Signal) -> Signal:
        """Add two unsigned signals of equal step."""
        return replace(
            one,
            tensor=self.node("Add", one.tensor, other.tensor, shape=one.shape),
            odds=summed(one.odds, other.odds),
        )

    def largest(self, source: Signal, kernel: int, stride: int, padding: int = 0) -> Signal:
        """Add a square max pooling."""
        size = (source.shape[2] + 2 * padding - kernel) // stride + 1
        shape = (1, source.shape[1], size, size)
        tensor = self.node(
            "MaxPool",
            source.tensor,
            shape=shape,
            ceil_mode=0,
            dilations=[1, 1],
            kernel_shape=[kernel, kernel],
            pads=[padding] * 4,
            strides=[stride, stride],
        )
        odds = largest_of(source.odds, kernel * kernel)
        return replace(source, tensor=tensor, shape=shape, odds=odds)

    def average(self, source: Signal, stride: int, bits: int) -> Signal:
        """Add the global average the way brevitas writes it: mean, times size, truncated.

        `Trunc` divides by two to the number of dropped bits and keeps the input's scale. Where the
        sum has fewer bits than the result, qonnx multiplies by that power of two and FINN keeps
        the sum: such a signal has a step that depends on the reader.

        Args:
            source: Unsigned image of one step.
            stride: As written in the pooling node; one window covers the image.
            bits: Of the result.
        """
        _, channels, size, _ = source.shape
        highest = int(source.levels[-1]) * size * size
        sum_bits = highest.bit_length()
        shape = (1, channels, 1, 1)
        mean = self.node(
            "AveragePool",
            source.tensor,
            shape=shape,
            ceil_mode=0,
            count_include_pad=1,
            kernel_shape=[size, size],
            pads=[0] * 4,
            strides=[stride, stride],
        )
        total = self.node("Mul", mean, float(size * size), shape=shape)
        tensor = self.node(
            "Trunc",
            total,
            np.asarray(source.step, np.float32),
            0.0,
            float(sum_bits),
            float(bits),
            shape=shape,
            rounding_mode="FLOOR",
        )
        dropped = max(0, sum_bits - bits)
        sigma = np.sqrt(np.maximum(source.variance, LEAST_VARIANCE)) * size / 2**dropped
        centre = source.mean * size * size / 2**dropped - (0.5 if dropped else 0.0)
        return Signal(
            tensor=tensor,
            shape=shape,
            step=source.step,
            low=0,
            odds=normal_odds(0, 2**bits - 1, sigma, centre),
        )
