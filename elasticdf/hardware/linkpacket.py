"""The packets in which a stream crosses a cable: the 8-byte header and the cut of a frame.

The SystemVerilog adapters in ``codegen/link_rtl`` and the emulated boards speak this format; a test
holds the two together. The rules of the protocol are in ``docs/link.md``. Nothing here keeps state.

The header is one little-endian 64-bit word:

====== ========== ==================================================================
bits   field      meaning
====== ========== ==================================================================
3:0    kind       `PacketKind`
7:4    version    `VERSION`
18:8   length     payload bytes that follow the header, 1..1400 for DATA, else 0
19     fresh      CREDIT: the last packet heard from the sender was a SYNC
21:20  -          zero
22     first      DATA: starts a frame; PROBE, SYNC: the sender is between frames
23     last       DATA: ends a frame
39:24  frame      frame number; PROBE, SYNC: of the frame in hand or next
55:40  position   beats sent before this packet; CREDIT: beats the receiver is done with
63:56  check      CRC-8 (polynomial 0x07, start 0) over bits 55:0, byte 0 first
====== ========== ==================================================================
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from elasticdf.errors import InternalError
from elasticdf.hardware.framing import BEAT_BYTES, HEADER_BYTES, MAX_DATA_BYTES

VERSION = 1
FRAME_MODULUS = 1 << 16
POSITION_MODULUS = 1 << 16
_RESERVED = 0b11 << 20
_CRC_POLYNOMIAL = 0x07


class PacketKind(IntEnum):
    """What a packet is for."""

    DATA = 1
    CREDIT = 2
    PROBE = 3
    SYNC = 4


_KINDS = frozenset(kind.value for kind in PacketKind)


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """The fields of a header, see the module's table.

    Attributes:
        frame: Modulo 2**16.
        position: In beats of 64 bytes, modulo 2**16; PROBE, SYNC and CREDIT packets do not count.
        length: Payload bytes.
    """

    kind: PacketKind
    frame: int
    position: int
    length: int = 0
    first: bool = False
    last: bool = False
    fresh: bool = False

    def __post_init__(self) -> None:
        if not _length_fits(self.kind, self.length):
            raise InternalError(f"a {self.kind.name} packet cannot carry {self.length} bytes")
        if not (0 <= self.frame < FRAME_MODULUS and 0 <= self.position < POSITION_MODULUS):
            raise InternalError(f"frame {self.frame} or position {self.position} exceeds 16 bits")


def beats(length: int) -> int:
    """Return the 64-byte beats of a packet with ``length`` payload bytes.

    >>> beats(56), beats(57), beats(1400)
    (1, 2, 22)
    """
    return -(-(HEADER_BYTES + length) // BEAT_BYTES)


def pack(header: Header, payload: bytes = b"") -> bytes:
    """Return the UDP payload: header, payload, zeros up to a whole beat.

    Raises:
        InternalError: The header's length is not the payload's.
    """
    if header.length != len(payload):
        raise InternalError(f"header says {header.length} bytes, payload has {len(payload)}")
    body = _word(header).to_bytes(HEADER_BYTES, "little") + payload
    return body.ljust(beats(len(payload)) * BEAT_BYTES, b"\0")


def unpack(packet: bytes) -> tuple[Header, bytes] | None:
    """Return header and payload, or None if the packet is foreign, damaged or of the wrong size."""
    if len(packet) < HEADER_BYTES:
        return None
    header = _parse(int.from_bytes(packet[:HEADER_BYTES], "little"))
    if header is None or len(packet) != beats(header.length) * BEAT_BYTES:
        return None
    return header, packet[HEADER_BYTES : HEADER_BYTES + header.length]


def frame_packets(content: bytes, *, frame: int, position: int) -> tuple[bytes, ...]:
    """Cut a frame into packets.

    Args:
        content: The frame's transfers, each padded to whole bytes; not empty.
        frame: Its number; taken modulo 2**16.
        position: Beats sent on this link before; taken modulo 2**16. Add the sum of
            ``len(packet) // 64`` over the result to get the position of the next frame.
    """
    packets = []
    for start in range(0, len(content), MAX_DATA_BYTES):
        payload = content[start : start + MAX_DATA_BYTES]
        header = Header(
            kind=PacketKind.DATA,
            frame=frame % FRAME_MODULUS,
            position=position % POSITION_MODULUS,
            length=len(payload),
            first=start == 0,
            last=start + len(payload) == len(content),
        )
        packets.append(pack(header, payload))
        position += beats(len(payload))
    return tuple(packets)


def crc8(content: bytes) -> int:
    """Return the CRC-8 with polynomial x^8+x^2+x+1, most significant bit first, start value 0.

    >>> hex(crc8(b"123456789"))
    '0xf4'
    """
    remainder = 0
    for byte in content:
        remainder ^= byte
        for _ in range(8):
            carry = _CRC_POLYNOMIAL if remainder & 0x80 else 0
            remainder = (remainder << 1 & 0xFF) ^ carry
    return remainder


def _word(header: Header) -> int:
    fields = (
        header.kind
        | VERSION << 4
        | header.length << 8
        | header.fresh << 19
        | header.first << 22
        | header.last << 23
        | header.frame << 24
        | header.position << 40
    )
    return fields | crc8(fields.to_bytes(7, "little")) << 56


def _parse(word: int) -> Header | None:
    fields = word & (1 << 56) - 1
    sound = crc8(fields.to_bytes(7, "little")) == word >> 56 and not word & _RESERVED
    kind, version, length = word & 0xF, word >> 4 & 0xF, word >> 8 & 0x7FF
    known = version == VERSION and kind in _KINDS and _length_fits(PacketKind(kind), length)
    if not (sound and known):
        return None
    return Header(
        kind=PacketKind(kind),
        length=length,
        fresh=bool(word >> 19 & 1),
        first=bool(word >> 22 & 1),
        last=bool(word >> 23 & 1),
        frame=word >> 24 & 0xFFFF,
        position=word >> 40 & 0xFFFF,
    )


def _length_fits(kind: PacketKind, length: int) -> bool:
    return 1 <= length <= MAX_DATA_BYTES if kind is PacketKind.DATA else length == 0
