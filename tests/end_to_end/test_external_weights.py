"""``partition --external-weights``: from the command to boards, emulated or built by stand-ins."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest

from codegen.finn.model import write_model
from elasticdf import frontend
from elasticdf.rundir import NETWORK
from tests.end_to_end.command_line import elasticdf
from tests.end_to_end.test_fake_tools import Project, _as_finn_makes_it
from tests.external_networks import CLASSES, HIDDEN, classifier, last_product


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return classifier(tmp_path_factory.mktemp("n"))


def partition(network: Path, output: Path, *options: str, target: str = "u280") -> None:
    ran = elasticdf(
        "partition", network, "--target", target, "--fps", "1000", *options, "-o", output
    )
    assert ran.code == 0, ran.err


def test_the_command_line_does_all_of_it(network: Path, tmp_path: Path) -> None:
    layer = last_product(frontend.load(network))
    project, snapshot = tmp_path / "p", tmp_path / "problem.json"
    partition(network, project, "--external-weights", layer, "--snapshot", str(snapshot))
    ports = {
        item["name"]: item["memory_ports"] for item in json.loads(snapshot.read_text())["items"]
    }
    assert (ports[layer], sum(ports.values())) == (1, 3)
    plan = json.loads((project / "plan.json").read_text())
    (row,) = (a for a in plan["assignments"] if a["layer"] == layer)
    assert (row["resources"]["bram18"], row["resources"]["uram"]) == (0, 0)
    options = json.loads((project / "manifest.json").read_text())["options"]
    assert options["external_weights"] == [layer]
    assert np.load(project / f"weights/{layer}.npy").shape == (CLASSES, HIDDEN)
    assert elasticdf("build", project, "--emulate").code == 0
    assert elasticdf("package", project).code == 0
    artifact = project / "artifact"
    ran = elasticdf("run", artifact, "--input", project / "input.npy", "--check")
    assert ran.code == 0, ran.err
    assert elasticdf("lint", artifact, "--json").document["accepted"]["elasticdf"]
    assert elasticdf("simulate", project).code == 0
    next(artifact.rglob(NETWORK)).unlink()
    ran = elasticdf("run", artifact, "--input", project / "input.npy")
    assert ran.code == 2
    assert f"which the weights of {layer} come from; package it again" in ran.err


def test_a_wish_that_cannot_be_met_leaves_nothing(network: Path, tmp_path: Path) -> None:
    ran = elasticdf(
        "partition", network, "--target", "u280", "--external-weights", "MVAU_hls_0",
        "-o", tmp_path / "p",
    )  # fmt: skip
    assert ran.code == 2
    assert ran.err.strip().endswith(
        "layer MVAU_hls_0 (MVAU_hls) cannot take its weights from outside: its thresholds were "
        "fitted to its own weights; name a layer without an activation, such as the last one"
    )
    assert not (tmp_path / "p").exists()


@pytest.mark.parametrize("source", ["finn", "qonnx"])
def test_stand_ins_build_it(
    network: Path, source: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    graph = frontend.load(network, name="external")
    layer = last_product(graph)
    given = network
    if source == "finn":
        given = tmp_path / "external.onnx"
        given.write_bytes(write_model(graph).SerializeToString())
    partition(given, tmp_path / "project", "--external-weights", layer, "--no-variants")
    project = Project(tmp_path)
    (tmp_path / "finn.onnx").write_bytes(_as_finn_makes_it(graph))
    project.environment["FAKE_FINN_GRAPH"] = str(tmp_path / "finn.onnx")
    result = project.make()
    assert result.returncode == 0, result.stderr
    assert project.lint(capsys)["accepted"]["elasticdf"]
    if source == "finn":
        segment = onnx.load(project.folder / "board0/segment0.onnx")
        (node,) = (node for node in segment.graph.node if node.name == layer)
        stated = {a.name: a.s for a in node.attribute}
        assert (stated["mem_mode"], stated["weightDataType"]) == (b"external", b"INT8")
        kinds = {
            a.tensor_name: a.quant_parameter_tensor_names[0].value
            for a in segment.graph.quantization_annotation
        }
        assert stated["outputDataType"].decode() == kinds[node.output[0]] == "INT17"
