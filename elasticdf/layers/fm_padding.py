"""FMPadding: surrounds each image with zeros.

Formulas: FINN's ``fmpadding.py``.
"""

from __future__ import annotations

from elasticdf.ir import Layer
from elasticdf.layers.emulation import Values, integers
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


def _image_values(layer: Layer) -> int:
    height, width = layer.integers("ImgDim")
    top, left, bottom, right = layer.integers("Padding")
    folds = fold(layer, layer.integer("NumChannels"), "SIMD")
    return folds * (height + top + bottom) * (width + left + right)


def _cycles(layer: Layer) -> int:
    return _image_values(layer) * layer.integer("numInputVectors")


def _ports(layer: Layer) -> LayerPorts:
    bits = layer.integer("SIMD") * layer.datatype("inputDataType").bits
    return LayerPorts(input_bits=(bits,), output_bits=(bits,), output_values=_image_values(layer))


def _foldings(layer: Layer) -> tuple[Attributes, ...]:
    return divisor_foldings(layer, "SIMD", layer.integer("NumChannels"))


def _emulate(
    layer: Layer, builder: OnnxBuilder, inputs: tuple[str, ...], parameters: tuple[Values, ...]
) -> tuple[str, ...]:
    top, left, bottom, right = layer.integers("Padding")
    return (
        builder.node("Pad", (inputs[0], integers(builder, 0, top, left, 0, 0, bottom, right, 0))),
    )


KIND = LayerKind(
    family="FMPadding",
    flavours=("hls", "rtl"),
    attributes={
        "ImgDim": wholes(length=2),
        "Padding": wholes((1, 1, 1, 1), length=4, lowest=0),
        "NumChannels": whole(),
        "SIMD": whole(1),
        "inputDataType": text(),
        "numInputVectors": whole(1),
        "dynamic_mode": whole(0, allowed=(0, 1), flavours=("rtl",)),
    },
    cycles=_cycles,
    ports=_ports,
    resources=no_resources,
    foldings=_foldings,
    variants=no_variants,
    unknown=("lut", "ff"),
    emulate=_emulate,
)
