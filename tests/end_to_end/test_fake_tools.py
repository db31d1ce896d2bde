"""Whole projects built with stand-ins for FINN, v++ and vivado, down to binaries.

The stand-ins (tests/fake_tools) check how they are called and refuse what the real tools would.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import onnx
import pytest

import models
from codegen.build_plan import BuildPlan
from codegen.bundle.host import emit_host
from codegen.finn.model import write_model
from elasticdf import frontend
from elasticdf.artifact.deployment import Deployment
from elasticdf.artifact.opening import open_artifact
from elasticdf.cli import main
from elasticdf.ir import Graph
from elasticdf.rundir import DEPLOYMENT, MANIFEST, NETWORK, Provenance, sha256
from partitioner.plan import Mode
from tests.consistency import disagreements
from tests.end_to_end.command_line import elasticdf
from tests.placed import chain, diamond
from tests.projects import emit
from tests.truth import ROOT, needs_shared, shared

FAKES = ROOT / "tests/fake_tools"
VNX_MAKEFILE = """
all:
\tmkdir -p _x.$(DEVICE)
\t{command}
"""


def _vnx(folder: Path) -> Path:
    """Lay out a VNx checkout whose makefiles write fake kernel objects."""
    mac = {"inputs": ["S_AXIS"], "outputs": ["M_AXIS"], "memory": []}
    layer = {
        "kernel": "networklayer",
        "inputs": ["S_AXIS_sk2nl", "S_AXIS_eth2nl"],
        "outputs": ["M_AXIS_nl2sk", "M_AXIS_nl2eth"],
        "memory": [],
    }
    commands = {
        "Ethernet": (
            "printf '%s' '" + json.dumps({"kernel": "cmac_$(INTERFACE)", **mac}) + "'"
            " > _x.$(DEVICE)/cmac_$(INTERFACE).xo"
        ),
        "NetLayers": f"printf '%s' '{json.dumps(layer)}' > _x.$(DEVICE)/networklayer.xo",
    }
    for name, command in commands.items():
        (folder / name).mkdir(parents=True)
        (folder / name / "Makefile").write_text(VNX_MAKEFILE.format(command=command))
    (folder / "Ethernet/post_sys_link.tcl").touch()
    for variant in ("HBM", "noHBM"):
        path = folder / f"NetLayers/100G-fpga-network-stack-core/synthesis_results_{variant}"
        path.mkdir(parents=True)
    return folder


def _as_finn_makes_it(graph: Graph) -> bytes:
    """Return the graph as FINN's front end would leave it: other names, not yet specialised."""
    model = write_model(graph)
    renamed: dict[str, str] = {}
    for number, node in enumerate(model.graph.node):
        node.op_type = node.op_type.removesuffix("_hls").removesuffix("_rtl")
        node.domain = "finn.custom_op.fpgadataflow"
        node.name = f"{node.op_type}_{100 + number}"
        for index, tensor in enumerate(node.output):
            renamed[tensor] = node.output[index] = f"finn_{number}_{index}"
        for index, tensor in enumerate(node.input):
            node.input[index] = renamed.get(tensor, tensor)
    for values in (model.graph.output, model.graph.value_info):
        for value in values:
            value.name = renamed.get(value.name, value.name)
    for annotation in model.graph.quantization_annotation:
        annotation.tensor_name = renamed.get(annotation.tensor_name, annotation.tensor_name)
    del model.opset_import[1:]
    model.opset_import.add(domain="finn.custom_op.fpgadataflow", version=1)
    return model.SerializeToString(deterministic=True)


def _write(graph: Graph, files: BuildPlan, folder: Path, network: bytes) -> None:
    """Write the project that ``partition`` would leave."""
    files = BuildPlan.merge((files, emit_host(graph), BuildPlan({NETWORK: network})))
    origin = Provenance(network=graph.name, network_sha256=sha256(network), options={}, seed=0)
    files.write(folder)
    (folder / MANIFEST).write_bytes(origin.manifest(files))


