"""Packs a GiB of binaries, beside ``cat`` copying them on the same disk, in turn.

    python -m bench.packing [ROUNDS]

Prints seconds and their ratio per round, and the peak memory of packing, linting and installing.
Only the ratios of one run mean something: both depend on the disk and on what else is running.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.artifact_samples import deployment, write_project

BINARY_MIB = 512
_WORK = """
import json, sys, time
from pathlib import Path
from codegen.bundle.pack import package
from elasticdf.artifact.install import install
from elasticdf.artifact.lint import lint
start = time.perf_counter()
folder = package(Path(sys.argv[1])).folder
seconds = time.perf_counter() - start
assert lint(folder).exit_code == 0
install(folder, Path(sys.argv[2]))
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
peak = int(status["VmHWM"].split()[0]) / 1024  # getrusage would count what forked this process
print(json.dumps([seconds, peak]))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """One copy and one packing of the same binaries.

    Attributes:
        copy_seconds: Of ``cat``.
        pack_seconds: Of the packer, without starting Python.
        peak_mib: Of a process that packs, lints and installs.
    """

    copy_seconds: float
    pack_seconds: float
    peak_mib: float

    @property
    def ratio(self) -> float:
        """How many times longer packing takes than copying."""
        return self.pack_seconds / self.copy_seconds


def measure(folder: Path, rounds: int) -> Iterator[Round]:
    """Yield rounds; everything is written below the folder."""
    project = write_project(folder / "project", deployment("hw"))
    binaries = sorted(project.glob("board*/*.xclbin"))
    block = random.Random(1).randbytes(1 << 20)
    for path in binaries:
        with open(path, "ab") as binary:
            for _ in range(BINARY_MIB):
                binary.write(block)
    for _ in range(rounds):
        shutil.rmtree(project / "artifact", ignore_errors=True)
        shutil.rmtree(folder / "root", ignore_errors=True)
        os.sync()
        copy_seconds = _copy(binaries, folder / "copy")
        os.sync()
        pack_seconds, peak_mib = _pack(project, folder / "root")
        yield Round(copy_seconds=copy_seconds, pack_seconds=pack_seconds, peak_mib=peak_mib)


def _copy(binaries: list[Path], copy: Path) -> float:
    start = time.perf_counter()
    with open(copy, "wb") as target:
        subprocess.run(["cat", *map(str, binaries)], stdout=target, check=True)
    seconds = time.perf_counter() - start
    copy.unlink()
    return seconds


def _pack(project: Path, root: Path) -> tuple[float, float]:
    command = [sys.executable, "-c", _WORK, str(project), str(root)]
    result = subprocess.run(command, check=True, capture_output=True, text=True, timeout=600)
    seconds, peak = json.loads(result.stdout)
    return seconds, peak


def main() -> None:
    """Print a line per round and the middle ratio."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    print(f"{'cat s':>8}{'pack s':>8}{'ratio':>8}{'MiB':>6}")
    ratios = []
    with TemporaryDirectory() as folder:
        for one in measure(Path(folder), count):
            ratios.append(one.ratio)
            print(
                f"{one.copy_seconds:8.2f}{one.pack_seconds:8.2f}{one.ratio:8.2f}{one.peak_mib:6.0f}"
            )
    print(f"middle ratio {statistics.median(ratios):.2f}")


if __name__ == "__main__":
    main()
