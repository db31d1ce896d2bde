"""The arithmetic MVAU and VVAU share, for emulation: operands, accumulators, thresholds.

A convolution computed in one step (window generator and unit together) uses the same three parts.
"""

from __future__ import annotations

import numpy as np

from elasticdf.ir import Layer
from elasticdf.layers.emulation import Values, activate, cast, element_type, exact_type
from elasticdf.layers.kind import OnnxBuilder


def products(layer: Layer, weights: Values) -> Values:
    """Return the factors of the inputs: for XNOR units a bit counts up or down."""
    return 2 * weights - 1 if layer.integer("binaryXnorMode", 0) else weights


def accumulator_type(layer: Layer, matrix: Values) -> np.dtype[np.generic]:
    """Return the type exact for every partial sum and every threshold.

    Args:
        layer: With ``inputDataType`` and ``accDataType``.
        matrix: Factors, shape (terms, outputs).
    """
    source = layer.datatype("inputDataType")
    largest = max(abs(source.minimum), abs(source.maximum))
    sums = float(np.abs(matrix).sum(axis=0).max()) * largest + matrix.shape[0]
    declared = layer.datatype("accDataType")
    return exact_type(max(sums, abs(declared.minimum), abs(declared.maximum)))


def operand(layer: Layer, builder: OnnxBuilder, tensor: str, element: np.dtype[np.generic]) -> str:
    """Return the input in the accumulator's type; bipolar inputs of XNOR units become bits."""
    source = layer.datatype("inputDataType")
    tensor = cast(builder, tensor, element_type(source), element)
    if source.name == "BIPOLAR" and layer.integer("binaryXnorMode", 0):
        half = builder.constant(np.array(0.5, element))
        tensor = builder.node("Add", (builder.node("Mul", (tensor, half)), half))
    return tensor


def finish(
    layer: Layer,
    builder: OnnxBuilder,
    sums: str,
    parameters: tuple[Values, ...],
    element: np.dtype[np.generic],
) -> str:
    """Complete the count of an XNOR unit and apply thresholds, if there are any.

    Args:
        layer: MVAU or VVAU.
        builder: Takes the nodes.
        sums: Sums of products, channels last.
        parameters: Weights and, unless ``noActivation``, thresholds.
        element: Type of the sums.
    """
    if layer.integer("binaryXnorMode", 0):
        unset = (1 - parameters[0]).sum(axis=0)
        sums = builder.node("Add", (sums, builder.constant(unset.astype(element))))
    if layer.integer("noActivation", 0):
        return cast(builder, sums, element, element_type(layer.datatype("outputDataType")))
    return activate(builder, layer, sums, parameters[1], element)