class Project:
    """A project in ``project`` and the environment in which its Makefile finds the stand-ins."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "project"
        self.log = folder / "calls.jsonl"
        self.log.touch()
        (folder / "build").mkdir()
        self.vnx = _vnx(folder / "vnx")
        self.environment = {
            **os.environ,
            "PATH": f"{FAKES / 'bin'}:{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PYTHONPATH": f"{FAKES / 'python'}:{ROOT}",
            "FAKE_LOG": str(self.log),
            "FAKE_BUILD_DIR": str(folder / "build"),
            **dict.fromkeys(("VITIS_PATH", "PLATFORM_REPO_PATHS", "XILINX_XRT"), "/tools"),
        }

    def make(self, *targets: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [
                "make",
                "-j2",
                f"VNX={self.vnx}",
                f"ELASTICDF={sys.executable} -m elasticdf",
                *targets,
            ],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=800,
            check=False,
        )

    def lint(self, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
        """Return what lint says of the packed artifact."""
        capsys.readouterr()
        main(["lint", str(self.folder / "artifact"), "--json"])
        document: dict[str, Any] = json.loads(capsys.readouterr().out)
        return document

    def calls(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.read_text().splitlines()]


def _from_qonnx(name: str, folder: Path) -> tuple[Graph, bytes]:
    path = folder / f"{name}.onnx"
    models.export(name, path)
    content, graph = frontend.load_with_model(path)
    return graph, content


def _project(
    graph: Graph, target: str, mode: Mode, folder: Path, network: bytes | None = None
) -> tuple[Deployment, Project]:
    content = network or write_model(graph).SerializeToString(deterministic=True)
    deployment, files = emit(graph, target, mode, network=content)
    _write(graph, files, folder / "project", content)
    return deployment, Project(folder)


def test_a_finn_graph_builds_resumes_and_fails_with_its_log(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    deployment, project = _project(chain(2), "2xu280", Mode.HARDWARE, tmp_path)
    result = project.make()
    assert result.returncode == 0, result.stderr
    assert project.lint(capsys)["accepted"]["elasticdf"]
    binaries = [project.folder / f"board{board.id}" / board.binary for board in deployment.boards]
    assert all(binary.is_file() for binary in binaries)
    assert len([call for call in project.calls() if "v++" in call]) == 2

    before = len(project.calls())
    assert project.make("boards").returncode == 0
    assert len(project.calls()) == before, "nothing changed, nothing is built again"

    cfg = project.folder / "board0/link.cfg"
    cfg.touch()
    assert project.make("boards").returncode == 0
    assert [set(call) for call in project.calls()[before:]] == [{"v++", "kernels"}]

    cfg.write_text(cfg.read_text().replace("stream_connect=idma", "stream_connect=typo", 1))
    result = project.make("board0")
    assert result.returncode != 0
    assert "typo_seg_r0_s0.m_axis_0 belongs to no nk" in result.stderr
    assert "the whole log is ../logs/link.log" in result.stderr


def _built(calls: list[dict[str, Any]]) -> set[str]:
    """Return the kernels that were packaged and the boards that were linked."""
    kernels = {call["arguments"][0] for call in calls if call.get("finn") == "CreateVitisXO"}
    return kernels | {call["v++"] for call in calls if "v++" in call}


def test_only_what_changed_is_built_again(tmp_path: Path) -> None:
    spaced = tmp_path / "a folder"
    spaced.mkdir()
    _, project = _project(chain(3), "u280", Mode.DATA_PARALLEL, spaced)
    result = project.make("boards")
    assert result.returncode == 0, result.stderr
    before = len(project.calls())
    script = project.folder / "board0/build.py"
    script.touch()
    (project.folder / "board0/segment0.onnx").touch()
    assert project.make("boards").returncode == 0
    assert project.calls()[before:] == [], "kernels made from the same stay, and so does the link"

    path = project.folder / "board0/folding.json"
    folding = json.loads(path.read_text())
    folding["Thresholding_rtl_1"]["depth_trigger_bram"] = 1
    path.write_text(json.dumps(folding))
    assert project.make("boards").returncode == 0
    assert _built(project.calls()[before:]) == {"seg_r0_s1", "chain_board0.xclbin"}


def test_weights_to_load_reach_the_artifact(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    graph, _ = _from_qonnx("tfc-w2a2", tmp_path)
    ultra = {"mem_mode": "internal_decoupled", "ram_style": "ultra", "runtime_writeable_weights": 1}
    graph = graph.with_layers(
        layer.with_attributes(ultra) if layer.family == "MVAU" else layer for layer in graph
    )
    _, project = _project(graph, "u280", Mode.DATA_PARALLEL, tmp_path)
    result = project.make()
    assert result.returncode == 0, result.stderr
    assert project.lint(capsys)["accepted"] == {"original": False, "elasticdf": True}
    manifest = open_artifact(project.folder / "artifact").manifest
    assert manifest is not None
    layers = [layer for layer in graph if layer.family == "MVAU"]
    assert [weights.layer for weights in manifest.weights] == [layer.name for layer in layers]
    assert len({weights.unit for weights in manifest.weights}) == len(layers)
    for layer, weights in zip(layers, manifest.weights, strict=True):
        matrix = graph.tensors[layer.inputs[1]].values
        assert matrix is not None
        assert len(weights.values()) == matrix.size, "the stand-in writes a word per weight"


def test_a_vnx_folder_with_a_space_is_refused(tmp_path: Path) -> None:
    _, files = emit(chain(2), "2xu280", Mode.HARDWARE)
    files.write(tmp_path)
    call = ["make", "-n", "boards", "VNX=a b"]
    refused = subprocess.run(call, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert refused.returncode == 2
    assert "VNX=a b is not one folder without spaces" in refused.stderr


@pytest.mark.slow
def test_bipolar_weights_and_cut_accumulators_keep_their_types(tmp_path: Path) -> None:
    graph, _ = _from_qonnx("tfc-w1a2", tmp_path)
    finn = write_model(graph).SerializeToString(deterministic=True)
    _, project = _project(graph, "3xu50", Mode.HARDWARE, tmp_path, finn)
    project.environment["FAKE_NARROW"] = "1"
    result = project.make("boards")
    assert result.returncode == 0, result.stderr
    prepared = [call["weights"] for call in project.calls() if call.get("finn") == "PrepareIP"]
    assert {kind for weights in prepared for kind in weights} == {"BIPOLAR"}
    assert any(call.get("finn") == "MinimizeWeightBitWidth" for call in project.calls())


def test_a_plan_from_qonnx_is_matched_to_finns_graph(tmp_path: Path) -> None:
    graph, content = _from_qonnx("tfc-w2a2", tmp_path)
    _, project = _project(graph, "u50", Mode.DATA_PARALLEL, tmp_path, content)
    (tmp_path / "finn.onnx").write_bytes(_as_finn_makes_it(graph))
    project.environment["FAKE_FINN_GRAPH"] = str(tmp_path / "finn.onnx")
    result = project.make("boards")
    assert result.returncode == 0, result.stderr
    matched = json.loads((project.folder / "finn/matched.json").read_text())
    assert matched == {
        layer.name: layer.name.replace("_hls", "").replace("_rtl", "") for layer in graph
    }


def test_a_plan_that_does_not_fit_stops_with_a_list(tmp_path: Path) -> None:
    graph, content = _from_qonnx("tfc-w2a2", tmp_path)
    _, project = _project(graph, "u50", Mode.DATA_PARALLEL, tmp_path, content)
    layers = list(graph.layers)
    layers[1] = layers[1].with_attributes({"MH": 32})
    (tmp_path / "finn.onnx").write_bytes(_as_finn_makes_it(replace(graph, layers=tuple(layers))))
    project.environment["FAKE_FINN_GRAPH"] = str(tmp_path / "finn.onnx")
    result = project.make("boards")
    assert result.returncode != 0
    assert "the plan does not fit the graph FINN made of the network" in result.stderr
    assert f"{layers[1].name}, FINN's MVAU_1: MH is 64 in the plan, 32 in FINN" in result.stderr
    assert not (project.folder / "finn/graph.onnx").exists()


@pytest.mark.slow
def test_forks_are_matched_by_their_branches(tmp_path: Path) -> None:
    graph = diamond(2)
    _, qonnx = _from_qonnx("tfc-w2a2", tmp_path)
    _, project = _project(graph, "2xu280", Mode.HARDWARE, tmp_path, qonnx)
    (tmp_path / "finn.onnx").write_bytes(_as_finn_makes_it(graph))
    project.environment["FAKE_FINN_GRAPH"] = str(tmp_path / "finn.onnx")
    result = project.make("boards")
    assert result.returncode == 0, result.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("network", "target", "mode"),
    [
        ("tfc-w1a1", "1xu50", "dp"),
        ("mobilenetv1-w4a4", "2xu280", "hw"),
        ("mobilenetv1-w4a4", "2xu280", "tmp"),
        ("mobilenetv1-w4a4", "2xu280", "sw"),
        ("mobilenetv1-w4a4", "2xu280", "dp"),
        ("resnet50-w1a2", "3xu280", "hw"),
    ],
)
def test_networks_build_from_plan_to_artifact(
    network: str, target: str, mode: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What ``partition`` left is built by ``make`` alone, packed, linted; the boards agree."""
    request = ("partition", f"zoo:{network}", "--target", target, "--mode", mode)
    replicas = "2" if mode == "dp" and target != "1xu50" else "1"
    choices = ("--replicas", replicas, "--time-limit", "20")
    ran = elasticdf(*request, *choices, "-o", tmp_path / "project")
    assert ran.code == 0, ran.err
    project = Project(tmp_path)
    graph = frontend.load(project.folder / NETWORK)
    (tmp_path / "finn.onnx").write_bytes(_as_finn_makes_it(graph))
    project.environment["FAKE_FINN_GRAPH"] = str(tmp_path / "finn.onnx")
    assert disagreements(project.folder) == []
    result = project.make()
    assert result.returncode == 0, result.stderr
    deployment = Deployment.from_json(json.loads((project.folder / DEPLOYMENT).read_text()))
    for board in deployment.boards:
        assert (project.folder / f"board{board.id}" / board.binary).is_file()
    assert project.lint(capsys)["accepted"]["elasticdf"]


