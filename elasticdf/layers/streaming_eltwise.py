"""StreamingEltwise: adds, subtracts or takes the distance of two streams, element by element.

Formulas: FINN's ``streamingeltwise.py``.
"""

from __future__ import annotations

from math import prod

from elasticdf.ir import DataType, Layer
from elasticdf.layers.emulation import Values, cast, element_type, exact_type
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


def result_datatype(layer: Layer) -> DataType:
    """Return the type FINN gives the result: wide enough for the value of largest magnitude."""
    left, right = layer.datatype("inputDataType0"), layer.datatype("inputDataType1")
    if layer.text("eltwiseOp") == "Add":
        if left.signed:
            return DataType.smallest_for(int(left.minimum + right.minimum), 0)
        return DataType.smallest_for(0, int(left.maximum + right.maximum))
    largest = max(
        abs(int(a - b))
        for a in (left.minimum, left.maximum)
        for b in (right.minimum, right.maximum)
    )
    if layer.text("eltwiseOp") == "Sub":
        return DataType.smallest_for(-largest, 0)
    return DataType.smallest_for(0, largest)


def _cycles(layer: Layer) -> int:
    vectors = prod(layer.integers("numInputVectors"))
    return fold(layer, layer.integer("NumChannels"), "PE") * vectors


def _ports(layer: Layer) -> LayerPorts:
    pe = layer.integer("PE")
    return LayerPorts(
        input_bits=(
            pe * layer.datatype("inputDataType0").bits,
            pe * layer.datatype("inputDataType1").bits,
        ),
        output_bits=(pe * result_datatype(layer).bits,),
        output_values=_cycles(layer),
    )


def _foldings(layer: Layer) -> tuple[Attributes, ...]:
    return divisor_foldings(layer, "PE", layer.integer("NumChannels"))


def _emulate(
    layer: Layer, builder: OnnxBuilder, inputs: tuple[str, ...], parameters: tuple[Values, ...]
) -> tuple[str, ...]:
    operation = layer.text("eltwiseOp")
    kinds = (layer.datatype("inputDataType0"), layer.datatype("inputDataType1"))
    bound = sum(max(abs(kind.minimum), abs(kind.maximum)) for kind in kinds)
    first, second = (
        cast(builder, name, element_type(kind), exact_type(bound))
        for name, kind in zip(inputs, kinds, strict=True)
    )
    result = builder.node("Add" if operation == "Add" else "Sub", (first, second))
    return (builder.node("Abs", (result,)) if operation == "AbsDiff" else result,)


KIND = LayerKind(
    family="StreamingEltwise",
    flavours=("hls",),
    attributes={
        "NumChannels": whole(),
        "PE": whole(),
        "inputDataType0": text(),
        "inputDataType1": text(),
        "eltwiseOp": text(allowed=("Add", "Sub", "AbsDiff")),
        "numInputVectors": wholes((1,)),
        "inFIFODepths": wholes((2, 2), lowest=0),
    },
    cycles=_cycles,
    ports=_ports,
    resources=no_resources,
    foldings=_foldings,
    variants=no_variants,
    unknown=("lut", "ff"),
    emulate=_emulate,
)
