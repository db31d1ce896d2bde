"""From a network to a checked run on emulated boards, by the commands a user types."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import models
from tests.end_to_end.command_line import elasticdf
from tests.original_loader import Resource
from tests.truth import ROOT

MODES = ("hw", "tmp", "sw")


def frames(network: str, path: Path, count: int = 3) -> Path:
    """Write a few random inputs in the network's own terms."""
    np.save(path, np.concatenate([models.sample(network, seed) for seed in range(count)]))
    return path


def make_artifact(network: str, target: str, mode: str, folder: Path, *options: str) -> Path:
    """Partition, build for emulation and pack; return the artifact's folder."""
    project = folder / "project"
    request = ("partition", f"zoo:{network}", "--target", target, "--mode", mode, "-o", project)
    ran = elasticdf(*request, "--replicas", "1", *options)
    assert ran.code == 0, ran.err
    assert elasticdf("build", project, "--emulate").code == 0
    packed = elasticdf("package", project, "--json")
    assert packed.code == 0, packed.err
    return Path(packed.document["folder"])


SMALL = (
    ("tfc-w2a2", "2xu280", ("MVAU_hls_0=0", "MVAU_hls_1=1")),
    ("tfc-w2a2", "3xu50", ("MVAU_hls_0=0", "MVAU_hls_1=1", "MVAU_hls_2=2")),
    ("cnv-w1a1", "2xu280", ("MVAU_hls_0=0", "MVAU_hls_4=1")),
    ("cnv-w1a1", "3xu50", ("MVAU_hls_0=0", "MVAU_hls_2=1", "MVAU_hls_5=2")),
)
LARGE = (
    ("resnet18-cifar-w2a2", "2xu280", ("MVAU_hls_0=0", "MVAU_hls_9=1")),
    ("resnet18-cifar-w2a2", "3xu280", ("MVAU_hls_0=0", "MVAU_hls_6=1", "MVAU_hls_11=2")),
    ("mobilenetv1-w4a4", "2xu280", ("MVAU_hls_0=0", "VVAU_hls_6=1")),
    ("mobilenetv1-w4a4", "3xu280", ("MVAU_hls_0=0", "VVAU_hls_4=1", "VVAU_hls_8=2")),
)


def check_cut(
    tmp_path: Path, network: str, target: str, anchors: tuple[str, ...], mode: str, *more: str
) -> Path:
    """Cut a network by anchors, run it on emulated boards and compare every bit with the whole."""
    last = ("LabelSelect_hls_0=0",) if mode == "tmp" else ()
    options = [word for anchor in (*anchors, *last) for word in ("--anchor", anchor)]
    artifact = make_artifact(network, target, mode, tmp_path, "--fps", "400", *options, *more)
    lint = elasticdf("lint", artifact, "--json")
    assert lint.code == 0, lint.out
    inputs = frames(network, tmp_path / "in.npy")
    output = tmp_path / "out.npy"
    ran = elasticdf("run", artifact, "--input", inputs, "--output", output, "--check", "--json")
    assert ran.code == 0, ran.err
    assert ran.document["checked"] is True
    assert ran.document["resource"] == target
    assert len(np.load(output)) == 3
    return artifact


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("network", "target", "anchors"), SMALL)
def test_cut_networks_equal_the_whole(
    tmp_path: Path, network: str, target: str, anchors: tuple[str, ...], mode: str
) -> None:
    check_cut(tmp_path, network, target, anchors, mode)


@pytest.mark.parametrize(
    ("case", "mode"), [(SMALL[0], "hw"), (SMALL[0], "tmp"), (SMALL[0], "sw"), (SMALL[2], "tmp")]
)
def test_the_published_loader_takes_a_cut_network(
    tmp_path: Path, case: tuple[str, str, tuple[str, ...]], mode: str
) -> None:
    """In mode tmp both streams of the replica share the one socket row that it sets up."""
    artifact = check_cut(tmp_path, *case, mode, "--loader", "original")
    lint = elasticdf("lint", artifact, "--json")
    assert lint.document["accepted"] == {"original": True, "elasticdf": True}
    (archive,) = artifact.glob("*.tar")
    resource = Resource()
    assert resource.program(archive.read_bytes()) == 0
    assert resource.network_up == (mode != "sw")
    for kernel in json.loads((artifact / "bitstream.json").read_bytes())["kernels"]:
        assert all(resource.compute_unit(name) for name in kernel["name"])


