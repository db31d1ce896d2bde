"""The socket of the server: one thread that reads every client and hands on whole calls.

Answers are sent by whoever has them; what a client does not take at once waits here. Only our own
user (and root) may connect. Refuses to share a path with a server that still listens.
"""

from __future__ import annotations

import logging
import os
import selectors
import socket
import struct
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from elasticdf.errors import UserError
from elasticdf.runtime.coral.http2 import Call, Connection
from elasticdf.runtime.scheduling import wait_for_a_processor

_BACKLOG = 128
_CHUNK_BYTES = 1 << 18
_MOST_WAITING_BYTES = 16 << 20
"""A client that reads none of its answers is cut off here."""

_CREDENTIALS = struct.Struct("3i")

log = logging.getLogger(__name__)


class _Client:
    """A connected socket and what waits to be sent to it."""

    def __init__(self, end: socket.socket, method: str, wake: Callable[[], None]) -> None:
        end.setblocking(False)
        self.socket = end
        self.connection = Connection(method, self.transmit)
        self.waiting = bytearray()
        self._wake = wake
        self._lock = threading.Lock()

    def transmit(self, content: bytes) -> None:
        """Send; what does not fit is sent by the listener's thread."""
        with self._lock:
            if self.waiting:
                self.waiting += content
                return
            rest = content[self._send(content) :]
            if not rest:
                return
            self.waiting += rest
        self._wake()

    def _send(self, content: bytes | bytearray) -> int:
        try:
            return self.socket.send(content)
        except BlockingIOError:
            return 0
        except OSError:  # it is gone; the listener's thread sees it too
            return len(content)

    def resume(self) -> None:
        """Send what waits."""
        with self._lock:
            del self.waiting[: self._send(self.waiting)]

    def close(self) -> None:
        """Hang up."""
        with self._lock:
            self.socket.close()


class Listener:
    """Accepts clients on a unix socket.

    Args:
        path: Of the socket; one left by a dead server is replaced.
        method: Path of the only call there is.
        take: Called with every call, in the listener's thread; must not block.

    Raises:
        UserError: The path cannot be listened on.
    """

    def __init__(self, path: Path, method: str, take: Callable[[Call], None]) -> None:
        self._method = method
        self._take = take
        self._path = path
        self._socket = _listen(path)
        self._clients: dict[int, _Client] = {}
        self._selector = selectors.DefaultSelector()
        self._bell, self._ringer = socket.socketpair()
        self._bell.setblocking(False)
        self._selector.register(self._bell, selectors.EVENT_READ)
        self._selector.register(self._socket, selectors.EVENT_READ)
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="listener", daemon=True)
        self._thread.start()

    def _wake(self) -> None:
        with suppress(OSError):  # closed meanwhile
            self._ringer.send(b"\0")

    def _run(self) -> None:
        wait_for_a_processor()
        while not self._closing:
            for key, events in self._selector.select():
                if key.fileobj is self._bell:
                    self._heed_bell()
                elif key.fileobj is self._socket:
                    self._accept()
                else:
                    self._serve(key.data, events)

    def _heed_bell(self) -> None:
        with suppress(BlockingIOError):
            self._bell.recv(4096)
        for client in list(self._clients.values()):
            if len(client.waiting) > _MOST_WAITING_BYTES:
                self._drop(client)
            elif client.waiting:
                both = selectors.EVENT_READ | selectors.EVENT_WRITE
                self._selector.modify(client.socket, both, client)

    def _accept(self) -> None:
        try:
            end, _ = self._socket.accept()
        except OSError as error:  # out of descriptors: the client waits
            log.warning("a client cannot be accepted: %s", error.strerror)
            time.sleep(0.01)
            return
        if _user_of(end) not in (0, os.geteuid()):
            end.close()
            return
        client = _Client(end, self._method, self._wake)
        self._clients[end.fileno()] = client
        self._selector.register(end, selectors.EVENT_READ, client)
        client.connection.flush()

    def _serve(self, client: _Client, events: int) -> None:
        if events & selectors.EVENT_WRITE:
            client.resume()
            if not client.waiting:
                self._selector.modify(client.socket, selectors.EVENT_READ, client)
        if events & selectors.EVENT_READ:
            self._read(client)

    def _read(self, client: _Client) -> None:
        try:
            data = client.socket.recv(_CHUNK_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._drop(client)
            return
        try:
            calls = client.connection.receive(data)
        except UserError as error:
            log.info("a client is cut off: %s", error)
            client.connection.goodbye(broken=True)
            client.connection.flush()
            self._drop(client)
            return
        except Exception:  # whatever a client sends, the others are served on
            log.exception("a client is cut off")
            self._drop(client)
            return
        for call in calls:
            self._take(call)
        client.connection.flush()

    def _drop(self, client: _Client) -> None:
        self._selector.unregister(client.socket)
        del self._clients[client.socket.fileno()]
        client.close()

    def close(self, seconds: float) -> None:
        """Take no more calls, let those under way end for so long, and hang up."""
        with suppress(OSError):
            self._path.unlink()
        connections = [client.connection for client in list(self._clients.values())]
        for connection in connections:
            connection.goodbye()
            connection.flush()
        end = time.monotonic() + seconds
        while any(connection.busy for connection in connections) and time.monotonic() < end:
            time.sleep(0.01)
        self._closing = True
        self._wake()
        self._thread.join()
        for client in self._clients.values():
            client.close()
        for end_ in (self._bell, self._ringer, self._socket):
            end_.close()
        self._selector.close()


def _listen(path: Path) -> socket.socket:
    end = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        path.unlink(missing_ok=True)
        end.bind(str(path))
        end.listen(_BACKLOG)
    except OSError as error:
        end.close()
        raise UserError(f"cannot listen on {path}: {error.strerror or error}") from error
    finally:
        os.umask(before)
    end.setblocking(False)
    return end


def _user_of(end: socket.socket) -> int:
    """Return the user at the other end."""
    content = end.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    return int(_CREDENTIALS.unpack(content)[1])
