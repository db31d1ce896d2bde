"""The register file of an emulated board, and what VNx's network layer reads from it.

Registers are 32-bit words at the offsets that the binary's metadata gives. Writing to a read-only
register does nothing, as in the hardware.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass

from elasticdf.runtime.vnx_registers import (
    RX_ALIGNED,
    RX_LINK,
    TABLE_STRIDE,
    Instance,
    swapped_ip,
    swapped_mac,
)

SOCKETS = 16
_ARP_ENTRIES_PER_WORD = 4


class RegisterFile:
    """The words of one compute unit.

    Args:
        read_only: Word values by offset that no write changes.
        initial: Word values after reset, by offset.
    """

    def __init__(self, read_only: dict[int, int], initial: dict[int, int]) -> None:
        self._read_only = read_only
        self._words = initial
        self._lock = threading.Lock()
        self.changes = 0

    def read(self, offset: int) -> int:
        """Return the word; unwritten ones read 0."""
        with self._lock:
            return self._read_only.get(offset, self._words.get(offset, 0))

    def write(self, offset: int, value: int) -> None:
        """Set a word."""
        with self._lock:
            self._words[offset] = value & 0xFFFF_FFFF
            self.changes += 1

    def show(self, offset: int, value: int) -> None:
        """Set what a read-only word reads."""
        with self._lock:
            self._read_only[offset] = value & 0xFFFF_FFFF


@dataclass(frozen=True, slots=True, kw_only=True)
class SocketRow:
    """A row of the socket table as the registers have it."""

    their_ip: int
    their_port: int
    my_port: int
    valid: bool


class NetworkLayerRegisters:
    """The network layer's view of its own registers."""

    def __init__(self, instance: Instance) -> None:
        self._instance = instance
        self.file = RegisterFile(
            read_only={instance.offset("udp_number_sockets"): SOCKETS},
            initial={instance.offset("ip_address"): 0xC0A80005},
        )

    def _word(self, register: str, offset: int = 0) -> int:
        return self.file.read(self._instance.offset(register) + offset)

    @property
    def ip(self) -> int:
        """Own IPv4 address."""
        return self._word("ip_address")

    @property
    def mac(self) -> int:
        """Own MAC address."""
        return self._word("mac_address") | (self._word("mac_address", 4) & 0xFFFF) << 32

    def rows(self) -> tuple[SocketRow, ...]:
        """Return the whole socket table."""
        return tuple(
            SocketRow(
                their_ip=self._word("udp_theirIP_offset", row * TABLE_STRIDE),
                their_port=self._word("udp_theirPort_offset", row * TABLE_STRIDE) & 0xFFFF,
                my_port=self._word("udp_myPort_offset", row * TABLE_STRIDE) & 0xFFFF,
                valid=bool(self._word("udp_valid_offset", row * TABLE_STRIDE) & 1),
            )
            for row in range(SOCKETS)
        )

    def resolve(self, ip: int) -> int | None:
        """Return the MAC address the ARP table has for an address, or None."""
        entry = ip & 0xFF
        word, place = divmod(entry, _ARP_ENTRIES_PER_WORD)
        valid = self._word("arp_valid_offset", 4 * word) >> 8 * place & 1
        known = self._word("arp_ip_addr_offset", 4 * entry)
        low = self._word("arp_mac_addr_offset", TABLE_STRIDE * entry)
        high = self._word("arp_mac_addr_offset", TABLE_STRIDE * entry + 4)
        if not valid or known != swapped_ip(ip):
            return None
        return swapped_mac(low | (high & 0xFFFF) << 32)


class CmacRegisters:
    """The MAC's registers: only the link's state means something here."""

    def __init__(self, instance: Instance) -> None:
        self._status = instance.offset("stat_rx_status")
        self.file = RegisterFile(read_only={}, initial={})
        self.set_link(up=True)

    def set_link(self, *, up: bool) -> None:
        """Show the link as up and aligned, or as down."""
        self.file.show(self._status, RX_LINK | RX_ALIGNED if up else 0)
