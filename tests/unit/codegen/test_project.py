"""The emitted project: every file there, valid in its language, identical when made again."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from codegen.build_plan import BuildPlan
from codegen.project.emit import ProjectOptions, check_input
from elasticdf import __version__
from elasticdf.errors import UserError
from elasticdf.ir import DataType, Graph, Tensor
from partitioner.plan import Mode
from tests.placed import chain, diamond
from tests.projects import emit
from tests.truth import ROOT

jsonschema = pytest.importorskip("jsonschema", reason="validates emitted JSON")
yaml = pytest.importorskip("yaml", reason="reads emitted pipelines")

SCHEMAS = {
    path.name.removesuffix(".schema.json"): json.loads(path.read_text())
    for path in sorted((ROOT / "codegen/schemas").glob("*.schema.json"))
}


def _text(files: BuildPlan, name: str) -> str:
    return files.files[name].decode()


def _qonnx(graph: Graph) -> bytes:
    """Return some model that is not FINN's; emission only asks which of the two it is."""
    body = onnx.helper.make_graph([], graph.name, [], [])
    return onnx.helper.make_model(body).SerializeToString()


@pytest.mark.parametrize("mode", list(Mode))
def test_everything_the_contract_lists_is_there(mode: Mode) -> None:
    deployment, files = emit(diamond(4), "2xu280", mode, replicas=2)
    top = {"plan.json", "deployment.json", "folding.json", "Makefile", "input.npy", "logged.sh"}
    assert top <= set(files.files)
    for board in deployment.boards:
        for name in ("build.py", "floorplan.json", "folding.json", "specialize.json"):
            assert f"board{board.id}/{name}" in files.files
        for name in ("link.cfg", "network.json"):
            assert f"board{board.id}/{name}" in files.files
        segments = [n for n in files.files if re.fullmatch(rf"board{board.id}/segment\d\.onnx", n)]
        assert segments
    assert ("rtl/edf_tx_core.sv" in files.files) == bool(deployment.links)


@pytest.mark.parametrize("mode", list(Mode))
def test_json_follows_the_written_schemas(mode: Mode) -> None:
    _, files = emit(diamond(4), "2xu280", mode, replicas=2, network=_qonnx(diamond(4)))
    seen = set()
    for name, content in files.files.items():
        kind = re.sub(r"\d*\.json$", "", Path(name).name)
        kind = "finn_structure" if name == "finn/plan.json" else kind
        if name.endswith(".json") and kind in SCHEMAS:
            jsonschema.validate(json.loads(content), SCHEMAS[kind])
            seen.add(kind)
    assert seen == set(SCHEMAS) - {"manifest", "artifact", "host", "weights"}


def test_emitted_python_parses_and_names_what_is_there() -> None:
    deployment, files = emit(chain(6), "2xu280", Mode.HARDWARE, network=_qonnx(chain(6)))
    for name, content in files.files.items():
        if name.endswith(".py"):
            ast.parse(content)
            assert max(len(line) for line in content.decode().splitlines()) < 400
    tree = ast.parse(files.files["board0/build.py"])
    constants = {
        statement.targets[0].id: ast.literal_eval(statement.value)
        for statement in tree.body
        if isinstance(statement, ast.Assign)
        and isinstance(statement.targets[0], ast.Name)
        and statement.targets[0].id in ("KERNELS", "DMAS", "PART", "CLOCK_NS")
    }
    assert set(constants["KERNELS"]) == {k.name for k in deployment.kernels_of(0)}
    assert set(constants["DMAS"]) == {"idma_seg_r0_s0"}
    assert constants["CLOCK_NS"] == 5.0


