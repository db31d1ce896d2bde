"""Paths given by mistake or refused by the machine: one sentence, exit 2, nothing left."""

from __future__ import annotations

import gzip
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from codegen.bundle.pack import package
from elasticdf.artifact.oci import export_oci
from elasticdf.errors import UserError
from tests.artifact_samples import deployment, write_project
from tests.end_to_end.command_line import elasticdf

LIMITED = """
import resource, sys
from pathlib import Path
from codegen.bundle.pack import package
from elasticdf.artifact.install import install
from elasticdf.artifact.oci import import_oci
from elasticdf.errors import UserError
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
try:
    globals()[sys.argv[1]](Path(sys.argv[2]), Path(sys.argv[3]))
except UserError as error:
    sys.exit(str(error))
"""


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return package(write_project(tmp_path_factory.mktemp("p"), deployment("hw"))).folder


def fifo(folder: Path, artifact: Path) -> Path:
    os.mkfifo(folder / "pipe")
    return folder / "pipe"


def two(folder: Path, artifact: Path) -> Path:
    for name in ("a", "b"):
        shutil.copytree(artifact, folder / name)
    return folder


def long(folder: Path, artifact: Path) -> Path:
    return folder / ("x" * 300)


def loop(folder: Path, artifact: Path) -> Path:
    (folder / "loop").symlink_to("loop")
    return folder / "loop"


def text(folder: Path, artifact: Path) -> Path:
    (folder / "notes.txt").write_text("nothing\n" * 100)
    return folder / "notes.txt"


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (fifo, "{} is neither a file nor a folder; give the folder of an artifact"),
        (two, "{} holds 2 artifacts, one is needed; give its folder\n  {}/a\n  {}/b"),
        (long, "{}: File name too long; use another path"),
        (loop, "{} does not exist; give the folder of an artifact"),
        (
            text,
            "{} is no archive; give the artifact's folder, its bitstream.json or its .tar "
            "(elasticdf inspect shows plans and binaries)",
        ),
    ],
)
def test_what_is_no_artifact_is_one_sentence(
    make: Callable[[Path, Path], Path], sentence: str, artifact: Path, tmp_path: Path
) -> None:
    path = make(tmp_path, artifact)
    ran = elasticdf("lint", path)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err == f"elasticdf: {sentence.replace('{}', str(path))}\n"


