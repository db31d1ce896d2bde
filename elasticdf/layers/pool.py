"""Pool: maximum or average over depthwise windows a window generator prepared.

Formulas: FINN's ``pool.py``.
"""

from __future__ import annotations

from math import prod

import numpy as np

from elasticdf.ir import Layer
from elasticdf.layers.emulation import Values, cast, element_type, exact_type, integers, reshape
from elasticdf.layers.kind import (
    Attributes,
    LayerKind,
    LayerPorts,
    OnnxBuilder,
    fold,
    no_resources,
    no_variants,
    text,
    whole,
    wholes,
)
from elasticdf.layers.memory import divisor_foldings


def _positions(layer: Layer) -> int:
    return fold(layer, layer.integer("Channels"), "PE") * prod(layer.integers("OutImgDims"))


def _cycles(layer: Layer) -> int:
    return _positions(layer) * prod(layer.integers("KernelSize")) * layer.integer("BatchSize")


def _ports(layer: Layer) -> LayerPorts:
    pe = layer.integer("PE")
    return LayerPorts(
        input_bits=(pe * layer.datatype("InputDataType").bits,),
        output_bits=(pe * layer.datatype("OutputDataType").bits,),
        output_values=_positions(layer),
    )


def _foldings(layer: Layer) -> tuple[Attributes, ...]:
    return divisor_foldings(layer, "PE", layer.integer("Channels"))


def _emulate(
    layer: Layer, builder: OnnxBuilder, inputs: tuple[str, ...], parameters: tuple[Values, ...]
) -> tuple[str, ...]:
    """Reduce each channel's window, as the depthwise window generator delivers it."""
    channels, positions = layer.integer("Channels"), prod(layer.integers("KernelSize"))
    source, size = layer.datatype("InputDataType"), layer.integers("OutImgDims")
    tensor = reshape(builder, inputs[0], *size, channels, positions)
    if layer.text("Function") == "MaxPool":
        return (builder.node("ReduceMax", (tensor,), axes=[4], keepdims=0),)
    element = exact_type(positions * max(abs(source.minimum), abs(source.maximum)))
    tensor = cast(builder, tensor, element_type(source), element)
    total = builder.node("ReduceSum", (tensor, integers(builder, 4)), keepdims=0)
    shift = layer.integer("Size", 1)
    if shift:
        scale = builder.constant(np.array(2.0**-shift, element))
        total = builder.node("Floor", (builder.node("Mul", (total, scale)),))
    return (cast(builder, total, element, element_type(layer.datatype("OutputDataType"))),)


KIND = LayerKind(
    family="Pool",
    flavours=("hls",),
    attributes={
        "Channels": whole(),
        "PE": whole(1),
        "KernelSize": wholes(length=2),
        "Function": text(allowed=("MaxPool", "QuantAvgPool")),
        "OutImgDims": wholes(length=2),
        "InputDataType": text(),
        "OutputDataType": text(),
        "AccumBits": whole(0),
        "Size": whole(1, lowest=0),
        "BatchSize": whole(1),
    },
    cycles=_cycles,
    ports=_ports,
    resources=no_resources,
    foldings=_foldings,
    variants=no_variants,
    unknown=("lut", "ff"),
    emulate=_emulate,
)
