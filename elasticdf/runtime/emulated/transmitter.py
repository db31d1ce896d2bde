"""The sending end of an emulated link: a stream into packets, as far as credits allow."""

from __future__ import annotations

import threading
import time

import numpy as np
from numpy.typing import NDArray

from elasticdf.artifact.deployment import NetworkStream, Port
from elasticdf.hardware.framing import BEAT_BYTES, MAX_DATA_BYTES
from elasticdf.hardware.linkpacket import PacketKind, beats
from elasticdf.runtime.emulated.cable import WIRE_HEADER
from elasticdf.runtime.emulated.frames import Chunk, ClosedError
from elasticdf.runtime.emulated.headers import (
    FULL_BEATS,
    FrameCut,
    control,
    credit_position,
    wire_size,
)
from elasticdf.runtime.emulated.link import LinkCounters, Prefix, SendPackets
from elasticdf.runtime.packing import frame_bytes, pack

PROBE_SECONDS = 0.05
"""Without news for so long the transmitter asks what arrived."""

_SMALL_PACKET_BEATS = 3
"""The loopback's socket buffer charges small packets more than their bytes: smaller ones than this
are taken as this large when the window is reckoned."""


class Transmitter:
    """The sending end of a link.

    Args:
        link: Its row and its window.
        port: Shape and width of the stream.
        prefix: Returns the wire header for the row, or None where the row is invalid.
        send: Hands packets to the cable.
        counters: What it counts in.
    """

    def __init__(
        self,
        link: NetworkStream,
        port: Port,
        prefix: Prefix,
        send: SendPackets,
        counters: LinkCounters,
    ) -> None:
        self.row = link.source_row
        self.counters = counters
        self._port = port
        self._cut = FrameCut(frame_bytes(port))
        self._window = max(link.window_bytes // BEAT_BYTES, FULL_BEATS)
        self._prefix = prefix
        self._send = send
        self._sent = 0
        self._done = 0
        self._frame = 0
        self._between = True
        self._heard = time.monotonic()
        self._closed = False
        self._change = threading.Condition()

    def put(self, chunk: Chunk) -> None:
        """Send frames, waiting for credits.

        Raises:
            ClosedError: The board was reset.
        """
        data = pack(chunk, self._port)
        prefix = self._prefix(self.row)
        wire = self._cut.build(
            data, prefix or bytes(WIRE_HEADER.size), frame=self._frame, position=self._sent
        )
        if self._cut.packets == 1:
            self._run(wire, len(wire), self._cut.beats, drop=prefix is None)
        else:
            for frame in wire:
                self._run(frame, self._cut.packets, FULL_BEATS, drop=prefix is None)
        self.counters.frames += len(chunk)

    def _run(self, wire: NDArray[np.uint8], count: int, each: int, *, drop: bool) -> None:
        """Send equal packets (the last may be shorter) as credits allow."""
        packets = np.ascontiguousarray(wire).reshape(-1).data
        size = wire_size(MAX_DATA_BYTES) if self._cut.packets > 1 else wire.shape[1]
        charged = max(each, _SMALL_PACKET_BEATS)
        at_once = max(1, self._window // charged // 2)
        start = 0
        while start < count:
            with self._change:
                # Half a window at least, or the rest: single packets would each cost a credit.
                wanted = min(count - start, at_once)
                most = min(count - start, self._wait_for_room(wanted * charged) // charged)
                end = start + most
                burst = packets[start * size : None if end == count else end * size]
                self._sent += self._beats(count, start, end, each)
                self._advance(start, end, count)
                if not drop:
                    self._send(self.row, burst, size)
            self.counters.packets += most
            start = end

    def _beats(self, count: int, start: int, end: int, each: int) -> int:
        if self._cut.packets == 1 or end < count:
            return (end - start) * each
        return (end - start - 1) * each + beats(self._cut.last_length)

    def _advance(self, start: int, end: int, count: int) -> None:
        if self._cut.packets == 1:
            self._frame += end - start
        else:
            self._between = end == count
            self._frame += self._between

    def _wait_for_room(self, beats: int) -> int:
        while not self._closed:
            room = self._window - (self._sent - self._done)
            if room >= beats:
                return room
            self._change.wait()
        raise ClosedError

    def accept(self, packet: bytes) -> None:
        """Take note of a packet that came back on the row: a credit, nothing else."""
        position = credit_position(packet)
        if position is None:
            self.counters.damaged += 1
            return
        with self._change:
            ahead = (position - self._done) & 0xFFFF
            if ahead <= self._sent - self._done:
                self._done += ahead
                self._heard = time.monotonic()
                self._change.notify_all()

    def tick(self) -> None:
        """Ask for news when credits stay away; called regularly."""
        if not self._change.acquire(blocking=False):
            return
        try:
            waited = time.monotonic() - self._heard
            if self._closed or self._sent == self._done or waited < PROBE_SECONDS:
                return
            self._heard = time.monotonic()
            prefix = self._prefix(self.row)
            if prefix is not None:
                probe = prefix + control(
                    PacketKind.PROBE, self._frame, self._sent, first=self._between
                )
                self._send(self.row, memoryview(probe), len(probe))
        finally:
            self._change.release()

    def close(self) -> None:
        """End every wait."""
        with self._change:
            self._closed = True
            self._change.notify_all()
