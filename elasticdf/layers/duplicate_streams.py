"""DuplicateStreams: copies one stream to several consumers.

Formulas: FINN's ``duplicatestreams.py``. Its output count is the sum over all copies.
"""

from __future__ import annotations

from math import prod

from elasticdf.ir import Layer
from elasticdf.layers.emulation import Values
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


def _cycles(layer: Layer) -> int:
    vectors = prod(layer.integers("numInputVectors"))
    return fold(layer, layer.integer("NumChannels"), "PE") * vectors


def _ports(layer: Layer) -> LayerPorts:
    bits = layer.integer("PE") * layer.datatype("inputDataType").bits
    copies = layer.integer("NumOutputStreams")
    # FINN leaves the batch out of this count, not out of the cycles.
    per_copy = prod(
        (*layer.integers("numInputVectors"), fold(layer, layer.integer("NumChannels"), "PE"))[1:]
    )
    return LayerPorts(
        input_bits=(bits,), output_bits=(bits,) * copies, output_values=copies * per_copy
    )


def _foldings(layer: Layer) -> tuple[Attributes, ...]:
    return divisor_foldings(layer, "PE", layer.integer("NumChannels"))


def _emulate(
    layer: Layer, builder: OnnxBuilder, inputs: tuple[str, ...], parameters: tuple[Values, ...]
) -> tuple[str, ...]:
    copies = layer.integer("NumOutputStreams")
    return tuple(builder.node("Identity", inputs[:1]) for _ in range(copies))


KIND = LayerKind(
    family="DuplicateStreams",
    flavours=("hls",),
    attributes={
        "NumChannels": whole(),
        "PE": whole(),
        "NumOutputStreams": whole(),
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
