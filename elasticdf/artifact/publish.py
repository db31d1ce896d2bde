"""Folders that appear whole: built under a hidden name, put in place by one rename.

Whoever dies on the way leaves the old folder and a hidden one; the next to come removes it. A lock
on the parent folder keeps writers apart. Readers need no lock.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from elasticdf.errors import UserError

_STAGING_PREFIX = ".elasticdf-staging-"
_AT_FDCWD = -100
_RENAME_EXCHANGE = 2
_NOT_OFFERED = (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP)


@contextmanager
def staging(parent: Path) -> Iterator[Path]:
    """Yield an empty hidden folder in ``parent`` while its lock is held.

    What earlier writers left behind is removed first; the folder itself at the end.

    Raises:
        UserError: The folder cannot be made or written.
    """
    try:
        parent.mkdir(parents=True, exist_ok=True)
        lock = os.open(parent, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise _unwritable(parent, error) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for left in sorted(parent.glob(f"{_STAGING_PREFIX}*")):
            shutil.rmtree(left, ignore_errors=True)
        folder = Path(tempfile.mkdtemp(prefix=_STAGING_PREFIX, dir=parent))
        try:
            folder.chmod(0o755)
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    except OSError as error:
        raise _unwritable(parent, error) from error
    finally:
        os.close(lock)


@contextmanager
def undisturbed(parent: Path) -> Iterator[None]:
    """Keep writers away while something is looked at twice.

    Raises:
        UserError: The folder cannot be read.
    """
    try:
        lock = os.open(parent, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise UserError(f"cannot read {parent}: {error.strerror}") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_SH)
        yield
    finally:
        os.close(lock)


def publish(built: Path, target: Path) -> None:
    """Put a folder in place of another, or where none was, in one step.

    The old folder ends up where the new one was built, to be removed with the staging folder.
    File systems that cannot exchange two folders see neither for an instant.

    Raises:
        OSError: The target cannot be replaced.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    if not target.exists():
        built.rename(target)
        return
    if not _exchange(built, target):
        aside = built.with_name(f"{built.name}.old")
        target.rename(aside)
        built.rename(target)


def _exchange(one: Path, other: Path) -> bool:
    """Swap two folders; False where the file system cannot."""
    libc = ctypes.CDLL(None, use_errno=True)
    rename = getattr(libc, "renameat2", None)
    if rename is None:
        return False
    names = (os.fsencode(one), os.fsencode(other))
    if rename(_AT_FDCWD, names[0], _AT_FDCWD, names[1], _RENAME_EXCHANGE) == 0:
        return True
    code = ctypes.get_errno()
    if code in _NOT_OFFERED:
        return False
    raise OSError(code, os.strerror(code), str(other))


def _unwritable(folder: Path, error: OSError) -> UserError:
    return UserError(f"cannot write {folder}: {error.strerror}; choose another folder")
