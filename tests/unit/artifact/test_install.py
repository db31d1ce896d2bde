from __future__ import annotations

import hashlib
import multiprocessing
from pathlib import Path

import pytest

from codegen.bundle.pack import Labels, package
from elasticdf.artifact.install import install, installed, remove
from elasticdf.artifact.lint import lint
from elasticdf.artifact.opening import open_artifact
from elasticdf.errors import UserError
from tests.artifact_samples import BOARD, MODES, deployment, write_project


@pytest.fixture(scope="module")
def artifacts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("artifacts")
    return {mode: package(write_project(folder / mode, deployment(mode))).folder for mode in MODES}


def test_an_artifact_is_copied_as_it_is(artifacts: dict[str, Path], tmp_path: Path) -> None:
    entry = install(artifacts["hw"], tmp_path / "root")
    folder = tmp_path / "root" / entry.folder
    for name in ("bitstream.json", "tiny.tar"):
        assert (folder / name).read_bytes() == (artifacts["hw"] / name).read_bytes()
    digest = hashlib.md5((folder / "bitstream.json").read_bytes()).hexdigest()
    assert entry.handle == digest[:12]
    assert lint(folder).findings == lint(artifacts["hw"]).findings


def test_the_network_travels_along(tmp_path: Path) -> None:
    project = write_project(tmp_path / "p", deployment("hw"))
    (project / "network.onnx").write_bytes(b"a network")
    entry = install(package(project).folder, tmp_path / "root")
    assert (tmp_path / "root" / entry.folder / "network.onnx").read_bytes() == b"a network"


def test_list_and_remove(artifacts: dict[str, Path], tmp_path: Path) -> None:
    entries = [install(artifacts[mode], tmp_path) for mode in MODES]
    listing = installed(tmp_path)
    assert {entry.handle for entry in listing.artifacts} == {entry.handle for entry in entries}
    software = entries[MODES.index("sw")]
    assert software.kernel_ids == ("tiny-one", "tiny-two")
    assert software.to_text() in listing.to_text()
    assert remove(software.handle[:6], tmp_path).folder == software.folder
    assert len(installed(tmp_path).artifacts) == 3
    for entry in entries:
        if entry is not software:
            remove(entry.handle, tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert installed(tmp_path).to_text() == "no artifacts"


def test_installing_again_replaces(artifacts: dict[str, Path], tmp_path: Path) -> None:
    install(artifacts["hw"], tmp_path)
    install(artifacts["hw"], tmp_path)
    assert len(installed(tmp_path).artifacts) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["xilinx"]


@pytest.mark.parametrize("outer_first", [True, False])
def test_an_artifact_inside_another_is_refused(tmp_path: Path, *, outer_first: bool) -> None:
    """Replacing or removing the outer one would take the inner one along."""
    labels = [
        Labels(bitstream_id="org.elasticdf", version="1"),
        Labels(bitstream_id="org.elasticdf.1.1tiny", version="2"),
    ]
    folders = [
        package(write_project(tmp_path / f"p{index}", deployment("hw")), labels=one).folder
        for index, one in enumerate(labels)
    ]
    first, second = folders if outer_first else reversed(folders)
    there = install(first, tmp_path / "root")
    with pytest.raises(UserError) as caught:
        install(second, tmp_path / "root")
    assert str(caught.value).endswith(
        f"would share its folder with the artifact in {tmp_path / 'root' / there.folder}; remove "
        "that one, or package with another --bitstream-id"
    )
    assert installed(tmp_path / "root").artifacts == (there,)


def test_a_broken_artifact_is_not_installed(artifacts: dict[str, Path], tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "bitstream.json").write_bytes((artifacts["hw"] / "bitstream.json").read_bytes())
    content = bytearray((artifacts["hw"] / "tiny.tar").read_bytes())
    content[1500] ^= 1
    (broken / "tiny.tar").write_bytes(content)
    with pytest.raises(UserError) as caught:
        install(broken, tmp_path / "root")
    assert str(caught.value) == (
        f"{broken / 'bitstream.json'} is not installed: board0.xclbin has another SHA-256 than "
        "the manifest says [manifest-checksum]; see: elasticdf lint ARTIFACT"
    )
    assert not (tmp_path / "root").exists()


def test_unknown_and_ambiguous_handles(artifacts: dict[str, Path], tmp_path: Path) -> None:
    install(artifacts["hw"], tmp_path)
    for handle, message in (
        ("xyz", "handle 'xyz' is not 4 to 32 hexadecimal digits; see the listing"),
        (
            "0000",
            f"0 artifacts in {tmp_path} have a handle that starts with 0000, one is needed; "
            "see the listing",
        ),
    ):
        with pytest.raises(UserError) as caught:
            remove(handle, tmp_path)
        assert str(caught.value) == message


def test_a_damaged_repository_is_still_listed(artifacts: dict[str, Path], tmp_path: Path) -> None:
    entry = install(artifacts["hw"], tmp_path)
    (tmp_path / "stray").mkdir()
    (tmp_path / "stray" / "bitstream.json").write_text("{")
    (tmp_path / entry.folder / "tiny.tar").unlink()
    problems = {item.folder: item.problem for item in installed(tmp_path).artifacts}
    assert problems[entry.folder] == "its archive is missing"
    assert problems["stray"].startswith("bitstream.json is not JSON")


def test_what_a_killed_writer_left_is_removed(artifacts: dict[str, Path], tmp_path: Path) -> None:
    left = tmp_path / ".elasticdf-staging-dead" / "artifact"
    left.mkdir(parents=True)
    (left / "bitstream.json").write_text("{")
    assert installed(tmp_path).artifacts == ()
    install(artifacts["hw"], tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["xilinx"]


def _churn(artifact: Path, root: Path, rounds: int) -> None:
    for _ in range(rounds):
        entry = install(artifact, root)
        remove(entry.handle, root)
        install(artifact, root)


def test_writers_do_not_disturb_each_other(artifacts: dict[str, Path], tmp_path: Path) -> None:
    """Four processes install and remove their own artifact below the same folders."""
    context = multiprocessing.get_context("fork")
    workers = [
        context.Process(target=_churn, args=(artifacts[mode], tmp_path, 5)) for mode in MODES
    ]
    for worker in workers:
        worker.start()
    while any(worker.is_alive() for worker in workers):
        assert all(not item.problem for item in installed(tmp_path).artifacts)
    for worker in workers:
        worker.join()
        assert worker.exitcode == 0
    assert len(installed(tmp_path).artifacts) == 4
    assert [path.name for path in tmp_path.iterdir()] == ["xilinx"]


def test_the_root_must_be_a_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(UserError) as caught:
        installed(tmp_path / "file")
    assert str(caught.value) == (
        f"{tmp_path / 'file'} is not a folder; give the root of a repository"
    )


def test_artifacts_are_opened_in_every_form(artifacts: dict[str, Path], tmp_path: Path) -> None:
    folder = artifacts["hw"]
    for path in (folder, folder / "bitstream.json", folder / "tiny.tar", folder.parents[7]):
        assert open_artifact(path).folder == folder
    install(artifacts["hw"], tmp_path)
    install(artifacts["sw"], tmp_path)
    with pytest.raises(UserError) as caught:
        open_artifact(tmp_path)
    first, second = (tmp_path / item.folder for item in installed(tmp_path).artifacts)
    assert str(caught.value) == (
        f"{tmp_path} holds 2 artifacts, one is needed; give its folder\n  {first}\n  {second}"
    )
    assert BOARD in str(first)
