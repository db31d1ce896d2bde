"""AddStreams: adds two streams element by element (residual connections).

Formulas: FINN's ``addstreams.py``. The sum is one bit wider than the inputs.
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


def sum_datatype(layer: Layer) -> DataType:
    """Return the narrowest type that holds the sum of two values of the input's type."""
    term = layer.datatype("inputDataType")
    if term.signed:
        return DataType.smallest_for(int(2 * term.minimum), 0)
    return DataType.smallest_for(0, int(2 * term.maximum))


def _cycles(layer: Layer) -> int:
    vectors = prod(layer.integers("numInputVectors"))
    return fold(layer, layer.integer("NumChannels"), "PE") * vectors


def _ports(layer: Layer) -> LayerPorts:
    pe = layer.integer("PE")
    return LayerPorts(
        input_bits=(pe * layer.datatype("inputDataType").bits,) * 2,
        output_bits=(pe * sum_datatype(layer).bits,),
        output_values=_cycles(layer),
    )


def _foldings(layer: Layer) -> tuple[Attributes, ...]:
    return divisor_foldings(layer, "PE", layer.integer("NumChannels"))


def _emulate(
    layer: Layer, builder: OnnxBuilder, inputs: tuple[str, ...], parameters: tuple[Values, ...]
) -> tuple[str, ...]:
    source = layer.datatype("inputDataType")
    total = exact_type(2 * max(abs(source.minimum), abs(source.maximum)))
    terms = (cast(builder, name, element_type(source), total) for name in inputs)
    return (builder.node("Add", tuple(terms)),)


KIND = LayerKind(
    family="AddStreams",
    flavours=("hls",),
    attributes={
        "NumChannels": whole(),
        "PE": whole(),
        "inputDataType": text(),
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
