"""Opening an artifact: its archive, its binaries, its bitstream.json and its manifest.

Nothing is unpacked: binaries are windows into the archive. Refuses archives the walk refuses and
directives that name no entry; whether it would *run* is for ``lint`` to say.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from pathlib import Path

from elasticdf.artifact import axlf
from elasticdf.artifact.bitstream import MAX_JSON_BYTES, Bitstream, Directive
from elasticdf.artifact.blob import Blob
from elasticdf.artifact.manifest import MANIFEST_NAME, MAX_MANIFEST_BYTES, Manifest
from elasticdf.artifact.tarwalk import TarEntry, walk
from elasticdf.errors import UserError, located

BITSTREAM_NAME = "bitstream.json"
DESCRIPTION_NAMES = (BITSTREAM_NAME, "bitstream.xml")
"""The orchestrator reads either; we write the first."""

NETWORK_NAME = "network.onnx"
"""The whole network, beside the archive where its maker had it: what checked runs compare with."""

_SEARCH_LIMIT = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Binary:
    """One board's binary.

    Attributes:
        name: Of the tar entry.
        position: In the archive, which is the board's position in the resource.
        content: Its bytes.
        xclbin: The same, parsed.
        memory_offset: Memory index over all boards of its first bank.
    """

    name: str
    position: int
    content: Blob
    xclbin: axlf.Xclbin
    memory_offset: int


@dataclass(frozen=True, kw_only=True)
class Artifact:
    """An artifact on disk.

    Attributes:
        folder: Where bitstream.json and the archive lie.
        bitstream: What the orchestrator reads.
        archive: The tar.
        entries: All entries of it, the manifest included.
        binaries: In board order.
    """

    folder: Path
    bitstream: Bitstream
    archive: Blob
    entries: tuple[TarEntry, ...]
    binaries: tuple[Binary, ...]

    @cached_property
    def manifest(self) -> Manifest | None:
        """The manifest, or None in an artifact of others.

        Raises:
            UserError: There is one that cannot be read.
        """
        last = self.entries[-1] if self.entries else None
        if last is None or last.name != MANIFEST_NAME:
            return None
        with located(str(self.folder)):
            return Manifest.parse(last.content.read_at_most(MAX_MANIFEST_BYTES, MANIFEST_NAME))

    def binary(self, directive: Directive) -> Binary:
        """Return the binary a directive names.

        Raises:
            UserError: There is none.
        """
        for binary in self.binaries:
            if binary.name == directive.entry:
                return binary
        names = ", ".join(binary.name for binary in self.binaries)
        raise UserError(
            f"directive {directive} names entry {directive.entry!r}, the archive has {names}; "
            "package the artifact again"
        )

    def memory(self, index: int) -> tuple[Binary, int]:
        """Return the binary and the bank index in it that a memory index over all boards means.

        Raises:
            UserError: There are fewer memories.
        """
        for binary in self.binaries:
            bank = index - binary.memory_offset
            if 0 <= bank < len(binary.xclbin.memories):
                return binary, bank
        count = sum(len(binary.xclbin.memories) for binary in self.binaries)
        raise UserError(
            f"memory index {index} does not exist, the boards have {count} memories together; "
            "package the artifact again"
        )


def open_artifact(path: Path) -> Artifact:
    """Open an artifact.

    Args:
        path: Its bitstream.json or bitstream.xml, its archive, its folder, or a folder with exactly
            one artifact somewhere below it.

    Raises:
        UserError: There is no artifact, more than one, or one that is damaged.
    """
    description = locate(path)
    bitstream = Bitstream.parse(read_description(description), str(description))
    folder = description.parent
    archive = Blob.of(folder / bitstream.name)
    with located(str(folder)):
        entries = walk(archive, bitstream.name)
        binaries = read_binaries(entries)
    return Artifact(
        folder=folder,
        bitstream=bitstream,
        archive=archive,
        entries=entries,
        binaries=binaries,
    )


def read_description(description: Path) -> bytes:
    """Return the content of a description.

    Raises:
        UserError: It cannot be read, or is far larger than any description.
    """
    return Blob.of(description).read_at_most(MAX_JSON_BYTES, str(description))


def read_binaries(entries: tuple[TarEntry, ...]) -> tuple[Binary, ...]:
    """Parse every entry but the manifest.

    Raises:
        UserError: One is not an xclbin, or two have the same name.
    """
    files = entries[:-1] if entries and entries[-1].name == MANIFEST_NAME else entries
    names = [entry.name for entry in entries]
    for name in names:
        if names.count(name) > 1:
            raise UserError(f"entry {name} is in the archive twice; package the artifact again")
    parsed = [axlf.parse(entry.content, entry.name) for entry in files]
    ends = tuple(accumulate(len(xclbin.memories) for xclbin in parsed))
    offsets = (0, *ends)[: len(parsed)]
    return tuple(
        Binary(
            name=entry.name,
            position=position,
            content=entry.content,
            xclbin=xclbin,
            memory_offset=offset,
        )
        for position, (entry, xclbin, offset) in enumerate(zip(files, parsed, offsets, strict=True))
    )


def locate(path: Path) -> Path:
    """Return the description of an artifact given in any of the accepted ways.

    Raises:
        UserError: There is none, or more than one.
    """
    if path.is_file():
        beside = path if path.name in DESCRIPTION_NAMES else described(path.parent)
        if beside is not None:
            return beside
        raise UserError(f"there is no {BITSTREAM_NAME} beside {path}; give the artifact's folder")
    if not path.is_dir():
        fault = "is neither a file nor a folder" if path.exists() else "does not exist"
        raise UserError(f"{path} {fault}; give the folder of an artifact")
    here = described(path)
    if here is not None:
        return here
    found = find_artifacts(path)
    if len(found) == 1:
        return found[0]
    listing = "".join(f"\n  {item.parent}" for item in found[:10])
    raise UserError(f"{path} holds {len(found)} artifacts, one is needed; give its folder{listing}")


def described(folder: Path) -> Path | None:
    """Return the description in a folder, or None.

    Raises:
        UserError: There are two.
    """
    found = [folder / name for name in DESCRIPTION_NAMES if (folder / name).is_file()]
    if len(found) > 1:
        raise UserError(f"{folder} holds {' and '.join(DESCRIPTION_NAMES)}; remove one")
    return found[0] if found else None


def find_artifacts(root: Path) -> tuple[Path, ...]:
    """Return every description below a folder, sorted; hidden folders are not entered.

    Raises:
        UserError: The folder is too large to be a repository of artifacts.
    """
    found: list[Path] = []
    waiting = [root]
    visited = 0
    while waiting:
        folder = waiting.pop()
        visited += 1
        if visited > _SEARCH_LIMIT:
            raise UserError(f"{root} has more than {_SEARCH_LIMIT} folders; give a nearer one")
        try:
            children = sorted(folder.iterdir())
        except OSError:
            continue
        for child in children:
            if child.name in DESCRIPTION_NAMES and child.is_file():
                found.append(child)
            elif child.is_dir() and not child.is_symlink() and not child.name.startswith("."):
                waiting.append(child)
    return tuple(sorted(found))
