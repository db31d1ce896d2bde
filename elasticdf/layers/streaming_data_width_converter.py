"""StreamingDataWidthConverter: changes how many bits a transfer carries.

Formulas: FINN's ``streamingdatawidthconverter.py``. FINN counts no cycles for it although a narrow
end takes one cycle per transfer (error F9).
"""

from __future__ import annotations

from math import ceil, lcm, log2, prod

from elasticdf.ir import Layer, Resources
from elasticdf.layers.kind import (
    FpgaPart,
    LayerKind,
    LayerPorts,
    no_folding,
    no_variants,
    text,
    whole,
    wholes,
)


def _cycles(_layer: Layer) -> int:
    return 0


def _ports(layer: Layer) -> LayerPorts:
    width = layer.integer("outWidth")
    bits = prod(layer.integers("shape")) * layer.datatype("dataType").bits
    return LayerPorts(
        input_bits=(layer.integer("inWidth"),), output_bits=(width,), output_values=bits // width
    )


def _resources(layer: Layer, _part: FpgaPart) -> Resources:
    narrow_in, narrow_out = layer.integer("inWidth"), layer.integer("outWidth")
    common = lcm(narrow_in, narrow_out)
    luts = 0
    if narrow_in != common:
        luts += abs(ceil(log2(narrow_in / common))) + common
    if common != narrow_out:
        luts += abs(ceil(log2(common / narrow_out))) + narrow_out
    return Resources(lut=luts, ff=None)


KIND = LayerKind(
    family="StreamingDataWidthConverter",
    flavours=("hls", "rtl"),
    attributes={
        "shape": wholes(),
        "inWidth": whole(),
        "outWidth": whole(),
        "dataType": text(),
    },
    cycles=_cycles,
    ports=_ports,
    resources=_resources,
    foldings=no_folding,
    variants=no_variants,
)
