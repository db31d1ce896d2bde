"""UpsampleNearestNeighbour: repeats pixels; always all channels at once.

Formulas: FINN's ``upsampler.py``.
"""

from __future__ import annotations

from elasticdf.ir import Layer
from elasticdf.layers.emulation import Values, integers, reshape
from elasticdf.layers.kind import (
    LayerKind,
    LayerPorts,
    OnnxBuilder,
    no_folding,
    no_resources,
    no_variants,
    text,
    whole,
)


def _pixels(layer: Layer) -> int:
    side = layer.integer("OFMDim")
    # DimMode 1 means a one-dimensional image.
    return side if layer.integer("DimMode") else side * side


def _cycles(layer: Layer) -> int:
    # FINN leaves the batch out in one dimension.
    repetitions = 1 if layer.integer("DimMode") else layer.integer("numInputVectors")
    return _pixels(layer) * repetitions


def _ports(layer: Layer) -> LayerPorts:
    bits = layer.integer("NumChannels") * layer.datatype("inputDataType").bits
    values = _pixels(layer) * layer.integer("numInputVectors")
    return LayerPorts(input_bits=(bits,), output_bits=(bits,), output_values=values)


def _emulate(
    layer: Layer, builder: OnnxBuilder, inputs: tuple[str, ...], parameters: tuple[Values, ...]
) -> tuple[str, ...]:
    size, channels = layer.integer("IFMDim"), layer.integer("NumChannels")
    factor = layer.integer("OFMDim") // size
    one_dimensional = bool(layer.integer("DimMode", 0))
    width, across = (1, 1) if one_dimensional else (size, factor)
    tensor = reshape(builder, inputs[0], size, 1, width, 1, channels)
    tensor = builder.node("Tile", (tensor, integers(builder, 1, 1, factor, 1, across, 1)))
    return (reshape(builder, tensor, size * factor, width * across, channels),)


KIND = LayerKind(
    family="UpsampleNearestNeighbour",
    flavours=("hls",),
    attributes={
        "OFMDim": whole(),
        "IFMDim": whole(),
        "NumChannels": whole(),
        "inputDataType": text(),
        "numInputVectors": whole(1),
        "DimMode": whole(0),
    },
    cycles=_cycles,
    ports=_ports,
    resources=no_resources,
    foldings=no_folding,
    variants=no_variants,
    unknown=("lut", "ff"),
    emulate=_emulate,
)
