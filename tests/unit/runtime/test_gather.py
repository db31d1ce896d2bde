"""Requests that wait together run together, and fail alone."""

from __future__ import annotations

import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from elasticdf.artifact.bitstream import Argument
from elasticdf.runtime.coral.cube import CubeFolder
from elasticdf.runtime.coral.gather import Context, Gatherer, SmallRequest
from elasticdf.runtime.coral.protocol import ArrayArgument
from elasticdf.runtime.failures import BoardError
from tests.runtime_samples import Sample

WIDTH = 16
PORT = Sample(width=WIDTH).port("s_axis_0", "t")


class FakeLane:
    """Adds 1 to every byte; a run waits until it is let go."""

    kernel = SimpleNamespace(
        arguments=(Argument(type="uchar*"), Argument(type="uchar*"), Argument(type="uint"))
    )

    def __init__(self) -> None:
        self.frames: list[int] = []
        self.go = threading.Event()
        self.started = threading.Semaphore(0)
        self.error: Exception | None = None

    def create_buffer(self, argument: int, size: int) -> Any:
        memory = SimpleNamespace(to_board=lambda: None, to_host=lambda: None)
        view = np.zeros(size, np.uint8)
        return SimpleNamespace(size=size, view=view, memory=memory, release=lambda: None)

    def recover(self) -> None:
        pass

    def run(self, values: list[Any]) -> None:
        self.started.release()
        assert self.go.wait(10)
        inputs, outputs, frames = values
        self.frames.append(frames)
        if self.error is not None:
            raise self.error
        outputs.view[:] = inputs.view + 1


def write_arrays(folder: Path, count: int) -> CubeFolder:
    (folder / "client").mkdir()
    for number in range(count):
        (folder / "client" / f"in{number:04d}").write_bytes(bytes([number]) * WIDTH)
        (folder / "client" / f"ou{number:04d}").write_bytes(bytes(WIDTH))
    return CubeFolder(folder)


class Answer:
    """What a request is told."""

    def __init__(self) -> None:
        self.said: str | None = None
        self.sent = threading.Event()

    def settle(self, error: Exception | None) -> None:
        self.said = "done" if error is None else str(error)

    def flush(self) -> None:
        self.sent.set()


def array(name: str) -> ArrayArgument:
    return ArrayArgument(id=name, offset=0, size=WIDTH, version=0)


def run_together(folder: Path, lane: FakeLane, count: int, broken: int | None) -> dict[int, str]:
    """Queue requests one by one; two start at once, the others wait until the lane is let go."""
    cubes = write_arrays(folder, count)
    if broken is not None:
        (folder / "client" / f"in{broken:04d}").write_bytes(b"")
    gatherer = Gatherer(lane, {0: PORT, 1: PORT}, frozenset({0}), Context(cubes=cubes))
    answers = {number: Answer() for number in range(count)}
    for number, reply in answers.items():
        arrays = {0: array(f"in{number:04d}"), 1: array(f"ou{number:04d}")}
        gatherer.put(SmallRequest(frames=1, client="client", arrays=arrays), reply)
        if number < 2:
            assert lane.started.acquire(timeout=10)
    lane.go.set()
    for reply in answers.values():
        assert reply.sent.wait(10)
    assert gatherer.load == 0
    gatherer.close()
    cubes.close()
    return {number: reply.said or "nothing" for number, reply in answers.items()}


def test_what_waits_runs_together(tmp_path: Path) -> None:
    lane = FakeLane()
    said = run_together(tmp_path, lane, 8, None)
    assert said == dict.fromkeys(range(8), "done")
    assert sorted(lane.frames) == [1, 1, 6]
    for number in range(8):
        found = (tmp_path / "client" / f"ou{number:04d}").read_bytes()
        assert found == bytes([number + 1]) * WIDTH


def test_an_array_that_fails_hurts_only_its_own_request(tmp_path: Path) -> None:
    said = run_together(tmp_path, FakeLane(), 6, broken=4)
    assert said.pop(4) == "array in0004 has 0 bytes, the request names bytes 0 to 16"
    assert set(said.values()) == {"done"}


@pytest.mark.parametrize("error", [BoardError("board 1: gone", board=1)])
def test_a_run_that_fails_fails_all_of_it(tmp_path: Path, error: Exception) -> None:
    lane = FakeLane()
    lane.error = error
    said = run_together(tmp_path, lane, 5, None)
    assert set(said.values()) == {"board 1: gone"}
    assert len(said) == 5


class SteppedLane(FakeLane):
    """Ends one run per permission, the earliest first."""

    def __init__(self) -> None:
        super().__init__()
        self.runs: list[tuple[int, threading.Event]] = []

    def run(self, values: list[Any]) -> None:
        end = threading.Event()
        self.runs.append((values[-1], end))
        self.started.release()
        assert end.wait(10)


def test_a_run_beside_another_takes_at_least_as_many_requests(tmp_path: Path) -> None:
    lane, cubes, answers = SteppedLane(), write_arrays(tmp_path, 8), []
    gatherer = Gatherer(lane, {0: PORT, 1: PORT}, frozenset({0}), Context(cubes=cubes))

    def put(count: int) -> None:
        for _ in range(count):
            name = f"{len(answers):04d}"
            arrays = {0: array(f"in{name}"), 1: array(f"ou{name}")}
            answers.append(Answer())
            gatherer.put(SmallRequest(frames=1, client="client", arrays=arrays), answers[-1])

    def started(frames: list[int]) -> bool:
        assert lane.started.acquire(timeout=10)
        return [run[0] for run in lane.runs] == frames

    put(1)
    assert started([1])
    put(1)
    assert started([1, 1])
    put(3)
    lane.runs[0][1].set()
    assert started([1, 1, 3])
    lane.runs[1][1].set()
    assert answers[1].sent.wait(10)
    put(2)
    assert not lane.started.acquire(timeout=0.2), "two requests ran beside three"
    put(1)
    assert started([1, 1, 3, 3])
    for _, end in lane.runs:
        end.set()
    assert all(answer.sent.wait(10) for answer in answers)
    gatherer.close()
    cubes.close()


def test_a_third_run_starts_once_it_is_worth_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("elasticdf.runtime.coral.gather._WORTH_FRAMES", 4)
    lane, cubes = SteppedLane(), write_arrays(tmp_path, 1)
    gatherer = Gatherer(lane, {0: PORT, 1: PORT}, frozenset({0}), Context(cubes=cubes))
    arrays = {0: array("in0000"), 1: array("ou0000")}
    request = SmallRequest(frames=1, client="client", arrays=arrays)
    answers = [Answer() for _ in range(6)]
    for reply in answers[:2]:
        gatherer.put(request, reply)
        assert lane.started.acquire(timeout=10)
    for reply in answers[2:5]:
        gatherer.put(request, reply)
    assert not lane.started.acquire(timeout=0.2), "three requests ran beside two runs"
    gatherer.put(request, answers[5])
    assert lane.started.acquire(timeout=10)
    assert [frames for frames, _ in lane.runs] == [1, 1, 4]
    for _, end in lane.runs:
        end.set()
    assert all(reply.sent.wait(10) for reply in answers)
    gatherer.close()
    cubes.close()
