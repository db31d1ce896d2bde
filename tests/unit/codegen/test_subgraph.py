"""Cutting FINN graphs: the parts together are the graph, and nothing FINN annotated is lost."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from codegen.deployment import deploy
from codegen.finn.model import write_model
from codegen.project.emit import ProjectOptions, project
from elasticdf.frontend import finn
from elasticdf.ir import Graph
from partitioner.placed import folded
from partitioner.plan import Mode
from tests.placed import chain, diamond
from tests.projects import cluster_of, emit, spread
from tests.truth import SHARED, needs_shared

FLOORPLAN = {"slr", "partition_id", "device_id", "mem_port"}
GRAPHS = sorted(SHARED.glob("truth/graphs/**/*.onnx")) if SHARED else []


def _attributes(node: onnx.NodeProto) -> dict[str, object]:
    return {
        a.name: onnx.helper.get_attribute_value(a)
        for a in node.attribute
        if a.name not in FLOORPLAN
    }


def _types(model: onnx.ModelProto) -> dict[str, tuple[str, ...]]:
    return {
        a.tensor_name: tuple(f"{e.key}={e.value}" for e in a.quant_parameter_tensor_names)
        for a in model.graph.quantization_annotation
    }


def _shapes(model: onnx.ModelProto) -> dict[str, str]:
    graph = model.graph
    return {v.name: str(v.type) for v in (*graph.input, *graph.output, *graph.value_info)}


def _parts(graph: Graph, target: str, network: bytes) -> list[onnx.ModelProto]:
    _, files = emit(graph, target, Mode.HARDWARE, network=network)
    return [
        onnx.load_model_from_string(content)
        for name, content in files.files.items()
        if "/segment" in name and name.endswith(".onnx")
    ]


def _check_union(whole: onnx.ModelProto, parts: list[onnx.ModelProto]) -> None:
    nodes = {n.name: n for n in whole.graph.node}
    cut_nodes = [n for part in parts for n in part.graph.node]
    assert sorted(n.name for n in cut_nodes) == sorted(nodes)
    for node in cut_nodes:
        original = nodes[node.name]
        assert (node.op_type, node.domain) == (original.op_type, original.domain)
        assert (list(node.input), list(node.output)) == (
            list(original.input),
            list(original.output),
        )
        assert _attributes(node) == _attributes(original)
        assert {a.name for a in node.attribute} >= FLOORPLAN
    types, shapes = _types(whole), _shapes(whole)
    constants = {t.name: t for t in whole.graph.initializer}
    for part in parts:
        used = {t for n in part.graph.node for t in (*n.input, *n.output) if t}
        assert _types(part) == {n: t for n, t in types.items() if n in used}
        assert _shapes(part) == {n: s for n, s in shapes.items() if n in used}
        assert {t.name for t in part.graph.initializer} == used & set(constants)
        for tensor in part.graph.initializer:
            assert tensor == constants[tensor.name]
        assert list(part.opset_import) == list(whole.opset_import)
        assert list(part.metadata_props) == list(whole.metadata_props)
    streams = {t for n in whole.graph.node for t in n.output} | {
        v.name for v in whole.graph.input if v.name not in constants
    }
    made = Counter(v.name for part in parts for v in part.graph.output)
    taken = Counter(v.name for part in parts for v in part.graph.input if v.name in streams)
    ends = {v.name for v in (*whole.graph.input, *whole.graph.output)}
    assert {n: c for n, c in made.items() if n not in ends} == {
        n: c for n, c in taken.items() if n not in ends
    }
    assert set(made.values()) | set(taken.values()) == {1}


@needs_shared
@pytest.mark.parametrize("path", GRAPHS, ids=lambda p: "-".join(p.parts[-3:]))
def test_real_graphs_survive_cutting_over_three_boards(path: Path) -> None:
    network = path.read_bytes()
    whole = onnx.load_model_from_string(network)
    graph = finn.read(whole, "network")
    parts = _parts(graph, "3xu280", network)
    assert len(parts) == 3
    _check_union(whole, parts)


@pytest.mark.parametrize("graph", [chain(7), diamond(5)], ids=["chain", "diamond"])
def test_our_own_graphs_survive_cutting(graph: Graph) -> None:
    whole = write_model(graph)
    _check_union(whole, _parts(graph, "2xu280", whole.SerializeToString()))


def test_a_part_is_valid_onnx_and_reads_back_as_a_finn_graph() -> None:
    graph = chain(7)
    for part in _parts(graph, "2xu280", write_model(graph).SerializeToString()):
        onnx.checker.check_model(part)
        again = finn.read(part, "part")
        for layer in again:
            for name, value in graph.layer(layer.name).attributes.items():
                if name not in FLOORPLAN:
                    assert layer.attributes[name] == value


def test_parameters_survive_writing() -> None:
    graph = chain(2)
    model = write_model(graph)
    values = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
    assert set(values) == {"thresholds_0", "thresholds_1"}
    assert np.array_equal(values["thresholds_0"], graph.tensors["thresholds_0"].values)


def test_the_chosen_folding_is_set_and_nothing_else_changes() -> None:
    graph, cluster = chain(3), cluster_of("u250")
    plan = spread(graph, cluster, Mode.DATA_PARALLEL)
    assignments = tuple(
        replace(a, attributes={**a.attributes, "PE": 1}) if a.layer == "Thresholding_rtl_1" else a
        for a in plan.assignments
    )
    changed = replace(plan, assignments=assignments)
    assert folded(graph, changed, 0).layer("Thresholding_rtl_1").attributes["PE"] == 1
    network = write_model(graph).SerializeToString()
    files = project(
        graph, changed, cluster, deploy(graph, changed, cluster), network, ProjectOptions()
    )
    part = onnx.load_model_from_string(files.files["board0/segment0.onnx"])
    folding = {n.name: _attributes(n)["PE"] for n in part.graph.node}
    assert folding == {
        "Thresholding_rtl_0": 2,
        "Thresholding_rtl_1": 1,
        "Thresholding_rtl_2": 2,
    }
