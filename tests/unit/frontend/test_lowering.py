"""Networks become the layers the compiler makes of them, and compute what they say."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from codegen.segments import whole_model
from elasticdf.frontend import load, load_with_model
from elasticdf.frontend.qonnx.lowering import RULES
from elasticdf.ir import Graph, Layer
from elasticdf.layers import KINDS
from models.canvas import Canvas
from tests.execution import enter, leave, reference, run_graph, run_model, run_segments
from tests.random_networks import random_network
from tests.truth import ROOT, needs_shared, shared

COMPILED = {
    "tfc_1w1a": "fps100000",
    "tfc_2w2a": "fps100000",
    "cnv_1w1a": "fps1000",
    "mobilenet_v1_w4a4": "fps1000",
    "resnet18_w2a2_cifar": "fps500",
    "zoo_kwsmlp_w3a3": "fps100000",
    "finn_cybsec_mlp": "fps100000_pynqz1",
}
"""Networks with the compiler's result, and under which folding it lies."""

FOLDING = {"PE", "SIMD", "parallel_window", "cycles_estimate"}


def comparable(attributes: Any) -> dict[str, Any]:
    return {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in attributes.items()
        if name not in FOLDING
    }


@needs_shared
@pytest.mark.parametrize("name", COMPILED)
def test_layers_equal_the_compilers(name: str) -> None:
    graph = load(shared(f"networks/{name}.onnx"), quirks=True)
    truth = json.loads(shared(f"truth/finn/{name}/{COMPILED[name]}/layers.json").read_text())
    for layer, known in zip(graph, truth["layers"], strict=True):
        assert (layer.name, layer.op_type) == (known["name"], known["op_type"])
        assert comparable(layer.attributes) == comparable(known["attrs"]), layer.name
        assert list(graph.predecessors(layer.name)) == known["predecessors"]
        assert list(graph.successors(layer.name)) == known["successors"]
        assert graph.tensors[layer.outputs[0]].shape == tuple(known["normal_output_shape"])


@needs_shared
def test_one_bit_weights_stay_one_bit_unless_quirks_are_asked_for() -> None:
    plain, quirky = (
        load(shared("networks/cnv_1w1a.onnx"), quirks=quirks) for quirks in (False, True)
    )
    assert plain.layer("MVAU_hls_0").text("weightDataType") == "BIPOLAR"
    assert quirky.layer("MVAU_hls_0").text("weightDataType") == "INT2"
    assert plain.layer("MVAU_hls_1").text("weightDataType") == "BINARY"


def samples(name: str, count: int) -> np.ndarray:
    """Return inputs a network of that name understands, batch first."""
    random = np.random.default_rng(3)
    shape = {"zoo_jettagging": (16,), "zoo_unsw_mlp_w2a2": (600,), "zoo_kwsmlp_w3a3": (1, 10, 49)}
    if name in shape and name != "zoo_unsw_mlp_w2a2":
        values = random.normal(0, 30, (count, *shape[name]))
    elif name == "zoo_unsw_mlp_w2a2":
        values = random.choice((-1.0, 1.0), (count, 600))
    elif name.startswith("cnv"):
        values = random.random((count, 3, 32, 32))
    elif name.startswith("tfc"):
        values = random.random((count, 1, 28, 28))
    elif name == "finn_cybsec_mlp":
        values = random.integers(0, 256, (count, 1, 28, 28))
    else:
        values = random.integers(
            0, 256, (count, 3, *((224,) * 2 if "mobile" in name else (32,) * 2))
        )
    return values.astype(np.float32)


def qonnx_model(name: str) -> onnx.ModelProto:
    """Return a shared network under the operator names qonnx's executor knows."""
    model = onnx.load(shared(f"networks/{name}.onnx"))
    for node in model.graph.node:
        if node.domain in ("onnx.brevitas", "finn.custom_op.general"):
            node.domain = "qonnx.custom_op.general"
    return model


@needs_shared
@pytest.mark.parametrize("name", [*COMPILED, "cnv_2w2a", "zoo_jettagging"])
def test_labels_are_those_of_the_reference(name: str) -> None:
    graph = load(shared(f"networks/{name}.onnx"))
    frames = samples(name, 1 if "mobile" in name or "resnet" in name else 3)
    labels = run_graph(graph, frames)
    model = qonnx_model(name)
    for frame, label in zip(frames, labels, strict=True):
        expected = reference(model, frame[None]).ravel()
        if name != "finn_cybsec_mlp":  # that one ends in the label itself
            expected = np.argsort(-expected, kind="stable")[: label.size]
        assert label.tolist() == expected.tolist()


