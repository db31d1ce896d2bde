"""Whatever breaks, a request ends with the right answer or with an error that says where."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import pytest

from elasticdf.runtime.emulated.board import EmulatedBoard
from elasticdf.runtime.emulated.cable import NO_FAULTS, Faults
from elasticdf.runtime.failures import BoardError
from elasticdf.runtime.session import Session, open_session
from tests.runtime_samples import Sample

LONGEST_SECONDS = 40.0
QSFP = 1


@contextmanager
def running(sample: Sample, folder: Path, stall_seconds: float = 2.0) -> Iterator[Session]:
    with open_session(sample.artifact(folder), stall_seconds=stall_seconds) as session:
        yield session


def board(session: Session, index: int) -> EmulatedBoard:
    found = session.resource.boards[index]
    assert isinstance(found, EmulatedBoard)
    return found


def answer(session: Session, sample: Sample, seed: int, frames: int = 40) -> str | None:
    """Return the error's text, or None if the answer came and is right."""
    data = sample.frames(frames, seed)
    start = time.monotonic()
    try:
        outputs, _ = session.infer(data)
    except BoardError as error:
        return str(error)
    finally:
        assert time.monotonic() - start < LONGEST_SECONDS
    assert np.array_equal(outputs, sample.expected(data)), "a wrong answer"
    return None


def inject(session: Session, index: int, faults: Faults) -> None:
    board(session, index).inject(QSFP, faults)


@pytest.fixture(scope="module")
def hw(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Session, Sample]]:
    sample = Sample(mode="hw", width=2048, elements=4)
    with running(sample, tmp_path_factory.mktemp("hw")) as session:
        yield session, sample


LINK = "link 0 (board 0 port 1 to board 1 port 1)"


@pytest.mark.parametrize("after", [0, 3, 79])
def test_a_lost_packet_fails_the_request_and_the_next_one_works(
    hw: tuple[Session, Sample], after: int
) -> None:
    session, sample = hw
    inject(session, 0, Faults(loss=1.0, count=1, after_packets=after))
    error = answer(session, sample, 1)
    assert error is not None
    assert error.startswith(f"board 1 (u280, emulated), {LINK}: ")
    assert answer(session, sample, 2) is None


def test_duplicates_and_delay_change_nothing(hw: tuple[Session, Sample]) -> None:
    session, sample = hw
    assert answer(session, sample, 1) is None
    before = session.resource.boards[1].link_counts()[0].duplicates
    inject(session, 0, Faults(duplication=0.5, delay_seconds=0.002))
    assert answer(session, sample, 3) is None
    assert session.resource.boards[1].link_counts()[0].duplicates > before
    inject(session, 0, NO_FAULTS)


def test_lost_credits_are_asked_for(hw: tuple[Session, Sample]) -> None:
    session, sample = hw
    assert answer(session, sample, 4) is None
    inject(session, 1, Faults(loss=0.6, seed=1))
    assert answer(session, sample, 5) is None
    inject(session, 1, NO_FAULTS)


def test_a_link_that_goes_down_is_named(hw: tuple[Session, Sample]) -> None:
    session, sample = hw
    assert answer(session, sample, 6) is None
    inject(session, 0, Faults(down=True))
    error = answer(session, sample, 7)
    assert error == (
        "board 0 port 1: the MAC sees no link; check the cable, the peer and that both ends agree "
        "on RS-FEC"
    )
    assert answer(session, sample, 8) is None


def test_a_slow_receiver_only_slows(hw: tuple[Session, Sample]) -> None:
    session, sample = hw
    assert answer(session, sample, 9) is None
    board(session, 1).pause_receiver(0, 0.02)
    assert answer(session, sample, 10) is None
    board(session, 1).pause_receiver(0, 0.0)


def test_a_killed_board_is_named_and_started_again(hw: tuple[Session, Sample]) -> None:
    session, sample = hw
    assert answer(session, sample, 11) is None
    board(session, 1).pause_receiver(0, 0.05)
    pid = board(session, 1).pid
    os.kill(pid, signal.SIGKILL)
    error = answer(session, sample, 12)
    if error is not None:  # else the kill was noticed before the request, and mended
        assert error == "board 1 (u280, emulated): its process was killed by signal 9"
    assert answer(session, sample, 13) is None
    assert board(session, 1).pid != pid


