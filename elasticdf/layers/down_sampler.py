"""DownSampler: keeps every n-th pixel (strided 1x1 convolutions).

Formulas: FINN's ``downsampler.py``.
"""

from __future__ import annotations

from elasticdf.ir import Layer
from elasticdf.layers.kind import (
    Attributes,
    LayerKind,
    LayerPorts,
    fold,
    no_resources,
    no_variants,
    text,
    whole,
)
from elasticdf.layers.memory import divisor_foldings


def _vectors(layer: Layer, side: int) -> int:
    """Return the transfers of an image of that side length."""
    pixels = side if layer.integer("is1D") else side * side
    folds = fold(layer, layer.integer("NumChannels"), "SIMD")
    return folds * layer.integer("numInputVectors") * pixels


def _cycles(layer: Layer) -> int:
    return _vectors(layer, layer.integer("ImgDim"))


def _ports(layer: Layer) -> LayerPorts:
    bits = layer.integer("SIMD") * layer.datatype("inputDataType").bits
    kept = (layer.integer("ImgDim") - 1) // layer.integer("Stride") + 1
    return LayerPorts(input_bits=(bits,), output_bits=(bits,), output_values=_vectors(layer, kept))


def _foldings(layer: Layer) -> tuple[Attributes, ...]:
    return divisor_foldings(layer, "SIMD", layer.integer("NumChannels"))


KIND = LayerKind(
    family="DownSampler",
    flavours=("hls",),
    attributes={
        "ImgDim": whole(),
        "NumChannels": whole(),
        "SIMD": whole(1),
        "Stride": whole(2),
        "inputDataType": text(),
        "numInputVectors": whole(1),
        "is1D": whole(0),
        "is1D_unitx": whole(1),
    },
    cycles=_cycles,
    ports=_ports,
    resources=no_resources,
    foldings=_foldings,
    variants=no_variants,
    unknown=("lut", "ff"),
)
