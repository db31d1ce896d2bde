"""Bit widths: the ranges accumulators can reach and the types that hold them."""

from __future__ import annotations

import numpy as np

from elasticdf.frontend.qonnx.values import Wholes
from elasticdf.ir import DataType


def accumulator_range(matrix: Wholes, datatype: DataType) -> tuple[int, int]:
    """Return the smallest and largest product of any input vector with any column.

    Args:
        matrix: Shape (inputs, outputs).
        datatype: Of the input vector's elements.
    """
    low, high = int(datatype.minimum), int(datatype.maximum)
    total = matrix.sum(axis=0, dtype=np.int64)
    positive = np.maximum(matrix, 0).sum(axis=0, dtype=np.int64).astype(object)
    negative = total.astype(object) - positive  # Python's integers do not overflow
    return (
        int((positive * low + negative * high).min()),
        int((positive * high + negative * low).max()),
    )


def match_range(matches: Wholes, *, quirks: bool) -> tuple[int, int]:
    """Return the range of an XNOR unit's counts of matching bits.

    FINN takes the range of products of -1 and +1 with 0 and 1 instead, too small for a count near
    all bits; so do we if asked to.

    Args:
        matches: Weights as bits, shape (inputs, outputs).
        quirks: Follow FINN.
    """
    if quirks:
        return accumulator_range(2 * matches - 1, DataType.parse("BINARY"))
    return 0, matches.shape[0]


def fitting(declared: DataType | None, codes: Wholes) -> DataType:
    """Return the declared type if it holds the codes, else the narrowest that does."""
    low, high = int(codes.min()), int(codes.max())
    if declared is None or not declared.is_integer:
        return smallest(low, high)
    return declared if declared.minimum <= low and high <= declared.maximum else smallest(low, high)


def smallest(low: float, high: float) -> DataType:
    """Return the narrowest integer type that holds both; signed ones have at least two bits."""
    found = DataType.smallest_for(int(low), int(high))
    return DataType.parse("INT2") if found.name == "INT1" else found
