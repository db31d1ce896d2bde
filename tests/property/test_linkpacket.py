from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from elasticdf.errors import InternalError
from elasticdf.hardware import linkpacket
from elasticdf.hardware.linkpacket import Header, PacketKind

words = st.integers(0, 0xFFFF)


@st.composite
def packets(draw: st.DrawFn) -> tuple[Header, bytes]:
    kind = draw(st.sampled_from(PacketKind))
    payload = draw(st.binary(min_size=1, max_size=1400)) if kind is PacketKind.DATA else b""
    flags = {name: draw(st.booleans()) for name in ("first", "last", "fresh")}
    header = Header(
        kind=kind, frame=draw(words), position=draw(words), length=len(payload), **flags
    )
    return header, payload


@given(packets())
def test_unpack_returns_what_pack_was_given(case: tuple[Header, bytes]) -> None:
    packet = linkpacket.pack(*case)
    assert len(packet) % 64 == 0
    assert linkpacket.unpack(packet) == case


@given(packets(), st.sets(st.integers(0, 63), min_size=1, max_size=3))
def test_up_to_three_wrong_header_bits_are_always_noticed(
    case: tuple[Header, bytes], bits: set[int]
) -> None:
    packet = bytearray(linkpacket.pack(*case))
    for bit in bits:
        packet[bit // 8] ^= 1 << bit % 8
    assert linkpacket.unpack(bytes(packet)) is None


@given(st.binary(max_size=200))
def test_foreign_packets_are_refused_and_never_raise(packet: bytes) -> None:
    unpacked = linkpacket.unpack(packet)
    assert unpacked is None or linkpacket.pack(*unpacked)[:8] == packet[:8]


@given(packets(), st.integers(1, 70))
def test_a_truncated_packet_is_refused(case: tuple[Header, bytes], cut: int) -> None:
    assert linkpacket.unpack(linkpacket.pack(*case)[:-cut]) is None


@given(st.binary(min_size=1, max_size=6000), st.integers(0, 1 << 20), st.integers(0, 1 << 20))
def test_a_frame_is_the_sum_of_its_packets(content: bytes, frame: int, position: int) -> None:
    unpacked = [
        linkpacket.unpack(packet)
        for packet in linkpacket.frame_packets(content, frame=frame, position=position)
    ]
    cut = [pair for pair in unpacked if pair is not None]
    assert len(cut) == len(unpacked) == -(-len(content) // 1400)
    assert b"".join(payload for _, payload in cut) == content
    headers = [header for header, _ in cut]
    assert [header.first for header in headers] == [i == 0 for i in range(len(cut))]
    assert [header.last for header in headers] == [i == len(cut) - 1 for i in range(len(cut))]
    assert {header.frame for header in headers} == {frame % 65536}
    for header in headers:
        assert header.position == position % 65536
        position += linkpacket.beats(header.length)


def test_a_full_packet_is_1408_bytes() -> None:
    sizes = [len(p) for p in linkpacket.frame_packets(bytes(2801), frame=0, position=0)]
    assert sizes == [1408, 1408, 64]


def test_the_bytes_of_a_header() -> None:
    header = Header(
        kind=PacketKind.DATA, frame=0x1234, position=0xABCD, length=1, first=True, last=True
    )
    packet = linkpacket.pack(header, b"\x5a")
    assert packet[:7].hex() == "1101c03412cdab"
    assert packet[7] == linkpacket.crc8(packet[:7])
    assert packet[8:] == b"\x5a" + bytes(55)


def test_a_header_that_fits_no_packet_is_our_bug() -> None:
    with pytest.raises(InternalError, match="a CREDIT packet cannot carry 3 bytes"):
        Header(kind=PacketKind.CREDIT, frame=0, position=0, length=3)
    with pytest.raises(InternalError, match="header says 2 bytes, payload has 1"):
        linkpacket.pack(Header(kind=PacketKind.DATA, frame=0, position=0, length=2), b"x")
