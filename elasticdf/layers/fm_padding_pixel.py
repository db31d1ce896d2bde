"""FMPadding_Pixel: puts zeros between the pixels (for transposed convolutions).

Formulas: FINN's ``fmpadding_pixel.py``.
"""

from __future__ import annotations

from elasticdf.ir import Layer
from elasticdf.layers.emulation import Values, integers, reshape
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


def _emulate(
    layer: Layer, builder: OnnxBuilder, inputs: tuple[str, ...], parameters: tuple[Values, ...]
) -> tuple[str, ...]:
    """Put Stride - 1 zeros between neighbouring pixels."""
    height, width = layer.integers("ImgDim")
    rows, columns = layer.integers("Stride")
    channels = layer.integer("NumChannels")
    tensor = reshape(builder, inputs[0], height, 1, width, 1, channels)
    pads = (0, 0, 0, 0, 0, 0, 0, 0, rows - 1, 0, columns - 1, 0)
    tensor = builder.node("Pad", (tensor, integers(builder, *pads)))
    tensor = reshape(builder, tensor, height * rows, width * columns, channels)
    ends = integers(builder, (height - 1) * rows + 1, (width - 1) * columns + 1)
    bounds = (integers(builder, 0, 0), ends, integers(builder, 1, 2))
    return (builder.node("Slice", (tensor, *bounds)),)


KIND = LayerKind(
    family="FMPadding_Pixel",
    flavours=("hls",),
    attributes={
        "ImgDim": wholes(length=2),
        "Stride": wholes(length=2),
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
    emulate=_emulate,
)
