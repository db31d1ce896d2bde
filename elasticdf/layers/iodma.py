"""IODMA: moves a stream from or to the board's memory.

FINN estimates nothing for it; what it takes is charged by ``elasticdf.costs`` and marked assumed.
"""

from __future__ import annotations

from math import prod

from elasticdf.ir import Layer
from elasticdf.layers.kind import (
    LayerKind,
    LayerPorts,
    no_folding,
    no_resources,
    no_variants,
    text,
    whole,
    wholes,
)
from elasticdf.layers.memory import ceil_div


def _bits_per_frame(layer: Layer) -> int:
    elements = prod(layer.integers("numInputVectors")) * layer.integer("NumChannels")
    return elements * layer.datatype("dataType").bits


def _cycles(layer: Layer) -> int:
    return ceil_div(_bits_per_frame(layer), layer.integer("intfWidth"))


def _ports(layer: Layer) -> LayerPorts:
    stream, memory = layer.integer("streamWidth"), layer.integer("intfWidth")
    inward = layer.text("direction") == "in"
    width = stream if inward else memory
    return LayerPorts(
        input_bits=(memory if inward else stream,),
        output_bits=(width,),
        output_values=ceil_div(_bits_per_frame(layer), width),
    )


KIND = LayerKind(
    family="IODMA",
    flavours=("hls",),
    attributes={
        "NumChannels": whole(),
        "dataType": text(),
        "streamWidth": whole(32),
        "intfWidth": whole(32),
        "burstMode": text("increment", allowed=("wrap", "increment")),
        "direction": text("in", allowed=("in", "out")),
        "numInputVectors": wholes((1,)),
        "intfName": text(""),
    },
    cycles=_cycles,
    ports=_ports,
    resources=no_resources,
    foldings=no_folding,
    variants=no_variants,
    unknown=("lut", "ff", "bram18"),
)
