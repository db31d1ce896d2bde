"""A run of bytes in memory or in a file, read piece by piece.

Binaries of a GiB pass through here, so nothing is read before it is asked for and nothing is held.
A file that changes between two reads is refused: a mixture of two artifacts is neither.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from elasticdf.errors import InternalError, UserError

CHUNK_BYTES = 512 << 10
"""Of a piece. It is read, hashed and written before the next, so it should stay in a cache."""


@dataclass(frozen=True, slots=True)
class _File:
    """A file as it was when first seen."""

    path: Path
    identity: tuple[int, int, int, int]

    def read(self, offset: int, size: int) -> bytes:
        content = bytearray(size)
        with self._open() as handle:
            self._fill(memoryview(content), handle, offset)
        return bytes(content)

    def pieces(self, offset: int, size: int) -> Iterator[memoryview]:
        """Yield bytes in pieces; the next takes the place of the last in memory."""
        buffer = memoryview(bytearray(min(size, CHUNK_BYTES)))
        with self._open() as handle:
            for start in range(offset, offset + size, CHUNK_BYTES):
                piece = buffer[: offset + size - start]
                self._fill(piece, handle, start)
                yield piece

    @contextmanager
    def _open(self) -> Iterator[BinaryIO]:
        try:
            with open(self.path, "rb", buffering=0) as handle:
                yield handle
        except OSError as error:
            raise UserError(f"cannot read {self.path}: {error.strerror}") from error

    def _fill(self, piece: memoryview, handle: BinaryIO, offset: int) -> None:
        """Read as many bytes as the piece has; the file must still be the one first seen."""
        done = 0
        while count := os.preadv(handle.fileno(), [piece[done:]], offset + done):
            done += count
        if _identity(os.fstat(handle.fileno())) != self.identity:
            raise UserError(f"{self.path} changed while it was being read; try again")
        if done != len(piece):
            raise UserError(f"{self.path} became shorter while it was being read; try again")


@dataclass(frozen=True, slots=True)
class Blob:
    """A window into bytes or into a file.

    Attributes:
        source: Where the bytes are.
        offset: Of the window in the source, bytes.
        size: Of the window, bytes.
    """

    source: bytes | _File
    offset: int
    size: int

    @staticmethod
    def of(source: bytes | Path) -> Blob:
        """Return the whole of some bytes or of a regular file.

        Raises:
            UserError: The file cannot be read or is not a regular file.
        """
        if isinstance(source, bytes):
            return Blob(source, 0, len(source))
        try:
            status = os.stat(source)
        except OSError as error:
            raise UserError(f"cannot read {source}: {error.strerror}") from error
        if not os.path.isfile(source):
            raise UserError(f"cannot read {source}: it is not a file")
        return Blob(_File(source, _identity(status)), 0, status.st_size)

    def window(self, offset: int, size: int) -> Blob:
        """Return a part, by offset in this window."""
        if offset < 0 or size < 0 or offset + size > self.size:
            raise InternalError(f"window {offset}+{size} leaves a blob of {self.size} bytes")
        return Blob(self.source, self.offset + offset, size)

    def read(self, offset: int = 0, size: int | None = None) -> bytes:
        """Return bytes; all of them by default."""
        part = self.window(offset, self.size - offset if size is None else size)
        if isinstance(part.source, bytes):
            return part.source[part.offset : part.offset + part.size]
        return part.source.read(part.offset, part.size)

    def read_at_most(self, limit: int, where: str) -> bytes:
        """Return all bytes of what must fit into memory.

        Raises:
            UserError: There are more than ``limit``.
        """
        if self.size > limit:
            raise UserError(f"{where}: {self.size} bytes, at most {limit} are read; make it again")
        return self.read()

    def chunks(self) -> Iterator[bytes]:
        """Yield the content in pieces of at most `CHUNK_BYTES`."""
        return map(bytes, self._pieces())

    def copy(self, target: int, start: int = 0) -> str:
        """Write the content into a file and return its SHA-256.

        Args:
            target: Descriptor of the file. Its position is not used, so that several threads can
                copy into one file; reading, hashing and writing all run beside other threads.
            start: Where in that file, bytes.

        Raises:
            UserError: The content cannot be read or changed meanwhile.
            OSError: The file cannot be written.
        """
        digest = hashlib.sha256()
        for piece in self._pieces():
            digest.update(piece)
            write_at(target, piece, start)
            start += len(piece)
        return digest.hexdigest()

    def sha256(self) -> str:
        """Return the SHA-256 of the content, hexadecimal."""
        digest = hashlib.sha256()
        for piece in self._pieces():
            digest.update(piece)
        return digest.hexdigest()

    def _pieces(self) -> Iterator[memoryview]:
        """Yield the content in pieces; the next may take the place of the last in memory."""
        if isinstance(self.source, _File):
            return self.source.pieces(self.offset, self.size)
        content = memoryview(self.source)[self.offset : self.offset + self.size]
        return (content[at : at + CHUNK_BYTES] for at in range(0, self.size, CHUNK_BYTES))


def write_at(target: int, content: bytes | memoryview, start: int) -> None:
    """Write bytes into an open file at an offset, all of them.

    Raises:
        OSError: They cannot be written.
    """
    rest = memoryview(content)
    while rest:
        done = os.pwrite(target, rest, start)
        rest, start = rest[done:], start + done


def _identity(status: os.stat_result) -> tuple[int, int, int, int]:
    return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
