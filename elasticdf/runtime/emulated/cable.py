"""The cable of an emulated network port: real UDP datagrams over the loopback interface.

A datagram holds an Ethernet-, IP- and UDP-like header of 24 bytes and the UDP payload. Packets of
equal size that follow each other travel in one system call (Linux UDP segmentation offload), which
changes neither their number nor their content. Faults happen here, between the boards.
"""

from __future__ import annotations

import random
import socket
import struct
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from functools import cache

WIRE_HEADER = struct.Struct(">6s6sIIHH")
"""Destination MAC, source MAC, destination IP, source IP, destination port, source port."""

_UDP_SEGMENT = 103
_UDP_GRO = 104
_SEGMENTS = (128, 64)
"""Packets that one system call sends: what newer kernels take, what all with the option do."""

_MOST_BYTES = 65_000
_RECEIVE_BYTES = 1 << 16
_SOCKET_BUFFER_BYTES = 8 << 20
_ANCILLARY_BYTES = socket.CMSG_SPACE(4)
"""For the size of the packets that came together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """What goes wrong on a cable, seen by the sender.

    Attributes:
        loss: Probability that a packet is lost.
        duplication: Probability that a packet arrives twice.
        corruption: Probability that a byte of a packet's payload is altered. The frame check of
            the receiving MAC sees it, so the packet is lost there.
        delay_seconds: Added before every burst.
        down: Nothing passes in either direction and the MAC shows no link.
        seed: Of the random choice.
        after_packets: Packets that pass first.
        count: Packets hit at most; None for no limit.
    """

    loss: float = 0.0
    duplication: float = 0.0
    corruption: float = 0.0
    delay_seconds: float = 0.0
    down: bool = False
    seed: int = 0
    after_packets: int = 0
    count: int | None = None


NO_FAULTS = Faults()


@cache
def _most_segments() -> int:
    """Return how many packets the kernel takes at once; 1 without segmentation offload."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        for count in _SEGMENTS:
            with suppress(OSError):
                probe.sendmsg([bytes(count)], [_segment_size(1)], 0, probe.getsockname())
                return count
    return 1


def _segment_size(size: int) -> tuple[int, int, bytes]:
    return socket.IPPROTO_UDP, _UDP_SEGMENT, struct.pack("=H", size)


class Cable:
    """One port's end: sends to every other end plugged in, receives what is for it."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _SOCKET_BUFFER_BYTES)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SOCKET_BUFFER_BYTES)
        self._socket.bind(("127.0.0.1", 0))
        with suppress(OSError):  # an older kernel hands packets over one by one
            self._socket.setsockopt(socket.IPPROTO_UDP, _UDP_GRO, 1)
        self._arrived = memoryview(bytearray(_RECEIVE_BYTES))
        self._peers: tuple[int, ...] = ()
        self._learned: dict[bytes, int] = {}
        self._sending = threading.Lock()
        self._closed = False
        self._faults = NO_FAULTS
        self._random = random.Random(0)
        self._passed = 0
        self._hit = 0

    @property
    def port(self) -> int:
        """Number of the loopback port that stands for this end."""
        return int(self._socket.getsockname()[1])

    def plug(self, peers: tuple[int, ...]) -> None:
        """Say which other ends can be reached, as a switch or a cable would join them."""
        self._peers = tuple(peer for peer in peers if peer != self.port)
        self._learned.clear()

    def inject(self, faults: Faults) -> None:
        """Let faults happen from now on."""
        with self._sending:
            self._faults = faults
            self._random = random.Random(faults.seed)
            self._passed = 0
            self._hit = 0

    @property
    def down(self) -> bool:
        """Whether the link is down."""
        return self._faults.down

    def send(self, packets: memoryview, size: int) -> None:
        """Send packets that lie one after the other; all of `size` bytes, the last may be shorter.

        The destination MAC is taken from the first. Nothing tells the sender of a loss.
        """
        targets = self._targets(bytes(packets[:6]))
        with self._sending:
            if self._faults is NO_FAULTS:
                for target in targets:
                    self._send_all(packets, size, target)
                return
            for packet in self._through_faults(packets, size):
                for target in targets:
                    self._transmit(packet, target)

    def _targets(self, mac: bytes) -> tuple[int, ...]:
        learned = self._learned.get(mac)
        return self._peers if learned is None else (learned,)

    def _send_all(self, packets: memoryview, size: int, target: int) -> None:
        step = size * max(1, min(_most_segments(), _MOST_BYTES // size))
        for start in range(0, len(packets), step):
            burst = packets[start : start + step]
            self._transmit(burst, target, [_segment_size(size)] if len(burst) > size else [])

    def _transmit(
        self, burst: memoryview, target: int, extra: list[tuple[int, int, bytes]] | None = None
    ) -> None:
        with suppress(OSError):  # peer gone or this end closed: a cable loses the packet
            self._socket.sendmsg([burst], extra or [], 0, ("127.0.0.1", target))

    def _through_faults(self, packets: memoryview, size: int) -> list[memoryview]:
        faults = self._faults
        if faults.delay_seconds:
            time.sleep(faults.delay_seconds)
        result = []
        for start in range(0, len(packets), size):
            packet = packets[start : start + size]
            self._passed += 1
            active = self._passed > faults.after_packets and (
                faults.count is None or self._hit < faults.count
            )
            if faults.down or (active and self._happens(faults.loss + faults.corruption)):
                continue
            result.append(packet)
            if active and self._happens(faults.duplication):
                result.append(packet)
        return result

    def _happens(self, probability: float) -> bool:
        happens = self._random.random() < probability
        self._hit += happens
        return happens

    def receive(self) -> tuple[memoryview, int] | None:
        """Wait for packets; return them one after the other and the size of each but the last.

        None once the cable is closed. Only one thread may receive.
        """
        buffer = self._arrived
        while not self._closed:
            try:
                count, extra, _, sender = self._socket.recvmsg_into([buffer], _ANCILLARY_BYTES)
            except OSError:
                continue
            if self._faults.down or count < WIRE_HEADER.size or sender[1] not in self._peers:
                continue
            self._learned[bytes(buffer[6:12])] = sender[1]
            sizes = [
                int.from_bytes(data[:4], "little")
                for level, kind, data in extra
                if level == socket.IPPROTO_UDP and kind == _UDP_GRO
            ]
            return memoryview(bytes(buffer[:count])), sizes[0] if sizes else count
        return None

    def close(self) -> None:
        """Unplug for good; a waiting receiver returns."""
        self._closed = True
        port = self.port
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as waker:
            waker.sendto(b"", ("127.0.0.1", port))
        self._socket.close()
