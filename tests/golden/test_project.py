"""Emitted files, whole: what a change of a template does is seen in the diff of these.

`make golden` records them again.
"""

from __future__ import annotations

import os
from pathlib import Path

import onnx
import pytest

from codegen.build_plan import BuildPlan
from codegen.bundle.pack import package
from elasticdf.artifact.opening import BITSTREAM_NAME
from partitioner.plan import Mode
from tests.artifact_samples import deployment, write_project
from tests.placed import chain, diamond
from tests.projects import emit

FOLDER = Path(__file__).parent / "project"
RECORD = bool(os.environ.get("ELASTICDF_RECORD_GOLDEN"))
GOLDEN = (
    "hw/Makefile",
    "hw/logged.sh",
    "hw/.gitlab-ci.yml",
    "hw/.github/workflows/build.yml",
    "hw/folding.json",
    "hw/deployment.json",
    "hw/board0/build.py",
    "hw/board0/floorplan.json",
    "hw/board0/folding.json",
    "hw/board0/link.cfg",
    "hw/board0/network.json",
    "hw/board0/specialize.json",
    "hw/board0/rtl/edf_tx_0.v",
    "hw/board0/rtl/edf_tx_0.xml",
    "hw/board0/rtl/edf_mux_0.v",
    "hw/board0/rtl/edf_demux_0.v",
    "hw/board1/rtl/edf_rx_0.v",
    "hw/board1/rtl/edf_rx_0.xml",
    "hw/board1/link.cfg",
    "hw/board1/network.json",
    "sw/Makefile",
    "sw/board0/link.cfg",
    "sw/board1/network.json",
    "qonnx/Makefile",
    "qonnx/finn/match.py",
    "qonnx/finn/plan.json",
    "qonnx/board0/build.py",
    "qonnx/weights.json",
    "artifact/bitstream.json",
)


def _from_qonnx() -> BuildPlan:
    """Return the project of a network that is not FINN's, with parameters the host loads."""
    graph = chain(3).with_layers(
        layer.with_attributes({"runtime_writeable_weights": int(i > 0)})
        for i, layer in enumerate(chain(3))
    )
    body = onnx.helper.make_graph([], graph.name, [], [])
    network = onnx.helper.make_model(body).SerializeToString()
    return emit(graph, "u50", Mode.DATA_PARALLEL, network=network)[1]


def _packed(folder: Path) -> BuildPlan:
    packed = package(write_project(folder, deployment("hw")))
    return BuildPlan({BITSTREAM_NAME: (packed.folder / BITSTREAM_NAME).read_bytes()})


@pytest.fixture(scope="module")
def projects(tmp_path_factory: pytest.TempPathFactory) -> BuildPlan:
    return BuildPlan.merge(
        (
            emit(diamond(4), "2xu280", Mode.HARDWARE)[1].under("hw"),
            emit(chain(4), "2xu250", Mode.SOFTWARE)[1].under("sw"),
            _from_qonnx().under("qonnx"),
            _packed(tmp_path_factory.mktemp("packed") / "project").under("artifact"),
        )
    )


@pytest.mark.parametrize("name", GOLDEN)
def test_emitted_file(name: str, projects: BuildPlan) -> None:
    # Dots at the front would hide the files from people.
    path = FOLDER / name.replace("/.", "/dot.")
    if RECORD:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(projects.files[name])
    assert projects.files[name].decode() == path.read_text()