def test_pipelines_build_each_board_and_then_package() -> None:
    _, files = emit(chain(6), "2xu280", Mode.HARDWARE)
    github = yaml.safe_load(_text(files, ".github/workflows/build.yml"))
    assert github["jobs"]["board"]["strategy"]["matrix"]["board"] == [0, 1]
    assert github["jobs"]["package"]["needs"] == ["emulate", "board"]
    steps = {name: job["steps"] for name, job in github["jobs"].items()}
    (upload,) = [s for s in steps["board"] if s.get("uses", "").startswith("actions/upload")]
    # Artifacts keep paths below their common folder; packaging puts them back into the board's.
    assert upload["with"]["path"].splitlines() == [
        f"board${{{{ matrix.board }}}}/{name}" for name in ("*.xclbin", "xo/*.dat", "logs")
    ]
    downloads = [s["with"] for s in steps["package"] if "download" in s.get("uses", "")]
    assert downloads == [{"name": f"board{i}", "path": f"board{i}"} for i in (0, 1)]
    for name in ("emulate", "package"):
        (install,) = [s for s in steps[name] if "pip install" in s.get("run", "")]
        assert install["run"].endswith(f'"${{ELASTICDF:-elasticdf=={__version__}}}"')
        assert install["env"] == {"ELASTICDF": "${{ vars.ELASTICDF }}"}
    gitlab = yaml.safe_load(_text(files, ".gitlab-ci.yml"))
    assert gitlab["board1"]["artifacts"]["paths"] == [
        "board1/chain_board1.xclbin",
        "board1/xo/*.dat",
        "board1/logs",
    ]
    assert {job["stage"] for job in gitlab.values() if isinstance(job, dict)} == set(
        gitlab["stages"]
    )


def test_making_it_again_gives_the_same_bytes() -> None:
    first, second = (emit(diamond(5), "3xu50", Mode.HARDWARE, replicas=2)[1] for _ in range(2))
    assert first.digest() == second.digest()


def test_two_processes_with_different_hash_seeds_agree() -> None:
    program = (
        "from partitioner.plan import Mode\nfrom tests.placed import diamond\n"
        "from tests.projects import emit\n"
        "print(emit(diamond(5), '2xu280', Mode.HARDWARE, replicas=2)[1].digest())"
    )
    digests = {
        subprocess.run(
            [sys.executable, "-c", program],
            cwd=ROOT,
            env={"PYTHONHASHSEED": seed, "PATH": "/usr/bin:/bin"},
            capture_output=True,
            text=True,
            check=True,
            timeout=120,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(digests) == 1


def test_foldings_of_replicas_have_their_own_files() -> None:
    _, files = emit(chain(6), "u250", Mode.DATA_PARALLEL, replicas=2)
    first = json.loads(files.files["board0/folding.json"])
    assert first == json.loads(files.files["board0/folding1.json"])
    assert first["Thresholding_rtl_1"]["PE"] == 4
    assert next(iter(first)) == "Defaults"
    assert first["Defaults"] == {}
    assert json.loads(files.files["folding.json"]) == first


def test_specialisation_uses_the_names_before_it() -> None:
    _, files = emit(diamond(1), "2xu280", Mode.HARDWARE)
    merged: dict[str, Any] = {}
    for board in (0, 1):
        merged |= json.loads(files.files[f"board{board}/specialize.json"])
    assert merged == {
        "Defaults": {},
        "DuplicateStreams_0": {"preferred_impl_style": "hls"},
        "Thresholding_0": {"preferred_impl_style": "rtl"},
        "AddStreams_0": {"preferred_impl_style": "hls"},
    }


def test_the_floorplan_names_dies_boards_and_banks() -> None:
    _, files = emit(chain(6), "2xu280", Mode.HARDWARE)
    plan = json.loads(files.files["board1/floorplan.json"])
    assert [
        (p["slr"], p["device_id"], p["partition_id"]) for n, p in plan.items() if n != "Defaults"
    ] == [(0, 1, 0), (1, 1, 1), (2, 1, 2)]
    assert plan["Thresholding_rtl_5"]["mem_port"] == "HBM[0]"


def test_check_frames_are_in_the_inputs_type() -> None:
    frames = np.load(BytesIO(check_input(chain(1))))
    assert frames.shape == (4, 4, 4, 8)
    assert frames.dtype == np.float32
    assert frames.min() >= -128
    assert frames.max() <= 127
    graph = chain(1)
    bipolar = Tensor(name="t0", shape=(1, 4), datatype=DataType.parse("BIPOLAR"))
    graph = replace(graph, tensors={**graph.tensors, "t0": bipolar})
    assert set(np.load(BytesIO(check_input(graph))).flatten()) == {-1.0, 1.0}


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        (b"def broken(:", "the file given with --finn-steps is not Python: "),
        (b"\x00", "the file given with --finn-steps is not Python: "),
        (b"steps = []", "the file given with --finn-steps defines no STEPS; give a list of "),
    ],
)
def test_unusable_build_steps_are_refused(steps: bytes, message: str) -> None:
    options = ProjectOptions(finn_steps=steps)
    with pytest.raises(UserError) as error:
        emit(chain(1), "u50", Mode.DATA_PARALLEL, network=_qonnx(chain(1)), options=options)
    assert str(error.value).startswith(message)


