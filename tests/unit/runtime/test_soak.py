"""Eight clients at once, some killed: nothing lost, nothing crossed, nothing left behind."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from elasticdf.runtime.coral.server import Server
from tests.runtime_samples import Sample
from tests.unit.runtime.test_coral_server import CLIENT, environment

pytest.importorskip("inaccel.coral", reason="the client is not installed: elasticdf[mlperf]")

CLIENTS = 8


def resident_bytes() -> int:
    fields = Path("/proc/self/statm").read_text().split()
    return int(fields[1]) * os.sysconf("SC_PAGE_SIZE")


def _soak(folder: Path, seconds: float, seed: int) -> int:
    """Return how many clients were killed."""
    sample = Sample(mode="hw", replicas=2)
    choice = random.Random(seed)
    killed = 0
    with Server([sample.artifact(folder / "p")], folder, stall_seconds=30):

        def start() -> subprocess.Popen[bytes]:
            return subprocess.Popen(
                [sys.executable, str(CLIENT), "forever"],
                env=environment(folder, sample),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
            )

        clients = [start() for _ in range(CLIENTS)]
        warm, end = 0, time.monotonic() + seconds
        while time.monotonic() < end:
            time.sleep(seconds / 20)
            warm = warm or resident_bytes()
            for number, client in enumerate(clients):
                if client.poll() is not None:
                    raise AssertionError(client.stderr.read().decode() if client.stderr else "")
                if choice.random() < 0.1:
                    client.kill()
                    client.communicate()
                    clients[number] = start()
                    killed += 1
        for client in clients:
            client.kill()
            client.communicate()
        assert resident_bytes() < warm + (64 << 20)
        limit = time.monotonic() + 20
        while list((folder / "shm").iterdir()) and time.monotonic() < limit:
            time.sleep(0.2)
        assert list((folder / "shm").iterdir()) == []
    return killed


@pytest.mark.slow
def test_eight_clients_for_ten_minutes_with_random_kills(tmp_path: Path) -> None:
    seconds = float(os.environ.get("ELASTICDF_SOAK_SECONDS", "600"))
    assert _soak(tmp_path, seconds, seed=3) > 0
