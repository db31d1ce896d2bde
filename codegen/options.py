"""The build options file: what concerns building and linking, not the plan.

A TOML file, given to ``partition`` once with ``--build-options``. Every key has a default, which is
also what holds without a file. Refuses unknown keys and values that the tools would refuse later.
"""

from __future__ import annotations

import ipaddress
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from codegen.addressing import Addressing
from codegen.finn.emit import FifoDepths
from codegen.render import ini
from codegen.vitis.link import LinkOptions
from elasticdf.errors import UserError
from elasticdf.records import decode, encode
from elasticdf.units import parse_frequency_hz

_SEPARATORS = (".", ",")


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkTable:
    """Table ``[network]``.

    Attributes:
        subnet: First three octets of the /24 of all ports.
        rsfec: Whether forward error correction is on at every port.
    """

    subnet: str = Addressing().subnet
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

    fifo_depths: FifoDepths = FifoDepths.SIZED


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildOptions:
    """The whole file."""

    network: NetworkTable = field(default_factory=NetworkTable)
    vitis: VitisTable = field(default_factory=VitisTable)
    finn: FinnTable = field(default_factory=FinnTable)

    @property
    def addressing(self) -> Addressing:
        """What the deployment needs."""
        return Addressing(subnet=self.network.subnet, rsfec=self.network.rsfec)

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
    try:
        document = tomllib.loads(content.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UserError(f"{where} is not TOML: {error}") from error
    options = decode(BuildOptions, _with_defaults(document), where)
    checks: tuple[tuple[str, Callable[[], object]], ...] = (
        ("network, subnet", lambda: _check_subnet(options.network.subnet)),
        ("vitis, separator", lambda: _check_separator(options.vitis.separator)),
        ("vitis, network_clock", lambda: parse_frequency_hz(options.vitis.network_clock)),
        ("vitis, strategy", lambda: ini(options.vitis.strategy)),
        ("vitis, properties", lambda: _check_properties(options.vitis.properties)),
    )
    for key, check in checks:
        try:
            check()
        except UserError as error:
            raise UserError(f"{where}, {key}: {error}") from error
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
