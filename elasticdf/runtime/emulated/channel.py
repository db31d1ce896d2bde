"""Messages between the host and a board's process: JSON with file descriptors beside it.

One message is one datagram of a connected AF_UNIX SOCK_SEQPACKET pair, so nothing needs framing
and the end of either process is seen by the other. Large things travel as descriptors.
"""

from __future__ import annotations

import array
import json
import socket
import threading
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from elasticdf.errors import InternalError

MAX_MESSAGE_BYTES = 1 << 17
MAX_DESCRIPTORS = 8


class Channel:
    """One end of the pair; sending is safe from several threads, receiving from one."""

    def __init__(self, end: socket.socket) -> None:
        self._socket = end
        self._sending = threading.Lock()

    @staticmethod
    def pair() -> tuple[Channel, socket.socket]:
        """Return a channel and the other end's socket, to be inherited by a child."""
        here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        return Channel(here), there

    def send(self, message: dict[str, Any], descriptors: Iterable[int] = ()) -> None:
        """Send one message.

        Raises:
            OSError: The other end is gone.
        """
        content = json.dumps(message, separators=(",", ":")).encode()
        if len(content) > MAX_MESSAGE_BYTES:
            raise InternalError(f"message {message.get('op')} has {len(content)} bytes")
        with self._sending:
            socket.send_fds(self._socket, [content], list(descriptors))

    def receive(self) -> tuple[dict[str, Any], tuple[int, ...]]:
        """Return the next message and its descriptors, which the caller must close.

        Raises:
            EOFError: The other end is gone.
        """
        space = socket.CMSG_SPACE(MAX_DESCRIPTORS * array.array("i").itemsize)
        try:
            content, extra, _, _ = self._socket.recvmsg(
                MAX_MESSAGE_BYTES, space, socket.MSG_CMSG_CLOEXEC
            )
        except ConnectionError as error:
            raise EOFError(str(error)) from error
        if not content:
            raise EOFError("the other end is closed")
        found = array.array("i")
        for level, kind, data in extra:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                found.frombytes(data[: len(data) - len(data) % found.itemsize])
        return json.loads(content), tuple(found)

    def close(self) -> None:
        """Close this end; a receiver blocked on it wakes up."""
        with suppress(OSError):  # the other end was faster
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
