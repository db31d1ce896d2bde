from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from codegen.bundle.pack import package
from elasticdf.artifact.blob import Blob
from elasticdf.artifact.oci import export_oci, import_oci
from elasticdf.errors import UserError
from tests.artifact_samples import MODES, deployment, write_project


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return package(write_project(tmp_path_factory.mktemp("p"), deployment("hw", 3))).folder


@pytest.mark.parametrize("mode", MODES)
def test_the_archive_comes_back_byte_for_byte(mode: str, tmp_path: Path) -> None:
    folder = package(write_project(tmp_path / "p", deployment(mode))).folder
    export_oci(folder, tmp_path / "layout")
    result = import_oci(tmp_path / "layout", tmp_path / "root")
    for name in ("bitstream.json", "tiny.tar"):
        assert (result.artifact / name).read_bytes() == (folder / name).read_bytes()


def test_the_network_travels_along(tmp_path: Path) -> None:
    project = write_project(tmp_path / "p", deployment("hw"))
    (project / "network.onnx").write_bytes(b"a network")
    export_oci(package(project).folder, tmp_path / "layout")
    result = import_oci(tmp_path / "layout", tmp_path / "root")
    assert (result.artifact / "network.onnx").read_bytes() == b"a network"


def test_the_layout_is_what_registry_tools_expect(artifact: Path, tmp_path: Path) -> None:
    result = export_oci(artifact, tmp_path / "layout")
    layout = tmp_path / "layout"
    assert json.loads((layout / "oci-layout").read_bytes()) == {"imageLayoutVersion": "1.0.0"}
    (reference,) = json.loads((layout / "index.json").read_bytes())["manifests"]
    assert reference["digest"] == result.digest
    manifest = json.loads(_blob(layout, reference["digest"]).read_bytes())
    assert manifest["mediaType"] == reference["mediaType"]
    titles = [
        layer["annotations"]["org.opencontainers.image.title"] for layer in manifest["layers"]
    ]
    assert titles == ["board0.xclbin", "board1.xclbin", "board2.xclbin", "manifest.json"]
    assert (
        _blob(layout, manifest["config"]["digest"]).read_bytes()
        == (artifact / "bitstream.json").read_bytes()
    )
    for descriptor in (manifest["config"], *manifest["layers"], reference):
        blob = _blob(layout, descriptor["digest"])
        assert blob.stat().st_size == descriptor["size"]
        assert Blob.of(blob).sha256() == descriptor["digest"].removeprefix("sha256:")


def test_exporting_twice_gives_the_same_layout(artifact: Path, tmp_path: Path) -> None:
    first = export_oci(artifact, tmp_path / "one").digest
    assert export_oci(artifact, tmp_path / "two").digest == first
    assert export_oci(artifact, tmp_path / "one").digest == first
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one", "two"]


def test_a_folder_with_something_else_is_left_alone(artifact: Path, tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("x")
    with pytest.raises(UserError) as caught:
        export_oci(artifact, tmp_path)
    assert str(caught.value) == f"{tmp_path} exists and is no OCI layout; choose another folder"
    assert [path.name for path in tmp_path.iterdir()] == ["precious"]


def test_an_archive_of_others_is_refused(artifact: Path, tmp_path: Path) -> None:
    (tmp_path / "bitstream.json").write_bytes((artifact / "bitstream.json").read_bytes())
    content = (artifact / "tiny.tar").read_bytes()
    (tmp_path / "tiny.tar").write_bytes(content + bytes(1024))
    with pytest.raises(UserError) as caught:
        export_oci(tmp_path, tmp_path / "layout")
    assert str(caught.value) == (
        "tiny.tar was not written by elasticdf and could not be rebuilt byte for byte; "
        "package it again"
    )
    assert not (tmp_path / "layout").exists()


def _blob(layout: Path, digest: str) -> Path:
    return layout / "blobs" / digest.replace(":", "/")


def _edit(change: Callable[[dict[str, Any]], object]) -> Callable[[Path], None]:
    """Change the image manifest and point the index at the changed one."""

    def edit(layout: Path) -> None:
        index = json.loads((layout / "index.json").read_bytes())
        reference = index["manifests"][0]
        manifest = json.loads(_blob(layout, reference["digest"]).read_bytes())
        change(manifest)
        blob = Blob.of(json.dumps(manifest).encode())
        reference.update(digest=f"sha256:{blob.sha256()}", size=blob.size)
        _blob(layout, reference["digest"]).write_bytes(blob.read())
        (layout / "index.json").write_text(json.dumps(index))

    return edit


def _damage(layout: Path) -> None:
    index = json.loads((layout / "index.json").read_bytes())
    manifest = json.loads(_blob(layout, index["manifests"][0]["digest"]).read_bytes())
    path = _blob(layout, manifest["layers"][0]["digest"])
    path.write_bytes(path.read_bytes()[:-1] + b"?")


def _title(value: object) -> Callable[[dict[str, Any]], None]:
    key = "org.opencontainers.image.title"
    return lambda m: m["layers"][0]["annotations"].__setitem__(key, value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_damage, "is damaged; pull it again"),
        (_edit(lambda m: m["layers"].reverse()), "then manifest.json are needed"),
        (_edit(lambda m: m["layers"].pop(0)), "has another SHA-256 than the layout says"),
        (_edit(lambda m: m.pop("artifactType")), "holds an artifact of type None"),
        (_edit(lambda m: m.pop("config")), "with a sha256 digest is needed, found None with None"),
        (_edit(lambda m: m.update(layers=7)), "layers are missing"),
        (_edit(_title("../../etc/passwd")), "a layer is called '../../etc/passwd'"),
        (_edit(_title(None)), "a layer is called None"),
        (
            _edit(lambda m: m["layers"][0].update(digest="sha256:../../../etc/passwd")),
            "with a sha256 digest is needed",
        ),
        (lambda layout: (layout / "index.json").write_text("[]"), "is not a JSON object"),
        (lambda layout: (layout / "index.json").write_text("{}"), "one image is needed"),
        (lambda layout: (layout / "index.json").unlink(), "cannot read"),
    ],
)
def test_a_damaged_layout_is_refused(
    change: Callable[[Path], object], message: str, artifact: Path, tmp_path: Path
) -> None:
    export_oci(artifact, tmp_path / "layout")
    change(tmp_path / "layout")
    with pytest.raises(UserError) as caught:
        import_oci(tmp_path / "layout", tmp_path / "root")
    assert message in str(caught.value)
    assert not any((tmp_path / "root").rglob("*")) if (tmp_path / "root").exists() else True
