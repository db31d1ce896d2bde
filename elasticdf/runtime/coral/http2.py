"""One client's connection: as much of HTTP/2 (RFC 9113) and gRPC as unary calls need.

Bytes in, calls out; answers in, bytes out. Nothing here touches a socket. A client that breaks the
protocol loses its connection, a call that is not ours gets a status. Frames are read here and not
by a library because general state machines cost more per request than all else the server does.
"""

from __future__ import annotations

import struct
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import IntEnum
from urllib.parse import quote

from elasticdf.runtime.coral.header_blocks import HeaderReader, ProtocolError

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_PREFIX = struct.Struct(">BI")
MOST_MESSAGE_BYTES = 64 << 20
"""Of a call; a client that passes a larger array by value is told so."""

_MOST_HELD_BYTES = 4 * MOST_MESSAGE_BYTES
_MOST_FRAME_BYTES = 1 << 20
_MOST_STREAMS = 1024
_MOST_TEXT = 2000
"""Characters of an error: the client takes 8 KiB of headers, where a character may need 3 bytes."""

_FRAME = struct.Struct(">HBBBI")
_FRAME_BYTES = 9
_FIRST_WINDOW = 65_535
_STREAM_BYTES = _PREFIX.size + MOST_MESSAGE_BYTES + 1
"""A stream that has so many is too long; a client must not be left waiting for room."""

_WINDOW = (1 << 31) - 1
_ANSWER_BYTES = _PREFIX.size


class _Kind:
    """Kinds of frames; plain numbers, for each is compared with a few times."""

    DATA = 0
    HEADERS = 1
    RST_STREAM = 3
    SETTINGS = 4
    PUSH_PROMISE = 5
    PING = 6
    GOAWAY = 7
    WINDOW_UPDATE = 8
    CONTINUATION = 9


_ACK = _END_STREAM = 0x1
_END_HEADERS = 0x4
_PADDED = 0x8
_PRIORITY = 0x20
_PRIORITY_BYTES = 5
_TABLE_SIZE, _CONCURRENT, _INITIAL_WINDOW, _FRAME_SIZE = 1, 3, 4, 5


class Status(IntEnum):
    """gRPC's statuses, those that are used."""

    OK = 0
    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    NOT_FOUND = 5
    RESOURCE_EXHAUSTED = 8
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14


@dataclass(slots=True)
class _Stream:
    path: bytes = b""
    content: bytearray = field(default_factory=bytearray)
    complete: bool = False


@dataclass(frozen=True, slots=True)
class Call:
    """A call that waits for its answer."""

    connection: Connection
    stream: int
    content: bytes

    def settle(self, status: Status = Status.OK, text: str = "") -> None:
        """Answer; `flush` sends it."""
        self.connection.answer(self.stream, status, text)

    def flush(self) -> None:
        """Send what was answered on the call's connection."""
        self.connection.flush()


def _frame(kind: int, flags: int, stream: int, content: bytes = b"") -> bytes:
    size = len(content)
    return _FRAME.pack(size >> 8, size & 0xFF, kind, flags, stream) + content


def _literal(name: bytes, value: bytes) -> bytes:
    """Return a header that stays out of every table."""
    return b"\0" + _string(name) + _string(value)


def _string(text: bytes) -> bytes:
    if len(text) < 0x7F:
        return bytes([len(text)]) + text
    size, rest = len(text) - 0x7F, bytearray([0x7F])
    while size >= 0x80:
        rest.append(size & 0x7F | 0x80)
        size >>= 7
    rest.append(size)
    return bytes(rest) + text


_HEAD = b"\x88" + _literal(b"content-type", b"application/grpc")
_ANSWER = tuple(
    _frame(kind, flags, 0, content)
    for kind, flags, content in (
        (_Kind.HEADERS, _END_HEADERS, _HEAD),
        (_Kind.DATA, 0, bytes(_ANSWER_BYTES)),
        (_Kind.HEADERS, _END_HEADERS | _END_STREAM, _literal(b"grpc-status", b"0")),
    )
)
_HELLO = _frame(
    _Kind.SETTINGS,
    0,
    0,
    struct.pack(
        ">HIHIHIHI",
        *(_TABLE_SIZE, 0, _CONCURRENT, _MOST_STREAMS),
        *(_INITIAL_WINDOW, _STREAM_BYTES, _FRAME_SIZE, _MOST_FRAME_BYTES),
    ),
) + _frame(_Kind.WINDOW_UPDATE, 0, 0, struct.pack(">I", _WINDOW - _FIRST_WINDOW))


