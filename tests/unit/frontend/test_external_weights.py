"""Layers that take their weights with every request: which can, and what follows for the types."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

import models
from codegen.finn.model import write_model
from elasticdf import frontend
from elasticdf.errors import UserError
from elasticdf.frontend.external_weights import external_layers, with_external_weights
from elasticdf.ir import Graph
from elasticdf.layers.mvau import KIND
from elasticdf.networks import Network, load_network
from elasticdf.networks import with_external_weights as network_with_external_weights
from tests.external_networks import External, classifier, last_product


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Graph:
    return frontend.load(classifier(tmp_path_factory.mktemp("n")), name="external")


def zoo(name: str, folder: Path) -> Graph:
    path = folder / f"{name}.onnx"
    models.export(name, path)
    return frontend.load(path)


def refusal(graph: Graph, layer: str) -> str:
    with pytest.raises(UserError) as caught:
        with_external_weights(graph, (layer,))
    return str(caught.value)


def test_sums_hold_any_weights_of_a_byte(plain: Graph) -> None:
    graph = with_external_weights(plain, (last_product(plain),))
    product, adding, ranking = graph.layers[-3:]
    assert external_layers(graph) == (product.name,)
    # 32 inputs of up to 15 times -128: -61440, which 17 bits hold; a bias of 64 changes nothing.
    assert product.attributes["accDataType"] == product.attributes["outputDataType"] == "INT17"
    assert (adding.text("inputDataType"), adding.text("outputDataType")) == ("INT17", "INT17")
    assert ranking.text("inputDataType") == "INT17"
    assert graph.tensors[product.outputs[0]].datatype.name == "INT17"
    assert with_external_weights(graph, (product.name,)).layers == graph.layers


def test_foldings_bring_rows_no_faster_than_a_memory_port(plain: Graph) -> None:
    graph = with_external_weights(plain, (last_product(plain),))
    found = {(f["PE"], f["SIMD"]) for f in KIND.foldings(graph.layer(last_product(plain)))}
    # 10 x 32 bytes are 5 words of 512 bits, so up to 64 weights at once, of whole rows or of one.
    assert found == {(1, simd) for simd in (1, 2, 4, 8, 16, 32)} | {(2, 32)}


def test_what_was_fitted_to_its_own_weights_is_refused(plain: Graph, tmp_path: Path) -> None:
    names = [layer.name for layer in plain]
    assert refusal(plain, names[-1]) == (
        f"layer {names[-1]} (LabelSelect_hls) cannot take its weights from outside: it is no MVAU; "
        "name a fully connected layer"
    )
    assert refusal(plain, "MVAU_hls_0") == (
        "layer MVAU_hls_0 (MVAU_hls) cannot take its weights from outside: its thresholds were "
        "fitted to its own weights; name a layer without an activation, such as the last one"
    )
    tfc = zoo("tfc-w2a2", tmp_path)
    assert refusal(tfc, "MVAU_hls_3") == (
        "layer MVAU_hls_3 (MVAU_hls) cannot take its weights from outside: its weights are of type "
        "INT2; quantise them as INT8"
    )
    assert "it computes several products per frame; name" in refusal(
        zoo("cnv-w2a2", tmp_path), "MVAU_hls_1"
    )
    scaled = plain.with_layers(
        layer.with_attributes({"Func": "mul"}) if layer.family == "ChannelwiseOp" else layer
        for layer in plain
    )
    assert refusal(scaled, last_product(plain)).endswith(
        "ChannelwiseOp_hls_0 (ChannelwiseOp_hls) behind it was fitted to its own weights; only "
        "sums that are added to or ranked may follow"
    )
    with pytest.raises(UserError, match="nothing"):
        with_external_weights(plain, ("nothing",))


def test_finns_own_graph_says_so_itself(plain: Graph, tmp_path: Path) -> None:
    path = tmp_path / "finn.onnx"
    path.write_bytes(write_model(plain).SerializeToString())
    before = load_network(str(path))
    layer = last_product(plain)
    after = network_with_external_weights(before, (layer,))
    path.write_bytes(after.model)
    again = load_network(str(path))
    assert again.graph.layers == after.graph.layers
    assert {n: t.datatype for n, t in again.graph.tensors.items()} == {
        n: t.datatype for n, t in after.graph.tensors.items()
    }
    assert network_with_external_weights(again, ()).graph.layers == after.graph.layers
    nodes = [node.name for node in onnx.load_model_from_string(after.model).graph.node]
    assert nodes == [node.name for node in onnx.load_model_from_string(before.model).graph.node]


def test_without_such_layers_a_network_is_left_alone(plain: Graph) -> None:
    network = Network(graph=plain, model=b"")
    assert network_with_external_weights(network, ()) is network


def test_the_array_is_the_matrix_outputs_by_inputs(tmp_path: Path) -> None:
    external = External.drawn(tmp_path)
    assert (external.own.shape, external.own.dtype) == ((10, 32), np.int8)
    values = external.graph.tensors[external.graph.layer(external.layer).inputs[1]].values
    assert np.array_equal(external.own.T, values)
