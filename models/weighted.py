"""Quantisers and weighted sums of quantised networks, drawn on a canvas with fresh weights.

Refuses to know what becomes of the sums.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from models.canvas import Canvas
from models.grid import Integers, Reals, draw_weights, largest_level, tap_presence, weight_step
from models.signal import Grid, Signal, Sums

LEAST_VARIANCE = 2.0**-6
"""Of a level or a sum whose variance is needed as a divisor."""


class WeightedLayers(Canvas):
    """A network under construction: its quantisers, convolutions and matrix products.

    Attributes:
        random: The source of all weights and parameters.
    """

    def __init__(self, input_shape: tuple[int, ...], seed: int) -> None:
        super().__init__(input_shape)
        self.random = np.random.default_rng(seed)

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
            spread=np.sqrt(np.maximum((levels**2 * variance).sum(axis=1), LEAST_VARIANCE)),
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
