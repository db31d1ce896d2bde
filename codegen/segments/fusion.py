"""Convolutions in one step: padding, window generator and unit of one segment as one ONNX Conv.

The result is the same tensor, only faster: the window stream is never built. Applies where the
intermediate streams have no other reader and do not leave the segment.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from elasticdf.frontend.onnx_writer import OnnxWriter
from elasticdf.ir import Layer
from elasticdf.layers import product_unit
from elasticdf.layers.emulation import Values, reshape


@dataclass(frozen=True, slots=True, kw_only=True)
class Convolution:
    """A unit with the window generator, and perhaps the padding, that feed it.

    Attributes:
        unit: Name of the MVAU or VVAU.
        source: The stream the convolution reads.
        image: Height, width and channels of that stream.
        kernel: Height and width.
        strides: Vertical and horizontal.
        dilations: Vertical and horizontal.
        pads: Top, left, bottom, right.
    """

    unit: str
    source: str
    image: tuple[int, ...]
    kernel: tuple[int, ...]
    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    pads: tuple[int, ...]

    def write(
        self, unit: Layer, writer: OnnxWriter, source: str, parameters: tuple[Values, ...]
    ) -> str:
        """Add the convolution and the unit's thresholds; return the output stream's tensor."""
        depthwise = unit.family == "VVAU"
        channels = self.image[2]
        factors = product_unit.products(unit, parameters[0])
        if depthwise:
            weights, terms = factors, factors.reshape(channels, -1).T
        else:
            weights = factors.reshape(*self.kernel, channels, -1).transpose(3, 2, 0, 1)
            terms = factors
        element = product_unit.accumulator_type(unit, terms)
        tensor = reshape(writer, source, *self.image)
        tensor = product_unit.operand(unit, writer, tensor, element)
        tensor = writer.node("Transpose", (tensor,), perm=[0, 3, 1, 2])
        tensor = writer.node(
            "Conv",
            (tensor, writer.constant(np.ascontiguousarray(weights, dtype=element))),
            kernel_shape=list(self.kernel),
            strides=list(self.strides),
            dilations=list(self.dilations),
            pads=list(self.pads),
            group=channels if depthwise else 1,
        )
        tensor = writer.node("Transpose", (tensor,), perm=[0, 2, 3, 1])
        return product_unit.finish(unit, writer, tensor, parameters, element)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fused:
    """What is computed in one step.

    Attributes:
        by_unit: Convolutions by the name of their unit.
        absorbed: Layers that need no nodes of their own.
    """

    by_unit: Mapping[str, Convolution] = field(default_factory=dict)
    absorbed: frozenset[str] = frozenset()


def fused_convolutions(members: Sequence[Layer], outputs: Sequence[str]) -> Fused:
    """Return the convolutions that lie wholly inside a segment.

    Args:
        members: Layers of the segment, producers first.
        outputs: Streams that leave the segment.
    """
    inside = {layer.outputs[0]: layer for layer in members if layer.outputs[0] not in outputs}
    by_unit: dict[str, Convolution] = {}
    absorbed: set[str] = set()
    for unit in members:
        window = inside.get(unit.inputs[0])
        if unit.family not in ("MVAU", "VVAU") or window is None or not _feeds(window, unit):
            continue
        padding = inside.get(window.inputs[0])
        if padding is not None and padding.family != "FMPadding":
            padding = None
        by_unit[unit.name] = _convolution(unit, window, padding)
        absorbed.update(layer.name for layer in (window, padding) if layer is not None)
    return Fused(by_unit=by_unit, absorbed=frozenset(absorbed))


def _feeds(window: Layer, unit: Layer) -> bool:
    """Whether a layer generates the windows the unit expects.

    A stream has one reader, a DuplicateStreams where there are more, so nobody else misses it.
    """
    if window.family != "ConvolutionInputGenerator":
        return False
    return bool(window.integer("depthwise", 0)) == (unit.family == "VVAU")


def _convolution(unit: Layer, window: Layer, padding: Layer | None) -> Convolution:
    channels = window.integer("IFMChannels")
    first = window if padding is None else padding
    size = window.integers("IFMDim") if padding is None else padding.integers("ImgDim")
    return Convolution(
        unit=unit.name,
        source=first.inputs[0],
        image=(*size, channels),
        kernel=window.integers("ConvKernelDim"),
        strides=window.integers("Stride"),
        dilations=window.integers("Dilation"),
        pads=(0, 0, 0, 0) if padding is None else padding.integers("Padding"),
    )
