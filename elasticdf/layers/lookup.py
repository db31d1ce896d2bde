"""Lookup: replaces each index by its embedding vector.

Formulas: FINN's ``lookup.py``, ``hls/lookup_hls.py``.
"""

from __future__ import annotations

from math import prod

from elasticdf.ir import Layer, Resources
from elasticdf.layers.emulation import INT64, Values, element_type
from elasticdf.layers.kind import (
    FpgaPart,
    LayerKind,
    LayerPorts,
    OnnxBuilder,
    no_folding,
    no_variants,
    text,
    whole,
    wholes,
)
from elasticdf.layers.memory import ceil_div


def _cycles(layer: Layer) -> int:
    return prod(layer.integers("InputShape"))


def _ports(layer: Layer) -> LayerPorts:
    bits = layer.integer("EmbeddingDim") * layer.datatype("EmbeddingType").bits
    transfers = 1
    if layer.text("mem_mode") == "external":
        width = layer.integer("ext_mem_width")
        bits, transfers = width, bits // width
    return LayerPorts(
        input_bits=(layer.datatype("InputType").bits,),
        output_bits=(bits,),
        output_values=_cycles(layer) * transfers,
    )


def _resources(layer: Layer, _part: FpgaPart) -> Resources:
    if layer.text("mem_mode") == "external":
        return Resources(ff=None)
    width = _ports(layer).output_bits[0]
    words = layer.integer("NumEmbeddings")
    return Resources(ff=None, bram18=ceil_div(width, 16) * ceil_div(words, 1024))


def _emulate(
    layer: Layer, builder: OnnxBuilder, inputs: tuple[str, ...], parameters: tuple[Values, ...]
) -> tuple[str, ...]:
    index = builder.node("Cast", inputs[:1], to=INT64)
    target = element_type(layer.datatype("EmbeddingType"))
    return (builder.node("Gather", (builder.constant(parameters[0].astype(target)), index)),)


KIND = LayerKind(
    family="Lookup",
    flavours=("hls",),
    attributes={
        "NumEmbeddings": whole(),
        "EmbeddingDim": whole(),
        "EmbeddingType": text(),
        "InputType": text(),
        "InputShape": wholes((1,)),
        "mem_mode": text("internal_embedded", allowed=("internal_embedded", "external")),
        "ext_mem_width": whole(32),
    },
    cycles=_cycles,
    ports=_ports,
    resources=_resources,
    foldings=no_folding,
    variants=no_variants,
    unknown=("lut", "ff"),
    emulate=_emulate,
)
