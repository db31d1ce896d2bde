"""Artifacts as OCI image layouts, so that ordinary registry tools can push and pull them.

config = bitstream.json, one layer per binary in board order, then the manifest, then the whole
network where the artifact carries it. The way back gives the archive byte for byte; what cannot
come back so is refused on the way out.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from elasticdf.artifact import tarwalk
from elasticdf.artifact.bitstream import MAX_JSON_BYTES, Bitstream
from elasticdf.artifact.blob import Blob
from elasticdf.artifact.manifest import MANIFEST_NAME
from elasticdf.artifact.opening import BITSTREAM_NAME, NETWORK_NAME, open_artifact
from elasticdf.artifact.publish import publish, staging
from elasticdf.documents import parse_json, shown
from elasticdf.errors import UserError

ARTIFACT_TYPE = "application/vnd.elasticdf.artifact.v1"
CONFIG_TYPE = "application/vnd.elasticdf.bitstream.v1+json"
BINARY_TYPE = "application/vnd.elasticdf.xclbin.v1"
MANIFEST_TYPE = "application/vnd.elasticdf.manifest.v1+json"
NETWORK_TYPE = "application/vnd.elasticdf.network.v1+onnx"
_LAYER_TYPES = {MANIFEST_NAME: MANIFEST_TYPE, NETWORK_NAME: NETWORK_TYPE}
_IMAGE_MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
_INDEX_TYPE = "application/vnd.oci.image.index.v1+json"
_TITLE = "org.opencontainers.image.title"
_REF_NAME = "org.opencontainers.image.ref.name"
_VERSION = "org.opencontainers.image.version"
_ARCHIVE_DIGEST = "org.elasticdf.archive.sha256"
_LAYOUT = b'{"imageLayoutVersion":"1.0.0"}'
_DIGEST = re.compile(r"sha256:(?P<hex>[0-9a-f]{64})")
_MAX_DOCUMENT_BYTES = 4 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """An OCI layout that was written or read.

    Attributes:
        layout: Its folder.
        artifact: The artifact's folder.
        digest: Of the image manifest, ``sha256:...``.
    """

    layout: Path
    artifact: Path
    digest: str

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "schema": "elasticdf.oci/1",
            "layout": str(self.layout),
            "artifact": str(self.artifact),
            "digest": self.digest,
        }

    def to_text(self) -> str:
        """Return a few lines for people."""
        return f"artifact  {self.artifact}\nlayout    {self.layout}\ndigest    {self.digest}"


def check_layout(layout: Path) -> None:
    """Check that a folder can take an OCI layout: it is absent, empty, or holds one.

    Raises:
        UserError: It holds something else, or is a file.
    """
    foreign = layout.exists() and not (layout / "oci-layout").is_file()
    if foreign and not (layout.is_dir() and not any(layout.iterdir())):
        raise UserError(f"{layout} exists and is no OCI layout; choose another folder")


def export_oci(path: Path, layout: Path) -> Layout:
    """Write an artifact as an OCI layout.

    Args:
        path: The artifact, as `opening.open_artifact` takes it.
        layout: Folder to write; an older layout there is replaced.

    Raises:
        UserError: The artifact is damaged, its archive was not written by us, the folder holds
            something else or cannot be written.
    """
    artifact = open_artifact(path)
    check_layout(layout)
    files = tuple((entry.name, entry.content) for entry in artifact.entries)
    archive_digest = artifact.archive.sha256()
    if _sha256(_archive_pieces(files)) != archive_digest:
        raise UserError(
            f"{artifact.bitstream.name} was not written by elasticdf and could not be rebuilt byte "
            "for byte; package it again"
        )
    with staging(layout.absolute().parent) as folder:
        built = folder / "layout"
        (built / "blobs" / "sha256").mkdir(parents=True)
        config = Blob.of((artifact.folder / BITSTREAM_NAME).read_bytes())
        network = artifact.folder / NETWORK_NAME
        beside = ((NETWORK_NAME, Blob.of(network)),) if network.is_file() else ()
        layers = [_layer(built, name, content) for name, content in (*files, *beside)]
        manifest = _json(
            {
                "schemaVersion": 2,
                "mediaType": _IMAGE_MANIFEST_TYPE,
                "artifactType": ARTIFACT_TYPE,
                "config": _store(built, config, CONFIG_TYPE),
                "layers": layers,
                "annotations": {
                    _TITLE: artifact.bitstream.name,
                    _VERSION: artifact.bitstream.version,
                    _ARCHIVE_DIGEST: archive_digest,
                },
            }
        )
        image = _store(built, Blob.of(manifest), _IMAGE_MANIFEST_TYPE)
        reference = {**image, "annotations": {_REF_NAME: artifact.bitstream.version}}
        index = {"schemaVersion": 2, "mediaType": _INDEX_TYPE, "manifests": [reference]}
        (built / "index.json").write_bytes(_json(index))
        (built / "oci-layout").write_bytes(_LAYOUT)
        publish(built, layout)
    return Layout(layout=layout, artifact=artifact.folder, digest=str(image["digest"]))


def import_oci(layout: Path, output: Path) -> Layout:
    """Rebuild the artifact of an OCI layout.

    Args:
        layout: Folder of the layout; it must hold exactly one of our artifacts.
        output: Root of the repository layout to write it into.

    Raises:
        UserError: The layout is damaged or not ours, or the output cannot be written.
    """
    image = _only_image(layout)
    manifest = _document(_fetch(layout, image, _IMAGE_MANIFEST_TYPE), "the image manifest")
    if manifest.get("artifactType") != ARTIFACT_TYPE:
        raise UserError(
            f"{layout} holds an artifact of type {shown(manifest.get('artifactType'))}, "
            f"{ARTIFACT_TYPE!r} is needed; give a layout that elasticdf wrote"
        )
    config = _fetch(layout, manifest.get("config"), CONFIG_TYPE).read_at_most(
        MAX_JSON_BYTES, f"{layout}, config"
    )
    bitstream = Bitstream.parse(config, f"{layout}, config")
    layers = manifest.get("layers")
    files = [_file(layout, layer) for layer in (layers if isinstance(layers, list) else ())]
    network = files.pop()[1] if files and files[-1][0] == NETWORK_NAME else None
    names = [name for name, _ in files]
    if len(set(names)) != len(names) or not names or names[-1] != MANIFEST_NAME:
        raise UserError(
            f"{layout}: layers are {', '.join(names) or 'missing'}; the binaries, each once, "
            f"then {MANIFEST_NAME} are needed; export the artifact again"
        )
    digest = hashlib.sha256()
    target = output / bitstream.folder
    with staging(output) as folder:
        built = folder / "artifact"
        built.mkdir()
        with open(built / bitstream.name, "wb") as archive:
            for piece in _archive_pieces(files):
                digest.update(piece)
                archive.write(piece)
        annotations = manifest.get("annotations")
        wanted = annotations.get(_ARCHIVE_DIGEST) if isinstance(annotations, dict) else None
        if digest.hexdigest() != wanted:
            raise UserError(
                f"{layout}: the rebuilt archive has another SHA-256 than the layout says; "
                "export the artifact again"
            )
        (built / BITSTREAM_NAME).write_bytes(config)
        if network is not None:
            with open(built / NETWORK_NAME, "wb") as copy:
                network.copy(copy.fileno())
        publish(built, target)
    return Layout(layout=layout, artifact=target, digest=str(image["digest"]))


def _layer(built: Path, name: str, content: Blob) -> dict[str, Any]:
    kind = _LAYER_TYPES.get(name, BINARY_TYPE)
    return {**_store(built, content, kind), "annotations": {_TITLE: name}}


def _store(built: Path, content: Blob, media_type: str) -> dict[str, Any]:
    """Write a blob under its digest and return its descriptor."""
    digest = content.sha256()
    with open(built / "blobs" / "sha256" / digest, "wb") as blob:
        content.copy(blob.fileno())
    return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": content.size}


def _only_image(layout: Path) -> Mapping[str, Any]:
    index = _document(Blob.of(layout / "index.json"), f"{layout / 'index.json'}")
    manifests = index.get("manifests")
    if not isinstance(manifests, list) or len(manifests) != 1:
        raise UserError(f"{layout}: one image is needed; pull a single artifact into the folder")
    if not isinstance(manifests[0], Mapping):
        raise UserError(f"{layout}: the image's descriptor is {shown(manifests[0])}, not a table")
    return manifests[0]


def _file(layout: Path, layer: Any) -> tuple[str, Blob]:
    annotations = layer.get("annotations") if isinstance(layer, Mapping) else None
    name = annotations.get(_TITLE) if isinstance(annotations, Mapping) else None
    if not isinstance(name, str) or tarwalk.ENTRY_NAME.fullmatch(name) is None:
        raise UserError(f"{layout}: a layer is called {shown(name)}; export the artifact again")
    return name, _fetch(layout, layer, _LAYER_TYPES.get(name, BINARY_TYPE))


def _fetch(layout: Path, descriptor: Any, media_type: str) -> Blob:
    """Return a blob after checking its type, size and digest."""
    table = descriptor if isinstance(descriptor, Mapping) else {}
    digest = table.get("digest")
    match = _DIGEST.fullmatch(digest) if isinstance(digest, str) else None
    if match is None or table.get("mediaType") != media_type:
        raise UserError(
            f"{layout}: a descriptor of type {media_type} with a sha256 digest is needed, found "
            f"{shown(table.get('mediaType'))} with {shown(digest)}; export the artifact again"
        )
    blob = Blob.of(layout / "blobs" / "sha256" / match["hex"])
    if blob.size != table.get("size") or blob.sha256() != match["hex"]:
        raise UserError(f"{layout}: blob {match['hex'][:12]} is damaged; pull it again")
    return blob


def _document(blob: Blob, where: str) -> Mapping[str, Any]:
    content = blob.read_at_most(_MAX_DOCUMENT_BYTES, where)
    document = parse_json(content, where, advice="export the artifact again")
    if not isinstance(document, dict):
        raise UserError(f"{where} is not a JSON object; export the artifact again")
    return document


def _archive_pieces(
    files: tuple[tuple[str, Blob], ...] | list[tuple[str, Blob]],
) -> Iterator[bytes]:
    for name, content in files:
        yield tarwalk.pack_header(name, content.size)
        yield from content.chunks()
        yield tarwalk.padding(content.size)
    yield tarwalk.END_MARK


def _sha256(pieces: Iterator[bytes]) -> str:
    digest = hashlib.sha256()
    for piece in pieces:
        digest.update(piece)
    return digest.hexdigest()


def _json(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document, indent=1, ensure_ascii=True).encode("ascii")
