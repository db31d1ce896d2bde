"""The plain tar of an artifact, walked header by header as the loaders do, and written.

No tar library on purpose: the original loader knows only names, sizes and 512-byte steps, so what
a library would forgive or skip (PAX headers, folders, links) is refused here by name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from elasticdf.artifact.blob import Blob
from elasticdf.errors import UserError

BLOCK_BYTES = 512
MAX_TAR_BYTES = 1 << 32
"""The original loader keeps offsets in 32 bits."""

MAX_ENTRIES = 1024
END_BLOCKS = 2
ENTRY_NAME = re.compile(r"[A-Za-z0-9_.]{1,99}")
"""What a loader can look up: no '-', at which directives are split, and no folder."""

_REGULAR = (b"0", b"\0")
_TYPES = {
    b"1": "a hard link",
    b"2": "a symbolic link",
    b"3": "a character device",
    b"4": "a block device",
    b"5": "a folder",
    b"6": "a pipe",
    b"L": "a GNU long name",
    b"K": "a GNU long link",
    b"S": "a sparse file",
    b"g": "a PAX global header",
    b"x": "a PAX header",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TarHeader:
    """What a 512-byte header says.

    Attributes:
        name: Up to the first NUL, at most 100 bytes; other bytes than ASCII become '?'.
        terminated: Whether the name ends inside its 100 bytes.
        size: Of the data, bytes; None where the field is no octal number.
        type: What the entry is, in words; empty for a regular file.
        prefix: Folder part that USTAR keeps apart and the original loader ignores.
        ustar: Whether the magic is there.
        checksum_holds: Whether the header's own sum is right.
    """

    name: str
    terminated: bool
    size: int | None
    type: str
    prefix: str
    ustar: bool
    checksum_holds: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class TarEntry:
    """A file of the archive.

    Attributes:
        name: As the header has it.
        header_offset: Of its header, bytes.
        content: Its data.
    """

    name: str
    header_offset: int
    content: Blob

    @property
    def end(self) -> int:
        """Offset of the next header, bytes."""
        return self.header_offset + entry_bytes(self.content.size)


def padded(size: int) -> int:
    """Return a size rounded up to whole blocks.

    >>> padded(0), padded(1), padded(512)
    (0, 512, 512)
    """
    return -(-size // BLOCK_BYTES) * BLOCK_BYTES


def entry_bytes(size: int) -> int:
    """Return the bytes of an entry in the archive: its header, then its data, padded."""
    return BLOCK_BYTES + padded(size)


def read_header(block: bytes) -> TarHeader:
    """Decode a header without judging it."""
    name = block[:100]
    flag = block[156:157]
    return TarHeader(
        name=_text(name),
        terminated=b"\0" in name,
        size=_size(block[124:136]),
        type="" if flag in _REGULAR else _TYPES.get(flag, f"an entry of type {flag.hex()}h"),
        prefix=_text(block[345:500]),
        ustar=block[257:262] == b"ustar",
        checksum_holds=_octal(block[148:156]) == _checksum(block),
    )


def walk(blob: Blob, where: str) -> tuple[TarEntry, ...]:
    """Return the entries up to the end mark.

    Raises:
        UserError: Anything but regular files with plain names, one after another.
    """
    entries: list[TarEntry] = []
    offset = 0
    while True:
        if offset + BLOCK_BYTES > blob.size:
            raise UserError(
                f"{where}: the archive ends at byte {blob.size} without its end mark; "
                "it is cut short, copy it again"
            )
        block = blob.read(offset, BLOCK_BYTES)
        if not any(block):
            return tuple(entries)
        if len(entries) == MAX_ENTRIES:
            raise UserError(f"{where}: more than {MAX_ENTRIES} entries; package it again")
        entries.append(_entry(blob, block, offset, f"{where}, entry {len(entries)}"))
        offset = entries[-1].end


def _entry(blob: Blob, block: bytes, offset: int, where: str) -> TarEntry:
    header = read_header(block)
    fault = header_fault(header)
    if fault:
        raise UserError(f"{where} {fault}; package it again")
    assert header.size is not None, "header_fault refuses entries without a size"
    start = offset + BLOCK_BYTES
    if start + header.size > blob.size:
        raise UserError(
            f"{where} ({header.name}): {header.size} bytes are announced, "
            f"{blob.size - start} are there; it is cut short, copy it again"
        )
    return TarEntry(name=header.name, header_offset=offset, content=blob.window(start, header.size))


def header_fault(header: TarHeader) -> str | None:
    """Return what keeps an entry from being a plain file of the archive, or None."""
    faults = (
        (not header.ustar, "is not a USTAR header"),
        (not header.checksum_holds, "has a wrong header checksum"),
        (bool(header.type), f"({header.name}) is {header.type}, not a regular file"),
        (header.size is None, f"({header.name}) has a size that is no octal number"),
        (not header.terminated or bool(header.prefix), "has a name of more than 99 bytes"),
        (
            ENTRY_NAME.fullmatch(header.name) is None,
            f"is called {header.name!r}, a name of letters, digits, _ and . is needed",
        ),
    )
    return next((text for found, text in faults if found), None)


def pack_header(name: str, size: int) -> bytes:
    """Return the header of a regular file: fixed owner, mode and time, so equal files are equal.

    Raises:
        UserError: The name or the size does not fit.
    """
    if ENTRY_NAME.fullmatch(name) is None:
        raise UserError(
            f"entry name {name!r} cannot be loaded: 1 to 99 letters, digits, _ and . are needed; "
            "rename the binary"
        )
    if size >= MAX_TAR_BYTES:
        raise UserError(
            f"entry {name} has {size} bytes, an archive holds less than {MAX_TAR_BYTES}; "
            "build smaller binaries"
        )
    fields = (
        name.encode("ascii").ljust(100, b"\0"),
        b"0000644\0",
        b"0000000\0",
        b"0000000\0",
        b"%011o\0" % size,
        b"%011o\0" % 0,
        b" " * 8,
        b"0",
        bytes(100),
        b"ustar\x0000",
        bytes(64),
        b"0000000\0",
        b"0000000\0",
    )
    block = b"".join(fields).ljust(BLOCK_BYTES, b"\0")
    return block[:148] + b"%06o\0 " % _checksum(block) + block[156:]


def padding(size: int) -> bytes:
    """Return the zeros between an entry's data and the next header."""
    return bytes(padded(size) - size)


END_MARK = bytes(END_BLOCKS * BLOCK_BYTES)


def pack(files: Iterable[tuple[str, bytes]]) -> bytes:
    """Return an archive of files in the given order."""
    return b"".join(_pieces(files))


def _pieces(files: Iterable[tuple[str, bytes]]) -> Iterator[bytes]:
    for name, content in files:
        yield pack_header(name, len(content))
        yield content
        yield padding(len(content))
    yield END_MARK


def _text(raw: bytes) -> str:
    return raw.split(b"\0", 1)[0].decode("ascii", "replace").replace("\ufffd", "?")


def _size(raw: bytes) -> int | None:
    """Eleven digits, as the loaders read them, and an end; no spaces, no binary form."""
    return _octal(raw[:11]) if raw[11:] in (b"\0", b" ") and raw[:11].isdigit() else None


def _octal(raw: bytes) -> int | None:
    digits = raw.strip(b" \0")
    if not digits or digits.strip(b"01234567"):
        return None
    return int(digits, 8)


def _checksum(block: bytes) -> int:
    return sum(block) - sum(block[148:156]) + 8 * ord(" ")
