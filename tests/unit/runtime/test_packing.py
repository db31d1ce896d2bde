from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from elasticdf.artifact.deployment import Port
from elasticdf.errors import UserError
from elasticdf.ir import DataType
from elasticdf.runtime.packing import frame_bytes, pack, unpack

TYPES = (
    *("BIPOLAR", "BINARY", "TERNARY", "INT2", "INT3", "UINT4", "INT4", "UINT7", "INT8", "UINT8"),
    *("INT11", "UINT16", "INT16", "INT24", "UINT32", "INT33", "INT64"),
)


def port(datatype: str, elements: int, transfers: int = 3) -> Port:
    return Port(
        name="s_axis_0",
        tensor="t",
        shape=(1, transfers * elements),
        datatype=datatype,
        elements=elements,
        bits=elements * DataType.parse(datatype).bits,
        transfers=transfers,
    )


@given(st.sampled_from(TYPES), st.integers(1, 17), st.integers(0, 2**32 - 1))
def test_bytes_are_those_of_the_definition(datatype: str, elements: int, seed: int) -> None:
    kind, end = DataType.parse(datatype), port(datatype, elements)
    generator = np.random.default_rng(seed)
    values = generator.integers(
        int(kind.minimum), int(kind.maximum), (2, 3 * elements), endpoint=True
    )
    if datatype == "BIPOLAR":
        values = np.where(values == 0, 1, values)
    packed = pack(values, end)
    assert packed.shape == (2, frame_bytes(end))
    expected = b""
    for transfer in values.reshape(-1, elements):
        codes = [(int(v) + 1) // 2 if datatype == "BIPOLAR" else int(v) for v in transfer]
        word = sum((c & (1 << kind.bits) - 1) << at * kind.bits for at, c in enumerate(codes))
        expected += word.to_bytes((end.bits + 7) // 8, "little")
    assert packed.tobytes() == expected
    assert np.array_equal(unpack(packed, end, np.int64), values)


def test_floats_that_hold_whole_numbers_are_packed_as_these() -> None:
    values = np.array([[200.0, 255.0, 0.0]], np.float32)
    assert pack(values, port("UINT8", 1)).tolist() == [[200, 255, 0]]


@pytest.mark.parametrize(
    ("datatype", "values"),
    [("UINT4", [0, 1, 16]), ("UINT4", [0, 1, -1]), ("UINT4", [0, 1, 0.5]), ("BIPOLAR", [1, 0, -1])],
)
def test_values_a_type_cannot_hold_are_refused(datatype: str, values: list[float]) -> None:
    with pytest.raises(UserError, match=rf"stream t: values .* are not all of type {datatype};"):
        pack(np.array([values]), port(datatype, 1))


def test_a_wrong_shape_and_a_part_of_a_frame_are_refused() -> None:
    with pytest.raises(UserError, match=r"stream t: frames have shape \(4,\), \(3,\) is needed"):
        pack(np.zeros((1, 4)), port("UINT8", 1))
    with pytest.raises(UserError, match="stream t: 4 bytes are not a whole number of frames of 3"):
        unpack(np.zeros(4, np.uint8), port("UINT8", 1))