def test_how_a_process_ended_is_told_however_late_that_is_known(
    hw: tuple[Session, Sample], monkeypatch: pytest.MonkeyPatch
) -> None:
    session, sample = hw
    assert answer(session, sample, 14) is None
    wait = subprocess.Popen.wait

    def late(process: subprocess.Popen[bytes], timeout: float | None = None) -> int:
        time.sleep(1.0)
        return wait(process, timeout)

    monkeypatch.setattr(subprocess.Popen, "wait", late)
    os.kill(board(session, 0).pid, signal.SIGKILL)
    time.sleep(0.5)  # the channel is closed by now, the process not yet seen to have ended
    with pytest.raises(BoardError, match=r"^board 0 \(u280, emulated\): .* killed by signal 9$"):
        board(session, 0).progress()
    assert answer(session, sample, 15) is None


def test_a_board_killed_right_before_recovery_is_started_again(
    hw: tuple[Session, Sample],
) -> None:
    session, sample = hw
    for index in (0, 1):
        assert answer(session, sample, 16 + index) is None
        session.resource.fail(BoardError("something else failed"))
        os.kill(board(session, index).pid, signal.SIGKILL)
        session.resource.recover()
    assert answer(session, sample, 18) is None


def test_no_process_outlives_its_host(tmp_path: Path) -> None:
    with running(Sample(mode="sw"), tmp_path) as session:
        pids = [board(session, index).pid for index in range(2)]
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def _campaign(mode: str, rounds: int, seed: int, folder: Path) -> int:
    """Random faults, one per round; return how many requests failed."""
    sample = Sample(mode=mode, width=1600, elements=4)
    choice = random.Random(seed)
    failed = 0
    with running(sample, folder, stall_seconds=1.5) as session:
        for number in range(rounds):
            _break_something(session, choice, networked=mode != "sw")
            error = answer(session, sample, number, frames=choice.choice((1, 5, 40)))
            if error is not None:
                failed += 1
                assert error.startswith(("board ", "link ")), error
            if choice.random() < 0.5:  # some faults last for several requests
                _mend(session)
        _mend(session)
        answer(session, sample, -1 % 2**32)
        assert answer(session, sample, 7) is None
    return failed


def _mend(session: Session) -> None:
    for number, emulated in enumerate(session.resource.boards):
        with suppress(BoardError):  # it is dead, and starts without faults
            if emulated.failure is None and session.deployment.links:
                inject(session, number, NO_FAULTS)


def _break_something(session: Session, choice: random.Random, *, networked: bool) -> None:
    index = choice.randrange(2)
    seed, after = choice.randrange(1000), choice.randrange(60)

    def kill() -> None:
        os.kill(board(session, index).pid, signal.SIGKILL)

    cable: tuple[Callable[[], None], ...] = (
        lambda: inject(session, index, Faults(loss=0.05, seed=seed)),
        lambda: inject(session, index, Faults(loss=1.0, count=1, after_packets=after)),
        lambda: inject(session, index, Faults(corruption=0.1, seed=seed)),
        lambda: inject(session, index, Faults(duplication=0.3, seed=seed)),
        lambda: inject(session, index, Faults(delay_seconds=0.01)),
        lambda: inject(session, index, Faults(down=True)),
        lambda: board(session, index).pause_receiver(0, 0.01),
    )
    with suppress(BoardError, ProcessLookupError):  # the board may be broken already
        choice.choice((*cable, kill) if networked else (kill, lambda: None))()


@pytest.mark.parametrize("mode", ["hw", "tmp", "sw"])
def test_random_faults_never_give_a_wrong_answer(mode: str, tmp_path: Path) -> None:
    _campaign(mode, 4, seed=1, folder=tmp_path)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(("mode", "rounds"), [("hw", 220), ("tmp", 220), ("sw", 60)])
def test_five_hundred_random_faults(mode: str, rounds: int, tmp_path: Path) -> None:
    assert _campaign(mode, rounds, seed=2, folder=tmp_path) > 0
