"""Every reference network becomes FINN's layers, and computes in integers what qonnx computes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.core.onnx_exec import execute_onnx

import models
from codegen.segments.emit import segment_model
from elasticdf.frontend import load
from elasticdf.ir import AttributeValue, Graph
from tests.truth import needs_shared, shared

LAYERS = {
    **{f"{family}-w{w}a{a}": 5 for family in ("tfc", "sfc", "lfc") for w, a in ((1, 1), (1, 2))},
    **{f"{family}-w2a2": 5 for family in ("tfc", "sfc", "lfc")},
    **{f"cnv-w{w}a{a}": 19 for w, a in ((1, 1), (1, 2), (2, 2))},
    "kws-mlp-w3a3": 5,
    "mobilenetv1-w4a4": 59,
    "resnet18-cifar-w2a2": 86,
    "resnet18-cifar-w4a4": 86,
    "resnet50-w1a2": 173,
    "resnet50-w4a4": 173,
}
COMPILED = {
    "tfc-w1a1": "tfc_1w1a/fps10000",
    "tfc-w2a2": "tfc_2w2a/fps100000",
    "cnv-w1a1": "cnv_1w1a/fps100",
    "kws-mlp-w3a3": "zoo_kwsmlp_w3a3/fps100000",
    "mobilenetv1-w4a4": "mobilenet_v1_w4a4/fps500",
    "resnet18-cifar-w2a2": "resnet18_w2a2_cifar/fps500",
    "resnet50-w1a2": "resnet50_w1a2/fps100",
}
PUBLIC = {
    "tfc-w1a1": "tfc_1w1a",
    "tfc-w2a2": "tfc_2w2a",
    "cnv-w1a1": "cnv_1w1a",
    "cnv-w2a2": "cnv_2w2a",
    "mobilenetv1-w4a4": "mobilenet_v1_w4a4",
    "resnet18-cifar-w2a2": "resnet18_w2a2_cifar",
    "kws-mlp-w3a3": "zoo_kwsmlp_w3a3",
}
CHOSEN_BY_FOLDING = {
    "PE",
    "SIMD",
    "parallel_window",
    "mem_mode",
    "ram_style",
    "resType",
    "inFIFODepths",
    "outFIFODepths",
    "cycles_estimate",
    "slr",
    "mem_port",
    "partition_id",
    "device_id",
    "backend",
}
EVERY = tuple(
    pytest.param(name, marks=pytest.mark.slow) if name.startswith("resnet50") else name
    for name in models.ZOO
)


def lowered(name: str, folder: Path) -> Graph:
    path = folder / f"{name}.onnx"
    models.export(name, path)
    graph = load(path, quirks=True)
    path.unlink()
    return graph


def test_every_network_has_a_layer_count() -> None:
    assert LAYERS.keys() == models.ZOO.keys()


@pytest.mark.parametrize("name", EVERY)
def test_every_network_lowers(name: str, tmp_path: Path) -> None:
    graph = lowered(name, tmp_path)
    assert len(graph) == LAYERS[name]
    assert graph.layers[-1].name == "LabelSelect_hls_0"
    assert (graph.prologue is None) == (graph.inputs == ("global_in",))


def structural(attributes: Mapping[str, Any]) -> dict[str, AttributeValue]:
    """Return what the network decides; attributes at FINN's empty default may be left out."""
    return {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in attributes.items()
        if name not in CHOSEN_BY_FOLDING and value not in (0, "", [], ())
    }


@needs_shared
@pytest.mark.parametrize("name", COMPILED)
def test_layers_are_those_of_the_compiler(name: str, tmp_path: Path) -> None:
    graph = lowered(name, tmp_path)
    truth = json.loads(shared(f"truth/finn/{COMPILED[name]}/layers.json").read_text())["layers"]
    assert [layer.name for layer in graph] == [layer["name"] for layer in truth]
    for layer, known in zip(graph, truth, strict=True):
        assert layer.op_type == known["op_type"]
        assert sorted(graph.predecessors(layer.name)) == sorted(known["predecessors"])
        assert sorted(graph.successors(layer.name)) == sorted(known["successors"])
        ours, theirs = structural(layer.attributes), structural(known["attrs"])
        assert {key: ours.get(key) for key in theirs} == theirs, layer.name


@needs_shared
@pytest.mark.parametrize("name", PUBLIC)
def test_layers_are_those_of_the_public_file(name: str, tmp_path: Path) -> None:
    ours = lowered(name, tmp_path)
    theirs = load(shared(f"networks/{PUBLIC[name]}.onnx"), quirks=True)
    assert [(layer.name, layer.attributes) for layer in ours] == [
        (layer.name, layer.attributes) for layer in theirs
    ]
    for layer in ours:
        assert ours.predecessors(layer.name) == theirs.predecessors(layer.name)


def evaluate(model: bytes, value: NDArray[Any]) -> NDArray[np.float64]:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model, options)
    (source,) = session.get_inputs()
    kind = np.float64 if "double" in source.type else np.float32
    result: NDArray[np.float64] = session.run(None, {source.name: value.astype(kind)})[0]
    return result.astype(np.float64).ravel()


def scores(graph: Graph, value: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return what the integer network hands to its label select."""
    before_label = [layer.name for layer in graph if layer.family != "LabelSelect"]
    return evaluate(segment_model(graph, before_label), entered(graph, value))


def entered(graph: Graph, value: NDArray[np.float32]) -> NDArray[Any]:
    """Return the accelerator's input for a network's input."""
    if graph.prologue is None:
        return value
    shape = (1, *graph.tensors[graph.inputs[0]].shape[1:])
    return evaluate(graph.prologue.model, value).reshape(shape)


@pytest.mark.parametrize("name", EVERY)
def test_integer_network_computes_what_qonnx_computes(name: str, tmp_path: Path) -> None:
    value = models.sample(name)
    whole = scores(lowered(name, tmp_path), value)
    wrapper = ModelWrapper(models.build(name))
    (logits,) = execute_onnx(wrapper, {"global_in": value})["global_out"].astype(np.float64)
    assert whole.argmax() == logits.argmax()
    above, logits_above = whole - whole.min(), logits - logits.min()
    if name == "resnet18-cifar-w2a2":
        return  # its Trunc widens the sum: FINN keeps it, qonnx multiplies it, the biases differ
    np.testing.assert_array_equal(above * logits_above.max(), logits_above * above.max())
