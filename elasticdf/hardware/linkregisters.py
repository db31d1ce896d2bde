"""The registers of the link adapters: what each can tell a host about its link.

All are read-only, 32 bits, 8 bytes apart from 0x10 on, and counters wrap; a host reads twice and
subtracts. kernel.xml, the runtime and the documentation take names and offsets from here. The order
is that of the ``values`` port of the SystemVerilog module; a simulation reads every one.
"""

from __future__ import annotations

from dataclasses import dataclass

FIRST_OFFSET = 0x10
STRIDE = 8
RANGE = 0x1000
"""Bytes of address space of an adapter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Register:
    """One 32-bit word.

    Attributes:
        name: Argument name in kernel.xml and in the binary's metadata.
        offset: Bytes from the adapter's base address.
        meaning: One sentence.
    """

    name: str
    offset: int
    meaning: str


def _registers(*rows: tuple[str, str]) -> tuple[Register, ...]:
    return tuple(
        Register(name=name, offset=FIRST_OFFSET + STRIDE * index, meaning=meaning)
        for index, (name, meaning) in enumerate(rows)
    )


SENDER_IDENTITY = 0x45445401
SENDER = _registers(
    ("identity", f"ASCII 'EDT' and the protocol version: {SENDER_IDENTITY:#x}."),
    ("row", "Row of the socket table, the TDEST of every packet."),
    ("status", "Bits 15:0 beats not credited yet; 16 the receiver has answered; 17 out of credit."),
    ("frames_sent", "Frames whose last packet has begun to leave."),
    ("packets_sent", "Data packets that have begun to leave."),
    ("credits_taken", "Credit packets accepted."),
    ("credits_bad", "Packets on the row that were no usable credit."),
    ("questions_sent", "SYNC and PROBE packets; one SYNC is normal."),
    ("starved_cycles", "Cycles a whole packet waited for credit."),
    ("window", "Beats that may be on the way without credit."),
)

RECEIVER_IDENTITY = 0x45445201
RECEIVER = _registers(
    ("identity", f"ASCII 'EDR' and the protocol version: {RECEIVER_IDENTITY:#x}."),
    ("row", "Row of the socket table, the TDEST of credit packets."),
    ("status", "Bits 15:0 beats held in the buffer; 16 the sender has been heard; 17 in a frame."),
    ("frames_whole", "Frames delivered as they were sent."),
    ("frames_broken", "Frames that had begun and were completed with zeros."),
    ("frames_missing", "Frames of which nothing could be begun: all zeros, or left out."),
    ("packets_taken", "Data packets accepted."),
    ("packets_bad", "Packets refused: damaged header, wrong length, not for a receiver, no room."),
    ("packets_repeated", "Data packets seen before, dropped."),
    ("gaps", "Times the numbering jumped."),
    ("beats_lost", "Beats missing in those jumps, as far as the window tells."),
    ("realigned", "Times frame numbers made no sense and counting began anew."),
    ("greetings", "SYNC packets: starts of the sender, and their repetitions."),
    ("credits_sent", "Credit packets."),
    ("window", "Beats the sender may have on the way without credit."),
)

DEMUX_IDENTITY = 0x45444401
DEMUX = _registers(
    ("identity", f"ASCII 'EDD' and the protocol version: {DEMUX_IDENTITY:#x}."),
    ("packets", "Packets from the network layer."),
    ("strays", "Packets of rows that lead nowhere, dropped."),
)

LOSS_COUNTERS = ("frames_broken", "frames_missing")
"""The receiver's registers whose sum is the number of frames that came out altered."""
