"""A GiB of binaries: packed, examined and installed in little memory and at the disk's pace."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.artifact_samples import deployment, write_project

BINARY_MIB = 512
MEMORY_LIMIT_MIB = 200
WORK = """
import json, resource, sys, time
from pathlib import Path
from codegen.bundle.pack import package
from elasticdf.artifact.install import install
from elasticdf.artifact.lint import lint
start = time.perf_counter()
folder = package(Path(sys.argv[1])).folder
seconds = time.perf_counter() - start
assert lint(folder).exit_code == 0
install(folder, Path(sys.argv[2]))
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps({"seconds": seconds, "peak_mib": peak}))
"""


def _measure(project: Path, root: Path) -> dict[str, float]:
    command = [sys.executable, "-c", WORK, str(project), str(root)]
    result = subprocess.run(command, check=True, capture_output=True, text=True, timeout=600)
    measured: dict[str, float] = json.loads(result.stdout)
    return measured


def _copying_seconds(binaries: list[Path], copy: Path) -> float:
    start = time.perf_counter()
    with open(copy, "wb") as target:
        subprocess.run(["cat", *map(str, binaries)], stdout=target, check=True)
    return time.perf_counter() - start


@pytest.mark.slow
def test_a_gibibyte(tmp_path: Path) -> None:
    project = write_project(tmp_path / "p", deployment("hw"))
    binaries = sorted(project.glob("board*/*.xclbin"))
    block = random.Random(1).randbytes(1 << 20)
    for path in binaries:
        with open(path, "ab") as binary:
            for _ in range(BINARY_MIB):
                binary.write(block)
    copies, packs = [], []
    for _ in range(3):
        shutil.rmtree(project / "artifact", ignore_errors=True)
        os.sync()
        copy = tmp_path / "copy"
        copies.append(_copying_seconds(binaries, copy))
        copy.unlink()
        os.sync()
        measured = _measure(project, tmp_path / "root")
        assert measured["peak_mib"] < MEMORY_LIMIT_MIB
        packs.append(measured["seconds"])
    assert min(packs) <= 2 * min(copies), f"cat {copies}, package {packs}"
