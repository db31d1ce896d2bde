"""What a stream costs on the wire of a network link, and what a link can carry.

The one place that knows the packets: VNx's UDP stack on a 100G MAC, with our link adapters' header
inside. Everyone (capacities, emission, adapters, simulation) takes the numbers from here.
Refuses to know boards or rates.
"""

from __future__ import annotations

from fractions import Fraction

from elasticdf.errors import InternalError

BEAT_BYTES = 64
"""Bytes of one transfer on the stack's 512-bit streams."""

MAX_PAYLOAD_BYTES = 1408
"""UDP payload of a full packet: 22 beats, the convention of VNx's own kernels (krnl_mm2s)."""

HEADER_BYTES = 8
"""What the link adapters put in front of a packet's data: numbering, frame marks, credits."""

MAX_DATA_BYTES = MAX_PAYLOAD_BYTES - HEADER_BYTES
"""Stream data in a full packet."""

OVERHEAD_BYTES = 66
"""Per packet beside its payload: UDP 8, IP 20, Ethernet 14, check sum 4, gap 12, preamble 8."""

MAX_PACKET_BEATS = MAX_PAYLOAD_BYTES // BEAT_BYTES
"""The adapters end a packet after this many beats at the latest; the stack deadlocks at 256."""

FULL_RATE_CLOCK_HZ = 212_000_000
"""From this clock of the network layer on, the wire is the limit, not the logic: a full packet
takes 22 beats, one of headers and at most 2 idle cycles, 25 in all (inferred, VNx notebooks)."""

CYCLES_PER_FULL_PACKET = 25
"""The cautious reading of the same: cycles the network layer needs for a full packet."""

CABLE_LATENCY_SECONDS = 0.535e-6
"""Application to application over a direct cable: half the round trip VNx measured."""

SWITCH_LATENCY_SECONDS = 1.38e-6
"""The same through one switch."""


def packet_wire_bytes(payload_bytes: int) -> int:
    """Return the bytes a packet occupies on the wire, its gap and preamble included."""
    return payload_bytes + OVERHEAD_BYTES


def packets(frame_bytes: int) -> int:
    """Return the packets of a frame; a frame always starts a new one.

    >>> packets(1400), packets(1401)
    (1, 2)
    """
    return -(-frame_bytes // MAX_DATA_BYTES)


def wire_bits(frame_bits: int) -> int:
    """Return the bits one frame of a stream occupies on the wire.

    Args:
        frame_bits: Stream data of the frame, each transfer padded to whole bytes.

    The last packet is padded to whole beats. Header, padding and overhead are all counted.

    >>> wire_bits(1400 * 8) == (1408 + 66) * 8
    True
    >>> wire_bits(8) == (64 + 66) * 8
    True
    """
    if frame_bits < 0:
        raise InternalError(f"a frame of {frame_bits} bits")
    full, rest = divmod(-(-frame_bits // 8), MAX_DATA_BYTES)
    wire_bytes = full * packet_wire_bytes(MAX_PAYLOAD_BYTES)
    if rest:
        beats = -(-(rest + HEADER_BYTES) // BEAT_BYTES)
        wire_bytes += packet_wire_bytes(beats * BEAT_BYTES)
    return wire_bytes * 8


def data_fraction() -> Fraction:
    """Return the share of a link's rate left for stream data in full packets: 1400 of 1474 bytes.

    >>> round(float(data_fraction()), 4)
    0.9498
    """
    return Fraction(MAX_DATA_BYTES, packet_wire_bytes(MAX_PAYLOAD_BYTES))


def goodput_bits_per_second(rate_bits_per_second: int, payload_bytes: int) -> Fraction:
    """Return the UDP payload rate of back-to-back packets, VNx's measure.

    Args:
        rate_bits_per_second: Of the link.
        payload_bytes: UDP payload of every packet.

    Holds within 0.1 % of VNx's measurements (64 to 1472 bytes, 300 MHz) but for 128 bytes, where
    its logic is slower than the wire (61.3 Gb/s measured, 66.0 by this law).
    """
    return Fraction(rate_bits_per_second * payload_bytes, packet_wire_bytes(payload_bytes))


def usable_wire_rate(rate_bits_per_second: int, network_clock_hz: int) -> int:
    """Return the wire rate a network layer at this clock can fill, in bit/s, rounded down.

    >>> usable_wire_rate(10**11, 300_000_000)
    100000000000
    >>> usable_wire_rate(10**11, 100_000_000)
    47168000000
    """
    if network_clock_hz >= FULL_RATE_CLOCK_HZ:
        return rate_bits_per_second
    per_packet = packet_wire_bytes(MAX_PAYLOAD_BYTES) * 8
    return min(rate_bits_per_second, per_packet * network_clock_hz // CYCLES_PER_FULL_PACKET)
