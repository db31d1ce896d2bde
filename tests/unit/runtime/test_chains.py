"""Kernels that follow each other on a board compute as one what each computes alone."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from elasticdf.artifact.deployment import Kernel, LocalStream
from elasticdf.errors import UserError
from elasticdf.runtime.emulated.chains import chains, join_models, largest_frame
from tests.execution import run_model
from tests.runtime_samples import Sample


def product(entry: str, out: str, kinds: tuple[int, int], seed: int, opset: int = 17) -> bytes:
    """A product with a matrix; names inside are the same in every model."""
    weights = np.random.default_rng(seed).integers(0, 3, (4, 4)).astype(np.float32)
    nodes = [
        helper.make_node("Cast", [entry], ["x"], to=TensorProto.FLOAT, name="n"),
        helper.make_node("MatMul", ["x", "w"], ["y"], name="m"),
        helper.make_node("Clip", ["y", "", "most"], ["z"]),
        helper.make_node("Cast", ["z"], [out], to=kinds[1]),
    ]
    ends = [
        helper.make_tensor_value_info(n, k, ["f", 4])
        for n, k in zip((entry, out), kinds, strict=True)
    ]
    most = numpy_helper.from_array(np.array(9, np.float32), "most")
    held = [numpy_helper.from_array(weights, "w"), most]
    graph = helper.make_graph(nodes, "g", ends[:1], ends[1:], held)
    imports = [helper.make_opsetid("", opset)]
    model: bytes = helper.make_model(graph, opset_imports=imports, ir_version=8).SerializeToString()
    return model


def test_a_joined_model_computes_what_its_parts_do() -> None:
    models = [
        product("a", "b", (TensorProto.UINT8, TensorProto.UINT8), 1),
        product("b", "c", (TensorProto.FLOAT, TensorProto.INT32), 2),
        product("c", "d", (TensorProto.INT32, TensorProto.INT64), 3),
    ]
    frames = np.random.default_rng(0).integers(0, 4, (5, 4)).astype(np.uint8)
    b = run_model(models[0], {"a": frames})["b"]
    c = run_model(models[1], {"b": b.astype(np.float32)})["c"]
    d = run_model(models[2], {"c": c})["d"]
    joined = run_model(join_models(models), {"a": frames})
    assert list(joined) == ["d"]
    assert joined["d"].dtype == d.dtype
    assert np.array_equal(joined["d"], d)
    onnx.checker.check_model(onnx.load_from_string(join_models(models)), full_check=True)


def test_the_largest_tensor_of_a_frame_may_lie_inside() -> None:
    wide = np.ones((4, 100), np.float32)
    nodes = [
        helper.make_node("MatMul", ["a", "wide"], ["inner"]),
        helper.make_node("MatMul", ["inner", "narrow"], ["b"]),
    ]
    ends = [helper.make_tensor_value_info(n, TensorProto.FLOAT, ["f", 4]) for n in "ab"]
    held = [numpy_helper.from_array(wide, "wide"), numpy_helper.from_array(wide.T, "narrow")]
    graph = helper.make_graph(nodes, "g", ends[:1], ends[1:], held)
    assert largest_frame(helper.make_model(graph).SerializeToString()) == 100


def test_one_model_stays_as_it_is() -> None:
    model = product("a", "b", (TensorProto.UINT8, TensorProto.UINT8), 1)
    assert join_models([model]) is model


def test_models_for_different_operators_are_refused() -> None:
    kinds = (TensorProto.UINT8, TensorProto.UINT8)
    with pytest.raises(UserError) as caught:
        join_models([product("a", "b", kinds, 1), product("b", "c", kinds, 2, opset=16)])
    assert str(caught.value) == (
        "the segments of a board use different ONNX operator sets; build the emulation binary again"
    )


def kernel(
    name: str, inputs: int = 1, outputs: int = 1, layers: tuple[str, ...] = ("l",)
) -> Kernel:
    port = Sample().port("p", "t")
    return Kernel(
        name=name,
        replica=0,
        stage=0,
        board=0,
        die="SLR0",
        layers=layers,
        inputs=(port,) * inputs,
        outputs=(port,) * outputs,
    )


def test_chains_end_where_streams_fork_join_or_pass() -> None:
    kernels = (
        kernel("a"),
        kernel("fork", outputs=2),
        kernel("b"),
        kernel("c"),
        kernel("join", inputs=2),
        kernel("d"),
        kernel("relay", layers=()),
        kernel("e"),
    )
    wires = ("a fork", "fork b", "fork join", "b c", "c join", "join d", "d relay", "relay e")
    local = tuple(
        LocalStream(board=0, source=(a, "p"), target=(b, "p"), depth=2)
        for a, b in map(str.split, wires)
    )
    deployment = SimpleNamespace(kernels_of=lambda board: kernels, local=local)
    found = [[kernel.name for kernel in chain] for chain in chains(deployment, 0)]
    assert found == [["a", "fork"], ["b", "c"], ["join", "d"], ["relay"], ["e"]]
