"""The clients' shared memory: files under ``shm/<client>/<array>``, reached without trust.

Names are six letters or digits, links are not followed, only regular files of our own user are
opened. Content is copied by reading and writing the file, never by mapping it: a client that
shortens its file gets an error, it cannot stop the server.
"""

from __future__ import annotations

import os
import re
import stat
import threading
from collections import OrderedDict
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from elasticdf.errors import UserError

NAME_CHARACTERS = 6
_NAME = re.compile(r"[A-Za-z0-9]{6}")
_FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | os.O_NOFOLLOW
_ARRAY_FLAGS = os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW
_MOST_CLIENTS = 64
"""Whose folders are kept open."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cube:
    """An open array of a client; a context that closes it.

    Attributes:
        descriptor: Of the file.
        identity: Client, array, device and inode; file systems use an inode again, but the names
            are drawn at random.
        size: Bytes when it was opened.
    """

    descriptor: int
    identity: tuple[str, str, int, int]
    size: int

    def __enter__(self) -> Cube:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        os.close(self.descriptor)

    def read(self, offset: int, target: NDArray[np.uint8]) -> None:
        """Fill the target from the array.

        Raises:
            UserError: The array is shorter, or cannot be read.
        """
        view = target.data.cast("B")
        try:
            while view:
                count = os.preadv(self.descriptor, [view], offset)
                if count == 0:
                    raise UserError("an array became shorter while the request ran")
                view, offset = view[count:], offset + count
        except OSError as error:
            raise self._refused("read", error) from error

    def write(self, offset: int, source: NDArray[np.uint8]) -> None:
        """Copy the source into the array.

        Raises:
            UserError: The array is shorter than it was, or cannot be written.
        """
        view = source.data.cast("B")
        try:
            if os.fstat(self.descriptor).st_size < offset + source.size:
                raise UserError("an array became shorter while the request ran")
            while view:
                count = os.pwrite(self.descriptor, view, offset)
                view, offset = view[count:], offset + count
        except OSError as error:
            raise self._refused("written", error) from error

    def _refused(self, what: str, error: OSError) -> UserError:
        """Say which array it is that the system refuses."""
        return UserError(
            f"array {self.identity[1]} of client {self.identity[0]} cannot be {what}: "
            f"{error.strerror}; see that the folder shm has room"
        )


class CubeFolder:
    """The folder ``shm`` of a server."""

    def __init__(self, path: Path) -> None:
        self._folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._clients: OrderedDict[str, int] = OrderedDict()
        self._lock = threading.Lock()

    def open(self, client: str, array: str, offset: int, size: int) -> Cube:
        """Open an array for a slice of it.

        Raises:
            UserError: A name is not one, there is no such array, or the slice leaves it.
        """
        names = (_name(client, "client"), _name(array, "array"))
        try:
            descriptor = self._open(*names)
        except OSError as error:
            raise UserError(
                f"array {names[1]} of client {names[0]} cannot be opened: {error.strerror}; "
                "allocate it under inaccel.allocator and keep it until the answer"
            ) from error
        try:
            status = os.fstat(descriptor)
            _check(names[1], status, offset, size)
        except BaseException:
            os.close(descriptor)
            raise
        return Cube(
            descriptor=descriptor,
            identity=(*names, status.st_dev, status.st_ino),
            size=status.st_size,
        )

    def _open(self, client: str, array: str) -> int:
        with self._lock:
            known = self._clients.get(client)
            if known is not None:
                try:
                    return os.open(array, _ARRAY_FLAGS, dir_fd=known)
                except OSError:  # another folder may have the name by now
                    os.close(self._clients.pop(client))
            folder = os.open(client, _FOLDER_FLAGS, dir_fd=self._folder)
            self._clients[client] = folder
            if len(self._clients) > _MOST_CLIENTS:
                os.close(self._clients.popitem(last=False)[1])
            return os.open(array, _ARRAY_FLAGS, dir_fd=folder)

    def close(self) -> None:
        """Forget the folder."""
        for folder in (self._folder, *self._clients.values()):
            os.close(folder)


@lru_cache(maxsize=4096)
def _name(text: str, what: str) -> str:
    name = text[:NAME_CHARACTERS]  # what follows in the client's fixed field is not its name
    if _NAME.fullmatch(name) is None:
        raise UserError(f"{what} name {name!r} is not {NAME_CHARACTERS} letters or digits")
    return name


def _check(name: str, status: os.stat_result, offset: int, size: int) -> None:
    if not stat.S_ISREG(status.st_mode) or status.st_uid != os.geteuid():
        raise UserError(f"array {name} is not a plain file of this user")
    if offset + size > status.st_size:
        raise UserError(
            f"array {name} has {status.st_size} bytes, the request names bytes {offset} to "
            f"{offset + size}"
        )
