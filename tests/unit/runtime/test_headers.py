"""The array form of link packets agrees with the codec every other part uses."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from elasticdf.hardware import linkpacket
from elasticdf.hardware.linkpacket import PacketKind
from elasticdf.runtime.emulated.cable import WIRE_HEADER
from elasticdf.runtime.emulated.headers import FrameCut, read_headers, wire_size

PREFIX = bytes(range(WIRE_HEADER.size))


@given(st.integers(1, 4500), st.integers(1, 3), st.integers(0, 70_000), st.integers(0, 70_000))
def test_frames_are_cut_as_the_codec_cuts_them(
    size: int, frames: int, frame: int, position: int
) -> None:
    data = np.random.default_rng(size).integers(0, 256, (frames, size), np.uint8)
    cut = FrameCut(size)
    built = cut.build(data, PREFIX, frame=frame, position=position)
    for number in range(frames):
        expected = linkpacket.frame_packets(
            data[number].tobytes(), frame=frame + number, position=position + number * cut.beats
        )
        assert cut.packets == len(expected)
        assert cut.beats == sum(len(packet) // 64 for packet in expected)
        assert built[number].tobytes() == b"".join(PREFIX + packet for packet in expected)


@given(st.integers(1, 1400), st.integers(0, 65535), st.integers(0, 65535), st.booleans())
def test_headers_are_read_as_the_codec_reads_them(
    length: int, frame: int, position: int, last: bool
) -> None:
    header = linkpacket.Header(
        kind=PacketKind.DATA, frame=frame, position=position, length=length, first=True, last=last
    )
    packet = linkpacket.pack(header, bytes(length))
    read = read_headers(np.frombuffer(packet[:8], "<u8"))
    assert len(packet) + WIRE_HEADER.size == wire_size(length)
    assert read.sound[0]
    assert read.first[0]
    found = (read.kind[0], read.length[0], read.frame[0], read.position[0], bool(read.last[0]))
    assert found == (PacketKind.DATA, length, frame, position, last)


@given(st.binary(min_size=8, max_size=8))
def test_what_the_codec_refuses_is_not_sound(word: bytes) -> None:
    header = read_headers(np.frombuffer(word, "<u8"))
    payload = bytes(int(header.length[0]))
    packet = (word + payload).ljust(linkpacket.beats(len(payload)) * 64, b"\0")
    assert bool(header.sound[0]) == (linkpacket.unpack(packet) is not None)
