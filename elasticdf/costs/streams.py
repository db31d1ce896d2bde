"""What the streams between layers take: FIFOs, width converters, and buffers where branches join.

These layers exist only after folding and FIFO sizing, but a plan must leave room for them. Where
branches join, the short way must store what arrives while the long way fills its windows; that
follows from the windows' geometry (`join_buffers`). FINN's own sizing by simulation finds the
exact depths later.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from math import ceil, prod

from elasticdf.costs.estimate import estimate
from elasticdf.costs.profile import CostProfile
from elasticdf.ir import Graph, Layer, Resources
from elasticdf.layers import with_defaults
from elasticdf.layers.kind import FpgaPart
from elasticdf.layers.streaming_fifo import split_depths
from elasticdf.layers.streaming_max_pool import row_of

ADAPTERS = ("StreamingDataWidthConverter", "StreamingFIFO")
"""Families that sit in streams; graphs that have them need no allowance."""

_SHALLOW_WORDS = 2
_DEEPEST_RTL_WORDS = 256
"""FINN takes AMD's FIFO generator for deeper ones."""


def join_buffers(graph: Graph) -> dict[str, tuple[int, ...]]:
    """Return, for each layer with several inputs, the bits each of them must be able to store.

    A layer's lag is the part of a frame that goes in before anything comes out, summed along the
    longest way to it; a join stores the difference of its inputs' lags.
    """
    lag: dict[str, Fraction] = {}
    buffers: dict[str, tuple[int, ...]] = {}
    for layer in graph:
        streams = graph.stream_inputs(layer)
        lags = [lag.get(name, Fraction(0)) for name in streams]
        latest = max(lags, default=Fraction(0))
        lag.update(dict.fromkeys(layer.outputs, latest + _fill(layer)))
        if len(streams) > 1:
            buffers[layer.name] = tuple(
                ceil(min(latest - own, Fraction(1)) * _bits(graph, name))
                for own, name in zip(lags, streams, strict=True)
            )
    return buffers


def _bits(graph: Graph, name: str) -> int:
    tensor = graph.tensors[name]
    return prod(tensor.shape) * tensor.datatype.bits


def _fill(layer: Layer) -> Fraction:
    """Return the part of a frame a layer takes in before it gives anything out."""
    match layer.family:
        case "ConvolutionInputGenerator":
            kernel, dilation = layer.integers("ConvKernelDim"), layer.integers("Dilation")
            height, width = layer.integers("IFMDim")
            rows, columns = (kernel[0] - 1) * dilation[0], (kernel[1] - 1) * dilation[1]
            return Fraction(rows * width + columns + 1, height * width)
        case "StreamingMaxPool":
            height, pool = layer.integers("ImgDim")[0], layer.integers("PoolDim")[0]
            length, window = row_of(layer) or (height, pool)
            return Fraction(min(window, length), length)
        case "GlobalAccPool":
            return Fraction(1)
    return Fraction(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamCosts:
    """What stands before a layer's inputs, under a profile.

    Attributes:
        profile: Of the resources; ``finn`` leaves streams out, as FINN's partitioner does.
        part: They are estimated for.
    """

    profile: CostProfile
    part: FpgaPart
    _known: dict[tuple[int, int], Resources] = field(default_factory=dict)

    def before(
        self, input_bits: Sequence[int], depths: Sequence[int], buffers: Sequence[int]
    ) -> Resources:
        """Return the upper estimate of a FIFO and a width converter at each input.

        Args:
            input_bits: Width of each stream.
            depths: Words the graph asks for at each input.
            buffers: Bits each input must store beside that.
        """
        total = Resources()
        for port, width in enumerate(input_bits):
            asked = depths[port] if port < len(depths) else _SHALLOW_WORDS
            stored = ceil(buffers[port] / width) if port < len(buffers) else 0
            total = total + self._stream(width, max(asked, stored, _SHALLOW_WORDS))
        return total

    def fifo(self, width: int, depth: int) -> Resources:
        """Return the upper estimate of a FIFO, split as FINN splits it."""
        key = (-width, depth)
        if key not in self._known:
            self._known[key] = Resources.total(
                estimate(_fifo(width, part), self.profile, self.part).high
                for part in split_depths(depth)
            )
        return self._known[key]

    def _stream(self, width: int, depth: int) -> Resources:
        key = (width, depth)
        if key not in self._known:
            self._known[key] = Resources.total(
                estimate(layer, self.profile, self.part).high
                for layer in (*(_fifo(width, d) for d in split_depths(depth)), _converter(width))
            )
        return self._known[key]


def _fifo(width: int, depth: int) -> Layer:
    style = "vivado" if depth > _DEEPEST_RTL_WORDS else "rtl"
    return _adapter(
        "StreamingFIFO_rtl",
        {"depth": depth, "folded_shape": (1, width), "dataType": "BINARY", "impl_style": style},
    )


def _converter(width: int) -> Layer:
    """Return a converter to a neighbour of half the width, for want of knowing it."""
    return _adapter(
        "StreamingDataWidthConverter_rtl",
        {"shape": (1, width), "inWidth": max(1, width // 2), "outWidth": width,
         "dataType": "BINARY"},
    )  # fmt: skip


def _adapter(op_type: str, attributes: Mapping[str, int | str | tuple[int, ...]]) -> Layer:
    return with_defaults(Layer(name="stream", op_type=op_type, attributes=attributes))
