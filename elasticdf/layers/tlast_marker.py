"""TLastMarker: marks the last transfer of a frame; passes the stream on unchanged.

FINN has no cycle or resource formula for it.
"""

from __future__ import annotations

from elasticdf.ir import Layer
from elasticdf.layers.kind import (
    LayerKind,
    LayerPorts,
    no_folding,
    no_resources,
    no_variants,
    text,
    whole,
)


def _cycles(_layer: Layer) -> int:
    return 0


def _ports(layer: Layer) -> LayerPorts:
    bits = layer.integer("StreamWidth")
    return LayerPorts(
        input_bits=(bits,), output_bits=(bits,), output_values=layer.integer("NumIters")
    )


KIND = LayerKind(
    family="TLastMarker",
    flavours=("hls",),
    attributes={
        "NumIters": whole(),
        "DynIters": whole(1, lowest=0),
        "Direction": text("out", allowed=("in", "out")),
        "StreamWidth": whole(),
        "ElemWidth": whole(),
        "Protocol": text("external", allowed=("external", "internal")),
    },
    cycles=_cycles,
    ports=_ports,
    resources=no_resources,
    foldings=no_folding,
    variants=no_variants,
    unknown=("lut", "ff"),
)
