"""Sweeps by the command line: rows that fail, Dask workers that die."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("distributed", reason="needs Dask: pip install 'elasticdf[explore]'")

ALL = ("--targets", "1..2xu50,pynq-z1", "--modes", "dp,hw")


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


@pytest.mark.slow
def test_a_worker_that_dies_costs_nothing(tmp_path: Path):
    _run(tmp_path / "here", *ALL, "--workers", "0")
    sweep = subprocess.Popen(
        _command(tmp_path / "dask", *ALL, "--workers", "2"), stderr=subprocess.PIPE, text=True
    )
    assert sweep.stderr is not None
    sweep.stderr.readline()
    killed = [pid for pid in _descendants(sweep.pid) if b"spawn_main" in _words(pid)]
    for pid in killed[:1]:
        os.kill(pid, signal.SIGKILL)
    assert killed
    sweep.communicate(timeout=180)
    assert sweep.returncode == 0
    for name in ("explore.json", "explore.html"):
        here, dask = (tmp_path / folder / name for folder in ("here", "dask"))
        assert here.read_bytes() == dask.read_bytes()


def _descendants(pid: int) -> list[int]:
    lists = Path(f"/proc/{pid}/task").glob("*/children")  # a thread lists those it started
    children = [int(child) for file in lists for child in file.read_text().split()]
    return [found for child in children for found in (child, *_descendants(child))]


def _words(pid: int) -> bytes:
    return Path(f"/proc/{pid}/cmdline").read_bytes()
