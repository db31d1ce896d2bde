"""Writers that are killed anywhere leave the old state or the new one."""

from __future__ import annotations

import os
import random
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from codegen.bundle.pack import package
from elasticdf.artifact.install import install, installed, remove
from elasticdf.artifact.lint import lint
from elasticdf.artifact.opening import find_artifacts, open_artifact
from tests.artifact_samples import deployment, write_project

QUICK, THOROUGH = 15, 200


def events(work: Callable[[], object]) -> int:
    """How many audited operations (opens, renames, folders made and removed) the work takes."""
    reader, writer = os.pipe()
    if os.fork() == 0:
        count = 0

        def hook(*_: object) -> None:
            nonlocal count
            count += 1

        sys.addaudithook(hook)
        work()
        os.write(writer, str(count).encode())
        os._exit(0)
    os.wait()
    os.close(writer)
    with os.fdopen(reader) as result:
        return int(result.read())


def killed(work: Callable[[], object], at: int) -> None:
    """Do the work in a process that dies before its ``at``-th audited operation."""
    child = os.fork()
    if child == 0:
        left = at

        def hook(*_: object) -> None:
            nonlocal left
            left -= 1
            if left <= 0:
                os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(hook)
        try:
            work()
        finally:
            os._exit(0)
    os.waitpid(child, 0)


def killing(work: Callable[[], object], check: Callable[[], None], rounds: int) -> None:
    total = events(work)
    assert total > 50
    chance = random.Random(6)
    for _ in range(rounds):
        killed(work, chance.randint(1, total))
        check()


ROUNDS = pytest.mark.parametrize("rounds", [QUICK, pytest.param(THOROUGH, marks=pytest.mark.slow)])


@ROUNDS
def test_the_packer(rounds: int, tmp_path: Path) -> None:
    project = write_project(tmp_path / "p", deployment("hw"))
    package(project)
    write_project(project, deployment("tmp"))
    seen = set()

    def check() -> None:
        artifact = open_artifact(project / "artifact")
        assert lint(artifact.folder).exit_code == 0
        assert artifact.manifest is not None
        seen.add(artifact.manifest.deployment.mode)
        other = deployment({"hw": "tmp", "tmp": "hw"}[artifact.manifest.deployment.mode])
        write_project(project, other)

    killing(lambda: package(project), check, rounds)
    assert seen == {"hw", "tmp"}
    package(project)
    assert not [path for path in project.iterdir() if path.name.startswith(".")]


@ROUNDS
def test_the_installer(rounds: int, tmp_path: Path) -> None:
    artifact = package(write_project(tmp_path / "p", deployment("sw"))).folder
    root = tmp_path / "root"
    root.mkdir()
    states = set()

    def check() -> None:
        found = find_artifacts(root)
        states.add(len(found))
        for description in found:
            assert lint(description).exit_code == 0
            remove(installed(root).artifacts[0].handle, root)

    killing(lambda: install(artifact, root), check, rounds)
    assert states == {0, 1}
    install(artifact, root)
    assert [path.name for path in root.iterdir()] == ["xilinx"]


@ROUNDS
def test_removal(rounds: int, tmp_path: Path) -> None:
    artifact = package(write_project(tmp_path / "p", deployment("sw"))).folder
    root = tmp_path / "root"
    handle = install(artifact, root).handle
    states = set()

    def check() -> None:
        found = find_artifacts(root)
        states.add(len(found))
        assert all(lint(description).exit_code == 0 for description in found)
        install(artifact, root)

    killing(lambda: remove(handle, root), check, rounds)
    assert states == {0, 1}
