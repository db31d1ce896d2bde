"""StreamingFIFO: a queue between two layers.

Formulas: FINN's ``streamingfifo.py``, ``rtl/streamingfifo_rtl.py``. A deep FIFO of AMD's generator
with automatic memory is counted without any memory (error F3).
"""

from __future__ import annotations

from math import ceil, log2, prod

from elasticdf.ir import Layer, Resources
from elasticdf.layers.kind import (
    Attributes,
    FpgaPart,
    LayerKind,
    LayerPorts,
    no_folding,
    text,
    whole,
    wholes,
)
from elasticdf.layers.memory import bram18, ceil_div, uram


def width_bits(layer: Layer) -> int:
    """Return the bits of one word."""
    return layer.integers("folded_shape")[-1] * layer.datatype("dataType").bits


def depth_words(layer: Layer) -> int:
    """Return the words the memory holds; AMD's generator rounds up to a power of two."""
    depth = layer.integer("depth")
    if layer.text("impl_style", "rtl") == "vivado":
        return 1 << (depth - 1).bit_length()
    return depth


def split_depths(depth: int, deepest_rtl: int = 256, deepest_vivado: int = 32768) -> list[int]:
    """Return the depths FINN splits a FIFO into, deepest first.

    AMD's FIFO generator takes only powers of two. Source: FINN's ``set_fifo_depths.py``,
    SplitLargeFIFOs.

    >>> split_depths(52900)
    [32768, 16384, 2048, 1024, 512, 164]
    """
    if depth <= deepest_rtl:
        return [depth]
    largest = min(deepest_vivado, 1 << (depth.bit_length() - 1))
    rest = depth - largest
    return [largest, *(split_depths(rest, deepest_rtl, deepest_vivado) if rest else [])]


def _cycles(_layer: Layer) -> int:
    return 0


def _ports(layer: Layer) -> LayerPorts:
    bits = width_bits(layer)
    values = prod(layer.integers("folded_shape")[:-1])
    return LayerPorts(input_bits=(bits,), output_bits=(bits,), output_values=values)


def _resources(layer: Layer, _part: FpgaPart) -> Resources:
    width, depth = width_bits(layer), depth_words(layer)
    vivado = layer.text("impl_style", "rtl") == "vivado"
    style = layer.text("ram_style")
    in_luts = 0 if vivado and style != "distributed" else ceil_div(depth, 32) * ceil_div(width, 2)
    return Resources(
        lut=int(2 * ceil(log2(depth)) + in_luts),
        ff=None,
        bram18=bram18(width, depth) if vivado and style == "block" else 0,
        uram=uram(width, depth) if vivado and style == "ultra" else 0,
    )


_IN_MEMORY: tuple[Attributes, ...] = (
    {"impl_style": "vivado", "ram_style": "block"},
    {"impl_style": "vivado", "ram_style": "distributed"},
    {"impl_style": "vivado", "ram_style": "ultra"},
)


def _variants(layer: Layer, part: FpgaPart) -> tuple[Attributes, ...]:
    if layer.integer("depth") <= 32:
        return ({},)
    styles = _IN_MEMORY if part.has_uram else _IN_MEMORY[:2]
    return ({}, {"impl_style": "rtl"}, *styles)


KIND = LayerKind(
    family="StreamingFIFO",
    flavours=("rtl",),
    attributes={
        "depth": whole(),
        "folded_shape": wholes(),
        "normal_shape": wholes(()),
        "dataType": text(),
        "ram_style": text("auto", allowed=("auto", "block", "distributed", "ultra")),
        "depth_monitor": whole(0),
        "impl_style": text("rtl", allowed=("rtl", "vivado"), flavours=("rtl",)),
        "inFIFODepths": wholes((0,), lowest=0),
        "outFIFODepths": wholes((0,), lowest=0),
    },
    cycles=_cycles,
    ports=_ports,
    resources=_resources,
    foldings=no_folding,
    variants=_variants,
    published_variants=_IN_MEMORY,
)
