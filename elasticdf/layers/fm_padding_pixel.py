"""FMPadding_Pixel: puts zeros between the pixels (for transposed convolutions).

Formulas: FINN's ``fmpadding_pixel.py``.
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
    wholes,
)
from elasticdf.layers.memory import divisor_foldings


def _image_values(layer: Layer) -> int:
    (height, width), (down, across) = layer.integers("ImgDim"), layer.integers("Stride")
    folds = fold(layer, layer.integer("NumChannels"), "SIMD")
    return folds * (height + (height - 1) * (down - 1)) * (width + (width - 1) * (across - 1))


def _cycles(layer: Layer) -> int:
    return _image_values(layer) * layer.integer("numInputVectors")


def _ports(layer: Layer) -> LayerPorts:
    bits = layer.integer("SIMD") * layer.datatype("inputDataType").bits
    return LayerPorts(input_bits=(bits,), output_bits=(bits,), output_values=_image_values(layer))


def _foldings(layer: Layer) -> tuple[Attributes, ...]:
    return divisor_foldings(layer, "SIMD", layer.integer("NumChannels"))


KIND = LayerKind(
    family="FMPadding_Pixel",
    flavours=("hls",),
    attributes={
        "ImgDim": wholes(),
        "Stride": wholes(),
        "NumChannels": whole(),
        "SIMD": whole(1),
        "inputDataType": text(),
        "numInputVectors": whole(1),
    },
    cycles=_cycles,
    ports=_ports,
    resources=no_resources,
    foldings=_foldings,
    variants=no_variants,
    unknown=("lut", "ff"),
)
