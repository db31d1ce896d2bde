"""Link packets in bulk: the headers of ``elasticdf.hardware.linkpacket`` as NumPy arrays.

The emulated boards move tens of thousands of packets a second, so headers are made and read by the
array. The format is defined there; a test holds the two together.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np
from numpy.typing import NDArray

from elasticdf.hardware.framing import BEAT_BYTES, HEADER_BYTES, MAX_DATA_BYTES
from elasticdf.hardware.linkpacket import (
    FRAME_MODULUS,
    POSITION_MODULUS,
    VERSION,
    PacketKind,
    beats,
    crc8,
)
from elasticdf.runtime.emulated.cable import WIRE_HEADER

Words = NDArray[np.uint64]

FULL_BEATS = beats(MAX_DATA_BYTES)
DATA_START = WIRE_HEADER.size + HEADER_BYTES
_CRC_TABLE = np.array([crc8(bytes([value])) for value in range(256)], np.uint8)
_RESERVED = 0b11 << 20
_FIRST, _LAST = 1 << 22, 1 << 23


def wire_size(length: int) -> int:
    """Return the bytes on the emulated cable of a packet with so many data bytes."""
    return WIRE_HEADER.size + beats(length) * BEAT_BYTES


def _crc(words: Words) -> NDArray[np.uint8]:
    """Return the check of each word's bits 55:0."""
    columns = words.astype("<u8").view(np.uint8).reshape(-1, HEADER_BYTES)
    check = np.zeros(len(columns), np.uint8)
    for column in range(HEADER_BYTES - 1):
        check = _CRC_TABLE[check ^ columns[:, column]]
    return check


def _sealed(words: Words) -> Words:
    return words | _crc(words).astype(np.uint64) << np.uint64(56)


_ALL = np.arange(FRAME_MODULUS, dtype=np.uint64)
_FRAMES = np.tile(_sealed(_ALL << np.uint64(24)), 2)
_POSITIONS = np.tile(_sealed(_ALL << np.uint64(40)), 2)
"""What a frame number and a position add to a word, its check included: the check of a sum (xor) is
the sum of the checks. Each is held twice, so that what follows a number is one slice."""


@cache
def _fixed(bits: int) -> int:
    return int(_sealed(np.array([bits | VERSION << 4], np.uint64))[0])


def _control_word(fixed: int, frame: int, position: int) -> int:
    return (
        _fixed(fixed)
        ^ int(_FRAMES[frame % FRAME_MODULUS])
        ^ int(_POSITIONS[position % POSITION_MODULUS])
    )


def control(
    kind: PacketKind, frame: int, position: int, *, first: bool = False, fresh: bool = False
) -> bytes:
    """Return a packet without data; numbers are taken modulo 2**16."""
    word = _control_word(kind | first << 22 | fresh << 19, frame, position)
    return word.to_bytes(HEADER_BYTES, "little").ljust(BEAT_BYTES, b"\0")


def credit_position(packet: bytes) -> int | None:
    """Return the position of a CREDIT; None for any other packet."""
    if len(packet) != BEAT_BYTES:
        return None
    word = int.from_bytes(packet[:HEADER_BYTES], "little")
    frame, position = word >> 24 & 0xFFFF, word >> 40 & 0xFFFF
    fixed = word & (1 << 19 | 1 << 22) | PacketKind.CREDIT
    return position if word == _control_word(fixed, frame, position) else None


