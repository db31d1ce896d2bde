"""The build options file: what concerns building and linking, not the plan.

A TOML file, given to ``partition`` once with ``--build-options``. Every key has a default, which is
also what holds without a file. Refuses unknown keys and values that the tools would refuse later.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from codegen.addressing import Addressing
from codegen.finn.emit import FifoDepths
from codegen.render import ini
from codegen.vitis.link import LinkOptions
from elasticdf.documents import parse_toml
from elasticdf.errors import UserError, located
from elasticdf.records import decode, encode
from elasticdf.units import parse_frequency_hz

_SEPARATORS = (".", ",")
_MAC_PREFIX = re.compile(r"[0-9a-f][02468ace](:[0-9a-f]{2}){4}")
_PORT_ROOM = 4096
"""UDP ports kept for the links of a deployment, far more than sockets can serve."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkTable:
    """Table ``[network]``.

    Attributes:
        subnet: First three octets of the /24 of all ports.
        first_host: Last octet of the first port's address.
        mac_prefix: First five bytes of every MAC.
        source_port: First UDP port of senders.
        target_port: First UDP port of receivers.
        rsfec: Whether forward error correction is on at every port.
    """

    subnet: str = Addressing().subnet
    first_host: int = Addressing().first_host
    mac_prefix: str = Addressing().mac_prefix
    source_port: int = Addressing().source_port
    target_port: int = Addressing().target_port
    rsfec: bool = Addressing().rsfec


@dataclass(frozen=True, slots=True, kw_only=True)
class VitisTable:
    """Table ``[vitis]``.

    Attributes:
        separator: Between the compute units of one kernel in ``nk``.
        network_clock: Of the network layer, where the shell clocks kernels one by one.
        strategy: Vivado's implementation strategy.
        properties: Further ``prop=`` lines of ``[vivado]``.
    """

    separator: str = LinkOptions().separator
    network_clock: str = "300MHz"
    strategy: str = LinkOptions().strategy
    properties: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FinnTable:
    """Table ``[finn]``.

    Attributes:
        fifo_depths: Where the depths of FIFOs inside kernels come from.
    """

    fifo_depths: FifoDepths = FifoDepths.PLANNED


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildOptions:
    """The whole file."""

    network: NetworkTable = field(default_factory=NetworkTable)
    vitis: VitisTable = field(default_factory=VitisTable)
    finn: FinnTable = field(default_factory=FinnTable)

    @property
    def addressing(self) -> Addressing:
        """What the deployment needs."""
        table = self.network
        return Addressing(
            subnet=table.subnet,
            first_host=table.first_host,
            mac_prefix=table.mac_prefix,
            source_port=table.source_port,
            target_port=table.target_port,
            rsfec=table.rsfec,
        )

    @property
    def link(self) -> LinkOptions:
        """What link.cfg needs."""
        return LinkOptions(
            separator=self.vitis.separator,
            network_clock_hz=parse_frequency_hz(self.vitis.network_clock),
            strategy=self.vitis.strategy,
            properties=self.vitis.properties,
        )

    def to_json(self) -> dict[str, Any]:
        """Return the tables with every default filled in."""
        document: dict[str, Any] = encode(self)
        return document


def read_build_options(content: bytes, where: str) -> BuildOptions:
    """Return the options in a file.

    Args:
        content: Of the file.
        where: Its name, for messages.

    Raises:
        UserError: It is not TOML, holds an unknown key, or a value no tool would take.
    """
    options = decode(BuildOptions, _with_defaults(parse_toml(content, where)), where)
    network = options.network
    checks: tuple[tuple[str, Callable[[], object]], ...] = (
        ("network, subnet", lambda: _check_subnet(network.subnet)),
        ("network, first_host", lambda: _check_between(network.first_host, 2, 254)),
        ("network, mac_prefix", lambda: _check_mac_prefix(network.mac_prefix)),
        ("network, source_port", lambda: _check_udp_ports(network)),
        ("vitis, separator", lambda: _check_separator(options.vitis.separator)),
        ("vitis, network_clock", lambda: parse_frequency_hz(options.vitis.network_clock)),
        ("vitis, strategy", lambda: ini(options.vitis.strategy)),
        ("vitis, properties", lambda: _check_properties(options.vitis.properties)),
    )
    for key, check in checks:
        with located(f"{where}, {key}"):
            check()
    return options


def _with_defaults(document: Mapping[str, Any]) -> dict[str, Any]:
    """Put empty tables where the file has none."""
    return {**{name: {} for name in encode(BuildOptions())}, **document}


def _check_subnet(subnet: str) -> None:
    try:
        network = ipaddress.IPv4Network(f"{subnet}.0/24")
    except ValueError:
        network = None
    if network is None or str(network) != f"{subnet}.0/24" or not network.is_private:
        raise UserError(
            f"{subnet!r} is not the first three octets of a private network, for example "
            f"{Addressing().subnet}"
        )


def _check_between(value: int, lowest: int, highest: int) -> None:
    if not lowest <= value <= highest:
        raise UserError(f"{value} is not from {lowest} to {highest}")


def _check_mac_prefix(prefix: str) -> None:
    if _MAC_PREFIX.fullmatch(prefix) is None:
        raise UserError(
            f"{prefix!r} is not five bytes of an address of one port, for example "
            f"{Addressing().mac_prefix}"
        )


def _check_udp_ports(network: NetworkTable) -> None:
    for first in (network.source_port, network.target_port):
        _check_between(first, 1024, 65_536 - _PORT_ROOM)
    if abs(network.source_port - network.target_port) < _PORT_ROOM:
        raise UserError(
            f"source_port {network.source_port} and target_port {network.target_port} are closer "
            f"than {_PORT_ROOM}; every link has one of each"
        )


def _check_separator(separator: str) -> None:
    if separator not in _SEPARATORS:
        raise UserError(f"{separator!r} separates nothing for v++; use '.' (to 2022.1) or ','")


def _check_properties(properties: tuple[str, ...]) -> None:
    for text in properties:
        name, _, value = text.partition("=")
        if not (name and value):
            raise UserError(
                f"{text!r} is not NAME=VALUE, for example "
                "run.impl_1.STEPS.PLACE_DESIGN.ARGS.DIRECTIVE=Explore"
            )
        ini(text)
