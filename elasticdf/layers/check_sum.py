"""CheckSum: sums up a stream for debugging; passes it on unchanged.

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
    wholes,
)


def _cycles(_layer: Layer) -> int:
    return 0


def _ports(layer: Layer) -> LayerPorts:
    bits = layer.integer("items_per_word") * layer.datatype("inputDataType").bits
    return LayerPorts(
        input_bits=(bits,), output_bits=(bits,), output_values=layer.integer("words_per_frame")
    )


KIND = LayerKind(
    family="CheckSum",
    flavours=("hls",),
    attributes={
        "words_per_frame": whole(),
        "items_per_word": whole(),
        "inputDataType": text(),
        "folded_shape": wholes(),
    },
    cycles=_cycles,
    ports=_ports,
    resources=no_resources,
    foldings=no_folding,
    variants=no_variants,
    unknown=("lut", "ff"),
)
