"""The archive under the lens: the loaders' walk, byte by byte, noting whatever would mislead them.

No tar library: it would forgive what the loaders do not. Goes on after every fault from which the
next header can still be found.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from elasticdf.artifact.blob import Blob
from elasticdf.artifact.tarwalk import (
    BLOCK_BYTES,
    END_MARK,
    ENTRY_NAME,
    MAX_ENTRIES,
    MAX_TAR_BYTES,
    TarEntry,
    TarHeader,
    padded,
    read_header,
)

_COMPRESSIONS = {
    b"\x1f\x8b": "gzip",
    b"BZh": "bzip2",
    b"\xfd7zXZ": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"PK\x03\x04": "zip",
}
_TAIL_BYTES = 20 * BLOCK_BYTES
"""Tar tools fill their last record of 20 blocks with zeros."""

_FIXED_FIELDS = ((108, 116, "owner"), (116, 124, "group"), (136, 148, "time"))

Note = tuple[str, str]
"""Code of the rule and what was found."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Walked:
    """What the walk found.

    Attributes:
        entries: Regular files with a readable size, in order.
        notes: Findings.
        complete: Whether the walk reached the end of the archive.
    """

    entries: tuple[TarEntry, ...]
    notes: tuple[Note, ...]
    complete: bool


def walk_leniently(blob: Blob) -> Walked:
    """Walk the archive as a loader does and note every fault on the way."""
    start = blob.read(0, min(8, blob.size))
    for magic, name in _COMPRESSIONS.items():
        if start.startswith(magic):
            note = ("archive-compressed", f"the archive is compressed with {name}")
            return Walked(entries=(), notes=(note,), complete=False)
    entries: list[TarEntry] = []
    notes: list[Note] = []
    if blob.size >= MAX_TAR_BYTES:
        notes.append(("tar-too-large", f"the archive has {blob.size} bytes"))
    complete = _walk(blob, entries, notes)
    if complete and not entries:
        notes.append(("tar-empty", "the archive has no entries"))
    return Walked(entries=tuple(entries), notes=(*notes, *_duplicates(entries)), complete=complete)


def _walk(blob: Blob, entries: list[TarEntry], notes: list[Note]) -> bool:
    offset = 0
    for number in range(MAX_ENTRIES + 1):
        if offset >= blob.size:
            notes.append(("tar-no-end-mark", f"the archive ends at byte {blob.size}, unmarked"))
            return True
        if offset + BLOCK_BYTES > blob.size:
            notes.append(("tar-truncated", f"the header at byte {offset} is cut short"))
            return False
        block = blob.read(offset, BLOCK_BYTES)
        if not any(block):
            notes += _end_notes(blob, offset)
            return True
        header = read_header(block)
        notes += _header_notes(header, block, f"entry {number} ({header.name})")
        if header.size is None:
            return False
        data = offset + BLOCK_BYTES
        if data + header.size > blob.size:
            there = blob.size - data
            notes.append(
                (
                    "tar-truncated",
                    f"entry {number} ({header.name}) announces {header.size} bytes, {there} follow",
                )
            )
            return False
        if not header.type:
            content = blob.window(data, header.size)
            entries.append(TarEntry(name=header.name, header_offset=offset, content=content))
        offset = data + padded(header.size)
    notes.append(("tar-too-many-entries", f"the archive has more than {MAX_ENTRIES} entries"))
    return False


def _end_notes(blob: Blob, offset: int) -> Iterator[Note]:
    rest = blob.size - offset
    if rest < len(END_MARK):
        yield "tar-no-end-mark", f"the end mark at byte {offset} is cut short"
    if rest > _TAIL_BYTES or any(blob.read(offset, rest)):
        yield "tar-trailing-data", f"{rest} bytes follow the end mark at byte {offset}"


def _header_notes(header: TarHeader, block: bytes, where: str) -> Iterator[Note]:
    if not header.ustar:
        yield "tar-not-ustar", f"{where} has no USTAR mark"
    if not header.checksum_holds:
        yield "tar-header-checksum", f"{where} has a wrong header checksum"
    if header.type:
        special = block[156:157] in b"LKSxg"
        code = "tar-extension-header" if special else "tar-not-a-file"
        yield code, f"{where} is {header.type}"
    if header.size is None:
        yield "tar-size-field", f"{where} has the size {block[124:136]!r}, no octal number"
    yield from _name_notes(header, where)
    for start, end, what in _FIXED_FIELDS:
        if block[start:end].strip(b"0 \0"):
            yield "tar-not-normalised", f"{where} carries its {what}"
            return


def _name_notes(header: TarHeader, where: str) -> Iterator[Note]:
    name = header.name
    if not header.terminated or header.prefix:
        yield "tar-name-length", f"{where} has a name of more than 99 bytes"
    elif "-" in name:
        yield "tar-name-dash", f"{where} has '-' in its name"
    elif "/" in name or "\\" in name or name in (".", ".."):
        yield "tar-name-path", f"{where} has a folder in its name"
    elif ENTRY_NAME.fullmatch(name) is None:
        yield "tar-name-characters", f"{where} is called {name!r}"


def _duplicates(entries: list[TarEntry]) -> Iterator[Note]:
    seen: dict[str, int] = {}
    for number, entry in enumerate(entries):
        if entry.name in seen:
            what = f"entries {seen[entry.name]} and {number} are both called {entry.name}"
            yield "tar-duplicate-entry", what
        seen.setdefault(entry.name, number)