@dataclass(frozen=True)
class FrameCut:
    """How a frame of a fixed size is cut into packets.

    Attributes:
        size: Bytes of the frame.
    """

    size: int

    @cached_property
    def packets(self) -> int:
        """Packets per frame."""
        return -(-self.size // MAX_DATA_BYTES)

    @cached_property
    def last_length(self) -> int:
        """Data bytes of the last packet."""
        return self.size - (self.packets - 1) * MAX_DATA_BYTES

    @cached_property
    def beats(self) -> int:
        """Beats per frame."""
        return (self.packets - 1) * FULL_BEATS + beats(self.last_length)

    def build(
        self, data: NDArray[np.uint8], prefix: bytes, *, frame: int, position: int
    ) -> NDArray[np.uint8]:
        """Return the packets of frames, shape (frames, bytes of a frame's packets).

        Args:
            data: Shape (frames, size).
            prefix: Wire header of every packet.
            frame: Number of the first frame.
            position: Beats sent before.
        """
        before = self.packets - 1
        full = wire_size(MAX_DATA_BYTES)
        out = np.zeros((len(data), before * full + wire_size(self.last_length)), np.uint8)
        words = self.words(len(data), frame, position)
        head = np.frombuffer(prefix, np.uint8)
        if before:
            body = out[:, : before * full].reshape(len(data), before, full)
            body[..., : WIRE_HEADER.size] = head
            body[..., WIRE_HEADER.size : DATA_START].view("<u8")[..., 0] = words[:, :-1]
            body[..., DATA_START:] = data[:, : before * MAX_DATA_BYTES].reshape(
                len(data), before, MAX_DATA_BYTES
            )
        tail = out[:, before * full :]
        tail[:, : WIRE_HEADER.size] = head
        tail[:, WIRE_HEADER.size : DATA_START].view("<u8")[:, 0] = words[:, -1]
        tail[:, DATA_START : DATA_START + self.last_length] = data[:, before * MAX_DATA_BYTES :]
        return out

    def words(self, frames: int, frame: int, position: int) -> Words:
        """Return the headers of frames, shape (frames, packets); arguments as for `build`."""
        first, start = frame % FRAME_MODULUS, position % POSITION_MODULUS
        length = frames * self.beats
        if self.packets == 1 and length <= POSITION_MODULUS:
            places = _POSITIONS[start : start + length : self.beats]
            return (places ^ _FRAMES[first : first + frames] ^ self._fixed_words)[:, None]
        starts = start + np.arange(frames)[:, None] * self.beats
        places = _POSITIONS[(starts + np.arange(self.packets) * FULL_BEATS) % POSITION_MODULUS]
        numbers = _FRAMES[(first + np.arange(frames)) % FRAME_MODULUS]
        words: Words = places ^ numbers[:, None] ^ self._fixed_words
        return words

    @cached_property
    def _fixed_words(self) -> Words:
        """Return what the headers of a frame's packets have without numbers."""
        words = [_fixed(PacketKind.DATA | MAX_DATA_BYTES << 8)] * self.packets
        words[-1] = _fixed(PacketKind.DATA | self.last_length << 8)
        words[0] ^= _fixed(_FIRST) ^ _fixed(0)
        words[-1] ^= _fixed(_LAST) ^ _fixed(0)
        return np.array(words, np.uint64)


@dataclass(frozen=True, slots=True, kw_only=True)
class Headers:
    """The headers of packets that arrived together, one array entry each.

    Attributes:
        sound: Whether check, version, kind and reserved bits are right.
    """

    sound: NDArray[np.bool_]
    kind: NDArray[np.int64]
    length: NDArray[np.int64]
    fresh: NDArray[np.bool_]
    first: NDArray[np.bool_]
    last: NDArray[np.bool_]
    frame: NDArray[np.int64]
    position: NDArray[np.int64]


def read_headers(words: Words) -> Headers:
    """Take header words apart."""
    fields = words & np.uint64((1 << 56) - 1)

    def part(low: int, bits: int) -> NDArray[np.int64]:
        return (words >> np.uint64(low) & np.uint64((1 << bits) - 1)).astype(np.int64)

    kind, length = part(0, 4), part(8, 11)
    data = kind == PacketKind.DATA
    sound = (
        (_crc(fields) == part(56, 8))
        & (part(4, 4) == VERSION)
        & (words & np.uint64(_RESERVED) == 0)
        & (kind >= PacketKind.DATA)
        & (kind <= PacketKind.SYNC)
        & np.where(data, (length >= 1) & (length <= MAX_DATA_BYTES), length == 0)
    )
    return Headers(
        sound=sound,
        kind=kind,
        length=length,
        fresh=part(19, 1) == 1,
        first=part(22, 1) == 1,
        last=part(23, 1) == 1,
        frame=part(24, 16),
        position=part(40, 16),
    )
