"""The orchestrator's own client, unmodified, against our server, each in its own process."""

from __future__ import annotations

import gc
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import pytest

from elasticdf.errors import UserError
from elasticdf.runtime.coral.server import Server
from elasticdf.runtime.emulated.board import EmulatedBoard
from tests.runtime_samples import Sample

pytest.importorskip("inaccel.coral", reason="the client is not installed: elasticdf[mlperf]")

CLIENT = Path(__file__).with_name("coral_client.py")
ROOT = Path(__file__).parents[3]
HW = Sample(mode="hw", replicas=2)


def environment(root: Path, sample: Sample, name: str = "test.tiny.tiny") -> dict[str, str]:
    return {
        **os.environ,
        "INACCEL": str(root),
        "SAMPLE": json.dumps(asdict(sample)),
        "ACCELERATOR": name,
        "PYTHONPATH": str(ROOT),
    }


def client(root: Path, sample: Sample, *jobs: str, name: str = "test.tiny.tiny") -> str:
    done = subprocess.run(
        [sys.executable, str(CLIENT), *jobs],
        env=environment(root, sample, name),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("c")
    artifacts = [
        HW.artifact(folder / "hw"),
        Sample(mode="sw").artifact(folder / "sw", bitstream_id="test.steps"),
    ]
    with Server(artifacts, folder, stall_seconds=20) as server:
        assert server.report.accelerators == (
            "test.steps.tiny",
            "test.steps.tiny-one",
            "test.steps.tiny-two",
            "test.tiny.tiny",
        )
        assert server.report.to_json()["resources"] == ["2xu280", "2xu280"]
        yield folder


def test_requests_views_versions_and_threads(root: Path) -> None:
    client(root, HW, "once", "versions", "views", "pipelined", "threads", "once")


def test_forked_children(root: Path) -> None:
    client(root, HW, "forked")


def test_a_network_in_steps_is_one_accelerator_too(root: Path) -> None:
    sample = Sample(mode="sw")
    client(root, sample, "once", "versions", "pipelined", name="test.steps.tiny")


def test_a_step_is_an_accelerator(root: Path) -> None:
    first = Sample(mode="dp", boards=1)  # its only stage is the first of the two
    client(root, first, "once", name="test.steps.tiny-one")


def test_mistakes_are_told(root: Path) -> None:
    said = json.loads(client(root, HW, "errors"))
    assert said == [
        "Not found: accelerator no.such%d is not served here; served are test.steps.tiny, "
        "test.steps.tiny-one, test.steps.tiny-two, test.tiny.tiny",
        "Invalid argument: test.tiny.tiny takes 3 arguments (uchar* in, uchar* out, uint n), "
        "1 came",
        "Invalid argument: test.tiny.tiny, argument 0 (in) is an array in shared memory, 320 bytes "
        "of plain memory came; allocate it under inaccel.allocator",
        "Invalid argument: test.tiny.tiny, argument 0: 21 frames of 16 bytes are 336 bytes, the "
        "array has 320",
        "Invalid argument: test.tiny.tiny: 0 frames are asked for, 1 to 1048576 are possible",
        "Invalid argument: test.tiny.tiny, argument 2 (n) is uint, 4 bytes; 8 bytes came, pass a "
        "NumPy scalar of that type",
        "Invalid argument: test.tiny.tiny, argument 2 (n) is the scalar uint, an array or nothing "
        "came",
    ]


def test_clients_that_die_leave_nothing_behind(root: Path) -> None:
    for _ in range(2):
        with subprocess.Popen(
            [sys.executable, str(CLIENT), "forever"],
            env=environment(root, HW),
            stdout=subprocess.PIPE,
        ) as process:
            assert process.stdout is not None
            for _ in range(5):
                process.stdout.readline()
            process.kill()
    client(root, HW, "once")
    end = time.monotonic() + 10
    while list((root / "shm").iterdir()) and time.monotonic() < end:
        time.sleep(0.1)
    assert list((root / "shm").iterdir()) == []


def test_a_second_server_is_refused(root: Path) -> None:
    with pytest.raises(UserError, match=f"another server is using {root}; stop it or choose"):
        Server([], root)


def test_a_restarted_server_takes_the_socket_over(tmp_path: Path) -> None:
    sample = Sample(mode="dp", boards=1)
    artifact = sample.artifact(tmp_path / "p")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "coral.sock").touch()  # left by a killed server
    for _ in range(2):
        with Server([artifact], tmp_path):
            assert os.stat(tmp_path / "run" / "coral.sock").st_mode & 0o077 == 0
            client(tmp_path, sample, "once")
        gc.collect()


def test_a_killed_board_fails_requests_until_it_is_back(tmp_path: Path) -> None:
    sample = Sample(mode="dp", boards=1)
    with Server([sample.artifact(tmp_path / "p")], tmp_path, stall_seconds=20) as server:
        client(tmp_path, sample, "once")
        (board,) = server.resources[0].boards
        assert isinstance(board, EmulatedBoard)
        os.kill(board.pid, signal.SIGKILL)
        client(tmp_path, sample, "patiently")


def test_two_artifacts_with_one_name_are_refused(tmp_path: Path) -> None:
    artifact = Sample(mode="dp", boards=1).artifact(tmp_path / "p")
    with pytest.raises(UserError, match=r"both hold accelerator test\.tiny\.tiny; serve one"):
        Server([artifact, artifact], tmp_path)


def test_a_server_without_its_artifact_leaves_no_folders(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="missing"):
        Server([tmp_path / "missing"], tmp_path / "root")
    assert not (tmp_path / "root").exists()


def test_a_path_too_long_for_a_socket_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="has more than 107 bytes"):
        Server([], tmp_path / ("x" * 100))
