"""Sweeps by the command line: rows that fail, Dask workers that die."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("distributed", reason="needs Dask: pip install 'elasticdf[explore]'")

ALL = ("--targets", "1..3xpynq-z1,ultra96", "--modes", "dp,hw")


def _command(output: Path, *more: str) -> list[str]:
    return [sys.executable, "-m", "elasticdf", "explore", "zoo:tfc-w1a1", *more, "-o", str(output)]


def _run(output: Path, *more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(_command(output, *more), capture_output=True, text=True, check=True)


def test_points_that_fail_are_rows_and_lines(tmp_path: Path):
    done = _run(tmp_path, "--targets", "u50,2xpynq-z1", "--modes", "hw", "--workers", "0", "--json")
    rows = json.loads(done.stdout)["rows"]
    assert [row["frames_per_second"] is not None for row in rows] == [True, False]
    assert rows[1]["outcome"] == "refused"
    assert rows[1]["reason"] == (
        "target 2xpynq-z1, mode hw: board 1 (pynq-z1) cannot take part: "
        "kernels on it or on board 0 can reach no network port, or use mode dp or sw"
    )
    assert done.stderr.splitlines() == [
        "1/2 u50 hw 200 MHz: planned",
        "2/2 2xpynq-z1 hw 200 MHz: refused",
    ]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, ...]:
    """The files of a sweep that nothing disturbed, computed without Dask."""
    output = tmp_path_factory.mktemp("whole")
    _run(output, *ALL, "--workers", "0")
    return _files(output)


def _files(output: Path) -> tuple[bytes, ...]:
    return tuple((output / name).read_bytes() for name in ("explore.json", "explore.html"))


@pytest.mark.slow
def test_a_worker_that_dies_costs_nothing(tmp_path: Path, whole: tuple[bytes, ...]):
    sweep = subprocess.Popen(
        _command(tmp_path, *ALL, "--workers", "2"), stderr=subprocess.PIPE, text=True
    )
    assert sweep.stderr is not None
    sweep.stderr.readline()
    killed = [pid for pid in _descendants(sweep.pid) if b"spawn_main" in _words(pid)]
    for pid in killed[:1]:
        os.kill(pid, signal.SIGKILL)
    assert killed
    sweep.communicate(timeout=600)
    assert sweep.returncode == 0
    assert _files(tmp_path) == whole


def test_sweeps_killed_at_random_moments_end_in_the_same_table(
    tmp_path: Path, whole: tuple[bytes, ...]
):
    dice = random.Random(9)
    for _ in range(10):
        sweep = subprocess.Popen(
            _command(tmp_path, *ALL, "--workers", "0"), stderr=subprocess.DEVNULL
        )
        with contextlib.suppress(subprocess.TimeoutExpired):
            sweep.wait(dice.uniform(0.5, 2.5))
        sweep.kill()
        sweep.wait()
    _run(tmp_path, *ALL, "--workers", "0")
    assert _files(tmp_path) == whole


def test_an_interrupt_ends_a_sweep_in_a_word(tmp_path: Path):
    points = ("--targets", "1..3xpynq-z1", "--modes", "dp", "--clock", "100..300MHz:2MHz")
    sweep = subprocess.Popen(
        _command(tmp_path, *points, "--workers", "2"),
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert sweep.stderr is not None
    first = sweep.stderr.readline()
    os.killpg(sweep.pid, signal.SIGINT)  # as a terminal does it: to every process of the job
    _, rest = sweep.communicate(timeout=180)
    assert first.startswith("1/303 ")
    assert [line for line in rest.splitlines() if "/303 " not in line] == [
        "interrupted",
        f"  the same command goes on from what {tmp_path} holds",
    ]
    assert sweep.returncode == 130
    assert list(tmp_path.glob("points/*/answer.json"))
    assert not (tmp_path / "explore.json").exists()


def test_a_running_dask_cluster_computes_the_same_and_may_lose_a_worker(
    tmp_path: Path, whole: tuple[bytes, ...]
):
    with _cluster(tmp_path) as (address, workers):
        sweep = subprocess.Popen(
            _command(tmp_path / "out", *ALL, "--scheduler", address),
            stderr=subprocess.PIPE,
            text=True,
        )
        assert sweep.stderr is not None
        sweep.stderr.readline()
        workers[0].kill()
        sweep.communicate(timeout=600)
    assert sweep.returncode == 0
    assert _files(tmp_path / "out") == whole


@contextlib.contextmanager
def _cluster(folder: Path) -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    """Yield the address of a Dask scheduler on the loopback interface and its two workers."""
    file = folder / "scheduler.json"
    dask = [sys.executable, "-m", "dask"]
    loopback = ["--host", "127.0.0.1", "--no-dashboard"]
    asked = [[*dask, "scheduler", *loopback, "--port", "0", "--scheduler-file", str(file)]]
    asked += [
        [*dask, "worker", "--scheduler-file", str(file), *loopback, "--nthreads", "1", "--no-nanny"]
        for _ in range(2)
    ]
    running = [
        subprocess.Popen(command, stderr=subprocess.DEVNULL, cwd=folder) for command in asked
    ]
    try:
        for _ in range(300):
            if file.exists():
                break
            time.sleep(0.1)
        yield json.loads(file.read_text())["address"], running[1:]
    finally:
        for process in running:
            process.kill()
            process.wait()


def _descendants(pid: int) -> list[int]:
    lists = Path(f"/proc/{pid}/task").glob("*/children")  # a thread lists those it started
    children = [int(child) for file in lists for child in file.read_text().split()]
    return [found for child in children for found in (child, *_descendants(child))]


def _words(pid: int) -> bytes:
    return Path(f"/proc/{pid}/cmdline").read_bytes()
