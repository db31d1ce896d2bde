"""The same binaries give the same artifact in every process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.truth import ROOT

WORK = """
import sys
from pathlib import Path
from codegen.bundle.pack import package
from elasticdf.artifact.blob import Blob
from tests.artifact_samples import deployment, write_project
packed = package(write_project(Path(sys.argv[1]), deployment("tmp", 3, replicas=2)))
for path in sorted(packed.folder.iterdir()):
    print(path.name, Blob.of(path).sha256())
"""


def _digests(folder: Path, seed: str) -> str:
    environment = {**os.environ, "PYTHONHASHSEED": seed, "TZ": f"UTC+{seed}"}
    command = [sys.executable, "-c", WORK, str(folder)]
    result = subprocess.run(
        command, check=True, capture_output=True, text=True, timeout=120, env=environment, cwd=ROOT
    )
    return result.stdout


def test_hash_seed_place_and_time_zone_do_not_matter(tmp_path: Path) -> None:
    first = _digests(tmp_path / "a", "1")
    assert "bitstream.json" in first
    assert _digests(tmp_path / "elsewhere" / "b", "2") == first
