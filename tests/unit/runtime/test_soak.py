"""Eight clients at once, some killed: nothing lost, nothing crossed, nothing left behind."""

from __future__ import annotations

import logging
import os
import random
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import pytest

from elasticdf.runtime.coral.server import Server
from tests.runtime_samples import Sample
from tests.unit.runtime.test_coral_server import CLIENT, environment

pytest.importorskip("inaccel.coral", reason="the client is not installed: elasticdf[mlperf]")

CLIENTS = 8
KILLED = 0.1
"""Share of the clients killed at every look."""

LOOKS = 40
LOADING_SECONDS = 5.0
"""A client that is killed sooner has not started the helper that removes its folder."""

GROWTH_BYTES = 32 << 20


@dataclass(frozen=True, kw_only=True)
class Soak:
    """What a soak saw.

    Attributes:
        killed: Clients killed in the middle of requests.
        answers: Requests whose every byte was checked by the clients.
        first: Resident bytes of server and boards after a quarter of the time.
        last: The same at the end.
        left: Files of shared memory left half a minute after the end.
    """

    killed: int
    answers: int
    first: int
    last: int
    left: int


def resident_bytes(*pids: int) -> int:
    statuses = (Path(f"/proc/{pid}/status").read_text() for pid in pids)
    fields = (line.split() for status in statuses for line in status.splitlines())
    return sum(int(words[1]) for words in fields if words[0] == "RssAnon:") << 10


def start(folder: Path, sample: Sample, said: IO[bytes]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, str(CLIENT), "forever"],
        env=environment(folder, sample),
        stdout=said,
        stderr=subprocess.PIPE,
    )


def stop(client: subprocess.Popen[bytes]) -> None:
    client.kill()
    client.communicate()


def soak(folder: Path, seconds: float, seed: int) -> Soak:
    sample = Sample(mode="hw", replicas=2)
    choice = random.Random(seed)
    killed = first = 0
    with (
        Server([sample.artifact(folder / "p")], folder, stall_seconds=30) as server,
        (folder / "said").open("ab") as said,
    ):
        (resource,) = server.resources
        pids = (os.getpid(), *(board.pid for board in resource.boards))
        clients = [start(folder, sample, said) for _ in range(CLIENTS)]
        for look in range(LOOKS):
            time.sleep(seconds / LOOKS)
            if look == LOOKS // 4:
                first = resident_bytes(*pids)
            for number, client in enumerate(clients):
                if client.poll() is not None:
                    raise AssertionError(client.stderr.read().decode() if client.stderr else "")
                if choice.random() < KILLED:
                    stop(client)
                    clients[number] = start(folder, sample, said)
                    killed += 1
        time.sleep(LOADING_SECONDS)
        for client in clients:
            stop(client)
        last = resident_bytes(*pids)
        limit = time.monotonic() + 30
        while (left := len(list((folder / "shm").iterdir()))) and time.monotonic() < limit:
            time.sleep(0.2)
    answers = (folder / "said").read_bytes().count(b"\n")
    return Soak(killed=killed, answers=answers, first=first, last=last, left=left)


@pytest.mark.campaign
@pytest.mark.timeout(1200)
def test_eight_clients_with_random_kills(tmp_path: Path) -> None:
    """A minute; ELASTICDF_SOAK_SECONDS=600 makes it the ten minutes of the documentation."""
    seen = soak(tmp_path, float(os.environ.get("ELASTICDF_SOAK_SECONDS", "60")), seed=3)
    logging.getLogger(__name__).info("%s", seen)
    assert seen.killed > 0
    assert seen.answers > 0
    assert seen.left == 0
    assert seen.last < seen.first + GROWTH_BYTES
