"""Whatever is wrong: one sentence that says what to do, exit code 2, nothing left on disk."""

from __future__ import annotations

import copy
import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import models
from tests.end_to_end.command_line import elasticdf

TARGET = ("--target", "2xu280")


def not_onnx(path: Path) -> None:
    path.write_text("hello")


def truncated(path: Path) -> None:
    content = models.build("tfc-w1a1").SerializeToString()
    path.write_bytes(content[: len(content) // 2])


def float_only(path: Path) -> None:
    weights = np.ones((8, 4), np.float32)
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"], name="dense")],
        "float_only",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 8])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 4])],
        [numpy_helper.from_array(weights, "w")],
    )
    opset = [helper.make_opsetid("", 13)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), path)


def unsupported_operator(path: Path) -> None:
    model = models.build("tfc-w2a2")
    norm = next(node for node in model.graph.node if node.op_type == "BatchNormalization")
    position = list(model.graph.node).index(norm)
    for node in model.graph.node:
        for index, name in enumerate(node.input):
            if name == norm.output[0]:
                node.input[index] = "odd"
    odd = helper.make_node("Erf", [norm.output[0]], ["odd"], name="my_erf")
    model.graph.node.insert(position + 1, odd)
    onnx.save(model, path)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (not_onnx, ("not an ONNX model", "export it again")),
        (truncated, ("cut short", "export it again")),
        (float_only, ("not quantised", "train it quantised")),
        (unsupported_operator, ("Erf 'my_erf'", "cannot become hardware", "replace it")),
    ],
)
def test_a_bad_model_is_one_sentence(
    tmp_path: Path, make: Callable[[Path], None], words: tuple[str, ...]
) -> None:
    make(tmp_path / "net.onnx")
    ran = elasticdf("partition", tmp_path / "net.onnx", *TARGET, "-o", tmp_path / "out")
    assert ran.code == 2
    assert ran.out == ""
    assert ran.err.count("\n") == 1
    assert "net.onnx" in ran.err
    for word in words:
        assert word in ran.err
    assert [path.name for path in tmp_path.iterdir()] == ["net.onnx"]


ONE_BOARD_LOOSE = """
[[board]]
board = "u280"
[[board]]
board = "u280"
"""


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--target", "2xu281"), ("u281", "did you mean u280")),
        (("--target", "0xu280"), ("0xu280",)),
        (("--target", "nosuch.toml"), ("nosuch.toml",)),
        ((*TARGET, "--fps", "0"), ("--fps", "positive number, or max")),
        ((*TARGET, "--fps", "-3"), ("--fps",)),
        ((*TARGET, "--fps", "1e30"), ("--fps", "positive number, or max")),
        ((*TARGET, "--fps", "nan"), ("--fps", "not a finite number")),
        ((*TARGET, "--clock", "200"), ("--clock", "200MHz")),
        ((*TARGET, "--anchor", "NO_0=0"), ("no layer 'NO_0'",)),
        ((*TARGET, "--anchor", "MVAU_hls_0=9"), ("no board 9", "boards are 0 to 1")),
        ((*TARGET, "--anchor", "MVAU_hls_0=0.SLR9"), ("SLR9",)),
        ((*TARGET, "--anchor", "MVAU_hls_0"), ("LAYER=BOARD",)),
        ((*TARGET, "--anchor", "MVAU_hls_0=0."), ("LAYER=BOARD",)),
        ((*TARGET, "--anchor", "MVAU_hls_0=\u00b2"), ("LAYER=BOARD",)),
        (
            (*TARGET, "--anchor", "MVAU_hls_0=0", "--anchor", "MVAU_hls_0=1"),
            ("MVAU_hls_0", "contradict"),
        ),
        ((*TARGET, "--together", "MVAU_hls_0,NO_1"), ("NO_1",)),
        ((*TARGET, "--together", "MVAU_hls_0,MVAU_hls_0"), ("two different layers",)),
        ((*TARGET, "--limit", "lut=2"), ("at most 1",)),
        ((*TARGET, "--limit", "lutt=0.5"), ("lutt",)),
        (
            (*TARGET, "--limit", "lut=0.5", "--limit", "lut=0.6"),
            ("--limit lut is given as 0.5 and as 0.6; give it once",),
        ),
        ((*TARGET, "--costs", "nosuch"), ("nosuch",)),
        ((*TARGET, "--replicas", "0"), ("--replicas",)),
        ((*TARGET, "--folding", "nosuch.json"), ("nosuch.json",)),
    ],
)
def test_a_bad_request_is_one_sentence(
    tmp_path: Path, arguments: tuple[str, ...], words: tuple[str, ...]
) -> None:
    ran = elasticdf("partition", "zoo:tfc-w1a1", *arguments, "-o", tmp_path / "out")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.count("\n") == 1
    for word in words:
        assert word in ran.err
    assert not list(tmp_path.iterdir())


