"""What lies between two layers that are not on the same die: crossings and links."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from elasticdf.hardware.framing import (
    BEAT_BYTES,
    HEADER_BYTES,
    MAX_DATA_BYTES,
    packet_wire_bytes,
    packets,
)
from elasticdf.layers.kind import padded
from elasticdf.simulation.process import Process, table


@dataclass(frozen=True, slots=True, kw_only=True)
class Hop:
    """One crossing of a stream.

    Attributes:
        name: For reports; hops of the same name are the same cable or crossing.
        latency_cycles: From one end to the other.
        wire_cycles_per_byte: Of the link; 0 for a die crossing, which takes a transfer a cycle.
        window_packets: Packets under way at most (the receiver's credit); for links only.
    """

    name: str
    latency_cycles: int
    wire_cycles_per_byte: float = 0.0
    window_packets: int = 64


def hop_processes(
    hop: Hop, tensor: str, bits: int, transfers: int
) -> tuple[tuple[Process, int, int], ...]:
    """Return the processes of a hop, each with depth and latency of the channel before it.

    Args:
        hop: The crossing.
        tensor: It carries.
        bits: Of a transfer.
        transfers: Per frame.

    A die crossing is a row of registers. A link collects a packet, sends it whole, and hands its
    transfers on one a cycle; a frame starts a new packet.
    """
    if not hop.wire_cycles_per_byte:
        stages = hop.latency_cycles
        process = Process(
            name=f"{hop.name}:{tensor}",
            layer="",
            pattern=table([1], [1], [1], repeat=transfers, latency=stages, slots=stages),
        )
        return ((process, 2, 1),)
    return _link_processes(hop, tensor, padded(bits) // 8, transfers)


def _link_processes(
    hop: Hop, tensor: str, word_bytes: int, transfers: int
) -> tuple[tuple[Process, int, int], ...]:
    ends = packet_ends(word_bytes, transfers)
    last = np.zeros(transfers, np.uint16)
    last[np.minimum(ends, transfers) - 1] = 1
    payload = _payloads(word_bytes * transfers)
    wire = np.array([packet_wire_bytes(size) for size in payload])
    gaps = np.maximum(1, np.ceil(wire * hop.wire_cycles_per_byte)).astype(np.int32)
    ones = np.ones(len(gaps), np.uint16)
    first = np.zeros(transfers, np.uint16)
    first[np.append(0, ends[:-1])] = 1
    window = hop.window_packets
    pack = table(np.ones(transfers), np.ones(transfers), last)
    send = table(gaps, ones, ones, latency=hop.latency_cycles + int(gaps.max()), slots=window)
    unpack = table(np.ones(transfers), first, np.ones(transfers), slots=1)
    named = f"{hop.name}:{tensor}"
    return (
        (Process(name=f"{named}:pack", layer="", pattern=pack), 2, 1),
        (
            Process(name=f"{named}:send", layer="", pattern=send, wire_bytes=int(wire.sum())),
            2,
            1,
        ),
        (Process(name=f"{named}:unpack", layer="", pattern=unpack), 2, 1),
    )


def packet_ends(word_bytes: int, transfers: int) -> np.ndarray:
    """Return, for each packet of a frame, how many transfers have begun when it is full.

    A transfer that does not fit is split; it arrives with the packet that holds its last byte.
    """
    count = packets(word_bytes * transfers)
    filled = np.arange(1, count + 1) * MAX_DATA_BYTES
    return np.minimum(-(-filled // word_bytes), transfers)


def _payloads(frame_bytes: int) -> list[int]:
    full, rest = divmod(frame_bytes, MAX_DATA_BYTES)
    sizes = [MAX_DATA_BYTES + HEADER_BYTES] * full
    if rest:
        sizes.append(-(-(rest + HEADER_BYTES) // BEAT_BYTES) * BEAT_BYTES)
    return sizes
