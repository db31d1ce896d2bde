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
_ATTEMPTS = 20
_AT_FDCWD = -100
_RENAME_EXCHANGE = 2
_NOT_OFFERED = (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP)


@contextmanager
def staging(parent: Path) -> Iterator[Path]:
    """Yield an empty hidden folder in ``parent`` while its lock is held.

    What earlier writers left behind is removed first; at the end the folder itself, and those made
    for it that hold nothing.

    Raises:
        UserError: The folder cannot be made or written.
    """
    outermost = _outermost_missing(parent)
    try:
        lock = _locked(parent)
    except OSError as error:
        raise _unwritable(parent, error) from error
    try:
        for left in sorted(parent.glob(f"{_STAGING_PREFIX}*")):
            shutil.rmtree(left, ignore_errors=True)
        folder = Path(tempfile.mkdtemp(prefix=_STAGING_PREFIX, dir=parent))
        try:
            folder.chmod(0o755)
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            _remove_empty(parent, outermost)
    except OSError as error:
        raise _unwritable(parent, error) from error
    finally:
        os.close(lock)


def _locked(parent: Path) -> int:
    """Make a folder and return it opened and locked; a writer that failed may remove it between."""
    for attempt in range(_ATTEMPTS):
        try:
            parent.mkdir(parents=True, exist_ok=True)
            lock = os.open(parent, os.O_RDONLY | os.O_DIRECTORY)
        except FileNotFoundError:
            if attempt == _ATTEMPTS - 1:
                raise
            continue
        fcntl.flock(lock, fcntl.LOCK_EX)
        if parent.exists() and os.path.samestat(os.fstat(lock), os.stat(parent)):
            return lock
        os.close(lock)
    raise OSError(errno.EAGAIN, "others keep removing it", str(parent))


def _outermost_missing(folder: Path) -> Path | None:
    """Return the first folder on the way that is not there, or None."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    return missing[-1] if missing else None


def _remove_empty(folder: Path, outermost: Path | None) -> None:
    """Remove a folder and those around it up to one, as far as they are empty."""
    while outermost is not None and (folder == outermost or outermost in folder.parents):
        try:
            folder.rmdir()
        except OSError:  # it holds what was published
            return
        folder = folder.parent


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
