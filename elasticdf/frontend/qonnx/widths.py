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
    up = np.where(matrix > 0, matrix * high, matrix * low).sum(axis=0)
    down = np.where(matrix > 0, matrix * low, matrix * high).sum(axis=0)
    return int(down.min()), int(up.max())


def smallest(low: float, high: float) -> DataType:
    """Return the narrowest integer type that holds both; signed ones have at least two bits."""
    found = DataType.smallest_for(int(low), int(high))
    return DataType.parse("INT2") if found.name == "INT1" else found
