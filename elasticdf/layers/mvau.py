"""MVAU: matrix times vector, with optional thresholds.

Formulas: FINN's ``matrixvectoractivation.py`` and its HLS and RTL flavours.
"""

from __future__ import annotations

from math import ceil, gcd, prod

import numpy as np

from elasticdf.ir import Layer, Resources
from elasticdf.layers import dot_product, product_unit
from elasticdf.layers.emulation import Values, cast, element_type, reshape
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
from elasticdf.layers.memory import bram18, ceil_div, divisors, uram

MEMORY_PORT_BITS = 512
"""Widest interface of FINN's DMA kernels to memory (``InsertIODMA`` as ``VitisBuild`` calls it)."""


def has_external_weights(layer: Layer) -> bool:
    """Return whether the layer reads its weights from a stream, beside its data."""
    return layer.family == "MVAU" and layer.attributes.get("mem_mode") == "external"


def takes_rows(layer: Layer) -> bool:
    """Return whether a weight stream carries the matrix (outputs, inputs) row by row.

    A word holds SIMD weights of each of PE rows, and words go along the rows (FINN's
    ``InsertIODMA.get_mem_init``): rows interleave unless PE is 1 or a word holds whole rows.
    """
    return layer.integer("PE") == 1 or layer.integer("SIMD") == layer.integer("MW")


def _cycles(layer: Layer) -> int:
    vectors = prod(layer.integers("numInputVectors"))
    return (
        fold(layer, layer.integer("MH"), "PE") * fold(layer, layer.integer("MW"), "SIMD") * vectors
    )


def _weight_shape(layer: Layer) -> tuple[int, int]:
    """Return (bits, words) of the weight memory, all PEs side by side."""
    pe, simd = layer.integer("PE"), layer.integer("SIMD")
    words = fold(layer, layer.integer("MH"), "PE") * fold(layer, layer.integer("MW"), "SIMD")
    return pe * simd * layer.datatype("weightDataType").bits, words


def _ports(layer: Layer) -> LayerPorts:
    inputs = [layer.integer("SIMD") * layer.datatype("inputDataType").bits]
    if has_external_weights(layer):
        inputs.append(_weight_shape(layer)[0])
    return LayerPorts(
        input_bits=tuple(inputs),
        output_bits=(layer.integer("PE") * layer.datatype("outputDataType").bits,),
        output_values=fold(layer, layer.integer("MH"), "PE")
        * prod(layer.integers("numInputVectors")),
    )


def _bram18(layer: Layer) -> int:
    width, words = _weight_shape(layer)
    mode = layer.text("mem_mode")
    elsewhere = (
        (mode == "internal_decoupled" and layer.text("ram_style") in ("distributed", "ultra"))
        or (mode == "internal_embedded" and words <= dot_product.EMBEDDED_LUT_WORDS)
        or mode == "external"
    )
    return 0 if elsewhere else bram18(width, words)


def _uram(layer: Layer) -> int:
    width, words = _weight_shape(layer)
    mode = layer.text("mem_mode")
    elsewhere = (
        (mode == "internal_decoupled" and layer.text("ram_style") != "ultra")
        or (mode == "internal_embedded" and words <= dot_product.EMBEDDED_LUT_WORDS)
        or mode == "external"
    )
    return 0 if elsewhere else uram(width, words)


def _luts(layer: Layer) -> int:
    pe = layer.integer("PE")
    accumulator = dot_product.accumulator_bits(layer, layer.integer("MW"))
    per_pe = dot_product.multiplier_and_tree_luts(layer, layer.integer("SIMD")) + accumulator
    if layer.text("ram_style_thresholds") == "distributed":
        thresholds = dot_product.thresholds_per_channel(layer) * accumulator
        words = fold(layer, layer.integer("MH"), "PE")
        per_pe += thresholds * ceil_div(words, 64) + thresholds
    width, words = _weight_shape(layer)
    memory = width * ceil_div(words, 64) if dot_product.weights_in_luts(layer, words) else 0
    return dot_product.total_luts(pe, per_pe, memory)


