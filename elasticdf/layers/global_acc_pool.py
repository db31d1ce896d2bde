"""GlobalAccPool: sums each channel over the whole image.

Formulas: FINN's ``globalaccpool.py``.
"""

from __future__ import annotations

from math import prod

from elasticdf.ir import DataType, Layer
from elasticdf.layers.emulation import Values, cast, element_type, exact_type, integers
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


def sum_datatype(layer: Layer) -> DataType:
    """Return the narrowest type that holds the sum over one image."""
    term = layer.datatype("inputDataType")
    pixels = prod(layer.integers("numInputVectors")[-2:])
    if term.signed:
        return DataType.smallest_for(int(pixels * term.minimum), 0)
    return DataType.smallest_for(0, int(pixels * term.maximum))


def _cycles(layer: Layer) -> int:
    folds = fold(layer, layer.integer("NumChannels"), "PE")
    return prod(layer.integers("numInputVectors")) * folds + folds


def _ports(layer: Layer) -> LayerPorts:
    pe = layer.integer("PE")
    return LayerPorts(
        input_bits=(pe * layer.datatype("inputDataType").bits,),
        output_bits=(pe * sum_datatype(layer).bits,),
        output_values=fold(layer, layer.integer("NumChannels"), "PE"),
    )


def _foldings(layer: Layer) -> tuple[Attributes, ...]:
    return divisor_foldings(layer, "PE", layer.integer("NumChannels"))


def _emulate(
    layer: Layer, builder: OnnxBuilder, inputs: tuple[str, ...], parameters: tuple[Values, ...]
) -> tuple[str, ...]:
    source, size = layer.datatype("inputDataType"), layer.integers("numInputVectors")
    bound = prod(size[1:]) * max(abs(source.minimum), abs(source.maximum))
    tensor = cast(builder, inputs[0], element_type(source), exact_type(bound))
    return (builder.node("ReduceSum", (tensor, integers(builder, 1, 2)), keepdims=1),)


KIND = LayerKind(
    family="GlobalAccPool",
    flavours=("hls",),
    attributes={
        "NumChannels": whole(),
        "PE": whole(),
        "inputDataType": text(),
        "numInputVectors": wholes((1,)),
    },
    cycles=_cycles,
    ports=_ports,
    resources=no_resources,
    foldings=_foldings,
    variants=no_variants,
    unknown=("lut", "ff"),
    emulate=_emulate,
)
