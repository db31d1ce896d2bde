"""Pool: maximum or average over depthwise windows a window generator prepared.

Formulas: FINN's ``pool.py``.
"""

from __future__ import annotations

from math import prod

from elasticdf.ir import Layer
from elasticdf.layers.kind import (
    Attributes,
    LayerKind,
    LayerPorts,
    fold,
    no_resources,
    no_variants,
    text,
    whole,
    wholes,
)
from elasticdf.layers.memory import divisor_foldings


def _positions(layer: Layer) -> int:
    return fold(layer, layer.integer("Channels"), "PE") * prod(layer.integers("OutImgDims"))


def _cycles(layer: Layer) -> int:
    return _positions(layer) * prod(layer.integers("KernelSize")) * layer.integer("BatchSize")


def _ports(layer: Layer) -> LayerPorts:
    pe = layer.integer("PE")
    return LayerPorts(
        input_bits=(pe * layer.datatype("InputDataType").bits,),
        output_bits=(pe * layer.datatype("OutputDataType").bits,),
        output_values=_positions(layer),
    )


def _foldings(layer: Layer) -> tuple[Attributes, ...]:
    return divisor_foldings(layer, "PE", layer.integer("Channels"))


KIND = LayerKind(
    family="Pool",
    flavours=("hls",),
    attributes={
        "Channels": whole(),
        "PE": whole(1),
        "KernelSize": wholes(),
        "Function": text(allowed=("MaxPool", "QuantAvgPool")),
        "OutImgDims": wholes(),
        "InputDataType": text(),
        "OutputDataType": text(),
        "AccumBits": whole(0),
        "Size": whole(1),
        "BatchSize": whole(1),
    },
    cycles=_cycles,
    ports=_ports,
    resources=no_resources,
    foldings=_foldings,
    variants=no_variants,
    unknown=("lut", "ff"),
)
