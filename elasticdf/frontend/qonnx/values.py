"""What a tensor of the network can be while the network runs on symbolic values.

A `Constant` is known; a `Host` tensor is computed by the host before the accelerator; a `Flow` is
an integer stream of the accelerator with real-valued steps still pending on it. Steps stay apart,
as the network wrote them: that keeps threshold arithmetic exact.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from elasticdf.errors import InternalError
from elasticdf.frontend.qonnx.reading import Op
from elasticdf.ir import DataType

Reals: TypeAlias = NDArray[np.float64]
Wholes: TypeAlias = NDArray[np.signedinteger[Any]]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Constant:
    """A tensor known before the network runs: plain numbers, or whole numbers times a scale.

    Attributes:
        plain: Values of an unquantised constant, else None.
        codes: The whole numbers behind quantised values, in the narrowest element type that also
            holds their negatives, else None.
        scale: Value of one code, broadcastable to ``codes``.
        datatype: Of the codes as the network declares it; may be wider than they need.
    """

    plain: NDArray[Any] | None = None
    codes: Wholes | None = None
    scale: Reals = field(default_factory=lambda: np.array(1.0))
    datatype: DataType | None = None

    @property
    def values(self) -> NDArray[Any]:
        """The values as the network sees them; quantised ones in single precision."""
        if self.codes is not None:
            return self.codes.astype(np.float32) * self.scale.astype(np.float32)
        if self.plain is None:
            raise InternalError("a constant without values")
        return self.plain


def narrow(codes: NDArray[Any]) -> Wholes:
    """Return whole numbers in the narrowest element type that also holds their negatives."""
    largest = max(abs(float(codes.min())), abs(float(codes.max()))) if codes.size else 0.0
    bits = next(bits for bits in (8, 16, 32, 64) if largest < 2 ** (bits - 1))
    return codes.astype(f"int{bits}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """A real-valued tensor the host computes.

    Attributes:
        name: In the host's part of the network.
        shape: Batch first, batch 1.
    """

    name: str
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Scale:
    """``y = x * factor``; the factor is a scalar or one per channel."""

    factor: Reals


@dataclass(frozen=True, slots=True, eq=False)
class Divide:
    """``y = x / divisor``."""

    divisor: Reals


@dataclass(frozen=True, slots=True, eq=False)
class Shift:
    """``y = x + term``."""

    term: Reals


@dataclass(frozen=True, slots=True, eq=False)
class Clip:
    """``y = min(max(x, low), high)``; ReLU has ``low`` 0 and ``high`` infinite."""

    low: float
    high: float


Step: TypeAlias = Scale | Divide | Shift | Clip


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Flow:
    """An integer stream and what is still to be done to its values.

    Attributes:
        stream: Tensor name in the layer graph (channels last).
        shape: In the network's terms: (1, channels), then the length of a signal or height and
            width of an image.
        datatype: Of the stream.
        steps: Pending real-valued steps, first first.
        order: (channels, height, width) if the network has flattened an image; constants then
            come in that order but the stream runs height, width, channels.
        shared: Whether more than one operator reads the stream.
        normalised: The softmax operator pending behind the steps; empty for none.
    """

    stream: str
    shape: tuple[int, ...]
    datatype: DataType
    steps: tuple[Step, ...] = ()
    order: tuple[int, int, int] | None = None
    shared: bool = False
    normalised: str = ""

    @property
    def channels(self) -> int:
        """The length of the last stream dimension."""
        return self.shape[1]

    @property
    def image(self) -> tuple[int, int]:
        """Height and width; a signal is an image of width 1, a vector one of 1 by 1."""
        height, width = (*self.shape[2:], 1, 1)[:2]
        return height, width

    def spread(self, channels: int, image: tuple[int, int]) -> tuple[int, ...]:
        """Return the shape of a signal or image like this one, of another size."""
        return (1, channels, *image)[: len(self.shape)]

    def then(self, *steps: Step) -> Flow:
        """Return the flow with more steps pending."""
        return replace(self, steps=(*self.steps, *steps))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Average:
    """An average pooling whose division is still open: hardware sums, then shifts or scales.

    Attributes:
        flow: What is pooled.
        kernel: Height and width.
        strides: Vertical and horizontal.
        factor: What the average has been multiplied with since.
    """

    flow: Flow
    kernel: tuple[int, int]
    strides: tuple[int, int]
    factor: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Turned:
    """A stream the network sees channels last, as the stream itself runs.

    Attributes:
        flow: Channels second.
        op: The Transpose that turned it.
    """

    flow: Flow
    op: Op


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Quantised:
    """What QuantizeLinear leaves until DequantizeLinear says what its codes mean.

    Attributes:
        source: Real values.
        scale: Value of one code, broadcastable to the source.
        zero_point: Code of zero, likewise.
        low: Smallest code.
        high: Largest code.
    """

    source: Host | Flow
    scale: NDArray[Any]
    zero_point: NDArray[Any]
    low: int
    high: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Labels:
    """Indices of the largest values, largest first.

    Attributes:
        flow: What is compared.
        count: How many indices.
        indices: False for the values TopK also returns.
        kept: Whether the channel dimension stays.
    """

    flow: Flow
    count: int
    indices: bool = True
    kept: bool = True


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Tail:
    """A real-valued tensor the host computes behind the accelerator's last stream.

    Attributes:
        flow: The stream, with its pending steps.
        host: The tensor.
    """

    flow: Flow
    host: Host


Value: TypeAlias = Constant | Host | Flow | Average | Turned | Quantised | Labels | Tail


def affine(steps: tuple[Step, ...]) -> tuple[Reals, Reals] | None:
    """Return gain and offset of the steps together, or None if they bend."""
    gain, offset = np.array(1.0), np.array(0.0)
    for step in steps:
        match step:
            case Scale(factor):
                gain, offset = gain * factor, offset * factor
            case Divide(divisor):
                gain, offset = gain / divisor, offset / divisor
            case Shift(term):
                offset = offset + term
            case Clip():
                return None
    return gain, offset


def evaluate(steps: tuple[Step, ...], channel: int, value: int) -> Fraction:
    """Return the exact result of the steps for one whole number on one channel.

    Clips never meet an infinite bound here other than as "no bound".
    """
    result = Fraction(value)
    for step in steps:
        match step:
            case Scale(factor):
                result *= _exact(factor, channel)
            case Divide(divisor):
                result /= _exact(divisor, channel)
            case Shift(term):
                result += _exact(term, channel)
            case Clip(low, high):
                result = result if low == -np.inf else max(result, Fraction(low))
                result = result if high == np.inf else min(result, Fraction(high))
    return result


def _exact(constant: Reals, channel: int) -> Fraction:
    return Fraction(float(constant if constant.ndim == 0 else constant[channel]))
