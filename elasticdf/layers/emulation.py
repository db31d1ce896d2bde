"""What the emulation rules of the kinds share: element types, thresholds, casts.

Whole numbers are held in single precision where every value provably stays within 2^24, else in
double precision; both are exact there. Rules write standard ONNX operators, batch first and free.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from elasticdf.errors import UserError
from elasticdf.ir import DataType, Layer
from elasticdf.layers.kind import OnnxBuilder

_SINGLE_LIMIT = 2**24
_DOUBLE_LIMIT = 2**53

_TABLE_STEPS = 8
"""From this many thresholds on, looking a code up is faster than comparing (measured)."""
_TABLE_ENTRIES = 2**16

_SEARCHED_STEPS = 31
"""From this many thresholds on, halving them is faster than comparing with each (measured)."""

FLOAT, INT64, DOUBLE, BOOL = 1, 7, 11, 9
"""ONNX's numbers of element types."""

Values = NDArray[np.generic]


def element_type(datatype: DataType) -> np.dtype[np.generic]:
    """Return the type that holds a stream's whole numbers exactly."""
    return exact_type(max(abs(datatype.minimum), abs(datatype.maximum)))


def exact_type(bound: float) -> np.dtype[np.generic]:
    """Return the type that holds all whole numbers up to a magnitude exactly.

    Raises:
        UserError: There is none.

    >>> exact_type(2**24).name
    'float32'
    """
    if bound > _DOUBLE_LIMIT:
        raise UserError(
            f"a layer computes whole numbers up to {bound:.3g}, emulation is exact up to "
            f"{_DOUBLE_LIMIT}; quantise weights or activations to fewer bits"
        )
    return np.dtype(np.float32 if bound <= _SINGLE_LIMIT else np.float64)


def cast(
    builder: OnnxBuilder, tensor: str, source: np.dtype[np.generic], target: np.dtype[np.generic]
) -> str:
    """Return the tensor in another element type."""
    if source == target:
        return tensor
    return builder.node("Cast", (tensor,), to=DOUBLE if target == np.float64 else FLOAT)


def reshape(builder: OnnxBuilder, tensor: str, *sizes: int) -> str:
    """Return the tensor with these sizes behind a free batch."""
    return builder.node("Reshape", (tensor, integers(builder, -1, *sizes)))


def integers(builder: OnnxBuilder, *values: int) -> str:
    """Return a constant list of whole numbers (axes, sizes)."""
    return builder.constant(np.array(values, dtype=np.int64))


def activate(
    builder: OnnxBuilder,
    layer: Layer,
    tensor: str,
    thresholds: Values,
    element: np.dtype[np.generic],
) -> str:
    """Count thresholds reached and add the layer's ActVal.

    Args:
        builder: Takes the nodes.
        layer: With ``ActVal`` and ``outputDataType``.
        tensor: Accumulators, channels last.
        thresholds: Shape (channels or 1, steps).
        element: Element type of the accumulators; also of nothing larger than they are.

    Returns:
        The codes, in the element type of the output data type.
    """
    result = layer.datatype("outputDataType")
    target = element_type(result)
    if thresholds.shape[1] >= _SEARCHED_STEPS:
        count = _searched(builder, tensor, thresholds.astype(element), target)
        return _encode(builder, layer, count, target)
    columns = thresholds.astype(element).T
    counted = [
        builder.node(
            "Cast",
            (builder.node("GreaterOrEqual", (tensor, builder.constant(column))),),
            to=DOUBLE if target == np.float64 else FLOAT,
        )
        for column in columns
    ]
    count = counted[0] if len(counted) == 1 else builder.node("Sum", tuple(counted))
    return _encode(builder, layer, count, target)


def _searched(
    builder: OnnxBuilder, tensor: str, thresholds: Values, target: np.dtype[np.generic]
) -> str:
    """Return how many thresholds each value reaches, halving the sorted ones in turn."""
    channels, steps = thresholds.shape
    stages = steps.bit_length()
    table = np.full((channels, 2**stages - 1), np.inf, thresholds.dtype)
    table[:, :steps] = np.sort(thresholds, axis=1)
    flat = builder.constant(table.reshape(-1))
    first = builder.constant(np.arange(channels) * table.shape[1])
    position = first
    for half in (2**stage for stage in reversed(range(stages))):
        middle = builder.node("Add", (position, integers(builder, half - 1)))
        bound = builder.node("Gather", (flat, middle))
        reached = builder.node("GreaterOrEqual", (tensor, bound))
        step = builder.node(
            "Mul", (builder.node("Cast", (reached,), to=INT64), integers(builder, half))
        )
        position = builder.node("Add", (position, step))
    count = builder.node("Sub", (position, first))
    return builder.node("Cast", (count,), to=DOUBLE if target == np.float64 else FLOAT)


def _encode(builder: OnnxBuilder, layer: Layer, count: str, target: np.dtype[np.generic]) -> str:
    if layer.text("outputDataType") == "BIPOLAR":
        doubled = builder.node("Mul", (count, builder.constant(np.array(2, target))))
        return builder.node("Sub", (doubled, builder.constant(np.array(1, target))))
    offset = layer.integer("ActVal", 0)
    if offset == 0:
        return count
    return builder.node("Add", (count, builder.constant(np.array(offset, target))))


def look_up(
    builder: OnnxBuilder, layer: Layer, tensor: str, thresholds: Values, source: DataType
) -> str | None:
    """Return the codes by table, or None where comparing is better.

    Args:
        builder: Takes the nodes.
        layer: With ``ActVal`` and ``outputDataType``.
        tensor: Whole numbers of type ``source``, channels last.
        thresholds: Shape (channels, steps).
        source: Type of the tensor.
    """
    levels = np.arange(source.minimum, source.maximum + 1)
    channels, steps = thresholds.shape
    if steps < _TABLE_STEPS or levels.size * channels > _TABLE_ENTRIES:
        return None
    result = layer.datatype("outputDataType")
    target = element_type(result)
    reached = levels[None, :, None] >= thresholds.astype(np.float64)[:, None, :]
    counts = reached.sum(axis=2)
    codes = 2 * counts - 1 if result.name == "BIPOLAR" else counts + layer.integer("ActVal", 0)
    first = np.arange(channels) * levels.size - levels[0]
    index = builder.node("Cast", (tensor,), to=INT64)
    index = builder.node("Add", (index, builder.constant(first.astype(np.int64))))
    return builder.node("Gather", (builder.constant(codes.astype(target).reshape(-1)), index))