def test_frames_larger_than_a_receive_buffer_pass_a_switch(tmp_path: Path) -> None:
    network, target, anchors = LARGE[1]
    check_cut(tmp_path, network, target, anchors, "tmp")


@pytest.mark.slow
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("network", "target", "anchors"), LARGE)
def test_large_cut_networks_equal_the_whole(
    tmp_path: Path, network: str, target: str, anchors: tuple[str, ...], mode: str
) -> None:
    check_cut(tmp_path, network, target, anchors, mode)


def test_the_cut_does_not_change_the_labels(tmp_path: Path) -> None:
    inputs = frames("cnv-w1a1", tmp_path / "in.npy")
    labels = []
    for mode, options in (("dp", ()), ("hw", ("--anchor", "MVAU_hls_3=1"))):
        folder = tmp_path / mode
        artifact = make_artifact("cnv-w1a1", "2xu280", mode, folder, "--fps", "500", *options)
        output = folder / "out.npy"
        assert elasticdf("run", artifact, "--input", inputs, "--output", output).code == 0
        labels.append(np.load(output).tolist())
    assert labels[0] == labels[1]


def project_bytes(folder: Path, seed: str) -> dict[str, bytes]:
    """Partition in a fresh interpreter with that hash seed; return every file."""
    command = (sys.executable, "-m", "elasticdf", "partition", "zoo:cnv-w2a2", "--replicas", "1")
    options = ("--target", "2xu280", "--fps", "1000", "--mode", "tmp", "-o", str(folder))
    environment = {**os.environ, "PYTHONHASHSEED": seed}
    done = subprocess.run(
        (*command, *options), env=environment, cwd=ROOT, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_the_same_request_gives_the_same_bytes(tmp_path: Path) -> None:
    first = project_bytes(tmp_path / "a", "1")
    second = project_bytes(tmp_path / "b", "4242")
    assert sorted(first) == sorted(second)
    assert [name for name in first if first[name] != second[name]] == []
    assert {"plan.json", "manifest.json", "network.onnx", "folding.json", "Makefile"} <= set(first)
    assert {"board0/link.cfg", "board0/network.json", "board0/build.py"} <= set(first)
    page = (ROOT / "docs" / "project.md").read_text()
    tops = {name.partition("/")[0].rstrip("0123456789") for name in first}
    assert {name for name in tops if name not in page} == set(), "docs/project.md names them all"


def test_a_second_run_into_the_same_folder_touches_nothing(tmp_path: Path) -> None:
    request = (
        "partition",
        "zoo:tfc-w1a1",
        "--target",
        "u50",
        "--fps",
        "1000",
        "-o",
        tmp_path / "p",
    )
    assert elasticdf(*request).code == 0
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "p").rglob("*")}
    assert elasticdf(*request).code == 0
    assert before == {path: path.stat().st_mtime_ns for path in (tmp_path / "p").rglob("*")}


def test_what_an_earlier_plan_left_is_removed(tmp_path: Path) -> None:
    request = ("partition", "zoo:tfc-w1a1", "--target", "2xu50", "--replicas", "1", "--fps", "1000")
    cut = ("--mode", "hw", "--anchor", "MVAU_hls_0=0", "--anchor", "MVAU_hls_1=1")
    assert elasticdf(*request, *cut, "-o", tmp_path / "p").code == 0
    assert (tmp_path / "p/board1").is_dir()
    assert elasticdf(*request, "--anchor", "MVAU_hls_0=0", "-o", tmp_path / "p").code == 0
    assert not (tmp_path / "p/board1").exists()


def test_an_impossible_rate_is_exit_3_with_an_explanation(tmp_path: Path) -> None:
    ran = elasticdf(
        "partition",
        "zoo:cnv-w1a1",
        "--target",
        "u50",
        "--fps",
        "100000000",
        "-o",
        tmp_path / "p",
        "--json",
    )
    assert ran.code == 3
    assert ran.document["certificate"]["outcome"] == "infeasible"
    assert ran.document["assignments"] == []
    assert ran.document["explanation"]["conflict"]
    assert [path.name for path in (tmp_path / "p").iterdir()] == ["plan.json"]
