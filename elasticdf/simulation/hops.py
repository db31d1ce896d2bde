"""What lies between two layers that are not on the same die: crossings and links."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from elasticdf.hardware.framing import (
    BEAT_BYTES,
    HEADER_BYTES,
    MAX_DATA_BYTES,
    packet_wire_bytes,
    packets,
)
from elasticdf.layers.kind import padded
from elasticdf.simulation.process import Process, Traffic, table


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
    filled = np.minimum(
        np.arange(1, packets(word_bytes * transfers) + 1) * MAX_DATA_BYTES, word_bytes * transfers
    )
    wire = np.array([packet_wire_bytes(size) for size in _payloads(word_bytes * transfers)])
    cycles = np.maximum(1, np.ceil(wire * hop.wire_cycles_per_byte)).astype(np.int64)
    # Packets that wait for the same transfer (one wider than a packet) are sent as one.
    ends, group = np.unique(-(-filled // word_bytes), return_inverse=True)
    gaps = np.bincount(group, weights=cycles).astype(np.int64)
    whole = filled[np.searchsorted(group, np.arange(len(ends)), side="right") - 1] // word_bytes
    full = np.zeros(transfers, np.uint16)
    full[ends - 1] = 1
    reads, writes = _unpacked(np.diff(whole, prepend=0))
    each = np.ones(transfers, np.uint16)
    sent = np.ones(len(gaps), np.uint16)
    delay = hop.latency_cycles + int(gaps.max())
    named = f"{hop.name}:{tensor}"
    pack = table(each, each, full)
    send = table(gaps, sent, sent, latency=delay, slots=hop.window_packets)
    unpack = table(np.ones(len(reads), np.int32), reads, writes, slots=1)
    return (
        (Process(name=f"{named}:pack", layer="", pattern=pack), 2, 1),
        (
            Process(
                name=f"{named}:send",
                layer="",
                pattern=send,
                traffic=Traffic(
                    link=hop.name,
                    tensor=tensor,
                    sends=tuple(np.bincount(group).tolist()),
                    wire_bytes=int(wire.sum()),
                ),
            ),
            2,
            1,
        ),
        (Process(name=f"{named}:unpack", layer="", pattern=unpack), 2, 1),
    )


def _unpacked(complete: NDArray[np.int64]) -> tuple[NDArray[np.uint16], NDArray[np.uint16]]:
    """Return reads and writes of the end that takes packets apart.

    Args:
        complete: Transfers whose last byte each packet brings, shape (packets,).
    """
    reads: list[int] = []
    writes: list[int] = []
    for count in complete.tolist():
        reads += [1] + [0] * (count - 1)
        writes += [1] * count if count else [0]
    return np.array(reads, np.uint16), np.array(writes, np.uint16)


def _payloads(frame_bytes: int) -> list[int]:
    full, rest = divmod(frame_bytes, MAX_DATA_BYTES)
    sizes = [MAX_DATA_BYTES + HEADER_BYTES] * full
    if rest:
        sizes.append(-(-(rest + HEADER_BYTES) // BEAT_BYTES) * BEAT_BYTES)
    return sizes
