"""UpsampleNearestNeighbour: repeats pixels; always all channels at once.

Formulas: FINN's ``upsampler.py``.
"""

from __future__ import annotations

from elasticdf.ir import Layer
from elasticdf.layers.kind import (
    LayerKind,
    LayerPorts,
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
    return _pixels(layer) * layer.integer("numInputVectors")


def _ports(layer: Layer) -> LayerPorts:
    bits = layer.integer("NumChannels") * layer.datatype("inputDataType").bits
    return LayerPorts(input_bits=(bits,), output_bits=(bits,), output_values=_cycles(layer))


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
)
