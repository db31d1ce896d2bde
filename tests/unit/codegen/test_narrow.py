"""Segments with products in bytes compute what the floating-point ones compute."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

import models
from codegen.segments import board_model, whole_model
from codegen.segments.narrow import narrow
from elasticdf import frontend
from elasticdf.ir import DataType
from tests.execution import run_model

_TYPES = {TensorProto.UINT8: np.uint8, TensorProto.INT8: np.int8, TensorProto.FLOAT: np.float32}


def computed(model: bytes, values: np.ndarray) -> np.ndarray:
    graph = onnx.load_from_string(model).graph
    entry = graph.input[0]
    fed = values.astype(_TYPES[entry.type.tensor_type.elem_type])
    return run_model(model, {entry.name: fed})[graph.output[0].name]


@pytest.mark.parametrize("name", ["tfc-w1a1", "tfc-w2a2"])
def test_a_network_in_bytes_is_the_network(name: str, tmp_path: Path) -> None:
    models.export(name, tmp_path / "n.onnx")
    graph = frontend.load(tmp_path / "n.onnx", name="n")
    whole, board = whole_model(graph), board_model(graph, [layer.name for layer in graph])
    kinds = Counter(node.op_type for node in onnx.load_from_string(board).graph.node)
    assert (kinds["MatMulInteger"], kinds["MatMul"]) == (4, 0)
    assert len(board) < len(whole) / 3
    datatype = graph.tensors[graph.inputs[0]].datatype
    values = np.random.default_rng(0).integers(datatype.minimum, datatype.maximum + 1, (20, 784))
    assert np.array_equal(computed(board, values), computed(whole, values))


def product(matrix: np.ndarray) -> bytes:
    graph = helper.make_graph(
        [
            helper.make_node("MatMul", ["x", "w"], ["p"]),
            helper.make_node("Identity", ["p"], ["y"]),
        ],
        "product",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", len(matrix)])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", matrix.shape[1]])],
        [numpy_helper.from_array(matrix.astype(np.float32), "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    return bytes(model.SerializeToString())


@given(
    st.sampled_from(("BINARY", "BIPOLAR", "TERNARY", "INT4", "UINT8", "INT8", "UINT9")),
    st.integers(1, 200),
    st.integers(0, 3),
)
def test_products_are_exact_at_the_ends_of_every_type(name: str, largest: int, seed: int) -> None:
    """Extremes side by side are what saturates where bytes are not enough."""
    kind = DataType.parse(name)
    generator = np.random.default_rng(seed)
    matrix = generator.choice([-largest, largest, 1], (64, 3))
    values = generator.choice([kind.minimum, kind.maximum], (4, 64))
    found = computed(narrow(product(matrix), {"x": kind}), values)
    assert np.array_equal(found, values @ matrix)


@pytest.mark.parametrize(
    ("name", "largest", "narrowed"),
    [("UINT8", 64, True), ("UINT8", 65, False), ("INT4", 127, True), ("INT9", 1, False)],
)
def test_only_what_fits_is_narrowed(name: str, largest: int, *, narrowed: bool) -> None:
    model = narrow(product(np.full((2, 2), largest)), {"x": DataType.parse(name)})
    operators = {node.op_type for node in onnx.load_from_string(model).graph.node}
    assert ("MatMulInteger" in operators) is narrowed
