"""VVAU: one small dot product per channel (depthwise convolution), with optional thresholds.

Formulas: FINN's ``vectorvectoractivation.py`` and its HLS and RTL flavours. Each window position
must arrive with PE channels at once, so the window generator before it has SIMD equal to PE.
"""

from __future__ import annotations

from math import ceil, prod

from elasticdf.errors import UserError
from elasticdf.ir import Layer, Resources
from elasticdf.layers import dot_product, product_unit
from elasticdf.layers.emulation import Values, integers, reshape
from elasticdf.layers.kind import (
    Attributes,
    FpgaPart,
    LayerKind,
    LayerPorts,
    OnnxBuilder,
    fold,
    whole,
    wholes,
)
from elasticdf.layers.memory import bram18, ceil_div, divisors, uram


def _kernel_fold(layer: Layer) -> int:
    return fold(layer, prod(layer.integers("Kernel")), "SIMD")


def _channel_fold(layer: Layer) -> int:
    return fold(layer, layer.integer("Channels"), "PE")


def _cycles(layer: Layer) -> int:
    return _channel_fold(layer) * _kernel_fold(layer) * prod(layer.integers("Dim"))


def _weight_shape(layer: Layer) -> tuple[int, int]:
    """Return (bits, words) of the weight memory, all PEs side by side."""
    lanes = layer.integer("PE") * layer.integer("SIMD")
    words = _channel_fold(layer) * _kernel_fold(layer)
    return lanes * layer.datatype("weightDataType").bits, words


def _ports(layer: Layer) -> LayerPorts:
    pe = layer.integer("PE")
    inputs = [pe * layer.integer("SIMD") * layer.datatype("inputDataType").bits]
    if layer.text("mem_mode") == "external":
        inputs.append(_weight_shape(layer)[0])
    return LayerPorts(
        input_bits=tuple(inputs),
        output_bits=(pe * layer.datatype("outputDataType").bits,),
        output_values=_channel_fold(layer) * prod(layer.integers("Dim")),
    )


def _bram18(layer: Layer) -> int:
    width, words = _weight_shape(layer)
    mode, style = layer.text("mem_mode"), layer.text("ram_style")
    in_luts = words <= dot_product.EMBEDDED_LUT_WORDS
    elsewhere = (
        (mode == "internal_decoupled" and style in ("distributed", "ultra"))
        or (mode == "internal_decoupled" and style == "auto" and in_luts)
        or (mode == "internal_embedded" and in_luts)
        or mode == "external"
    )
    return 0 if elsewhere else bram18(width, words, widths=(8, 16, 32))


def _uram(layer: Layer) -> int:
    if layer.text("mem_mode") != "internal_decoupled" or layer.text("ram_style") != "ultra":
        return 0
    return uram(*_weight_shape(layer))


def _luts(layer: Layer) -> int:
    accumulator = dot_product.accumulator_bits(layer, prod(layer.integers("Kernel")))
    thresholds = dot_product.thresholds_per_channel(layer) * accumulator
    per_pe = (
        dot_product.multiplier_and_tree_luts(layer, layer.integer("SIMD"))
        + accumulator
        + thresholds * _channel_fold(layer) / 64
        + thresholds
    )
    width, words = _weight_shape(layer)
    memory = width * ceil_div(words, 64) if dot_product.weights_in_luts(layer, words) else 0
    return dot_product.total_luts(layer.integer("PE"), per_pe, memory)


def _dsps(layer: Layer) -> int:
    pe = layer.integer("PE")
    if layer.op_type.endswith("_rtl"):
        return pe * ceil_div(layer.integer("SIMD"), 3)
    if layer.text("resType") != "dsp":
        return 0
    bits = layer.datatype("weightDataType").bits + layer.datatype("inputDataType").bits
    return pe * ceil(bits / 48)


def _resources(layer: Layer, part: FpgaPart) -> Resources:
    rtl = layer.op_type.endswith("_rtl")
    if rtl and not part.dsp58:
        raise UserError(
            f"layer {layer.name} (VVAU_rtl): part {part.name} has no DSP58; FINN builds this layer "
            "on Versal only, use VVAU_hls"
        )
    return Resources(
        lut=0 if rtl else _luts(layer),
        ff=None,
        bram18=_bram18(layer),
        uram=_uram(layer),
        dsp=_dsps(layer),
    )


def _foldings(layer: Layer) -> tuple[Attributes, ...]:
    channels = layer.integer("Channels")
    kernel = divisors(prod(layer.integers("Kernel")))
    # FINN's window generator feeds several window positions at once only with all channels.
    return (
        *({"PE": pe, "SIMD": 1} for pe in divisors(channels)),
        *({"PE": channels, "SIMD": simd} for simd in kernel[1:]),
    )


def _emulate(
    layer: Layer, builder: OnnxBuilder, inputs: tuple[str, ...], parameters: tuple[Values, ...]
) -> tuple[str, ...]:
    """Multiply each channel's window, as the depthwise window generator delivers it."""
    channels, positions = layer.integer("Channels"), prod(layer.integers("Kernel"))
    matrix = parameters[0].reshape(channels, positions)
    element = product_unit.accumulator_type(layer, matrix.T)
    tensor = reshape(builder, inputs[0], *layer.integers("Dim"), channels, positions)
    tensor = product_unit.operand(layer, builder, tensor, element)
    tensor = builder.node("Mul", (tensor, builder.constant(matrix.astype(element))))
    result = builder.node("ReduceSum", (tensor, integers(builder, 4)), keepdims=0)
    return (product_unit.finish(layer, builder, result, parameters, element),)


KIND = LayerKind(
    family="VVAU",
    flavours=("hls", "rtl"),
    attributes={
        **dot_product.WEIGHT_ATTRIBUTES,
        "SIMD": whole(1),
        "Dim": wholes(length=2),
        "Channels": whole(),
        "Kernel": wholes(length=2),
    },
    cycles=_cycles,
    ports=_ports,
    resources=_resources,
    foldings=_foldings,
    variants=dot_product.weight_variants,
    published_variants=dot_product.PUBLISHED_VARIANTS,
    emulate=_emulate,
)
