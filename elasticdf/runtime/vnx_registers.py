"""The registers of VNx's ``networklayer`` and ``cmac`` kernels, by name.

Offsets moved between VNx releases, so they come from the binary's own metadata. What a register
means, how tables are laid out and how addresses are spelled did not change and is written here.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass

from elasticdf.artifact.axlf import Xclbin
from elasticdf.artifact.network_registers import NETWORK_LAYER, mac_kernel
from elasticdf.errors import UserError

TABLE_STRIDE = 8
"""Bytes between two rows of the socket table and of the MAC table."""

RX_LINK = 1 << 0
RX_ALIGNED = 1 << 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """A compute unit with registers.

    Attributes:
        kernel: Name of the kernel.
        unit: Name of the compute unit.
        offsets: Byte offset of each register, by argument name.
    """

    kernel: str
    unit: str
    offsets: Mapping[str, int]

    def offset(self, register: str) -> int:
        """Return a register's offset.

        Raises:
            UserError: The binary's metadata does not name it.
        """
        try:
            return self.offsets[register]
        except KeyError:
            raise UserError(
                f"compute unit {self.unit}: the binary's metadata names no register {register!r}, "
                f"it names {', '.join(sorted(self.offsets)) or 'none'}; "
                "link the binary with VNx's own kernels"
            ) from None


@dataclass(frozen=True, slots=True, kw_only=True)
class PortInstances:
    """The two compute units behind one network port."""

    network: Instance
    cmac: Instance


def instances(binary: Xclbin) -> Mapping[str, Instance]:
    """Return every compute unit of a binary with its registers, by name of the unit."""
    metadata = binary.metadata
    offsets = {
        kernel.name: {argument.name: argument.offset for argument in kernel.arguments}
        for kernel in (metadata.kernels if metadata else ())
    }
    return {
        ip.compute_unit: Instance(
            kernel=ip.kernel, unit=ip.compute_unit, offsets=offsets.get(ip.kernel, {})
        )
        for ip in binary.ips
        if ip.compute_unit
    }


def port_instances(binary: Xclbin, qsfp: int) -> PortInstances | None:
    """Return the compute units of a network port, or None where the binary has none.

    A ``cmac_<n>`` kernel serves port n. Of several network layers the one whose unit ends in the
    same number belongs to it; a single one may have any name.
    """
    units = instances(binary).values()
    layers = [unit for unit in units if unit.kernel == NETWORK_LAYER]
    named = [unit for unit in layers if unit.unit.rpartition("_")[2] == str(qsfp)]
    chosen = named or (layers if len(layers) == 1 else [])
    cmacs = [unit for unit in units if unit.kernel == mac_kernel(qsfp)]
    return PortInstances(network=chosen[0], cmac=cmacs[0]) if chosen and cmacs else None


def ip_number(address: str) -> int:
    """Return an IPv4 address as the 32-bit number of the ``ip_address`` register.

    >>> hex(ip_number("192.168.0.5"))
    '0xc0a80005'
    """
    return int(ipaddress.IPv4Address(address))


def mac_number(address: str) -> int:
    """Return a MAC address as a 48-bit number.

    >>> hex(mac_number("00:0a:35:02:9d:e5"))
    '0xa35029de5'
    """
    return int(address.replace(":", ""), 16)


def swapped_ip(number: int) -> int:
    """Return an IPv4 number in the byte order of the ARP table.

    >>> hex(swapped_ip(0xC0A80005))
    '0x500a8c0'
    """
    return int.from_bytes(number.to_bytes(4, "big"), "little")


def swapped_mac(number: int) -> int:
    """Return a MAC number in the byte order of the ARP table."""
    return int.from_bytes(number.to_bytes(6, "big"), "little")