def test_a_cluster_with_a_loose_board_is_refused_where_the_network_is_needed(
    tmp_path: Path,
) -> None:
    (tmp_path / "c.toml").write_text(ONE_BOARD_LOOSE)
    arguments = ("--target", tmp_path / "c.toml", "-o", tmp_path / "out")
    ran = elasticdf("partition", "zoo:tfc-w1a1", "--mode", "hw", *arguments)
    assert ran.code == 2
    assert "nothing connects it to board 0; add a cable or a switch" in ran.err
    assert not (tmp_path / "out").exists()


def test_the_output_must_be_ours_and_of_this_network(tmp_path: Path) -> None:
    target = ("--target", "u50", "--fps", "1000")
    file = tmp_path / "file"
    file.write_text("mine")
    assert "is a file" in elasticdf("partition", "zoo:tfc-w1a1", *target, "-o", file).err
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "thesis.tex").write_text("mine")
    ran = elasticdf("partition", "zoo:tfc-w1a1", *target, "-o", foreign)
    assert ran.code == 2
    assert "not made by elasticdf" in ran.err
    assert [path.name for path in foreign.iterdir()] == ["thesis.tex"]

    ours = tmp_path / "ours"
    assert elasticdf("partition", "zoo:tfc-w1a1", *target, "-o", ours).code == 0
    before = {p: p.read_bytes() for p in ours.rglob("*") if p.is_file()}
    ran = elasticdf("partition", "zoo:tfc-w2a2", *target, "-o", ours)
    assert ran.code == 2
    assert "the project of another network" in ran.err
    assert before == {p: p.read_bytes() for p in ours.rglob("*") if p.is_file()}


def test_a_bad_folding_names_its_file(tmp_path: Path) -> None:
    file = tmp_path / "folding.json"
    file.write_text('{"MVAU_hls_0": {"PE": 7}}')
    ran = elasticdf("estimate", "zoo:tfc-w1a1", "--folding", file)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err == (
        f"elasticdf: {file}: layer MVAU_hls_0 (MVAU_hls): PE=7 does not divide 64; "
        "choose PE among the divisors of 64\n"
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--from-oci", "layout"), "give -o OUT and no project folder"),
        (
            ("--from-oci", "layout", "-o", "out", "--oci", "other"),
            "rebuilds an artifact as it was; leave out --oci",
        ),
        (
            ("--from-oci", "layout", "-o", "out", "--bitstream-id", "org.me"),
            "rebuilds an artifact as it was; leave out --bitstream-id",
        ),
    ],
)
def test_packing_options_that_contradict_each_other(arguments: tuple[str, ...], said: str) -> None:
    ran = elasticdf("package", *arguments)
    assert (ran.code, ran.out) == (2, "")
    assert said in ran.err
    assert ran.err.count("\n") == 1


@pytest.mark.parametrize("command", ["build", "package"])
def test_later_steps_want_a_project(tmp_path: Path, command: str) -> None:
    extra = ("--emulate",) if command == "build" else ()
    ran = elasticdf(command, tmp_path, *extra)
    assert ran.code == 2
    assert "is not a project folder" in ran.err
    assert "elasticdf partition" in ran.err


