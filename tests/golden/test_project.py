"""Emitted files, whole: what a change of a template does is seen in the diff of these.

`make golden` records them again.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from codegen.build_plan import BuildPlan
from partitioner.plan import Mode
from tests.placed import chain, diamond
from tests.projects import emit

FOLDER = Path(__file__).parent / "project"
RECORD = bool(os.environ.get("ELASTICDF_RECORD_GOLDEN"))
GOLDEN = (
    "hw/Makefile",
    "hw/logged.sh",
    "hw/.gitlab-ci.yml",
    "hw/.github/workflows/build.yml",
    "hw/folding.json",
    "hw/board0/build.py",
    "hw/board0/floorplan.json",
    "hw/board0/folding.json",
    "hw/board0/link.cfg",
    "hw/board0/network.json",
    "hw/board0/specialize.json",
    "hw/board1/link.cfg",
    "hw/board1/network.json",
    "sw/Makefile",
    "sw/board0/link.cfg",
    "sw/board1/build.py",
    "sw/board1/network.json",
)


@pytest.fixture(scope="module")
def projects() -> BuildPlan:
    return BuildPlan.merge(
        (
            emit(diamond(4), "2xu280", Mode.HARDWARE)[1].under("hw"),
            emit(chain(4), "2xu250", Mode.SOFTWARE)[1].under("sw"),
        )
    )


@pytest.mark.parametrize("name", GOLDEN)
def test_emitted_file(name: str, projects: BuildPlan) -> None:
    # Dots at the front would hide the files from people.
    path = FOLDER / name.replace("/.", "/dot.")
    if RECORD:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(projects.files[name])
    assert projects.files[name].decode() == path.read_text()
