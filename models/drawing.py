"""Layers of quantised networks, drawn on a canvas with fresh weights.

Batch normalisations are chosen so that every value is a whole multiple of a power of two that
float32 holds exactly, and that no value is ever halfway between two levels of its quantiser.
Refuses to know any particular network.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from models.canvas import Canvas
from models.grid import (
    Integers,
    Reals,
    draw_weights,
    largest_level,
    largest_of,
    lowest_bit,
    normal_odds,
    rounded,
    sign_odds,
    summed,
    tap_presence,
    weight_step,
)
from models.signal import Grid, Signal, Sums

_EPSILON = 2.0**-17
"""A power of two, so that variance 1 - epsilon makes every normalisation divide by exactly 1."""

_LEAST_VARIANCE = 2.0**-6
"""Of a level or a sum whose variance is needed as a divisor."""


class Drawing(Canvas):
    """A network under construction, layer by layer.

    Attributes:
        random: The source of all weights and parameters.
    """

    def __init__(self, input_shape: tuple[int, ...], seed: int) -> None:
        super().__init__(input_shape)
        self.random = np.random.default_rng(seed)

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

    def quantise(self, tensor: str, grid: Grid, step: float | Reals) -> str:
        """Add a quantiser and return its output's handle.

        Args:
            tensor: Handle of the input.
            grid: The levels; bipolar if ``grid.bits`` is 1.
            step: Value of one level; an array goes into the node with that shape.
        """
        return self._quantiser(tensor, self.shape(tensor), grid, step)

    def _quantiser(
        self,
        source: str | NDArray[np.generic],
        shape: tuple[int, ...],
        grid: Grid,
        step: float | Reals,
    ) -> str:
        if grid.bits == 1:
            return self.node("BipolarQuant", source, np.full(1, step, np.float32), shape=shape)
        return self.node(
            "Quant",
            source,
            np.asarray(step, np.float32),
            0.0,
            float(grid.bits),
            shape=shape,
            narrow=int(grid.signed and grid.narrow),
            rounding_mode="ROUND",
            signed=int(grid.signed),
        )

    def weights(self, levels: Integers, bits: int, step: float | Reals) -> str:
        """Add a tensor of quantised weights; ``step`` broadcasts against the levels."""
        values = (levels * step).astype(np.float32)
        return self._quantiser(values, levels.shape, Grid(bits=bits, signed=True), step)

    def draw(
        self,
        source: Signal,
        channels: int,
        fan_in: int,
        bits: int,
        accumulator: int | None,
        *,
        balanced: bool = False,
    ) -> Integers:
        """Draw weight levels, shape [channels, fan-in], for sums over that source.

        Balanced weights sum the expected source to about zero.
        """
        high = int(source.levels[-1])
        low = -high - 1 if source.low < 0 else 0  # hardware sizes sums for the whole data type
        against = _for_each_weight(source.mean, fan_in, np.ones(1)) if balanced else None
        return draw_weights(
            self.random, (channels, fan_in), bits, (low, high), accumulator, against=against
        )

    def sums(
        self,
        tensor: str,
        source: Signal,
        levels: Integers,
        step: float | Reals,
        presence: Reals | None = None,
        *,
        depthwise: bool = False,
    ) -> Sums:
        """Describe the weighted sums a node computes, for the normalisation that follows.

        Args:
            tensor: Handle of the node's output.
            source: What is summed.
            levels: The weights, shape [channels, fan-in].
            step: Of the weights; one value or one per channel.
            presence: How often each tap of the window lies inside the image; None for always.
            depthwise: Whether each channel sums over itself only.
        """
        taps = np.ones(1) if presence is None else presence
        mean, variance = (
            moment[:, None] * taps
            if depthwise
            else _for_each_weight(moment, levels.shape[1] // taps.size, taps)
            for moment in (source.mean, source.variance)
        )
        return Sums(
            tensor=tensor,
            shape=self.shape(tensor),
            step=source.step * np.asarray(step, np.float64),
            centre=np.rint((levels * mean).sum(axis=1)),
            spread=np.sqrt(np.maximum((levels**2 * variance).sum(axis=1), _LEAST_VARIANCE)),
        )

    def convolution(
        self,
        source: Signal,
        channels: int,
        kernel: int,
        *,
        bits: int,
        stride: int = 1,
        padding: int = 0,
        depthwise: bool = False,
        step: float | Reals | None = None,
        accumulator: int | None = None,
    ) -> Sums:
        """Add a square convolution with fresh weights.

        Args:
            source: Image, [1, channels, height, width].
            channels: Output channels.
            kernel: Height and width of the window.
            bits: Of a weight.
            stride: In both directions.
            padding: Zeros on each side.
            depthwise: One window per channel instead of one over all channels.
            step: Of the weights, one or one per output channel; None chooses one.
            accumulator: Width in bits of the widest channel's sum, or None.
        """
        depth = 1 if depthwise else source.shape[1]
        fan_in = depth * kernel * kernel
        levels = self.draw(source, channels, fan_in, bits, accumulator)
        step = np.asarray(weight_step(fan_in, bits) if step is None else step)
        shaped = step.reshape(-1, 1, 1, 1) if step.ndim else step
        weights = self.weights(levels.reshape(channels, depth, kernel, kernel), bits, shaped)
        size = (source.shape[2] + 2 * padding - kernel) // stride + 1
        tensor = self.node(
            "Conv",
            source.tensor,
            weights,
            shape=(1, channels, size, size),
            dilations=[1, 1],
            group=source.shape[1] if depthwise else 1,
            kernel_shape=[kernel, kernel],
            pads=[padding] * 4,
            strides=[stride, stride],
        )
        presence = tap_presence(source.shape[2], kernel, stride, padding)
        return self.sums(tensor, source, levels, step, presence, depthwise=depthwise)

    def product(
        self, source: Signal, features: int, *, bits: int, accumulator: int | None = None
    ) -> Sums:
        """Add a matrix product of a [1, features] signal with fresh weights of step 1."""
        levels = self.draw(source, features, source.shape[1], bits, accumulator)
        weights = self.weights(levels.T, bits, 1.0)
        tensor = self.node("MatMul", source.tensor, weights, shape=(1, features))
        return self.sums(tensor, source, levels, 1.0)

    def product_of_rows(
        self,
        source: Signal,
        features: int,
        *,
        bits: int,
        step: float | Reals | None = None,
        accumulator: int | None = None,
    ) -> Sums:
        """Add a matrix product whose weights are stored one neuron a row, as torch does.

        Args:
            source: Shape [1, features].
            features: Neurons.
            bits: Of a weight.
            step: Of the weights, one or one per neuron; None chooses one.
            accumulator: Width in bits of the widest neuron's sum, or None.
        """
        fan_in = source.shape[1]
        levels = self.draw(source, features, fan_in, bits, accumulator)
        step = np.asarray(weight_step(fan_in, bits) if step is None else step)
        weights = self.weights(levels, bits, step.reshape(-1, 1) if step.ndim else step)
        turned = self.node("Transpose", weights, shape=(fan_in, features), perm=[1, 0])
        tensor = self.node("MatMul", source.tensor, turned, shape=(1, features))
        return self.sums(tensor, source, levels, step)

    def channel_steps(self, channels: int, step: float) -> Reals:
        """Return a step per channel: the given one, or half of it, by chance."""
        return step * 2.0 ** -self.random.integers(0, 2, channels).astype(np.float64)

    def flatten(self, source: Signal) -> Signal:
        """Reshape an image of one pixel to [1, channels]."""
        shape = source.shape[:2]
        tensor = self.node("Reshape", source.tensor, np.array([1, -1]), shape=shape)
        return replace(source, tensor=tensor, shape=shape)

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
        sigma = np.sqrt(np.maximum(source.variance, _LEAST_VARIANCE)) * size / 2**dropped
        centre = source.mean * size * size / 2**dropped - (0.5 if dropped else 0.0)
        return Signal(
            tensor=tensor,
            shape=shape,
            step=source.step,
            low=0,
            odds=normal_odds(0, 2**bits - 1, sigma, centre),
        )

    def classifier(
        self,
        source: Signal,
        classes: int,
        *,
        bits: int,
        bias_bits: int,
        accumulator: int,
        near_biases: bool = False,
    ) -> str:
        """Add a fully connected layer behind an image of one pixel; return its output's handle.

        The weights are balanced: else one class would win whatever the image.

        Args:
            source: Image of one pixel.
            classes: Outputs.
            bits: Of a weight.
            bias_bits: What the largest bias needs; the bias is quantised to 32 bits.
            accumulator: Width in bits of the widest class's sum.
            near_biases: Whether they differ by one at most, so that the winner hardly depends on
                the step of the source.
        """
        source = self.flatten(source)
        levels = self.draw(source, classes, source.shape[1], bits, accumulator, balanced=True)
        step = weight_step(source.shape[1], bits)
        weights = self.weights(levels, bits, step)
        unit = source.step * step
        top = largest_level(bias_bits)
        biases = self.random.integers(-top, 2 - top if near_biases else top + 1, classes)
        biases[0] = -top
        bias = self.node(
            "Quant",
            (biases * unit).astype(np.float32),
            np.full(1, unit, np.float32),
            0.0,
            32.0,
            shape=(classes,),
            narrow=0,
            rounding_mode="ROUND",
            signed=1,
        )
        return self.node(
            "Gemm",
            source.tensor,
            weights,
            bias,
            shape=(1, classes),
            alpha=1.0,
            beta=1.0,
            transB=1,
        )


def _for_each_weight(moment: Reals, channels: int, taps: Reals) -> Reals:
    """Repeat a moment of each channel for every tap; weights lie channel by channel."""
    return np.outer(np.broadcast_to(moment, channels), taps).ravel()