def test_an_edited_plan_is_refused(tmp_path: Path) -> None:
    project = tmp_path / "p"
    asked = ("partition", "zoo:tfc-w1a1", *TARGET, "--replicas", "1", "-o", project)
    assert elasticdf(*asked).code == 0
    before = sorted(tmp_path.rglob("*"))
    plan = json.loads((project / "plan.json").read_text())
    later = (("build", project, "--emulate"), ("package", project))
    for place, value, commands, said in (
        ("die", "SLR9", (*later, ("inspect", project)), "sits on board 0, die SLR9"),
        ("cycles", plan["assignments"][0]["cycles"] - 1, later, "so it was edited"),
    ):
        edited = copy.deepcopy(plan)
        edited["assignments"][0][place] = value
        (project / "plan.json").write_text(json.dumps(edited))
        for command in commands:
            ran = elasticdf(*command)
            assert ran.code == 2
            assert str(project / "plan.json") in ran.err
            assert said in ran.err
            assert ran.err.endswith("again with elasticdf partition\n")
    assert before == sorted(tmp_path.rglob("*"))


def test_an_edited_or_exchanged_file_of_a_project_is_refused(tmp_path: Path) -> None:
    project = tmp_path / "p"
    asked = ("partition", "zoo:tfc-w1a1", *TARGET, "--replicas", "1", "-o", project)
    assert elasticdf(*asked).code == 0
    path = project / "manifest.json"
    manifest = path.read_text()
    for key, value, said in (
        ("loader", "x", "loader is 'x', one of original, elasticdf is needed"),
        ("costs", [1], "costs is [1], text is needed"),
        ("external_weights", 5, "external_weights is 5, a list is needed"),
    ):
        edited = json.loads(manifest)
        edited["options"][key] = value
        path.write_text(json.dumps(edited))
        for command in (("build", project, "--emulate"), ("simulate", project)):
            ran = elasticdf(*command)
            assert (ran.code, ran.err) == (2, f"elasticdf: {path}, {said}\n")
    path.write_text(manifest)
    deployment = project / "deployment.json"
    written = deployment.read_text()
    deployment.write_text(json.dumps({**json.loads(written), "network": "other"}))
    for command in (("build", project, "--emulate"), ("package", project)):
        ran = elasticdf(*command)
        assert ran.code == 2
        assert ran.err == (
            f"elasticdf: {deployment} was edited; make the project again with elasticdf partition\n"
        )
    deployment.write_text(written)
    models.export("tfc-w1a1", project / "network.onnx", seed=1)
    ran = elasticdf("build", project, "--emulate")
    assert ran.code == 2
    assert f"{project / 'network.onnx'} is not the network this project was made from" in ran.err
    assert not list(project.glob("board*/*.xclbin"))


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (np.zeros((0, 1, 28, 28)), "has shape (0, 1, 28, 28), so no frame; give one or more"),
        (np.full((1, 784), np.nan), "holds values that are infinite or no numbers; leave them out"),
        (np.full((1, 784), -np.inf), "holds values that are infinite or no numbers; leave them"),
    ],
)
def test_input_that_no_network_takes(tmp_path: Path, values: np.ndarray, said: str) -> None:
    np.save(tmp_path / "in.npy", values)
    ran = elasticdf("run", tmp_path, "--input", tmp_path / "in.npy")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith(f"elasticdf: {tmp_path / 'in.npy'} {said}")


def test_a_misspelt_command_is_one_sentence() -> None:
    ran = elasticdf("partitoin")
    assert ran.code == 2
    assert ran.err.count("\n") == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_disk_under_standard_output_is_one_sentence() -> None:
    with Path("/dev/full").open("w") as full:
        ran = subprocess.run(
            [sys.executable, "-m", "elasticdf.cli", "boards"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert ran.returncode == 2
    assert ran.stderr == ("elasticdf: standard output cannot be written: No space left on device\n")


@pytest.mark.parametrize("module", ["elasticdf.errors", "numpy", "highspy"])
def test_ctrl_c_amid_the_imports_is_no_traceback(module: str) -> None:
    command = [sys.executable, "-X", "importtime", "-m", "elasticdf", "solve", "none.json"]
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as started:
        assert started.stderr is not None
        for line in started.stderr:  # a line per module, once it is imported
            if line.split("|")[-1].strip().startswith(module):
                break
        started.send_signal(signal.SIGINT)
        said = started.stderr.read()
    assert started.returncode == 130
    assert said.endswith("interrupted\n")
    assert "Traceback" not in said
