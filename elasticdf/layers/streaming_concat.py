"""StreamingConcat: joins streams along the channels; every stream in one transfer per vector.

Formulas: FINN's ``concat.py``.
"""

from __future__ import annotations

from math import prod

from elasticdf.ir import Layer
from elasticdf.layers.emulation import Values
from elasticdf.layers.kind import (
    LayerKind,
    LayerPorts,
    OnnxBuilder,
    no_folding,
    no_resources,
    no_variants,
    text,
    wholes,
)


def _cycles(layer: Layer) -> int:
    return prod(layer.integers("numInputVectors"))


def _ports(layer: Layer) -> LayerPorts:
    bits = layer.datatype("inputDataType").bits
    elements = layer.integers("ElemsPerStream")
    return LayerPorts(
        input_bits=tuple(count * bits for count in elements),
        output_bits=(sum(elements) * bits,),
        output_values=_cycles(layer),
    )


def _emulate(
    layer: Layer, builder: OnnxBuilder, inputs: tuple[str, ...], parameters: tuple[Values, ...]
) -> tuple[str, ...]:
    return (builder.node("Concat", inputs, axis=-1),)


KIND = LayerKind(
    family="StreamingConcat",
    flavours=("hls",),
    attributes={
        "ElemsPerStream": wholes(),
        "inputDataType": text(),
        "numInputVectors": wholes((1,)),
    },
    cycles=_cycles,
    ports=_ports,
    resources=no_resources,
    foldings=no_folding,
    variants=no_variants,
    unknown=("lut", "ff"),
    emulate=_emulate,
)
