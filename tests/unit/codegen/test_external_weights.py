"""Weights that come with every request: a DMA kernel, a port, a bank, and FINN told of it."""

from __future__ import annotations

import ast
import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from codegen.deployment import deploy
from codegen.parts import buildable
from elasticdf.artifact.deployment import Deployment
from elasticdf.errors import UserError
from partitioner.placed import folded
from partitioner.plan import Mode
from tests.external_networks import CLASSES, HIDDEN, External
from tests.link_cfg import faults, read
from tests.projects import cluster_of, spread, stream_ports
from tests.truth import ROOT


@pytest.fixture(scope="module")
def external(tmp_path_factory: pytest.TempPathFactory) -> External:
    return External.drawn(tmp_path_factory.mktemp("n"))


def test_every_replica_has_a_dma_kernel_beside_its_layer(external: External) -> None:
    deployment, files = external.deployed("2xu280", "dp", replicas=2)
    streams = [stream for stream in deployment.host if stream.weights is not None]
    assert [(s.board, s.weights, s.bytes_per_frame) for s in streams] == [
        (board, external.layer, CLASSES * HIDDEN) for board in (0, 1)
    ]
    for stream in streams:
        kernel = deployment.kernel(stream.end[0])
        assert stream.dma == f"wdma_{kernel.name}"
        assert (kernel.board, external.layer in kernel.layers) == (stream.board, True)
        port = next(port for port in kernel.inputs if port.name == stream.end[1])
        assert (port.shape, port.datatype) == ((1, CLASSES, HIDDEN), "INT8")
        data = [s.dma for s in deployment.host if s.end == (kernel.name, "s_axis_0")]
        assert data in ([], [f"idma_{kernel.name}"]), "a layer's data comes before its weights"
    banks = [(stream.board, stream.memory) for stream in deployment.host]
    assert len(set(banks)) == len(banks)
    document = json.loads(files.files["deployment.json"])
    assert sum("weights" in stream for stream in document["host"]) == 2
    assert Deployment.from_json(document) == deployment
    wrong = next(stream for stream in document["host"] if "weights" in stream)
    wrong["weights"] = "nothing"
    with pytest.raises(
        UserError, match=f"{wrong['dma']} carries weights of layer 'nothing', which"
    ):
        Deployment.from_json(document)


@pytest.mark.parametrize("mode", list(Mode))
def test_everything_is_wired_and_follows_the_schema(external: External, mode: Mode) -> None:
    jsonschema = pytest.importorskip("jsonschema", reason="validates emitted JSON")
    deployment, files = external.deployed("2xu280", mode)
    schema = json.loads((ROOT / "codegen/schemas/deployment.schema.json").read_text())
    jsonschema.validate(json.loads(files.files["deployment.json"]), schema)
    for board in deployment.boards:
        cfg = read(files.files[f"board{board.id}/link.cfg"].decode())
        assert faults(cfg, stream_ports(deployment, board.id)) == []
        ast.parse(files.files[f"board{board.id}/build.py"])
    ast.parse(files.files["finn/match.py"])


def test_weights_stay_with_their_layer_in_a_kernel_of_several_parts(external: External) -> None:
    writable = {"runtime_writeable_weights": 1, "ram_style": "ultra"}
    graph = external.graph.with_layers(
        layer.with_attributes(writable) if layer.text("mem_mode", "") == "internal_decoupled"
        else layer
        for layer in external.graph
    )  # fmt: skip
    cluster = cluster_of("u280")
    plan = spread(graph, cluster, Mode.DATA_PARALLEL)
    plan = replace(plan, assignments=tuple(replace(a, die="SLR0") for a in plan.assignments))
    deployment = deploy(graph, plan, cluster)
    built = buildable(deployment, {0: folded(graph, plan, 0)})
    (stream,) = (stream for stream in built.host if stream.weights is not None)
    part = built.kernel(stream.end[0])
    assert part.name != deployment.kernels[0].name
    assert external.layer in part.layers
    assert [port.tensor for port in part.inputs] == [
        *(graph.layer(part.layers[0]).inputs[:1]),
        graph.layer(external.layer).inputs[1],
    ]


def test_interleaved_rows_are_refused(external: External) -> None:
    graph = external.graph.with_layers(
        layer.with_attributes({"PE": 2, "SIMD": 4}) if layer.name == external.layer else layer
        for layer in external.graph
    )
    cluster = cluster_of("u280")
    with pytest.raises(UserError) as caught:
        deploy(graph, spread(graph, cluster, Mode.DATA_PARALLEL), cluster)
    assert str(caught.value) == (
        f"layer {external.layer}: weights that come with a request are read row by row, PE=2 and "
        "SIMD=4 want rows interleaved; fold it with PE=1 or SIMD=32"
    )


def test_the_project_holds_the_networks_own_weights(external: External) -> None:
    _, files = external.deployed("u280", "dp")
    array = np.load(io.BytesIO(files.files[f"weights/{external.layer}.npy"]))
    assert np.array_equal(array, external.own)
    assert array.flags.c_contiguous


def test_folding_json_tells_finn(external: External, tmp_path: Path) -> None:
    _, files = external.deployed("u280", "dp")
    folding = json.loads(files.files["board0/folding.json"])
    assert folding[external.layer]["mem_mode"] == "external"
    assert folding[external.layer]["runtime_writeable_weights"] == 0
