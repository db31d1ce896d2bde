"""DownSampler: keeps every n-th pixel (strided 1x1 convolutions).

Formulas: FINN's ``downsampler.py``.
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


def _emulate(
    layer: Layer, builder: OnnxBuilder, inputs: tuple[str, ...], parameters: tuple[Values, ...]
) -> tuple[str, ...]:
    stride = layer.integer("Stride")
    axes: tuple[int, ...] = (1, 2)
    if layer.integer("is1D", 0):
        axes = (1,) if layer.integer("is1D_unitx", 1) else (2,)
    everything = 2**31
    bounds = (integers(builder, *(0 for _ in axes)), integers(builder, *(everything for _ in axes)))
    steps = integers(builder, *(stride for _ in axes))
    return (builder.node("Slice", (inputs[0], *bounds, integers(builder, *axes), steps)),)


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
        "is1D_unitx": whole(1, lowest=0),
    },
    cycles=_cycles,
    ports=_ports,
    resources=no_resources,
    foldings=_foldings,
    variants=no_variants,
    unknown=("lut", "ff"),
    emulate=_emulate,
)
