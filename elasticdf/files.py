"""Files that appear whole or not at all: readers see the old content or the new, never a part."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from elasticdf.errors import UserError


def write_file(path: Path, content: bytes) -> None:
    """Write a file a user named, and the folders above it.

    Raises:
        UserError: It cannot be written.
    """
    try:
        write_atomically(path, content)
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror}; choose another path") from error


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file and the folders above it.

    Raises:
        OSError: The folder cannot be made or written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as handle:
            handle.write(content)
            os.fchmod(handle.fileno(), 0o644)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