def cut_archive(folder: Path) -> None:
    content = (folder / "tiny.tar").read_bytes()
    (folder / "tiny.tar").write_bytes(content[: len(content) // 2])


def cut_manifest(folder: Path) -> None:
    content = (folder / "tiny.tar").read_bytes()
    (folder / "tiny.tar").write_bytes(content.replace(b'{\n "schema"', b'[\n "schema"'))


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (cut_archive, "{}: tiny.tar, entry "),
        (cut_manifest, "{}: manifest.json is not JSON (Expecting ',' delimiter"),
    ],
)
@pytest.mark.parametrize("command", ["run", "inspect"])
def test_a_damaged_artifact_is_named_with_its_folder(
    command: str, damage: Callable[[Path], None], said: str, artifact: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "damaged"
    shutil.copytree(artifact, folder)
    damage(folder)
    np.save(tmp_path / "in.npy", np.zeros((1, 1)))
    extra = ("--input", tmp_path / "in.npy") if command == "run" else ()
    ran = elasticdf(command, folder, *extra)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith(f"elasticdf: {said.replace('{}', str(folder))}")
    assert ran.err.count("\n") == 1


def test_a_binary_cut_short_is_named_with_its_folder(tmp_path: Path) -> None:
    project = write_project(tmp_path / "p", deployment("hw"))
    binary = next(project.glob("board0/*.xclbin"))
    binary.write_bytes(binary.read_bytes()[:-1])
    said = f"{binary.parent}: {binary.name}: the header says "
    with pytest.raises(UserError) as caught:
        package(project)
    assert str(caught.value).startswith(said)
    ran = elasticdf("inspect", binary)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith(f"elasticdf: {said}")


def test_a_compressed_archive_is_named_as_one(artifact: Path, tmp_path: Path) -> None:
    file = tmp_path / "tiny.tar.gz"
    file.write_bytes(gzip.compress((artifact / "tiny.tar").read_bytes()))
    ran = elasticdf("lint", file, "--json")
    assert ran.code == 2
    assert "archive-compressed" in [finding["code"] for finding in ran.document["findings"]]


def test_spaces_and_other_letters_do_not_matter(artifact: Path, tmp_path: Path) -> None:
    folder = tmp_path / "two words" / "größer ☃"
    shutil.copytree(artifact, folder)
    assert elasticdf("lint", folder).code == 0
    assert elasticdf("inspect", folder).code == 0
    assert elasticdf("install", folder, "--root", tmp_path / "a root").code == 0


@pytest.mark.parametrize("name", ["bitstream.json", "network.onnx", "tiny.tar"])
def test_links_are_not_followed_into_a_repository(
    name: str, artifact: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "linked"
    shutil.copytree(artifact, folder)
    (folder / name).unlink(missing_ok=True)
    (folder / name).symlink_to(artifact / name if name != "network.onnx" else "/etc/passwd")
    ran = elasticdf("install", folder, "--root", tmp_path / "root")
    assert ran.code == 2
    assert f"{name} is a symbolic link [archive-is-link]" in ran.err
    assert not (tmp_path / "root").exists()


@pytest.mark.parametrize("writer", ["package", "install", "import_oci"])
def test_a_disk_that_takes_no_more_leaves_nothing(writer: str, tmp_path: Path) -> None:
    project = write_project(tmp_path / "p", deployment("hw"))
    for binary in project.glob("board*/*.xclbin"):
        with open(binary, "ab") as tail:
            tail.write(bytes(250_000))
    whole = package(project, tmp_path / "whole").folder
    export_oci(whole, tmp_path / "layout")
    source = {"package": project, "install": whole, "import_oci": tmp_path / "layout"}[writer]
    ran = subprocess.run(
        [sys.executable, "-c", LIMITED, writer, str(source), str(tmp_path / "new/deep")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.stderr.startswith(f"cannot write {tmp_path / 'new/deep'}")
    assert ran.stderr.endswith(": File too large; choose another folder\n")
    assert not (tmp_path / "new").exists()


WRITER = """
import sys
from pathlib import Path
from elasticdf.artifact.publish import staging
root = Path(sys.argv[1])
with staging(root) as folder:
    (folder / "new").mkdir()
    print("there", flush=True)
    for line in sys.stdin:
        if line == "fail":
            raise RuntimeError
    (folder / "new").rename(root / "new")
"""


def writer(root: Path) -> subprocess.Popen[str]:
    """Start a process that writes when its standard input ends, and fails when told to."""
    command = [sys.executable, "-c", WRITER, str(root)]
    pipes = subprocess.PIPE
    return subprocess.Popen(command, stdin=pipes, stdout=pipes, stderr=pipes, text=True)


def test_an_interrupted_writer_leaves_nothing(tmp_path: Path) -> None:
    with writer(tmp_path / "a" / "b") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "there\n"
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=20)
    assert list(tmp_path.iterdir()) == []


def test_a_writer_that_fails_does_not_disturb_one_that_waits(tmp_path: Path) -> None:
    """The failing one removes the folder it made; the waiting one makes it again."""
    root = tmp_path / "root"
    with writer(root) as failing, writer(root) as waiting:
        assert failing.stdout is not None
        assert waiting.stdout is not None
        ready, _, _ = select.select([failing.stdout, waiting.stdout], [], [], 20)
        first, second = (failing, waiting) if ready[0] is failing.stdout else (waiting, failing)
        time.sleep(0.5)
        first.communicate("fail", timeout=20)
        second.communicate(timeout=20)
        assert (first.returncode, second.returncode) == (1, 0)
    assert (root / "new").is_dir()