def _dsps(layer: Layer, part: FpgaPart) -> int:
    pe, simd = layer.integer("PE"), layer.integer("SIMD")
    if layer.op_type.endswith("_rtl"):
        return pe * ceil_div(simd, 3) if part.dsp58 else ceil_div(pe, 4) * simd
    if layer.text("resType") != "dsp":
        return 0
    bits = layer.datatype("weightDataType").bits + layer.datatype("inputDataType").bits
    return pe * simd * ceil(bits / 48)


def _resources(layer: Layer, part: FpgaPart) -> Resources:
    return Resources(
        lut=0 if layer.op_type.endswith("_rtl") else _luts(layer),
        ff=None,
        bram18=_bram18(layer),
        uram=_uram(layer),
        dsp=_dsps(layer, part),
    )


def _foldings(layer: Layer) -> tuple[Attributes, ...]:
    pairs = [
        (pe, simd) for pe in divisors(layer.integer("MH")) for simd in divisors(layer.integer("MW"))
    ]
    pairs.sort(key=lambda pair: (pair[0] * pair[1], pair[0]))
    foldings = tuple({"PE": pe, "SIMD": simd} for pe, simd in pairs)
    if not has_external_weights(layer):
        return foldings
    return tuple(f for f in foldings if _is_fed_in_time(layer.with_attributes(f)))


def _is_fed_in_time(layer: Layer) -> bool:
    """Return whether a DMA kernel brings the matrix as it is stored, a word every cycle."""
    width, words = _weight_shape(layer)
    return takes_rows(layer) and width <= gcd(width * words, MEMORY_PORT_BITS)


def _emulate(
    layer: Layer, builder: OnnxBuilder, inputs: tuple[str, ...], parameters: tuple[Values, ...]
) -> tuple[str, ...]:
    leading = layer.integers("numInputVectors")[1:]
    if has_external_weights(layer):
        return (_emulate_external(layer, builder, inputs, leading),)
    tensor = reshape(builder, inputs[0], *leading, layer.integer("MW"))
    matrix = product_unit.products(layer, parameters[0])
    element = product_unit.accumulator_type(layer, matrix)
    tensor = product_unit.operand(layer, builder, tensor, element)
    result = builder.node("MatMul", (tensor, builder.constant(matrix.astype(element))))
    return (product_unit.finish(layer, builder, result, parameters, element),)


def _emulate_external(
    layer: Layer, builder: OnnxBuilder, inputs: tuple[str, ...], leading: tuple[int, ...]
) -> str:
    """Multiply each frame's vector by the matrix (outputs, inputs) that came with it."""
    data, weights = inputs
    outputs, terms = layer.integer("MH"), layer.integer("MW")
    kind = layer.datatype("weightDataType")
    largest = np.full((terms, 1), max(abs(kind.minimum), abs(kind.maximum)))
    element = product_unit.accumulator_type(layer, largest)
    column = reshape(builder, data, terms, 1)
    column = product_unit.operand(layer, builder, column, element)
    matrix = cast(builder, weights, element_type(kind), element)
    sums = reshape(builder, builder.node("MatMul", (matrix, column)), *leading, outputs)
    return cast(builder, sums, element, element_type(layer.datatype("outputDataType")))


KIND = LayerKind(
    family="MVAU",
    flavours=("hls", "rtl"),
    attributes={
        **dot_product.WEIGHT_ATTRIBUTES,
        "SIMD": whole(),
        "MW": whole(),
        "MH": whole(),
        "numInputVectors": wholes((1,)),
        "ram_style_thresholds": text("auto", allowed=("auto", "block", "distributed")),
    },
    cycles=_cycles,
    ports=_ports,
    resources=_resources,
    foldings=_foldings,
    variants=dot_product.weight_variants,
    published_variants=dot_product.PUBLISHED_VARIANTS,
    emulate=_emulate,
)
