"""Setting up the network of a programmed set of boards: what the original runtime does, for any N.

Per port: forward error correction, addresses, socket table, static ARP entries, each read back;
then the link check. Everything comes from the manifest; register offsets from the binaries. Refuses
hardware with fewer sockets than the deployment needs.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from elasticdf.artifact.axlf import Xclbin
from elasticdf.artifact.deployment import Deployment, NetworkPort
from elasticdf.errors import UserError
from elasticdf.runtime.board import Board, Word
from elasticdf.runtime.failures import BoardError
from elasticdf.runtime.vnx_registers import (
    RX_LINK,
    TABLE_STRIDE,
    Instance,
    PortInstances,
    ip_number,
    mac_number,
    port_instances,
    swapped_ip,
    swapped_mac,
)

LINK_SECONDS = 5.0
"""How long a link may take to come up after the transceivers were configured."""

SETTLE_SECONDS = 0.01
_POLL_SECONDS = 0.05
_RSFEC_ON = (("rsfec_config_enable", 3), ("rsfec_config_ind_corr", 7))
_RSFEC_OFF = (("rsfec_config_enable", 0), ("rsfec_config_ind_corr", 0))
_RESET_PULSE = (("reset", 0xC000_0000), ("reset", 0))


@dataclass(frozen=True, slots=True, kw_only=True)
class LivePort:
    """A network port of a programmed board.

    Attributes:
        port: What it is to be.
        board: Where it is.
        units: The compute units behind it.
    """

    port: NetworkPort
    board: Board
    units: PortInstances


def live_ports(
    deployment: Deployment | None, boards: Mapping[int, Board], binaries: Mapping[int, Xclbin]
) -> tuple[LivePort, ...]:
    """Return the network ports in use, with their registers found by name.

    Raises:
        UserError: A binary lacks the network layer or the MAC of a port.
    """
    return tuple(
        LivePort(port=port, board=boards[port.board], units=_units(binaries[port.board], port))
        for port in (deployment.ports if deployment else ())
    )


def set_up_network(ports: Sequence[LivePort]) -> None:
    """Configure every network port and wait for the links.

    Raises:
        UserError: A network layer has too few sockets.
        BoardError: A register does not keep what was written, or a link stays down.
    """
    for live in ports:
        _set_up_port(live.board, live.port, live.units)
    _wait_for_links(ports)


def _units(binary: Xclbin, port: NetworkPort) -> PortInstances:
    units = port_instances(binary, port.qsfp)
    if units is None:
        raise UserError(
            f"{binary.name} has no network layer and MAC for port {port.qsfp} of board "
            f"{port.board}, which the manifest sets up; link them into the binary"
        )
    return units


def _set_up_port(board: Board, port: NetworkPort, units: PortInstances) -> None:
    layer = units.network
    count_word = Word(unit=layer.unit, offset=layer.offset("udp_number_sockets"))
    (count,) = board.read((count_word,))
    if any(socket.row >= count for socket in port.sockets):
        raise UserError(
            f"board {port.board} port {port.qsfp}: row {max(s.row for s in port.sockets)} of the "
            f"socket table is needed, the network layer has {count} rows; build it with more"
        )
    _set_rsfec(board, port, units.cmac)
    words = (
        *_addresses(layer, port),
        *_socket_table(layer, port, count),
        *_arp_entries(board, layer, port),
    )
    board.write(words)
    time.sleep(SETTLE_SECONDS)
    _read_back(board, port, words)


def _set_rsfec(board: Board, port: NetworkPort, cmac: Instance) -> None:
    if "rsfec_config_enable" not in cmac.offsets:
        if port.rsfec:
            raise UserError(
                f"board {port.board} port {port.qsfp}: forward error correction is wanted, the "
                "MAC has none; build it with RS-FEC or switch it off"
            )
        return
    steps = (*(_RSFEC_ON if port.rsfec else _RSFEC_OFF), *_RESET_PULSE)
    board.write(
        Word(unit=cmac.unit, offset=cmac.offset(name), value=value) for name, value in steps
    )


def _addresses(layer: Instance, port: NetworkPort) -> Iterator[Word]:
    mac = mac_number(port.mac)
    yield _word(layer, "mac_address", 0, mac & 0xFFFF_FFFF)
    yield _word(layer, "mac_address", 4, mac >> 32)
    yield _word(layer, "ip_address", 0, ip_number(port.ip))
    for register, address in (("gateway", port.gateway), ("ip_mask", port.mask)):
        if register in layer.offsets:  # the release of the original runtime has neither
            yield _word(layer, register, 0, ip_number(address))


def _socket_table(layer: Instance, port: NetworkPort, count: int) -> Iterator[Word]:
    """Write every row the hardware has, so that none is left from before."""
    rows = {socket.row: socket for socket in port.sockets}
    for row in range(count):
        socket = rows.get(row)
        values = (
            ("udp_theirIP_offset", ip_number(socket.their_ip) if socket else 0),
            ("udp_theirPort_offset", socket.their_port if socket else 0),
            ("udp_myPort_offset", socket.my_port if socket else 0),
            ("udp_valid_offset", int(socket.valid) if socket else 0),
        )
        for register, value in values:
            yield _word(layer, register, row * TABLE_STRIDE, value)


def _arp_entries(board: Board, layer: Instance, port: NetworkPort) -> tuple[Word, ...]:
    words: list[Word] = []
    entries = {ip_number(ip) & 0xFF: (ip_number(ip), mac_number(mac)) for ip, mac in port.arp}
    for entry, (ip, mac) in sorted(entries.items()):
        spelled = swapped_mac(mac)
        words += (
            _word(layer, "arp_ip_addr_offset", 4 * entry, swapped_ip(ip)),
            _word(layer, "arp_mac_addr_offset", TABLE_STRIDE * entry, spelled & 0xFFFF_FFFF),
            _word(layer, "arp_mac_addr_offset", TABLE_STRIDE * entry + 4, spelled >> 32),
        )
    flags = [_word(layer, "arp_valid_offset", 4 * at) for at in sorted({e // 4 for e in entries})]
    for flag, old in zip(flags, board.read(flags), strict=True):
        first = (flag.offset - layer.offset("arp_valid_offset")) // 4 * 4
        mine = sum(1 << 8 * place for place in range(4) if first + place in entries)
        words.append(Word(unit=flag.unit, offset=flag.offset, value=old | mine))
    return tuple(words)


def _word(layer: Instance, register: str, offset: int, value: int = 0) -> Word:
    return Word(unit=layer.unit, offset=layer.offset(register) + offset, value=value)


def _read_back(board: Board, port: NetworkPort, words: Iterable[Word]) -> None:
    final = {(word.unit, word.offset): word for word in words}
    for word, found in zip(final.values(), board.read(final.values()), strict=True):
        if found != word.value:
            raise BoardError(
                f"board {port.board} port {port.qsfp}: register {word.offset:#x} of {word.unit} "
                f"reads {found:#x} after {word.value:#x} was written; reset the board",
                board=port.board,
            )


def ports_down(ports: Sequence[LivePort]) -> tuple[NetworkPort, ...]:
    """Return the network ports whose MAC sees no link."""
    return tuple(live.port for live in ports if not _link_is_up(live.board, live.units.cmac))


def _link_is_up(board: Board, cmac: Instance) -> bool:
    status = Word(unit=cmac.unit, offset=cmac.offset("stat_rx_status"))
    board.read((status,))  # the bits are latched: the first read clears what was
    return bool(board.read((status,))[0] & RX_LINK)


def _wait_for_links(ports: Sequence[LivePort]) -> None:
    end = time.monotonic() + LINK_SECONDS
    while down := ports_down(ports):
        if time.monotonic() >= end:
            raise link_down_error(down[0])
        time.sleep(_POLL_SECONDS)


def link_down_error(port: NetworkPort) -> BoardError:
    """Return the error for a port without a link."""
    return BoardError(
        f"board {port.board} port {port.qsfp}: the MAC sees no link; check the cable, the peer and "
        "that both ends agree on RS-FEC",
        board=port.board,
    )
