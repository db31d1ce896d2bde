"""The server's HTTP/2: another client, and clients that mean ill."""

from __future__ import annotations

import random
import socket
import struct
import time
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from hpack import Decoder, Encoder
from hypothesis import given
from hypothesis import strategies as st

from elasticdf.errors import UserError
from elasticdf.runtime.coral.header_blocks import HeaderReader, ProtocolError
from elasticdf.runtime.coral.http2 import (
    MOST_MESSAGE_BYTES,
    PREFACE,
    Call,
    Connection,
    Status,
)
from elasticdf.runtime.coral.listener import Listener

METHOD = "/some.Service/Call"


class Served:
    """A listener that echoes what it is asked to say."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "s"
        self.calls: list[Call] = []
        self.listener = Listener(self.path, METHOD, self._take)

    def _take(self, call: Call) -> None:
        self.calls.append(call)
        if call.content.startswith(b"fail "):
            call.settle(Status.INTERNAL, call.content[5:].decode())
        elif call.content != b"wait":
            call.settle()

    def call(self, content: bytes, method: str = METHOD) -> bytes:
        with grpc.insecure_channel(f"unix:{self.path}") as channel:
            answer: bytes = channel.unary_unary(method)(content, timeout=20)
            return answer


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    made = Served(tmp_path)
    yield made
    made.listener.close(1.0)


def test_any_grpc_client_is_answered(served: Served) -> None:
    large = bytes(range(256)) * 20_000  # several frames
    for content in (b"", b"x", large):
        assert served.call(content) == b""
        assert served.calls[-1].content == content


def test_errors_reach_the_client_letter_for_letter(served: Served) -> None:
    for text in ("plain", "100 %% of 1%d", "größer als ✓\nzweite Zeile", "x" * 1500):
        with pytest.raises(grpc.RpcError) as error:
            served.call(b"fail " + text.encode())
        assert (error.value.code(), error.value.details()) == (grpc.StatusCode.INTERNAL, text)


def test_other_methods_are_unknown(served: Served) -> None:
    with pytest.raises(grpc.RpcError) as error:
        served.call(b"x", "/some.Service/Other")
    assert error.value.code() is grpc.StatusCode.UNIMPLEMENTED
    assert error.value.details() == "there is no method /some.Service/Other"


def test_many_calls_at_once_on_one_connection(served: Served) -> None:
    with grpc.insecure_channel(f"unix:{served.path}") as channel:
        call = channel.unary_unary(METHOD)
        waiting = [call.future(b"%d" % number, timeout=60) for number in range(3000)]
        assert all(future.result() == b"" for future in waiting)
    assert sorted(int(one.content) for one in served.calls) == list(range(3000))


def test_a_client_that_gives_up_is_not_answered(served: Served) -> None:
    with grpc.insecure_channel(f"unix:{served.path}") as channel:
        future = channel.unary_unary(METHOD).future(b"wait")
        while not served.calls:
            time.sleep(0.01)
        future.cancel()
        assert channel.unary_unary(METHOD)(b"x", timeout=20) == b""
        served.calls[0].settle()
        served.calls[0].flush()
        assert channel.unary_unary(METHOD)(b"x", timeout=20) == b""


def test_noise_ends_a_connection_and_nothing_else(served: Served) -> None:
    choice = random.Random(1)
    for length in (0, 1, 9, 40, 300, 3000) * 10:
        with socket.socket(socket.AF_UNIX) as end:
            end.connect(str(served.path))
            start = PREFACE if choice.random() < 0.8 else b""
            end.sendall(start + choice.randbytes(length))
    assert served.call(b"x") == b""


def frame(kind: int, flags: int, stream: int, content: bytes = b"") -> bytes:
    return struct.pack(">I", len(content))[1:] + struct.pack(">BBI", kind, flags, stream) + content


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", "does not begin as HTTP/2 clients do"),
        (PREFACE + frame(1, 0xC, 1, b"\x05abc"), "more padding than bytes"),
        (PREFACE + frame(9, 0x4, 1), "kind 9 came where none may"),
        (PREFACE + frame(1, 0, 1, b"\x82") + frame(6, 0, 0, bytes(8)), "block is interrupted"),
        (PREFACE + frame(1, 0x4, 2, b"\x82"), "stream 2 was used before"),
        (PREFACE + frame(1, 0x4, 1, b"\xff" * 6), "headers cannot be read"),
        (PREFACE + frame(1, 0x4, 1, b"\xbe"), "headers cannot be read"),
        (PREFACE + frame(4, 0, 0, struct.pack(">HI", 4, 3)), "leaves 3 bytes for an answer"),
        (PREFACE + b"\xff\xff\xff\0\0\0\0\0\1", "a frame of 16777215 bytes came"),
    ],
)
def test_what_breaks_the_protocol_is_named(content: bytes, sentence: str) -> None:
    with pytest.raises(ProtocolError, match=sentence):
        Connection(METHOD, lambda _: None).receive(content)


def test_answers_wait_for_the_clients_window() -> None:
    sent = bytearray()
    connection = Connection(METHOD, sent.extend)
    headers = b"\x04" + bytes([len(METHOD)]) + METHOD.encode()
    connection.receive(PREFACE)
    connection.flush()
    sent.clear()
    count = 65_535 // 5 + 1
    for stream in range(1, 2 * count, 2):
        asked = frame(1, 0x4, stream, headers) + frame(0, 0x1, stream, bytes(5))
        connection.receive(asked)[0].settle()
    connection.flush()
    assert sent.count(b"grpc-status") == count - 1
    connection.receive(frame(8, 0, 0, struct.pack(">I", 100)))
    connection.flush()
    assert sent.count(b"grpc-status") == count


def test_more_by_value_than_a_call_may_have_is_refused(served: Served) -> None:
    with pytest.raises(grpc.RpcError) as error:
        served.call(bytes(MOST_MESSAGE_BYTES + 1))
    assert error.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "allocate large arrays as shared" in (error.value.details() or "")
    assert served.call(b"x") == b""


def test_header_blocks_that_build_on_each_other() -> None:
    """The example of RFC 7541, C.4, with a table, and blocks that come again."""
    blocks = (
        "828684418cf1e3c2e5f23a6ba0ab90f4ff",
        "828684be5886a8eb10649cbf",
        "828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf",
    )
    reader = HeaderReader()
    assert [reader.path(bytes.fromhex(b)) for b in blocks] == [b"/", b"/", b"/index.html"]
    fresh = HeaderReader()
    assert [fresh.path(bytes.fromhex(b)) for b in ("8285", "8285", "8284")] == [
        b"/index.html",
        b"/index.html",
        b"/",
    ]


NAMES = st.sampled_from([":path", ":method", "te", "some-name"])
VALUES = st.sampled_from(["/a", "/b", "POST", "trailers", "x" * 30])
BLOCKS = st.lists(
    st.tuples(st.sampled_from([None, 0, 64, 4096]), st.lists(st.tuples(NAMES, VALUES), max_size=5)),
    max_size=8,
)


@given(BLOCKS)
def test_short_cuts_read_what_the_library_reads(
    blocks: list[tuple[int | None, list[tuple[str, str]]]],
) -> None:
    encoder, plain, reader = Encoder(), Decoder(), HeaderReader()
    for size, headers in blocks:
        if size is not None:
            encoder.header_table_size = size
        block = encoder.encode(headers)
        wanted = dict(reversed(plain.decode(block, raw=True))).get(b":path", b"")
        assert reader.path(block) == wanted


def test_a_path_that_cannot_be_listened_on_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"cannot listen on .*: No such file or directory"):
        Listener(tmp_path / "none" / "s", METHOD, lambda _: None)
