"""How long a sweep of 200 points takes, and whether kills at random moments change its table.

    python -m bench.sweep [DIR] [--kills N] [--targets LIST] [--clock RANGE]

Sweeps MobileNetV1 in every mode, once without a disturbance. With ``--kills``, sweeps it again,
killing the sweep and all its workers that often at random moments and starting the same command
anew; then compares the two tables and pages byte for byte.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from elasticdf.explore.sweep import PAGE, TABLE

TARGETS = "1..4xu280,1..3xu250,1..3xu50"
CLOCK = "100..300MHz"
Words = Sequence[str]
"""Of the command line."""

_SHORTEST, _LONGEST = 5.0, 50.0
"""Seconds after which a sweep is killed."""


@contextlib.contextmanager
def _sweep(words: Words, output: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run the sweep; whatever is left of it and its workers at the end is killed."""
    command = [sys.executable, "-m", "elasticdf", "explore", *words, "-q", "-o", str(output)]
    sweep = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        yield sweep
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(sweep.pid, signal.SIGKILL)
        sweep.wait()


def _killed(words: Words, output: Path, kills: int) -> None:
    """Start a sweep again and again, each time killing it with all its processes."""
    dice = random.Random(9)
    for number in range(1, kills + 1):
        seconds = dice.uniform(_SHORTEST, _LONGEST)
        with _sweep(words, output) as sweep, contextlib.suppress(subprocess.TimeoutExpired):
            sweep.wait(seconds)
        points = len(list(output.glob("points/*/answer.json")))
        what = "killed" if sweep.returncode == -signal.SIGKILL else "had ended"
        print(f"{number}. {what} after {seconds:.0f} s, {points} points kept", flush=True)


def _time(words: Words, output: Path) -> str:
    """Run a sweep to its end and return how long that took, and its processes in all."""
    start, before = time.perf_counter(), _processor_seconds()
    with _sweep(words, output) as sweep:
        if sweep.wait() != 0:
            sys.exit(f"the sweep into {output} failed")
    return (
        f"{time.perf_counter() - start:.0f} s ({_processor_seconds() - before:.0f} s of processor)"
    )


def _processor_seconds() -> float:
    """Return the time that ended children and those they waited for have used."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def main() -> int:
    """Print times, and whether the tables are the same; return the exit code."""
    parser = argparse.ArgumentParser()
    parser.add_argument("directory", nargs="?", type=Path, default=Path("build/sweep"))
    parser.add_argument("--kills", type=int, default=0)
    parser.add_argument("--targets", default=TARGETS)
    parser.add_argument("--clock", default=CLOCK)
    options = parser.parse_args()
    grid = ("--modes", "all", "--targets", options.targets, "--clock", options.clock)
    words = ("zoo:mobilenetv1-w4a4", *grid)
    whole, stopped = options.directory / "whole", options.directory / "stopped"
    print(f"without a disturbance: {_time(words, whole)}", flush=True)
    if not options.kills:
        return 0
    _killed(words, stopped, options.kills)
    print(f"to the end: {_time(words, stopped)}", flush=True)
    same = all(
        (whole / name).read_bytes() == (stopped / name).read_bytes() for name in (TABLE, PAGE)
    )
    print("the same table and page" if same else "ANOTHER table or page")
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
