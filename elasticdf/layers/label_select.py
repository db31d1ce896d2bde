"""LabelSelect: outputs the indices of the K largest values of a frame.

Formulas: FINN's ``labelselect.py``.
"""

from __future__ import annotations

from elasticdf.ir import DataType, Layer
from elasticdf.layers.emulation import FLOAT, Values, integers, reshape
from elasticdf.layers.kind import (
    Attributes,
    LayerKind,
    LayerPorts,
    OnnxBuilder,
    fold,
    no_resources,
    no_variants,
    padded,
    text,
    whole,
    wholes,
)
from elasticdf.layers.memory import divisor_foldings


def _cycles(layer: Layer) -> int:
    return fold(layer, layer.integer("Labels"), "PE")


def label_datatype(layer: Layer) -> DataType:
    """Return the type of the indices: the stated one, or whole bytes that hold every index."""
    if stated := layer.text("outputDataType"):
        return DataType.parse(stated)
    return DataType.parse(f"UINT{padded((layer.integer('Labels') - 1).bit_length() or 1)}")


def _ports(layer: Layer) -> LayerPorts:
    return LayerPorts(
        input_bits=(layer.integer("PE") * layer.datatype("inputDataType").bits,),
        output_bits=(label_datatype(layer).bits,),
        output_values=layer.integer("K"),
    )


def _foldings(layer: Layer) -> tuple[Attributes, ...]:
    return divisor_foldings(layer, "PE", layer.integer("Labels"))


def _emulate(
    layer: Layer, builder: OnnxBuilder, inputs: tuple[str, ...], parameters: tuple[Values, ...]
) -> tuple[str, ...]:
    """Rank the labels by repeated maxima; of equal values the lower index comes first."""
    leading = layer.integers("numInputVectors")[1:]
    tensor = reshape(builder, inputs[0], *leading, layer.integer("Labels"))
    indices = builder.nodes("TopK", (tensor, integers(builder, layer.integer("K"))), 2, axis=-1)[1]
    return (builder.node("Cast", (indices,), to=FLOAT),)


KIND = LayerKind(
    family="LabelSelect",
    flavours=("hls",),
    attributes={
        "Labels": whole(),
        "PE": whole(),
        "K": whole(),
        "inputDataType": text(),
        "outputDataType": text(""),
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
