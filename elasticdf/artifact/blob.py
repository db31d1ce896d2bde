"""A run of bytes in memory or in a file, read piece by piece.

Binaries of a GiB pass through here, so nothing is read before it is asked for and nothing is held.
A file that changes between two reads is refused: a mixture of two artifacts is neither.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from elasticdf.errors import InternalError, UserError

CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class _File:
    """A file as it was when first seen."""

    path: Path
    identity: tuple[int, int, int, int]

    def read(self, offset: int, size: int) -> bytes:
        try:
            with open(self.path, "rb") as handle:
                if _identity(os.fstat(handle.fileno())) != self.identity:
                    raise UserError(f"{self.path} changed while it was being read; try again")
                handle.seek(offset)
                content = handle.read(size)
        except OSError as error:
            raise UserError(f"cannot read {self.path}: {error.strerror}") from error
        if len(content) != size:
            raise UserError(f"{self.path} became shorter while it was being read; try again")
        return content


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
        for start in range(0, self.size, CHUNK_BYTES):
            yield self.read(start, min(CHUNK_BYTES, self.size - start))

    def copy(self, target: BinaryIO) -> str:
        """Write the content and return its SHA-256; one thread hashes what another writes."""
        digest = hashlib.sha256()
        hashing: Future[None] | None = None
        with ThreadPoolExecutor(max_workers=1) as worker:
            for chunk in self.chunks():
                if hashing is not None:
                    hashing.result()
                hashing = worker.submit(digest.update, chunk)
                target.write(chunk)
        return digest.hexdigest()

    def sha256(self) -> str:
        """Return the SHA-256 of the content, hexadecimal."""
        digest = hashlib.sha256()
        for chunk in self.chunks():
            digest.update(chunk)
        return digest.hexdigest()


def _identity(status: os.stat_result) -> tuple[int, int, int, int]:
    return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
