"""FINN's estimate with its documented errors repaired, split into parts that can be scaled.

Repaired are: the memory of FIFOs (F3), memory and comparators of thresholds (F4), layers FINN
counts as free (F5), products of one-bit operands, and flip-flops, which FINN does not estimate.
Coefficients come from the profile; this module only knows what a layer consists of.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import prod

from elasticdf.costs.profile import Coefficients
from elasticdf.errors import UserError
from elasticdf.ir import Layer, Resources
from elasticdf.layers import dot_product, kind_of, thresholding
from elasticdf.layers.kind import FpgaPart
from elasticdf.layers.memory import bram18, ceil_div, uram
from elasticdf.layers.streaming_fifo import depth_words, width_bits

_SRL_WORDS = 32
_BLOCK_FIFO_WORDS = 128
"""Deeper FIFOs of AMD's generator with automatic memory go to block RAM."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What a layer consists of.

    Attributes:
        compute: LUTs that compute.
        storage: LUTs that store.
        control: LUTs that steer streams.
        stream_bits: Bits of all its streams together.
        weight_bits: Bits of its weight stream.
        bram18: Block RAMs.
        uram: UltraRAMs.
        dsp: DSP slices.
    """

    compute: float = 0.0
    storage: float = 0.0
    control: float = 0.0
    stream_bits: int = 0
    weight_bits: int = 0
    bram18: float = 0.0
    uram: int = 0
    dsp: int = 0


@dataclass(frozen=True, slots=True)
class _Content:
    """What a family's rule returns: LUTs by use, weight bits, and memories if FINN's are wrong."""

    compute: float = 0.0
    storage: float = 0.0
    weight_bits: int = 0
    memories: tuple[int, int] | None = None


def parts(layer: Layer, coefficients: Coefficients, part: FpgaPart) -> Parts:
    """Return what the layer consists of, unscaled."""
    kind = kind_of(layer)
    ports = kind.ports(layer)
    finn = kind.resources(layer, part)
    own = coefficients.kinds.get(layer.op_type)
    if own is None:
        raise UserError(
            f"layer {layer.name}: the cost profile has no coefficients for {layer.op_type}; choose "
            "an implementation (_hls or _rtl) first, or add [kinds.*] to the profile"
        )
    content = _CONTENTS.get(layer.family, _as_finn)(layer, coefficients, finn, part)
    memories = content.memories or (finn.bram18, finn.uram)
    stream_bits = sum(ports.input_bits) + sum(ports.output_bits)
    return Parts(
        compute=content.compute,
        storage=content.storage,
        control=own.lut_per_layer + own.lut_per_stream_bit * stream_bits,
        stream_bits=stream_bits,
        weight_bits=content.weight_bits,
        bram18=memories[0] + own.bram18_per_layer,
        uram=memories[1],
        dsp=finn.dsp,
    )


def flip_flops(measured: Parts, coefficients: Coefficients) -> float:
    """Return the flip-flops of a layer, unscaled."""
    costs = coefficients.flip_flops
    return (
        costs.per_compute_lut * measured.compute
        + costs.per_control_lut * measured.control
        + costs.per_stream_bit * measured.stream_bits
        + costs.per_weight_bit * measured.weight_bits
    )


def _as_finn(
    _layer: Layer, _coefficients: Coefficients, finn: Resources, _part: FpgaPart
) -> _Content:
    return _Content(compute=finn.lut)


def _dot_product(
    layer: Layer, coefficients: Coefficients, finn: Resources, _part: FpgaPart
) -> _Content:
    """MVAU and VVAU: products, tree and accumulator per PE; thresholds compared and stored."""
    costs = coefficients.logic
    pe, simd = layer.integer("PE"), layer.integer("SIMD")
    dense = layer.family == "MVAU"
    terms = layer.integer("MW") if dense else prod(layer.integers("Kernel"))
    folds = layer.integer("MH" if dense else "Channels") // pe
    accumulator = dot_product.accumulator_bits(layer, terms)
    threshold_bits = pe * dot_product.thresholds_per_channel(layer) * accumulator
    weight_bits = pe * simd * layer.datatype("weightDataType").bits
    if layer.op_type.endswith("_rtl"):
        products = costs.packed_dsp_lut * finn.dsp
    elif layer.integer("binaryXnorMode"):
        products = costs.xnor_lut_per_lane * pe * simd
    else:
        products = pe * dot_product.multiplier_and_tree_luts(layer, simd)
    words = terms // simd * folds
    in_luts = dot_product.weights_in_luts(layer, words) or _small_vvau(layer, words)
    return _Content(
        compute=products
        + costs.accumulator_lut_per_bit * pe * accumulator
        + costs.comparator_lut_per_bit * threshold_bits
        + costs.weight_stream_lut_per_bit * weight_bits,
        storage=costs.threshold_rom_lut_per_bit * threshold_bits * ceil_div(folds, 32)
        + (weight_bits * ceil_div(words, 64) if in_luts else 0),
        weight_bits=weight_bits,
        # FINN counts large embedded weights twice, as block RAM and as UltraRAM.
        memories=(finn.bram18, 0) if layer.text("mem_mode") == "internal_embedded" else None,
    )


def _small_vvau(layer: Layer, words: int) -> bool:
    """Tell whether FINN drops a small automatic weight memory without counting its LUTs."""
    return (
        layer.family == "VVAU"
        and layer.text("mem_mode") == "internal_decoupled"
        and layer.text("ram_style") == "auto"
        and words <= dot_product.EMBEDDED_LUT_WORDS
    )


def _window(
    layer: Layer, _coefficients: Coefficients, finn: Resources, _part: FpgaPart
) -> _Content:
    base = kind_of(layer).resources(layer.with_attributes({"ram_style": "block"}), _part).lut
    return _Content(compute=base, storage=finn.lut - base)


def _thresholds(
    layer: Layer, coefficients: Coefficients, finn: Resources, part: FpgaPart
) -> _Content:
    """The RTL flavour keeps a stage in LUTs unless a depth trigger above 0 is reached."""
    if layer.op_type.endswith("_hls"):
        return _Content(compute=finn.lut)
    pe = layer.integer("PE")
    block, ultra = layer.integer("depth_trigger_bram"), layer.integer("depth_trigger_uram")
    luts = brams = urams = compared = 0
    for bits, words in thresholding.stage_memories(layer):
        compared += bits
        if ultra and words >= ultra and part.has_uram:
            urams += pe * uram(bits, words)
        elif (block and words >= block) or (ultra and words >= ultra):
            brams += pe * bram18(bits, words)
        else:
            luts += pe * bits * ceil_div(words, 64)
    return _Content(
        # Each stage also keeps a copy of the value it compares.
        compute=2 * coefficients.logic.comparator_lut_per_bit * compared * pe,
        storage=luts,
        memories=(brams, urams),
    )


def _fifo(layer: Layer, _coefficients: Coefficients, _finn: Resources, part: FpgaPart) -> _Content:
    width, depth = width_bits(layer), depth_words(layer)
    address = 2 * max(0, (depth - 1).bit_length())
    if layer.text("impl_style") != "vivado":
        per_word = width if depth > _SRL_WORDS // 2 else ceil_div(width, 2)
        return _Content(compute=address, storage=ceil_div(depth, _SRL_WORDS) * per_word)
    style = layer.text("ram_style")
    if style == "ultra" and part.has_uram:
        return _Content(compute=address, memories=(0, uram(width, depth)))
    if style in ("block", "ultra") or (style == "auto" and depth >= _BLOCK_FIFO_WORDS):
        return _Content(compute=address, memories=(bram18(width, depth), 0))
    return _Content(compute=address, storage=ceil_div(depth, _SRL_WORDS) * ceil_div(width, 2))


_CONTENTS: Mapping[str, Callable[[Layer, Coefficients, Resources, FpgaPart], _Content]] = {
    "MVAU": _dot_product,
    "VVAU": _dot_product,
    "ConvolutionInputGenerator": _window,
    "Thresholding": _thresholds,
    "StreamingFIFO": _fifo,
}
"""What each family consists of; the others are FINN's estimate beside the kind's control."""