@pytest.mark.parametrize("mode", [Mode.HARDWARE, Mode.TRANSPARENT])
def test_boards_agree_and_a_change_on_one_is_found(mode: Mode, tmp_path: Path) -> None:
    _, files = emit(diamond(5), "3xu280", mode, replicas=2)
    files.write(tmp_path)
    assert disagreements(tmp_path) == []
    path = tmp_path / "board1/network.json"
    said = path.read_text()
    for old, new in (('"their_port": 5', '"their_port": 6'), ("192.168.10.1", "192.168.10.3")):
        path.write_text(said.replace(old, new, 1))
        assert disagreements(tmp_path), (old, new)
    path.write_text(said)
    adapter = next(tmp_path.glob("board1/rtl/edf_rx_*.v"))
    adapter.write_text(re.sub(r"\.TRANSFERS\((\d+)\)", r".TRANSFERS(1\1)", adapter.read_text()))
    assert any("TRANSFERS" in fault for fault in disagreements(tmp_path))


@needs_shared
@pytest.mark.slow
@pytest.mark.parametrize("network", ["tfc_1w1a", "cnv_1w1a", "mobilenet_v1_w4a4"])
def test_a_plan_from_qonnx_matches_the_graph_finn_really_made(network: str, tmp_path: Path) -> None:
    content, graph = frontend.load_with_model(shared(f"networks/{network}.onnx"))
    _, project = _project(graph, "u250", Mode.DATA_PARALLEL, tmp_path, content)
    made = shared(f"truth/graphs/{network}/dataflow_hw.onnx")
    project.environment["FAKE_FINN_GRAPH"] = str(made)
    result = project.make("finn/matched.json")
    assert result.returncode == 0, result.stderr
    matched = json.loads((project.folder / "finn/matched.json").read_text())
    assert set(matched) == {layer.name for layer in graph}
    names = {node.name for node in onnx.load(made, load_external_data=False).graph.node}
    assert set(matched.values()) == names
