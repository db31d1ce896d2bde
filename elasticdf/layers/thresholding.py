"""Thresholding: compares each channel with its thresholds and outputs how many it reaches.

Formulas: FINN's ``thresholding.py`` and its RTL (binary search) and HLS flavours. FINN's RTL
estimate is wrong in known ways (error F4): it takes Versal's memories on every part and loses the
block RAMs. They are kept here; ``elasticdf.costs.corrections`` repairs them.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import prod

from elasticdf.ir import Layer, Resources
from elasticdf.layers.emulation import Values, activate, element_type, look_up, reshape
from elasticdf.layers.kind import (
    Attributes,
    FpgaPart,
    LayerKind,
    LayerPorts,
    OnnxBuilder,
    fold,
    text,
    whole,
    wholes,
)
from elasticdf.layers.memory import ceil_div, divisor_foldings

_PRIMITIVES: tuple[tuple[str, int, int], ...] = (
    ("uram", 72, 4096),
    ("uram", 36, 8192),
    ("uram", 18, 16384),
    ("uram", 9, 32768),
    ("bram18", 36, 512),
    ("bram18", 18, 1024),
    ("bram18", 9, 2048),
    ("lut", 1, 64),
)
"""(resource, bits, words) of one memory; the order decides ties, as in FINN."""


def _fold(layer: Layer) -> int:
    return fold(layer, layer.integer("NumChannels"), "PE")


def _cycles(layer: Layer) -> int:
    return _fold(layer) * prod(layer.integers("numInputVectors"))


def _ports(layer: Layer) -> LayerPorts:
    pe = layer.integer("PE")
    return LayerPorts(
        input_bits=(pe * layer.datatype("inputDataType").bits,),
        output_bits=(pe * layer.datatype("outputDataType").bits,),
        output_values=_cycles(layer),
    )


def stage_memories(layer: Layer) -> tuple[tuple[int, int], ...]:
    """Return (bits, words) of each memory of one PE of the RTL flavour: one per search stage."""
    folds, stages = _fold(layer), layer.datatype("outputDataType").bits
    if layer.integer("uniform_thres"):
        return tuple((stages - x, folds * 2**x) for x in range(1, stages))
    bits = layer.datatype("weightDataType").bits
    return tuple((bits, folds * 2**x) for x in range(stages))


def _allowed_resource(layer: Layer, words: int) -> str | None:
    """Return the only resource the depth triggers allow, None for any."""
    block, ultra = layer.integer("depth_trigger_bram"), layer.integer("depth_trigger_uram")
    if not block and not ultra:
        return None
    if words >= ultra:
        return "uram"
    return "bram18" if words >= block else None


def _least_waste(bits: int, words: int, only: str | None) -> tuple[str, int]:
    """Return the resource and count that wastes the fewest bits; first in the table on ties."""
    choices = [
        (ceil_div(bits, width) * ceil_div(words, depth), width * depth, resource)
        for resource, width, depth in _PRIMITIVES
        if only in (None, resource)
    ]
    count, _, resource = min(choices, key=lambda choice: choice[0] * choice[1])
    return resource, count


def _rtl_resources(layer: Layer) -> Resources:
    used: dict[str, int] = {"lut": 0, "uram": 0, "bram18": 0}
    for bits, words in stage_memories(layer):
        resource, count = _least_waste(bits, words, _allowed_resource(layer, words))
        used[resource] += count * layer.integer("PE")
    return Resources(lut=used["lut"], uram=used["uram"], ff=None)


def parameter_resources(layer: Layer) -> Resources:
    """Return FINN's HLS estimate for one parameter per channel beside a comparator per PE."""
    return channel_memory(
        bits=layer.datatype("inputDataType").bits,
        pe=layer.integer("PE"),
        words=_fold(layer),
        style=layer.text("ram_style"),
    )


def channel_memory(*, bits: int, pe: int, words: int, style: str) -> Resources:
    """Return comparators in LUTs and the channel parameters in LUTs or block RAM.

    Source: ``hls/thresholding_hls.py``, ``hls/channelwise_op_hls.py``.
    """
    comparators = bits * pe
    if words <= 1 or style not in ("distributed", "block"):
        return Resources(lut=comparators, ff=None)
    if style == "distributed":
        return Resources(lut=comparators + comparators * ceil_div(words, 64), ff=None)
    return Resources(
        lut=comparators, bram18=ceil_div(comparators, 16) * ceil_div(words, 1024), ff=None
    )


def _resources(layer: Layer, _part: FpgaPart) -> Resources:
    return parameter_resources(layer) if layer.op_type.endswith("_hls") else _rtl_resources(layer)


def _foldings(layer: Layer) -> tuple[Attributes, ...]:
    return divisor_foldings(layer, "PE", layer.integer("NumChannels"))


_NEVER = 1 << 20
"""A depth trigger no memory reaches."""

_RTL_VARIANTS: Mapping[str, Attributes] = {
    "lut": {"depth_trigger_bram": 0, "depth_trigger_uram": 0},
    "deep in block RAM": {"depth_trigger_bram": 256, "depth_trigger_uram": _NEVER},
    "most in block RAM": {"depth_trigger_bram": 64, "depth_trigger_uram": _NEVER},
}


def _variants(layer: Layer, _part: FpgaPart) -> tuple[Attributes, ...]:
    if layer.op_type.endswith("_hls"):
        return ({}, {"ram_style": "distributed"}, {"ram_style": "block"})
    return ({}, *_RTL_VARIANTS.values())


def _emulate(
    layer: Layer, builder: OnnxBuilder, inputs: tuple[str, ...], parameters: tuple[Values, ...]
) -> tuple[str, ...]:
    source, channels = layer.datatype("inputDataType"), layer.integer("NumChannels")
    leading = layer.integers("numInputVectors")[1:]
    tensor = reshape(builder, inputs[0], *leading, channels)
    thresholds = parameters[0]
    table = look_up(builder, layer, tensor, thresholds, source)
    if table is not None:
        return (table,)
    return (activate(builder, layer, tensor, thresholds, element_type(source)),)


KIND = LayerKind(
    family="Thresholding",
    flavours=("hls", "rtl"),
    attributes={
        "PE": whole(),
        "NumChannels": whole(),
        "numSteps": whole(1),
        "inputDataType": text(),
        "weightDataType": text(),
        "outputDataType": text(),
        "numInputVectors": wholes((1,)),
        "ActVal": whole(0, signed=True),
        "runtime_writeable_weights": whole(0, allowed=(0, 1)),
        "depth_trigger_uram": whole(0, flavours=("rtl",)),
        "depth_trigger_bram": whole(0, flavours=("rtl",)),
        "uniform_thres": whole(0, allowed=(0, 1), flavours=("rtl",)),
        "deep_pipeline": whole(1, allowed=(0, 1), flavours=("rtl",)),
        "mem_mode": text(
            "internal_decoupled",
            allowed=("internal_embedded", "internal_decoupled"),
            flavours=("hls",),
        ),
        "ram_style": text("distributed", allowed=("block", "distributed"), flavours=("hls",)),
    },
    cycles=_cycles,
    ports=_ports,
    resources=_resources,
    foldings=_foldings,
    variants=_variants,
    unknown=("lut",),
    emulate=_emulate,
)
