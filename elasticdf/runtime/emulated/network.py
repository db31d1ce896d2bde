"""A network port of an emulated board: VNx's network layer between link adapters and cable.

It sends only from valid socket rows with a known MAC address, accepts only what matches a row and
its own addresses, and holds 48 KiB for its adapters. Everything else it drops without a word, as
the hardware does.
"""

from __future__ import annotations

import threading
from typing import TypeAlias

import numpy as np

from elasticdf.hardware.linkpacket import PacketKind
from elasticdf.runtime.emulated.cable import WIRE_HEADER, Cable
from elasticdf.runtime.emulated.receiver import Receiver, Train
from elasticdf.runtime.emulated.registers import CmacRegisters, NetworkLayerRegisters, SocketRow
from elasticdf.runtime.emulated.transmitter import Transmitter
from elasticdf.runtime.vnx_registers import PortInstances

RECEIVE_BUFFER_BYTES = 48 << 10
"""Behind the MAC: 512 beats of FIFO and 256 beats of packet store."""


_View: TypeAlias = tuple[tuple[SocketRow, ...], int, int, dict[int, bytes | None], dict[bytes, int]]
"""Socket table, IP, MAC, and what follows: the wire headers of rows, the rows of wire headers."""


class NetworkPort:
    """Registers, cable and rows of one port."""

    def __init__(self, qsfp: int, units: PortInstances) -> None:
        self.qsfp = qsfp
        self.units = units
        self.layer = NetworkLayerRegisters(units.network)
        self.cmac = CmacRegisters(units.cmac)
        self.cable = Cable()
        self.dropped = 0
        self._senders: dict[int, Transmitter] = {}
        self._receivers: dict[int, Receiver] = {}
        self._used_bytes = 0
        self._accounting = threading.Lock()
        self._view: tuple[int, _View] | None = None

    def attach(self, adapter: Transmitter | Receiver) -> None:
        """Connect a link adapter to its row, which a sender and a receiver may share."""
        if isinstance(adapter, Transmitter):
            self._senders[adapter.row] = adapter
        else:
            self._receivers[adapter.row] = adapter

    def prefix(self, row: int) -> bytes | None:
        """Return the wire header of a row's packets, or None if the layer would drop them."""
        prefixes = self._registers()[3]
        if row not in prefixes:
            prefixes[row] = self._make_prefix(row)
        if prefixes[row] is None:
            self.dropped += 1
        return prefixes[row]

    def _make_prefix(self, row: int) -> bytes | None:
        rows, ip, mac, *_ = self._registers()
        entry = rows[row]
        target = self.layer.resolve(entry.their_ip) if entry.valid else None
        if target is None:
            return None
        return WIRE_HEADER.pack(
            target.to_bytes(6, "big"),
            mac.to_bytes(6, "big"),
            entry.their_ip,
            ip,
            entry.their_port,
            entry.my_port,
        )

    def send(self, row: int, packets: memoryview, size: int) -> None:
        """Put packets of a row on the cable."""
        del row  # its header is already in the packets
        self.cable.send(packets, size)

    def run(self) -> None:
        """Sort arriving packets to the adapters until the cable is closed."""
        while (arrived := self.cable.receive()) is not None:
            packets, size = arrived
            for train in self._by_header(packets, size):
                self._sort(train)

    def _by_header(self, packets: memoryview, size: int) -> list[Train]:
        """Cut what arrived together where the wire header or the kind of packet changes."""
        whole = len(packets) // size
        heads = np.frombuffer(packets, np.uint8, whole * size).reshape(whole, size)
        heads = heads[:, : WIRE_HEADER.size + 1]
        if whole <= 1 or bool((heads == heads[0]).all()):
            return [Train(packets, size)]
        return [
            Train(packets[start : start + size], size) for start in range(0, len(packets), size)
        ]

    def _sort(self, train: Train) -> None:
        row = self._row_of(train.packets)
        if row is None or not self._hand_over(row, train):
            self.dropped += 1

    def _hand_over(self, row: int, train: Train) -> bool:
        """Give credits to the row's sender and all else to its receiver, as edf_demux does."""
        if _is_credit(train):
            sender = self._senders.get(row)
            if sender is not None:
                self._pass_credits(sender, train)
            return sender is not None
        receiver = self._receivers.get(row)
        if receiver is None or not self._reserve(train):
            return False
        receiver.accept(train)
        return True

    def _reserve(self, train: Train) -> bool:
        """Take a train's room in the receive buffer, if there is as much."""
        with self._accounting:
            fits = self._used_bytes + _held_bytes(train) <= RECEIVE_BUFFER_BYTES
            self._used_bytes += _held_bytes(train) * fits
            return fits

    def _pass_credits(self, adapter: Transmitter, train: Train) -> None:
        for start in range(0, len(train.packets), train.size):
            packet = train.packets[start : start + train.size]
            adapter.accept(bytes(packet[WIRE_HEADER.size :]))

    def _row_of(self, packet: memoryview) -> int | None:
        """Return the lowest row that matches; ``valid`` is not looked at on receive."""
        rows, ip, mac, _, known = self._registers()
        header = bytes(packet[: WIRE_HEADER.size])
        if header in known:
            return known[header]
        to_mac, _, to_ip, from_ip, to_port, from_port = WIRE_HEADER.unpack(header)
        if to_mac != mac.to_bytes(6, "big") or to_ip != ip:
            return None
        wanted = (from_ip, from_port, to_port)
        for number, row in enumerate(rows):
            if (row.their_ip, row.their_port, row.my_port) == wanted:
                known[header] = number
                return number
        return None

    def _registers(self) -> _View:
        """Return what the registers say; they are read again only after one was written."""
        changes = self.layer.file.changes
        known = self._view
        if known is None or known[0] != changes:
            layer = self.layer
            view: _View = (layer.rows(), layer.ip, layer.mac, {}, {})
            self._view = known = (changes, view)
        return known[1]

    def release(self, train: Train) -> None:
        """Give room in the receive buffer back."""
        with self._accounting:
            self._used_bytes -= _held_bytes(train)

    def tick(self) -> None:
        """Let transmitters ask for news; show the link's state."""
        self.cmac.set_link(up=not self.cable.down)
        for sender in self._senders.values():
            sender.tick()

    def close(self) -> None:
        """Unplug the cable and end every wait."""
        self.cable.close()
        for sender in self._senders.values():
            sender.close()
        for receiver in self._receivers.values():
            receiver.close()


def _is_credit(train: Train) -> bool:
    """Whether packets, all of one kind, are credits."""
    first = train.packets[WIRE_HEADER.size : WIRE_HEADER.size + 1]
    return len(first) == 1 and first[0] & 0xF == PacketKind.CREDIT


def _held_bytes(train: Train) -> int:
    """Return what a train takes of the receive buffer: its beats, without the wire headers."""
    return len(train.packets) - WIRE_HEADER.size * -(-len(train.packets) // train.size)
