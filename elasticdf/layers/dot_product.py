"""What MVAU and VVAU share: multipliers, adder trees, accumulators and thresholds in LUTs.

Formula: M. Blott et al., "FINN-R", 2018, with the constants of FINN's ``lut_estimation``.
"""

from __future__ import annotations

from math import ceil, log2

from elasticdf.ir import AttributeValue, Layer
from elasticdf.layers.kind import Attribute, Attributes, FpgaPart, text, whole

WEIGHT_ATTRIBUTES: dict[str, Attribute] = {
    "PE": whole(),
    "resType": text("auto", allowed=("auto", "lut", "dsp")),
    "ActVal": whole(0, signed=True),
    "inputDataType": text(),
    "weightDataType": text(),
    "outputDataType": text(),
    "accDataType": text("INT32"),
    "noActivation": whole(0, allowed=(0, 1)),
    "binaryXnorMode": whole(0, allowed=(0, 1)),
    "mem_mode": text(
        "internal_decoupled", allowed=("internal_embedded", "internal_decoupled", "external")
    ),
    "ram_style": text("auto", allowed=("auto", "block", "distributed", "ultra")),
    "runtime_writeable_weights": whole(0, allowed=(0, 1)),
}
"""The attributes MVAU and VVAU have in common."""

PUBLISHED_VARIANTS: tuple[Attributes, ...] = ({"resType": "dsp"}, {"resType": "lut"})

EMBEDDED_LUT_WORDS = 128
"""HLS puts embedded weights of up to this many words into LUTs instead of block RAM."""


def accumulator_bits(layer: Layer, terms: int) -> int:
    """Return the accumulator's width: the declared one, or the data types' bound if narrower.

    Args:
        layer: An MVAU or VVAU.
        terms: Products added up for one output.
    """
    activation = layer.datatype("inputDataType")
    alpha = log2(terms) + layer.datatype("weightDataType").bits + activation.bits
    alpha -= 1 + int(activation.signed)
    bound = ceil(alpha + log2(1 + 2**-alpha) + 1)
    return min(layer.datatype("accDataType").bits, bound)


def multiplier_and_tree_luts(layer: Layer, simd: int) -> int:
    """Return the LUTs of one PE's multipliers and adder tree."""
    product_bits = layer.datatype("weightDataType").bits + layer.datatype("inputDataType").bits
    tree = product_bits * (2 * simd - 1)
    if layer.text("resType") == "dsp":
        return tree
    return simd * (2 * ceil(product_bits / 6) - 1) * product_bits + tree


def total_luts(pe: int, per_pe: float, weight_memory: int) -> int:
    """Return the LUTs of the layer from those of one PE, rounded as FINN rounds."""
    return int(300 + 1.1 * (pe * per_pe) + weight_memory)


def weights_in_luts(layer: Layer, words: int) -> bool:
    """Tell whether FINN counts the weights as LUTs."""
    mode = layer.text("mem_mode")
    decoupled = mode == "internal_decoupled" and layer.text("ram_style") == "distributed"
    return decoupled or (mode == "internal_embedded" and words <= EMBEDDED_LUT_WORDS)


def thresholds_per_channel(layer: Layer) -> int:
    """Return the number of thresholds of one channel, 0 without an activation."""
    if layer.integer("noActivation"):
        return 0
    return (1 << layer.datatype("outputDataType").bits) - 1


def weight_variants(layer: Layer, part: FpgaPart) -> tuple[Attributes, ...]:
    """Return where the weights may live and what multiplies, the layer's own choice first.

    Left out is what changes nothing by FINN's count: automatic memory beside block RAM, ``auto``
    arithmetic beside LUTs, embedded weights too many for LUTs. UltraRAM has no initial content
    before Versal, so FINN demands run-time writable weights with it; the RTL flavours always
    multiply in DSPs and have no embedded weights. Weights from a stream stay there.
    """
    memories = _weight_memories(layer, part)
    if layer.op_type.endswith("_rtl"):
        return memories
    other = "lut" if layer.text("resType") == "dsp" else "dsp"
    return (*memories, *({**memory, "resType": other} for memory in memories))


def _weight_memories(layer: Layer, part: FpgaPart) -> tuple[Attributes, ...]:
    if layer.text("mem_mode") == "external":
        return ({},)
    own = (layer.text("mem_mode"), layer.text("ram_style").replace("auto", "block"))
    styles = ["block", "distributed", *(["ultra"] if part.has_uram else [])]
    memories: list[Attributes] = [{}]
    for style in styles:
        if own == ("internal_decoupled", style):
            continue
        memory: dict[str, AttributeValue] = {"mem_mode": "internal_decoupled", "ram_style": style}
        if style == "ultra" and not part.dsp58:
            memory["runtime_writeable_weights"] = 1
        memories.append(memory)
    if own[0] != "internal_embedded" and not layer.op_type.endswith("_rtl"):
        memories.append({"mem_mode": "internal_embedded"})
    return tuple(memories)
