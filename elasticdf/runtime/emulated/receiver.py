"""The receiving end of an emulated link: packets into a stream of whole frames.

What is lost of a frame is filled with zeros, so that the frames after it stay in place; every such
frame is counted and reported.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from elasticdf.artifact.deployment import NetworkStream, Port
from elasticdf.hardware.framing import BEAT_BYTES
from elasticdf.hardware.linkpacket import PacketKind, beats
from elasticdf.runtime.emulated.cable import WIRE_HEADER
from elasticdf.runtime.emulated.frames import ClosedError
from elasticdf.runtime.emulated.headers import (
    DATA_START,
    FrameCut,
    Headers,
    Words,
    control,
    read_headers,
    wire_size,
)
from elasticdf.runtime.emulated.kernels import Sink
from elasticdf.runtime.emulated.link import LinkCounters, Prefix, SendPackets
from elasticdf.runtime.packing import frame_bytes, narrow_type, unpack

_HALF = 0x8000
"""Half of the 16-bit range of positions and frame numbers: what lies behind, what ahead."""


@dataclass(frozen=True, slots=True)
class Train:
    """Packets that arrived together: bytes, and the size of each but the last."""

    packets: memoryview
    size: int

    def rows(self) -> tuple[NDArray[np.uint8], ...]:
        """Return the packets as rows: those of one size, then the shorter last one if any."""
        whole = len(self.packets) // self.size * self.size
        parts = ((0, whole, self.size), (whole, len(self.packets), len(self.packets) - whole))
        return tuple(
            np.frombuffer(self.packets[start:end], np.uint8).reshape(-1, size)
            for start, end, size in parts
            if end > start
        )


def _joined(trains: Iterable[Train]) -> list[NDArray[np.uint8]]:
    """Return the rows of trains, neighbours of one size together."""
    rows = (part for train in trains for part in train.rows())
    return [
        np.concatenate(parts) if len(parts) > 1 else parts[0]
        for parts in (list(group) for _, group in groupby(rows, key=lambda part: part.shape[1]))
    ]


class Receiver:
    """The receiving end of a link.

    Args:
        link: Its row.
        port: Shape and width of the stream.
        target: Where whole frames go.
        prefix: Returns the wire header for the row.
        send: Hands packets (credits) to the cable.
        release: Gives a train's room in the network port's receive buffer back.
        report: Called with a sentence when frames are lost.
        counters: What it counts in.
    """

    def __init__(
        self,
        link: NetworkStream,
        port: Port,
        target: Sink,
        prefix: Prefix,
        send: SendPackets,
        release: Callable[[Train], None],
        report: Callable[[str], None],
        counters: LinkCounters,
    ) -> None:
        self.row = link.target_row
        self.counters = counters
        self.pause_seconds = 0.0
        self._port = port
        self._kind = narrow_type(port)
        self._size = frame_bytes(port)
        self._cut = FrameCut(self._size)
        self._target = target
        self._prefix = prefix
        self._send = send
        self._release = release
        self._report = report
        self._position = 0
        self._frame = 0
        self._lost_beats = 0
        self._partial: bytearray | None = None
        self._trains: deque[Train] = deque()
        self._closed = False
        self._change = threading.Condition()

    def accept(self, train: Train) -> None:
        """Queue packets; the network port has reserved room for them."""
        with self._change:
            self._trains.append(train)
            self._change.notify()

    def run(self) -> None:
        """Deliver frames for ever.

        Raises:
            ClosedError: The board was reset.
        """
        while True:
            trains = self._await_trains()
            if self.pause_seconds:
                time.sleep(self.pause_seconds)
            asked = False
            for rows in _joined(trains):
                asked |= self._take_rows(rows)
            for train in trains:
                self._release(train)
            self._credit(asked)

    def _await_trains(self) -> list[Train]:
        """Wait for packets and return all there are; a slow receiver takes one train at a time."""
        with self._change:
            while not self._trains and not self._closed:
                self._change.wait()
            if self._closed:
                raise ClosedError
            if self.pause_seconds:
                return [self._trains.popleft()]
            trains = list(self._trains)
            self._trains.clear()
            return trains

    def _take_rows(self, rows: NDArray[np.uint8]) -> bool:
        """Process packets of one size in order; return whether one of them was a SYNC."""
        if rows.shape[1] < DATA_START:
            self.counters.damaged += len(rows)
            return False
        words = rows[:, WIRE_HEADER.size : DATA_START].view("<u8")[:, 0]
        self.counters.packets += len(rows)
        if self._is_plain(words, rows.shape[1]):
            self._deliver(rows[:, DATA_START : DATA_START + self._size])
            return False
        return self._take_each(rows, read_headers(words))

    def _is_plain(self, words: Words, size: int) -> bool:
        """Whether the packets are whole frames, one each, exactly the next ones."""
        if (
            self._partial is not None
            or self._cut.packets > 1
            or size != wire_size(self._size)
            or not np.array_equal(words, self._next_words(len(words)))
        ):
            return False
        self._position += len(words) * self._cut.beats
        self._frame += len(words)
        return True

    def _next_words(self, count: int) -> Words:
        """Return the headers of the next packets if nothing is lost."""
        return self._cut.words(count, self._frame, self._position)[:, 0]

    def _take_each(self, rows: NDArray[np.uint8], headers: Headers) -> bool:
        fresh = False
        for index in range(len(rows)):
            length = int(headers.length[index])
            expected = WIRE_HEADER.size + beats(length) * BEAT_BYTES
            if not headers.sound[index] or rows.shape[1] != expected:
                self.counters.damaged += 1
                continue
            kind = int(headers.kind[index])
            position, first = int(headers.position[index]), bool(headers.first[index])
            if kind == PacketKind.DATA:
                if self._in_step(position):
                    self._position += beats(length)
                    self._extend(rows[index, DATA_START : DATA_START + length], headers, index)
            elif kind in (PacketKind.PROBE, PacketKind.SYNC):
                self._in_step(position)
                if first:
                    self._expect(int(headers.frame[index]))
                fresh = kind == PacketKind.SYNC
        return fresh

    def _in_step(self, position: int) -> bool:
        """Compare a packet's position with ours; catch up after a loss; refuse old packets."""
        ahead = (position - self._position) & 0xFFFF
        if ahead >= _HALF:
            self.counters.duplicates += 1
            return False
        if ahead:
            self._position += ahead
            self._lost_beats += ahead
            self._report(f"{ahead} beats of 64 bytes never arrived")
            self._complete_broken()
        return True

    def _complete_broken(self) -> None:
        """End a frame that had begun with zeros, so that those after it stay where they belong."""
        if self._partial is not None:
            frame = self._partial.ljust(self._size, b"\0")[: self._size]
            self._partial = None
            self._frame += 1
            self.counters.lost_frames += 1
            self._deliver(np.frombuffer(frame, np.uint8)[None, :], whole=False)

    def _extend(self, data: NDArray[np.uint8], headers: Headers, index: int) -> None:
        if headers.first[index]:
            self._expect(int(headers.frame[index]))
            self._partial = bytearray()
        if self._partial is None:
            return  # the rest of a frame whose start was lost
        self._partial += data.tobytes()
        if headers.last[index]:
            if len(self._partial) != self._size:
                self._report(
                    f"a frame of {len(self._partial)} bytes arrived, {self._size} are expected"
                )
                self._complete_broken()
                return
            frame, self._partial = self._partial, None
            self._frame += 1
            self._deliver(np.frombuffer(frame, np.uint8)[None, :])

    def _expect(self, frame: int) -> None:
        """Put zeros in the place of frames of which nothing arrived."""
        missing = (frame - self._frame) & 0xFFFF
        if not missing:
            return
        self.counters.lost_frames += missing
        self._frame += missing
        self._report(f"{missing} frames are lost")
        possible = self._lost_beats // self._cut.beats + 1
        for _ in range(min(missing, possible)):
            self._deliver(np.zeros((1, self._size), np.uint8), whole=False)
        self._lost_beats = 0

    def _deliver(self, data: NDArray[np.uint8], *, whole: bool = True) -> None:
        self._target.put(unpack(data, self._port, self._kind))
        if whole:
            self.counters.frames += len(data)

    def _credit(self, fresh: bool) -> None:
        prefix = self._prefix(self.row)
        if prefix is None:
            return
        credit = prefix + control(PacketKind.CREDIT, self._frame, self._position, fresh=fresh)
        self._send(self.row, memoryview(credit), len(credit))

    def close(self) -> None:
        """End every wait."""
        with self._change:
            self._closed = True
            self._trains.clear()
            self._change.notify_all()