@needs_shared
def test_network_that_ends_in_a_quantiser_gives_its_values() -> None:
    graph = load(shared("networks/zoo_unsw_mlp_w2a2.onnx"))
    frames = samples("zoo_unsw_mlp_w2a2", 12)
    expected = [reference(qonnx_model("zoo_unsw_mlp_w2a2"), frame[None])[0] for frame in frames]
    assert graph.layers[-1].op_type == "MVAU_hls"
    np.testing.assert_array_equal(run_graph(graph, frames), expected)


@needs_shared
@pytest.mark.parametrize("name", ["mobilenet_v1_w4a4", "resnet18_w2a2_cifar", "cnv_1w1a"])
def test_large_networks_cut_in_three_equal_the_whole(name: str) -> None:
    graph = load(shared(f"networks/{name}.onnx"))
    names = [layer.name for layer in graph]
    # the cuts separate a window generator from its unit and a fork from its join
    cuts = [0, len(names) // 3, 2 * len(names) // 3 + 1, len(names)]
    segments = [names[a:b] for a, b in pairwise(cuts)]
    frames = samples(name, 1)
    streams = run_segments(graph, segments, enter(graph, frames))
    np.testing.assert_array_equal(leave(graph, streams), run_graph(graph, frames))


@needs_shared
def test_compilers_own_weights_give_the_same_labels() -> None:
    """The emulation of FINN's graph, weights and thresholds included, agrees with our lowering."""
    lowered = load(shared("networks/tfc_1w1a.onnx"))
    compiled = load(shared("truth/graphs/tfc_1w1a/fps100000/dataflow_fifo.onnx"))
    frames = samples("tfc_1w1a", 20)
    (codes,) = enter(lowered, frames).values()

    (labels,) = run_model(whole_model(compiled), {compiled.inputs[0]: codes}).values()
    np.testing.assert_array_equal(labels, run_graph(lowered, frames))


def saved(tmp_path: Path, model: onnx.ModelProto) -> Path:
    path = tmp_path / "net.onnx"
    onnx.save(model, path)
    return path


def families(graph: Graph) -> list[str]:
    return [layer.family for layer in graph]


def test_open_batch_is_read_as_batch_one(tmp_path: Path) -> None:
    model = random_network(3, ("dense",), image=False, labels=4)
    fixed = load(saved(tmp_path, model))
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_param = "N"
    assert [layer.attributes for layer in load(saved(tmp_path, model))] == [
        layer.attributes for layer in fixed
    ]


def test_graph_is_the_same_under_newer_operator_versions(tmp_path: Path) -> None:
    model = random_network(3, ("dense", "affine"), image=False, labels=4)
    before = load(saved(tmp_path, model))
    for version in (13, 17, 21):
        model.opset_import[0].version = version
        after = load(saved(tmp_path, model))
        assert after.layers == before.layers


def test_model_that_comes_with_the_graph_is_the_file(tmp_path: Path) -> None:
    path = saved(tmp_path, random_network(3, ("dense",), image=False, labels=4))
    content, graph = load_with_model(path)
    assert content == path.read_bytes()
    assert graph.name == "net"


def test_loading_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    path = saved(tmp_path, random_network(9, ("conv", "residual"), image=True, labels=4))
    first, second = load(path), load(path)
    assert first.prologue is not None
    assert second.prologue is not None
    assert first.prologue.model == second.prologue.model
    assert first.layers == second.layers


def test_every_layer_is_one_this_project_knows(tmp_path: Path) -> None:
    layers = ("conv", "depthwise", "maxpool", "residual", "pointwise", "overlapping")
    graph = load(saved(tmp_path, random_network(11, layers, image=True, labels=4)))
    assert set(families(graph)) <= set(KINDS)
    assert all(layer.name.startswith(layer.op_type) for layer in graph)


def test_residual_becomes_fork_and_join(tmp_path: Path) -> None:
    graph = load(saved(tmp_path, random_network(2, ("residual",), image=True)))
    assert families(graph)[:3] == ["DuplicateStreams", "MVAU", "AddStreams"]
    join = next(layer for layer in graph if layer.family == "AddStreams")
    assert set(graph.predecessors(join.name)) == {"DuplicateStreams_hls_0", "MVAU_hls_0"}


def test_parameters_are_whole_and_typed(tmp_path: Path) -> None:
    graph = load(saved(tmp_path, random_network(5, ("conv", "depthwise"), image=True, labels=4)))

    def check(layer: Layer) -> None:
        for tensor in graph.parameters(layer):
            assert tensor.values is not None
            assert tensor.values.dtype == np.int64
            assert tensor.values.min() >= tensor.datatype.minimum
            assert tensor.values.max() <= tensor.datatype.maximum

    for layer in graph:
        check(layer)


@needs_shared
def test_count_of_matching_bits_has_room_for_all_of_them() -> None:
    last = "MVAU_hls_3"  # 64 bits: a perfect match does not fit FINN's INT7
    plain, quirky = (
        load(shared("networks/tfc_1w1a.onnx"), quirks=quirks) for quirks in (False, True)
    )
    assert plain.layer(last).text("outputDataType") == "UINT7"
    assert quirky.layer(last).text("outputDataType") == "INT7"


def annotated(model: onnx.ModelProto, datatype: str) -> onnx.ModelProto:
    note = model.graph.quantization_annotation.add(tensor_name=model.graph.input[0].name)
    note.quant_parameter_tensor_names.add(key="finn_datatype", value=datatype)
    return model


@pytest.mark.parametrize("weights", ["BipolarQuant", "Quant"])
def test_declared_bipolar_input_enters_as_signs_or_as_bits(weights: str, tmp_path: Path) -> None:
    canvas = Canvas((1, 6))
    table = np.where(np.arange(18).reshape(6, 3) % 5 < 2, 1.0, -1.0).astype(np.float32)
    scale, extra = np.ones(1, np.float32), (0.0, 2.0)
    given = (table, scale) if weights == "BipolarQuant" else (table, 1.0, *extra)
    attributes = {} if weights == "BipolarQuant" else {"signed": 1, "narrow": 1}
    quantised = canvas.node(weights, *given, shape=(6, 3), **attributes)
    sums = canvas.node("MatMul", "global_in", quantised, shape=(1, 3))
    signs = canvas.node("BipolarQuant", sums, scale, shape=(1, 3))
    model = annotated(canvas.finish("net", signs), "BIPOLAR")
    graph = load(saved(tmp_path, model))
    entering = graph.tensors[graph.inputs[0]].datatype.name
    assert entering == ("BINARY" if weights == "BipolarQuant" else "BIPOLAR")
    frames = np.where(np.random.default_rng(0).integers(2, size=(9, 6)) == 1, 1.0, -1.0)
    for frame in frames.astype(np.float32):
        np.testing.assert_array_equal(run_graph(graph, frame[None]), reference(model, frame[None]))


def test_global_average_is_a_sum_whose_division_waits_for_the_quantiser(tmp_path: Path) -> None:
    canvas = Canvas((1, 2, 4, 4))
    codes = canvas.node(
        "Quant",
        "global_in",
        0.5,
        0.0,
        3.0,
        shape=(1, 2, 4, 4),
        signed=1,
        narrow=0,
        rounding_mode="ROUND",
    )
    mean = canvas.node("GlobalAveragePool", codes, shape=(1, 2, 1, 1))
    signs = canvas.node("Quant", mean, 0.25, 0.0, 3.0, shape=(1, 2, 1, 1), signed=1, narrow=0)
    model = canvas.finish("net", signs)
    graph = load(saved(tmp_path, model))
    assert families(graph) == ["GlobalAccPool", "Thresholding"]
    for seed in range(9):
        frame = np.random.default_rng(seed).integers(-8, 9, (1, 2, 4, 4)).astype(np.float32) / 4
        np.testing.assert_array_equal(run_graph(graph, frame), reference(model, frame))


def test_input_that_enters_a_layer_unquantised_is_an_image_of_bytes(tmp_path: Path) -> None:
    canvas = Canvas((1, 3, 4, 4))
    weights = canvas.node(
        "Quant", np.ones((2, 3, 1, 1), np.float32), 1.0, 0.0, 2.0, shape=(2, 3, 1, 1), signed=1
    )
    sums = canvas.node("Conv", "global_in", weights, shape=(1, 2, 4, 4), kernel_shape=[1, 1])
    codes = canvas.node("Quant", sums, 64.0, 0.0, 4.0, shape=(1, 2, 4, 4), signed=0)
    graph = load(saved(tmp_path, canvas.finish("net", codes)))
    assert graph.tensors[graph.inputs[0]].datatype.name == "UINT8"
    assert graph.notes == (
        "Input global_in is not quantised; it is taken as an image of whole numbers from 0 to 255.",
    )
    frame = np.full((1, 3, 4, 4), 300.0, np.float32)
    frame[0, :, 0, 0] = (-3.0, 7.4, 255.0)
    (codes_in,) = enter(graph, frame).values()
    assert codes_in[0, 0, 0].tolist() == [0, 7, 255]
    assert codes_in[0, 1, 1].tolist() == [255, 255, 255]


def test_logits_beyond_single_precision_stay_exact(tmp_path: Path) -> None:
    canvas = Canvas((1, 64))
    codes = canvas.node("Quant", "global_in", 1.0, 0.0, 16.0, shape=(1, 64), signed=1, narrow=0)
    table = np.random.default_rng(0).integers(-(2**15), 2**15, (64, 2)).astype(np.float32)
    weights = canvas.node("Quant", table, 1.0, 0.0, 16.0, shape=(64, 2), signed=1, narrow=0)
    sums = canvas.node("MatMul", codes, weights, shape=(1, 2))
    uneven = canvas.node("Mul", sums, np.array([[1.0, 2.0]], np.float32), shape=(1, 2))
    graph = load(saved(tmp_path, canvas.finish("net", uneven)))
    assert graph.notes == (
        "The logits cannot be compared as whole numbers; the host scales them instead of a "
        "LabelSelect layer.",
    )
    frame = np.random.default_rng(1).integers(-(2**15), 2**15, (1, 64)).astype(np.float32)
    exact = (frame.astype(np.int64) @ table.astype(np.int64)) * [[1, 2]]
    np.testing.assert_array_equal(run_graph(graph, frame), exact.astype(np.float32))


@pytest.mark.parametrize("version", [11, 17])
def test_real_operators_behind_the_last_layer_stay_on_the_host(
    version: int, tmp_path: Path
) -> None:
    canvas = Canvas((1, 4))
    shifted = canvas.node("Tanh", "global_in", shape=(1, 4))
    codes = canvas.node("Quant", shifted, 0.25, 0.0, 4.0, shape=(1, 4), signed=1, narrow=0)
    table = np.arange(12, dtype=np.float32).reshape(4, 3) % 5 - 2
    weights = canvas.node("Quant", table, 0.5, 0.0, 4.0, shape=(4, 3), signed=1, narrow=0)
    sums = canvas.node("MatMul", codes, weights, shape=(1, 3))
    odds = canvas.node("Sigmoid", sums, shape=(1, 3))
    doubled = canvas.node("Mul", odds, 2.0, shape=(1, 3))
    model = canvas.finish("net", doubled)
    model.opset_import[0].version = version
    graph = load(saved(tmp_path, model))
    assert families(graph) == ["MVAU"]
    frames = np.random.default_rng(2).normal(0, 1, (5, 4)).astype(np.float32)
    expected = np.concatenate([reference(model, frame[None]) for frame in frames])
    np.testing.assert_allclose(run_graph(graph, frames), expected, rtol=1e-6)


def test_shapes_computed_by_the_network_are_constants(tmp_path: Path) -> None:
    canvas = Canvas((1, 2, 2, 2))
    codes = canvas.node("Quant", "global_in", 1.0, 0.0, 3.0, shape=(1, 2, 2, 2), signed=1, narrow=0)
    size = canvas.node("Shape", codes, shape=(4,))
    batch = canvas.node("Gather", size, np.array(0), shape=(), axis=0)
    rows = canvas.node("Unsqueeze", batch, shape=(1,), axes=[0])
    target = canvas.node("Concat", rows, np.array([-1]), shape=(2,), axis=0)
    flat = canvas.node("Reshape", codes, target, shape=(1, 8))
    table = np.eye(8, 3, dtype=np.float32)
    weights = canvas.node("Quant", table, 1.0, 0.0, 2.0, shape=(8, 3), signed=1, narrow=0)
    model = canvas.finish("net", canvas.node("MatMul", flat, weights, shape=(1, 3)))
    graph = load(saved(tmp_path, model))
    assert families(graph) == ["MVAU", "LabelSelect"]


def test_documentation_lists_every_operator() -> None:
    text = (ROOT / "docs/frontend.md").read_text()
    section = text.split("## Operators on streams")[1].split("\n\n")[1]
    assert sorted(RULES) == section.replace("\n", " ").rstrip(".").split(", ")