def test_build_steps_travel_with_the_project() -> None:
    steps = b"STEPS = ['step_tidy_up', lambda model, cfg: model]\n"
    options = ProjectOptions(finn_steps=steps)
    _, files = emit(chain(1), "u50", Mode.DATA_PARALLEL, network=_qonnx(chain(1)), options=options)
    assert files.files["finn/steps.py"] == steps
    assert "finn/steps.py" in _text(files, "Makefile")


def test_build_steps_for_finns_own_graph_are_refused() -> None:
    with pytest.raises(UserError) as error:
        emit(chain(1), "u50", Mode.DATA_PARALLEL, options=ProjectOptions(finn_steps=b"STEPS = []"))
    assert str(error.value) == (
        "--finn-steps: the network is FINN's own graph already, no steps are run; leave it out"
    )


def test_an_embedded_board_says_that_only_emulation_works() -> None:
    _, files = emit(chain(2), "pynq-z1", Mode.DATA_PARALLEL)
    assert "takes PYNQ overlays, which this project does not build" in _text(files, "Makefile")
    assert "slr=" not in _text(files, "board0/link.cfg")


def test_the_makefile_is_sound_and_needs_nothing_to_say_so(tmp_path: Path) -> None:
    _, files = emit(chain(6), "2xu280", Mode.HARDWARE, replicas=2)
    files.write(tmp_path)
    listing = subprocess.run(
        ["make", "-n", "-B", "boards"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert listing.stderr == ""
    lines = listing.stdout.splitlines()
    assert max(map(len, lines)) < 1200
    assert sum("v++" in line for line in lines) == 2
    order = subprocess.run(
        ["make", "-n", "-j4", "check", "package", "emulate"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    assert [line.split()[1] for line in order if line.startswith("elasticdf")] == [
        "build",
        "package",
        "run",
    ]


HOSTILE = "x'\"\n$(rm -rf /)`{{ 7*7 }}`\\ \u2028;#"


def test_hostile_layer_names_stay_data() -> None:
    graph = chain(2)
    named = [replace(layer, name=f"{HOSTILE}{i}") for i, layer in enumerate(graph)]
    graph = replace(graph, layers=tuple(named))
    _, files = emit(graph, "2xu280", Mode.HARDWARE, network=_qonnx(graph))
    for name in ("Makefile", "board0/link.cfg", "logged.sh", ".gitlab-ci.yml"):
        assert "rm -rf /" not in _text(files, name)
        assert "7*7" not in _text(files, name)
    tree = ast.parse(files.files["board0/build.py"])
    kernels = next(
        ast.literal_eval(s.value)
        for s in tree.body
        if isinstance(s, ast.Assign)
        and isinstance(s.targets[0], ast.Name)
        and s.targets[0].id == "KERNELS"
    )
    assert kernels["seg_r0_s0"]["layers"] == [f"{HOSTILE}0"]
    assert f"{HOSTILE}0" in json.loads(files.files["board0/folding.json"])
