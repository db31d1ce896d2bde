"""Weights that a request brings: emulated boards compute with them, real ones get their buffer."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from elasticdf.artifact.opening import open_artifact
from elasticdf.errors import UserError
from elasticdf.runtime import xrt
from elasticdf.runtime.coral.server import Server
from elasticdf.runtime.mlperf.benchmark import MlperfOptions, Scenario, run_mlperf
from elasticdf.runtime.packing import pack, unpack
from elasticdf.runtime.pipeline import make_steps
from elasticdf.runtime.run import run_artifact
from elasticdf.runtime.session import open_session
from tests.external_networks import CLASSES, HIDDEN, LABELS, External
from tests.unit.runtime import fake_xrt
from tests.unit.runtime.test_xrt import real, resource

CLIENT = Path(__file__).with_name("coral_weights.py")
ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def external(tmp_path_factory: pytest.TempPathFactory) -> External:
    return External.drawn(tmp_path_factory.mktemp("n"))


@pytest.mark.parametrize(
    ("target", "mode", "replicas"),
    [("1xu280", "dp", 1), ("2xu280", "dp", 2), ("2xu280", "hw", 1), ("2xu280", "sw", 1)],
)
def test_labels_are_those_of_the_weights_that_came(
    external: External, target: str, mode: str, replicas: int, tmp_path: Path
) -> None:
    artifact = external.artifact(tmp_path, target, mode, replicas)
    frames, layer = external.frames(40), external.layer
    labels, report = run_artifact(
        artifact, frames, whole_model=external.whole, weights={layer: external.own}
    )
    assert report.checked
    assert np.array_equal(labels, external.labels(frames, external.own))
    other = external.other(1)
    changed, _ = run_artifact(artifact, frames, weights={layer: other})
    assert np.array_equal(changed, external.labels(frames, other))
    assert not np.array_equal(changed, labels)


def test_without_them_the_layer_is_named(external: External, tmp_path: Path) -> None:
    artifact = external.artifact(tmp_path, "1xu280", "dp")
    with pytest.raises(UserError, match=f"layer {external.layer} takes its weights with every"):
        run_artifact(artifact, external.frames(1))
    with pytest.raises(UserError, match=r"frames have shape \(9, 32\), \(10, 32\) is needed"):
        run_artifact(artifact, external.frames(1), weights={external.layer: external.own[1:]})


@pytest.mark.parametrize("mode", ["hw", "sw"])
def test_the_unmodified_client_passes_them(external: External, mode: str, tmp_path: Path) -> None:
    pytest.importorskip("inaccel.coral", reason="the client is not installed: elasticdf[mlperf]")
    artifact = external.artifact(tmp_path / "p", "2xu280", mode)
    frames, weights = external.frames(30), [external.own, external.other(2)]
    with open_session(artifact, weights={external.layer: external.own}) as session:
        inputs, port = session.encode(frames), session.output
    np.savez(
        tmp_path / "in.npz", inputs=inputs, weights=weights, output_bytes=LABELS * port.bits // 8
    )
    name = "test.external"
    with Server([artifact], tmp_path, stall_seconds=20) as server:
        assert name in server.report.accelerators
        done = subprocess.run(
            [sys.executable, str(CLIENT), str(tmp_path / "in.npz"), str(tmp_path / "out.npz")],
            env={
                **os.environ,
                "INACCEL": str(tmp_path),
                "ACCELERATOR": name,
                "PYTHONPATH": str(ROOT),
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    answers = np.load(tmp_path / "out.npz")
    expected = [external.labels(frames, array) for array in weights]
    for answer, labels in zip(answers["answers"], (*expected, *expected, expected[1]), strict=True):
        assert np.array_equal(unpack(answer, port, np.int64).reshape(-1, LABELS), labels)
    assert answers["said"] == (
        "Invalid argument: test.external, argument 2: the weights are 10 x 32, 320 bytes, the "
        "array has 288"
    )


def test_the_call_is_in_out_weights_count(external: External, tmp_path: Path) -> None:
    artifact = open_artifact(external.artifact(tmp_path, "2xu280", "hw"))
    (kernel,) = artifact.bitstream.kernels
    assert [(a.type, a.name, a.access) for a in kernel.arguments] == [
        ("uchar*", "in", "r"),
        ("uchar*", "out", "w"),
        ("char*", "weights", "r"),
        ("uint", "n", None),
    ]
    units = [directive.function.partition("_")[0] for directive in kernel.directives]
    assert units == ["idma", "odma", "wdma"]
    assert kernel.arguments[2].index == (None, None, 0)
    assert kernel.arguments[3].index == (1, 1, 1)


def test_the_benchmark_passes_the_networks_own(external: External, tmp_path: Path) -> None:
    pytest.importorskip("mlperf_loadgen", reason="LoadGen is not installed: elasticdf[mlperf]")
    report = run_mlperf(
        external.artifact(tmp_path / "p", "1xu280", "dp"),
        None,
        MlperfOptions(scenario=Scenario.OFFLINE, accuracy=True, expected_fps=100.0),
        tmp_path / "logs",
        whole_model=external.whole,
        sample_count=16,
        weights={external.layer: external.own},
    )
    assert (report.exact, report.answers) == (16, 16)


def test_a_real_board_gets_one_buffer_for_all_frames(
    external: External, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = fake_xrt.CoreLibrary()
    monkeypatch.setattr(xrt, "_load", lambda: (fake_xrt.pyxrt(1), library))
    opened = open_artifact(external.artifact(tmp_path, "1xu280", "dp"))
    opened = replace(
        opened, binaries=tuple(replace(b, xclbin=real(b.xclbin)) for b in opened.binaries)
    )
    with resource(opened) as boards:
        (steps,) = make_steps(boards, opened.manifest.deployment, opened.bitstream.kernels)
        data, _, weights = steps[0].streams
        frames = np.zeros((3, data.port.transfers), np.uint8)
        values = pack(external.other(4)[None], weights.port)
        streams = {
            data.port.tensor: (data.port, frames),
            weights.port.tensor: (weights.port, values),
        }
        steps[0].process(streams, 3)
        units = [unit.partition("_")[0] for unit, _ in fake_xrt.Kernel.starts]
        assert units == ["odma", "idma", "wdma"]
        assert {count for _, count in fake_xrt.Kernel.starts} == {3}
        (content,) = (c for unit, c in fake_xrt.Kernel.contents if unit.startswith("wdma"))
        assert content == external.other(4).tobytes()
        assert len(content) == CLASSES * HIDDEN