def _good(stream: int) -> bytes:
    """Return the frames of an empty message and the status OK."""
    number = struct.pack(">I", stream)
    return b"".join(frame[:5] + number + frame[_FRAME_BYTES:] for frame in _ANSWER)


def _bad(stream: int, status: Status, text: str) -> bytes:
    # gRPC's percent-encoding: everything but printable ASCII, and the percent sign itself
    safe = " !\"#$&'()*+,-./:;<=>?@[\\]^_`{|}~"
    message = quote(text[:_MOST_TEXT], safe=safe).encode()
    block = _HEAD + _literal(b"grpc-status", b"%d" % status) + _literal(b"grpc-message", message)
    return _frame(_Kind.HEADERS, _END_HEADERS | _END_STREAM, stream, block)


class Connection:
    """The server's end of a connection.

    Args:
        method: Path of the only call there is.
        transmit: Called with bytes for the client, one call at a time.
    """

    def __init__(self, method: str, transmit: Callable[[bytes], None]) -> None:
        self._method = method.encode()
        self._transmit = transmit
        self._buffer = bytearray()
        self._started = False
        self._headers = HeaderReader()
        self._streams: dict[int, _Stream] = {}
        self._block: tuple[int, int, bytearray] | None = None
        self._held = 0
        self._taken = 0
        self._last_stream = 0
        self._going = False
        self._window = _FIRST_WINDOW
        self._held_back: list[int] = []
        self._out = [_HELLO]
        self._lock = threading.Lock()

    @property
    def busy(self) -> bool:
        """Whether a call waits for its answer."""
        return any(stream.complete for stream in self._streams.values())

    def receive(self, data: bytes) -> list[Call]:
        """Take bytes from the client; return the calls they complete.

        Raises:
            ProtocolError: The client does not speak HTTP/2.
        """
        self._buffer += data
        if not self._started and not self._take_preface():
            return []
        calls: list[Call] = []
        with self._lock:
            for kind, flags, stream, content in self._frames():
                self._take(kind, flags, stream, content, calls)
        return calls

    def _take_preface(self) -> bool:
        here = bytes(self._buffer[: len(PREFACE)])
        if not PREFACE.startswith(here):
            raise ProtocolError("the client does not begin as HTTP/2 clients do")
        self._started = len(here) == len(PREFACE)
        if self._started:
            del self._buffer[: len(PREFACE)]
        return self._started

    def _frames(self) -> Iterator[tuple[int, int, int, bytes]]:
        buffer, at = self._buffer, 0
        try:
            while len(buffer) - at >= _FRAME_BYTES:
                high, low, kind, flags, stream = _FRAME.unpack_from(buffer, at)
                size = high << 8 | low
                if size > _MOST_FRAME_BYTES:
                    raise ProtocolError(f"a frame of {size} bytes came")
                if len(buffer) - at < _FRAME_BYTES + size:
                    return
                at += _FRAME_BYTES
                content = bytes(buffer[at : at + size])
                at += size
                yield kind, flags, stream & _WINDOW, content
        finally:
            del buffer[:at]

    def _take(self, kind: int, flags: int, stream: int, content: bytes, calls: list[Call]) -> None:
        if self._block is not None and (kind != _Kind.CONTINUATION or stream != self._block[0]):
            raise ProtocolError("a header block is interrupted")
        match kind:
            case _Kind.WINDOW_UPDATE:  # every second frame of a busy client
                if stream == 0:
                    self._open(int.from_bytes(content, "big") & _WINDOW)
            case _Kind.DATA:
                self._take_data(stream, flags, content)
                self._complete(stream, flags, calls)
            case _Kind.HEADERS:
                front = _PRIORITY_BYTES if flags & _PRIORITY else 0
                self._block = (stream, flags, bytearray(_unpadded(flags, content, front)))
                self._take_headers(flags, calls)
            case _Kind.CONTINUATION if self._block is not None:
                self._block[2].extend(content)
                self._take_headers(flags, calls)
            case _Kind.PUSH_PROMISE | _Kind.CONTINUATION:
                raise ProtocolError(f"a frame of kind {kind} came where none may")
            case _:
                self._take_control(kind, flags, stream, content)

    def _take_control(self, kind: int, flags: int, stream: int, content: bytes) -> None:
        """Take what is no part of a call; unknown kinds mean nothing, as HTTP/2 asks."""
        if kind == _Kind.RST_STREAM:
            self._forget(stream)
        elif kind == _Kind.SETTINGS and not flags & _ACK:
            self._take_settings(content)
        elif kind == _Kind.PING and not flags & _ACK:
            self._out.append(_frame(_Kind.PING, _ACK, 0, content))

    def _take_headers(self, flags: int, calls: list[Call]) -> None:
        """Open a stream once its header block is whole."""
        assert self._block is not None, "a block is under way"
        number, first_flags, block = self._block
        if len(block) > _MOST_FRAME_BYTES:
            raise ProtocolError(f"headers of {len(block)} bytes came")
        if not flags & _END_HEADERS:
            return
        self._block = None
        path = self._headers.path(bytes(block))
        if number not in self._streams:
            if number <= self._last_stream or not number & 1:
                raise ProtocolError(f"stream {number} was used before")
            self._last_stream = number
            self._streams[number] = _Stream(path)
        self._complete(number, first_flags, calls)

    def _take_data(self, number: int, flags: int, content: bytes) -> None:
        self._taken += len(content)
        if self._taken >= _WINDOW // 2:
            self._out.append(_frame(_Kind.WINDOW_UPDATE, 0, 0, struct.pack(">I", self._taken)))
            self._taken = 0
        stream = self._streams.get(number)
        if stream is None or stream.complete:
            return  # reset or refused meanwhile
        data = _unpadded(flags, content)
        stream.content += data
        self._held += len(data)
        if len(stream.content) >= _STREAM_BYTES:
            self._held -= len(stream.content)
            text = f"a call has at most {MOST_MESSAGE_BYTES} bytes; allocate large arrays as shared"
            self._answer(number, Status.RESOURCE_EXHAUSTED, text)
        if self._held > _MOST_HELD_BYTES:
            raise ProtocolError(f"unfinished calls hold {self._held} bytes")

    def _complete(self, number: int, flags: int, calls: list[Call]) -> None:
        stream = self._streams.get(number)
        if stream is None or stream.complete or not flags & _END_STREAM:
            return
        stream.complete = True
        content = stream.content
        self._held -= len(content)
        stream.content = bytearray()
        if self._going:
            self._answer(number, Status.UNAVAILABLE, "the server is stopping")
        elif stream.path != self._method:
            text = f"there is no method {stream.path.decode(errors='replace')}"
            self._answer(number, Status.UNIMPLEMENTED, text)
        elif len(content) < _PREFIX.size or _PREFIX.unpack_from(content) != (
            0,
            len(content) - _PREFIX.size,
        ):
            text = "a call is one message, whole and not compressed"
            self._answer(number, Status.UNIMPLEMENTED, text)
        else:
            calls.append(Call(self, number, bytes(content[_PREFIX.size :])))

    def _forget(self, number: int) -> None:
        stream = self._streams.pop(number, None)
        if stream is not None:
            self._held -= len(stream.content)

    def _take_settings(self, content: bytes) -> None:
        for at in range(0, len(content) - 5, 6):
            name, value = struct.unpack_from(">HI", content, at)
            if name == _INITIAL_WINDOW and value < _ANSWER_BYTES:
                raise ProtocolError(f"the client leaves {value} bytes for an answer")
        self._out.append(_frame(_Kind.SETTINGS, _ACK, 0))

    def _open(self, size: int) -> None:
        self._window += size
        while self._held_back and self._window >= _ANSWER_BYTES:
            self._answer(self._held_back.pop(0), Status.OK, "")

    def answer(self, number: int, status: Status, text: str) -> None:
        """Answer a call, which the client may have given up."""
        with self._lock:
            self._answer(number, status, text)

    def _answer(self, number: int, status: Status, text: str) -> None:
        if number not in self._streams:
            return
        if status is not Status.OK:
            self._out.append(_bad(number, status, text))
        elif self._window < _ANSWER_BYTES:
            self._held_back.append(number)
            return
        else:
            self._window -= _ANSWER_BYTES
            self._out.append(_good(number))
        del self._streams[number]

    def goodbye(self, *, broken: bool = False) -> None:
        """Tell the client that no further calls are taken."""
        with self._lock:
            self._going = True
            content = struct.pack(">II", self._last_stream, int(broken))
            self._out.append(_frame(_Kind.GOAWAY, 0, 0, content))

    def flush(self) -> None:
        """Hand everything that waits to the socket."""
        if self._out:
            with self._lock:
                content, self._out = b"".join(self._out), []
                if content:
                    self._transmit(content)


def _unpadded(flags: int, content: bytes, front: int = 0) -> bytes:
    """Return a frame's content without its padding and `front` more bytes before it."""
    padding = 0
    if flags & _PADDED:
        padding, front = content[0] if content else 0, front + 1
    if front + padding > len(content):
        raise ProtocolError("a frame has more padding than bytes")
    return content[front : len(content) - padding]
