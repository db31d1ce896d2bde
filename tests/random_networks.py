"""Random small QONNX networks whose arithmetic is exact in single precision.

Scales are powers of two and normalisations divide by one, so the reference executor's result is
the exact one, ties included. Gains may be negative or zero.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import onnx

from models.canvas import Canvas

_EPSILON = 2.0**-17

VECTOR_LAYERS = ("dense", "gemm", "requantise", "affine")
IMAGE_LAYERS = (
    "conv",
    "pointwise",
    "depthwise",
    "strided",
    "dilated",
    "maxpool",
    "overlapping",
    "residual",
    "requantise",
    "lopsided",
    "clip",
    "truncated_average",
    "concat",
    "upsample",
    "pad",
)
SIGNAL_LAYERS = ("conv1d", "maxpool1d", "requantise", "concat")
ROUNDING = ("ROUND", "HALF_EVEN", "CEIL", "FLOOR", "UP", "DOWN", "HALF_UP", "HALF_DOWN")


@dataclass(frozen=True, slots=True, kw_only=True)
class Codes:
    """A quantised tensor on the canvas."""

    tensor: str
    shape: tuple[int, ...]
    step: float
    bits: int
    signed: bool
    zero: int = 0

    @property
    def bipolar(self) -> bool:
        return self.bits == 1 and self.signed

    @property
    def pads(self) -> bool:
        """Whether a real zero is code 0."""
        return not self.bipolar and self.zero == 0


class RandomNetwork:
    """Draws layers one after the other."""

    def __init__(self, seed: int, shape: tuple[int, ...]) -> None:
        self.random = np.random.default_rng(seed)
        self.canvas = Canvas(shape)
        self.last = self.quantise("global_in", shape)

    def quantise(self, tensor: str, shape: tuple[int, ...], codes: Codes | None = None) -> Codes:
        """Add a quantiser with random or given bits, sign and step."""
        if codes is None:
            codes = Codes(
                tensor="",
                shape=shape,
                step=float(2.0 ** self.random.integers(-2, 3)),
                bits=int(self.random.choice((1, 2, 3, 4))),
                signed=bool(self.random.integers(2)),
                zero=int(self.random.integers(8) == 0) * int(self.random.integers(-1, 3)),
            )
        rounding = ROUNDING[:4] if tensor == "global_in" else ROUNDING
        if codes.bipolar:
            output = self.canvas.node(
                "BipolarQuant", tensor, np.full(1, codes.step, np.float32), shape=shape
            )
        else:
            output = self.canvas.node(
                "Quant",
                tensor,
                codes.step,
                float(codes.zero),
                float(codes.bits),
                shape=shape,
                signed=int(codes.signed),
                narrow=int(codes.signed and codes.bits > 1 and self.random.integers(2)),
                rounding_mode=str(self.random.choice(rounding)),
            )
        return replace(codes, tensor=output, shape=shape)

    def weights(self, *shape: int, per_channel: bool = False) -> str:
        """Add quantised weights; signs only, or two to four bits."""
        step = float(2.0 ** self.random.integers(-2, 2))
        bits = int(self.random.choice((1, 2, 4)))
        if bits == 1:
            values = self.random.choice((-1.0, 1.0), shape).astype(np.float32) * np.float32(step)
            return self.canvas.node(
                "BipolarQuant", values, np.full(1, step, np.float32), shape=shape
            )
        levels = self.random.integers(-(2 ** (bits - 1)), 2 ** (bits - 1), shape)
        steps = np.float32(step)
        if per_channel:
            exponents = self.random.integers(-1, 2, (shape[0],) + (1,) * (len(shape) - 1))
            steps = np.float32(step) * np.exp2(exponents).astype(np.float32)
        return self.canvas.node(
            "Quant",
            (levels * steps).astype(np.float32),
            np.asarray(steps, np.float32),
            0.0,
            float(bits),
            shape=shape,
            signed=1,
            narrow=0,
            rounding_mode="ROUND",
        )

    def activate(self, tensor: str, shape: tuple[int, ...]) -> None:
        """Add a normalisation, perhaps a ReLU, and a quantiser."""
        channels = shape[1]
        if self.random.integers(4):
            eighths = self.random.integers(-8, 9, (2, channels)).astype(np.float32) / 8
            gain = self.random.choice((-1, -0.5, 0, 0.5, 1, 1, 2), channels).astype(np.float32)
            variance = np.full(channels, 1 - _EPSILON, np.float32)
            tensor = self.canvas.node(
                "BatchNormalization", tensor, gain, eighths[0], eighths[1], variance,
                shape=shape, epsilon=_EPSILON, momentum=0.9,
            )  # fmt: skip
        if self.random.integers(2):
            tensor = self.canvas.node("Relu", tensor, shape=shape)
        self.last = self.quantise(tensor, shape)

    def add(self, layer: str) -> None:
        """Add a layer by its name in `VECTOR_LAYERS` or `IMAGE_LAYERS`."""
        getattr(self, layer)()

    def requantise(self) -> None:
        """Quantise what is quantised, on a stream of its own."""
        self.last = self.quantise(self.last.tensor, self.last.shape)

    def affine(self) -> None:
        """Shift by a constant per channel in front of a quantiser."""
        shape = self.last.shape
        term = self.random.integers(-4, 5, (1, shape[1])).astype(np.float32) / 4
        shifted = self.canvas.node("Add", self.last.tensor, term, shape=shape)
        self.last = self.quantise(shifted, shape)

    def dense(self, outputs: int = 0) -> None:
        """MatMul."""
        outputs = outputs or int(self.random.integers(2, 9))
        weights = self.weights(self.last.shape[1], outputs)
        shape = (1, outputs)
        self.activate(self.canvas.node("MatMul", self.last.tensor, weights, shape=shape), shape)

    def gemm(self) -> None:
        """Gemm with transposed weights and a real-valued bias."""
        shape = (1, int(self.random.integers(2, 9)))
        weights = self.weights(shape[1], self.last.shape[1], per_channel=True)
        bias = self.random.integers(-16, 17, shape[1]).astype(np.float32) / 8
        self.activate(
            self.canvas.node("Gemm", self.last.tensor, weights, bias, shape=shape, transB=1), shape
        )

    def conv(self, kernel: int = 3, stride: int = 1, dilation: int = 1, group: int = 1) -> None:
        """Conv; padded where zero is a code."""
        _, channels, height, width = self.last.shape
        span = dilation * (kernel - 1) + 1
        padding = int(self.random.integers(0, 2)) * (kernel // 2) * int(self.last.pads)
        if min(height, width) + 2 * padding < span:
            return
        outputs = channels if group > 1 else int(self.random.integers(2, 5))
        size = [(side + 2 * padding - span) // stride + 1 for side in (height, width)]
        shape = (1, outputs, *size)
        weights = self.weights(outputs, channels // group, kernel, kernel, per_channel=True)
        result = self.canvas.node(
            "Conv",
            self.last.tensor,
            weights,
            shape=shape,
            kernel_shape=[kernel, kernel],
            strides=[stride, stride],
            dilations=[dilation, dilation],
            pads=[padding] * 4,
            group=group,
        )
        self.activate(result, shape)

    def pointwise(self) -> None:
        """A 1x1 convolution, with or without stride."""
        self.conv(kernel=1, stride=int(self.random.integers(1, 3)))

    def depthwise(self) -> None:
        """A depthwise convolution."""
        self.conv(stride=int(self.random.integers(1, 3)), group=self.last.shape[1])

    def strided(self) -> None:
        """A convolution with stride 2."""
        self.conv(stride=2)

    def dilated(self) -> None:
        """A convolution with dilation 2."""
        self.conv(dilation=2)

    def maxpool(self, kernel: int = 2, stride: int = 2, padding: int = 0) -> None:
        """A maximum over windows."""
        _, channels, height, width = self.last.shape
        if min(height, width) < kernel:
            return
        size = [(side + 2 * padding - kernel) // stride + 1 for side in (height, width)]
        output = self.canvas.node(
            "MaxPool",
            self.last.tensor,
            shape=(1, channels, *size),
            kernel_shape=[kernel, kernel],
            strides=[stride, stride],
            pads=[padding] * 4,
        )
        self.last = replace(self.last, tensor=output, shape=(1, channels, *size))

    def overlapping(self) -> None:
        """A maximum over overlapping windows, padded where zero is the smallest code."""
        self.maxpool(kernel=3, stride=2, padding=int(not self.last.signed and self.last.zero == 0))

    def lopsided(self) -> None:
        """A convolution of a rectangle with uneven strides and padding."""
        _, channels, height, width = self.last.shape
        top, left = (1, 2) if self.last.pads else (0, 0)
        size = [height + top - 2 + 1, (width + left - 3) // 2 + 1]
        if min(height - 1, width - 2) < 1:
            return
        shape = (1, 3, *size)
        weights = self.weights(3, channels, 2, 3)
        result = self.canvas.node(
            "Conv",
            self.last.tensor,
            weights,
            shape=shape,
            kernel_shape=[2, 3],
            strides=[1, 2],
            pads=[top, left, 0, 0],
        )
        self.activate(result, shape)

    def clip(self) -> None:
        """A ReLU6-like clip in front of a quantiser."""
        shape = self.last.shape
        clipped = self.canvas.node("Clip", self.last.tensor, -0.5, 1.5, shape=shape)
        self.last = self.quantise(clipped, shape)

    def truncated_average(self) -> None:
        """AveragePool, Mul and Trunc, as Brevitas exports an average pooling."""
        codes = self.last
        _, channels, height, width = codes.shape
        if codes.signed or codes.zero or min(height, width) < 2:
            return
        shape = (1, channels, height // 2, width // 2)
        mean = self.canvas.node(
            "AveragePool", codes.tensor, shape=shape, kernel_shape=[2, 2], strides=[2, 2]
        )
        total = self.canvas.node("Mul", mean, 4.0, shape=shape)
        bits = int((2**codes.bits - 1) * 4).bit_length()
        output = self.canvas.node(
            "Trunc", total, codes.step, 0.0, float(bits), float(codes.bits),
            shape=shape, rounding_mode="FLOOR",
        )  # fmt: skip
        self.last = replace(codes, tensor=output, shape=shape)

    def residual(self) -> None:
        """A 1x1 convolution around which the input passes, then their sum."""
        source = self.last
        if source.zero:
            return
        weights = self.weights(source.shape[1], source.shape[1], 1, 1)
        inner = self.canvas.node(
            "Conv", source.tensor, weights, shape=source.shape, kernel_shape=[1, 1]
        )
        joined = self.quantise(inner, source.shape, source)
        total = self.canvas.node("Add", joined.tensor, source.tensor, shape=source.shape)
        self.last = self.quantise(total, source.shape)

    def concat(self) -> None:
        """Two quantisers of one tensor, side by side, each with its own step."""
        source = self.last
        shape = (1, 2 * source.shape[1], *source.shape[2:])
        first = self.quantise(source.tensor, source.shape)
        step = float(2.0 ** self.random.integers(-1, 2)) * first.step
        second = self.quantise(source.tensor, source.shape, replace(first, step=step))
        joined = self.canvas.node("Concat", first.tensor, second.tensor, shape=shape, axis=1)
        self.last = self.quantise(joined, shape)

    def upsample(self) -> None:
        """Every pixel of a square three times three."""
        _, channels, height, width = self.last.shape
        if height != width or height > 5:
            return
        shape = (1, channels, 3 * height, 3 * width)
        scales = np.array([1, 1, 3, 3], np.float32)
        output = self.canvas.node(
            "Resize",
            self.last.tensor,
            np.zeros(0, np.float32),
            scales,
            shape=shape,
            mode="nearest",
            coordinate_transformation_mode="asymmetric",
            nearest_mode="floor",
        )
        self.last = replace(self.last, tensor=output, shape=shape)

    def pad(self) -> None:
        """Zeros around the image, more on some sides."""
        if not self.last.pads:
            return
        _, channels, height, width = self.last.shape
        shape = (1, channels, height + 1, width + 2)
        pads = np.array([0, 0, 1, 0, 0, 0, 0, 2])
        output = self.canvas.node("Pad", self.last.tensor, pads, shape=shape)
        self.last = replace(self.last, tensor=output, shape=shape)

    def conv1d(self) -> None:
        """A convolution over a signal."""
        _, channels, length = self.last.shape
        if length < 3:
            return
        padding, stride = int(self.last.pads), int(self.random.integers(1, 3))
        shape = (1, 3, (length + 2 * padding - 3) // stride + 1)
        result = self.canvas.node(
            "Conv",
            self.last.tensor,
            self.weights(3, channels, 3, per_channel=True),
            shape=shape,
            kernel_shape=[3],
            strides=[stride],
            pads=[padding, padding],
        )
        self.activate(result, shape)

    def maxpool1d(self) -> None:
        """A maximum over neighbours of a signal."""
        _, channels, length = self.last.shape
        if length < 2:
            return
        shape = (1, channels, length // 2)
        output = self.canvas.node(
            "MaxPool", self.last.tensor, shape=shape, kernel_shape=[2], strides=[2]
        )
        self.last = replace(self.last, tensor=output, shape=shape)

    def flatten(self) -> None:
        """Turn the image into a vector, channels first."""
        shape = (1, int(np.prod(self.last.shape[1:])))
        output = self.canvas.node("Flatten", self.last.tensor, shape=shape, axis=1)
        self.last = replace(self.last, tensor=output, shape=shape)

    def finish(self, *, labels: int = 0) -> onnx.ModelProto:
        """Return the model; it ends in codes, or in logits of that many labels."""
        output = self.last.tensor
        if labels:
            weights = self.weights(self.last.shape[1], labels)
            output = self.canvas.node("MatMul", output, weights, shape=(1, labels))
        return self.canvas.finish("random", output)


def random_network(
    seed: int, layers: tuple[str, ...], *, image: bool, labels: int = 0
) -> onnx.ModelProto:
    """Return a network of these layers; images and signals are flattened before the labels."""
    signal = set(layers) <= set(SIGNAL_LAYERS) and "conv1d" in layers
    shape = (1, 2, 11) if signal else (1, 2, 6, 6) if seed % 2 else (1, 2, 7, 6)
    drawn = RandomNetwork(seed, shape if image else (1, 6))
    for layer in layers:
        drawn.add(layer)
    if image and labels:
        drawn.flatten()
    if not labels:
        drawn.requantise()  # at least one layer
    return drawn.finish(labels=labels)
