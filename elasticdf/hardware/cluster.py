"""Clusters: which boards there are and how their network ports are joined.

A target is read from a short form (``2xu280+1xu50``, ``autoxu280``) or a cluster file. Refuses
counts no rack holds, ports used twice, cables from a board to itself, and anything misspelt.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypeAlias

from elasticdf.documents import parse_toml, read_limited
from elasticdf.errors import UserError, located
from elasticdf.hardware.board import Board
from elasticdf.hardware.load import load_board
from elasticdf.records import decode
from elasticdf.units import parse_rate_bits_per_second

MAX_BOARDS = 64
"""Every network port needs its own last octet in one /24 (VNx's ARP table): 2 x 64 still fits."""

PortId: TypeAlias = tuple[int, int]
"""A board id and the number of one of its network ports."""

_MOST_BYTES = 1 << 20

_PART = re.compile(r"(?:(?P<count>\d{1,9}|auto)x)?(?P<board>[A-Za-z0-9_-]{1,40})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cable:
    """A direct connection of two network ports, full duplex; the rate is of one direction."""

    ends: tuple[PortId, PortId]
    rate_bits_per_second: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Switch:
    """Network ports that all reach each other; the rate is of each attachment and direction."""

    ports: tuple[PortId, ...]
    rate_bits_per_second: int


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """Boards and what joins them.

    Attributes:
        name: For people and files: the target as given, or the cluster file's name.
        boards: The position is the board's id.
        cables: Direct connections.
        switches: Ports joined by a switch.
        routes_through: Whether a board may pass on streams between two others.
    """

    name: str
    boards: tuple[Board, ...]
    cables: tuple[Cable, ...] = ()
    switches: tuple[Switch, ...] = ()
    routes_through: bool = False

    @cached_property
    def joined_ports(self) -> tuple[tuple[PortId, PortId, int], ...]:
        """Every ordered pair of ports that reach each other, with the rate in bit/s."""
        pairs = [(c.ends[0], c.ends[1], c.rate_bits_per_second) for c in self.cables]
        for switch in self.switches:
            pairs += [
                (a, b, switch.rate_bits_per_second)
                for index, a in enumerate(switch.ports)
                for b in switch.ports[index + 1 :]
                if a[0] != b[0]
            ]
        return tuple(sorted([*pairs, *((b, a, rate) for a, b, rate in pairs)]))

    def require_network(self, mode: str) -> None:
        """Check that every board can be reached over the network.

        Args:
            mode: What asks for it, for the message.

        Raises:
            UserError: A board hangs loose.
        """
        reached = {0}
        for _ in self.boards:
            reached |= {b[0] for a, b, _rate in self.joined_ports if a[0] in reached}
        for number, board in enumerate(self.boards):
            if number not in reached:
                reason = (
                    "nothing connects it to board 0; add a cable or a switch"
                    if board.ports and self.boards[0].ports
                    else "kernels on it or on board 0 can reach no network port"
                )
                raise UserError(
                    f"target {self.name}, mode {mode}: board {number} ({board.name}) cannot take "
                    f"part: {reason}, or use mode dp or sw"
                )


@dataclass(frozen=True, slots=True, kw_only=True)
class AutoTarget:
    """As few boards of one kind as meet a goal."""

    board: Board

    def cluster(self, count: int) -> Cluster:
        """Return the cluster of that many boards, joined as `parse_target` would."""
        return implied_cluster(f"{count}x{self.board.name}", (self.board,) * count)


def parse_target(text: str, *, port: int | None = None) -> Cluster | AutoTarget:
    """Return what a target names.

    Args:
        text: ``u250``, ``2xu280``, ``2xu280+1xu50``, ``autoxu280`` or the path of a cluster file.
        port: Network port at which boards are joined where no file says so; their first by default.

    Raises:
        UserError: It names nothing sensible.
    """
    if text.endswith(".toml") or "/" in text:
        return load_cluster(Path(text))
    parts = [_part(part, text) for part in text.split("+")]
    if any(count is None for count, _ in parts):
        if len(parts) > 1:
            raise UserError(f"target {_short(text)}: auto takes one kind of board, as in autoxu280")
        return AutoTarget(board=parts[0][1])
    _refuse_count(sum(count or 0 for count, _ in parts), text)
    return implied_cluster(
        text, tuple(b for count, board in parts for b in (board,) * (count or 0)), port
    )


def implied_cluster(name: str, boards: tuple[Board, ...], port: int | None = None) -> Cluster:
    """Return the cluster that a bare list of boards means.

    Two boards are joined by one cable, more by a switch, at each board's first network port or at
    the one of that number. Boards whose kernels reach no such port stay unconnected.
    """
    joined = [
        (i, next((p for p in board.ports if port in (None, p.number)), None))
        for i, board in enumerate(boards)
    ]
    ends = tuple((i, found.number) for i, found in joined if found is not None)
    rates = [found.rate_bits_per_second for _, found in joined if found is not None]
    if len(ends) < 2:
        return Cluster(name=name, boards=boards)
    if len(boards) == 2:
        cable = Cable(ends=(ends[0], ends[1]), rate_bits_per_second=min(rates))
        return Cluster(name=name, boards=boards, cables=(cable,))
    return Cluster(
        name=name, boards=boards, switches=(Switch(ports=ends, rate_bits_per_second=min(rates)),)
    )


def _part(part: str, text: str) -> tuple[int | None, Board]:
    match = _PART.fullmatch(part.strip())
    if match is None:
        raise UserError(
            f"target {_short(text)}: {_short(part)} is not <count>x<board>, for example 2xu280"
        )
    board = load_board(match["board"])
    if match["count"] == "auto":
        return None, board
    count = int(match["count"] or 1)
    _refuse_count(count, text)
    return count, board


def _refuse_count(count: int, text: str) -> None:
    if not 1 <= count <= MAX_BOARDS:
        raise UserError(f"target {_short(text)} asks for {count} boards; 1 to {MAX_BOARDS} can be")


def _short(text: str) -> str:
    return repr(text if len(text) <= 60 else f"{text[:57]}...")


@dataclass(frozen=True, slots=True, kw_only=True)
class _BoardEntry:
    board: str
    count: int = 1
    clock: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _CableEntry:
    ends: tuple[tuple[int, int], tuple[int, int]]
    rate: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _SwitchEntry:
    ports: tuple[tuple[int, int], ...]
    rate: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _ClusterFile:
    board: tuple[_BoardEntry, ...]
    cable: tuple[_CableEntry, ...] = ()
    switch: tuple[_SwitchEntry, ...] = ()
    routes_through: bool = False
    name: str | None = None


def load_cluster(path: Path) -> Cluster:
    """Return the cluster a TOML file describes.

    Raises:
        UserError: The file cannot be read or says something that cannot be.
    """
    where = str(path)
    content = read_limited(path, _MOST_BYTES)
    entry = decode(_ClusterFile, parse_toml(content, where), where)
    cluster = _cluster(entry, where, default_name=path.stem)
    _check_ports(cluster, where)
    return cluster


def _cluster(entry: _ClusterFile, where: str, *, default_name: str) -> Cluster:
    boards: list[Board] = []
    for index, board in enumerate(entry.board):
        if board.clock is not None:
            raise UserError(
                f"{where}, board[{index}]: clock {board.clock!r} is this board's own; frames pass "
                "all boards at one pace, so all have one clock: leave it out and give --clock"
            )
        if not 1 <= board.count <= MAX_BOARDS or len(boards) + board.count > MAX_BOARDS:
            raise UserError(
                f"{where}, board[{index}]: count is {board.count}; "
                f"a cluster has 1 to {MAX_BOARDS} boards"
            )
        with located(f"{where}, board[{index}]"):
            boards += [load_board(board.board)] * board.count
    if not boards:
        raise UserError(f"{where}: there is no [[board]]; add one")
    cables = []
    for index, cable in enumerate(entry.cable):
        with located(f"{where}, cable[{index}]"):
            rate = _rate(cable.rate, cable.ends, boards)
        cables.append(Cable(ends=cable.ends, rate_bits_per_second=rate))
    switches = []
    for index, switch in enumerate(entry.switch):
        with located(f"{where}, switch[{index}]"):
            rate = _rate(switch.rate, switch.ports, boards)
        switches.append(Switch(ports=switch.ports, rate_bits_per_second=rate))
    return Cluster(
        name=entry.name or default_name,
        boards=tuple(boards),
        cables=tuple(cables),
        switches=tuple(switches),
        routes_through=entry.routes_through,
    )


def _rate(text: str | None, ports: Iterable[PortId], boards: list[Board]) -> int:
    """Return the rate of a connection: as given, at most and by default its slowest port's."""
    limits = []
    for board, number in ports:
        if not 0 <= board < len(boards):
            raise UserError(f"board {board} does not exist; boards are 0 to {len(boards) - 1}")
        limits.append(boards[board].port(number).rate_bits_per_second)
    if len(limits) < 2:
        raise UserError(f"a switch joins at least two ports, found {len(limits)}; name another")
    rate = min(limits) if text is None else parse_rate_bits_per_second(text)
    if rate > min(limits):
        raise UserError(
            f"rate {text} is more than the slowest port's {min(limits)} bit/s; lower it"
        )
    return rate


def _check_ports(cluster: Cluster, where: str) -> None:
    for cable in cluster.cables:
        if cable.ends[0][0] == cable.ends[1][0]:
            raise UserError(
                f"{where}: a cable joins board {cable.ends[0][0]} with itself; name two boards"
            )
    seen: set[PortId] = set()
    for port in _all_ports(cluster):
        if port in seen:
            raise UserError(
                f"{where}: port {port[1]} of board {port[0]} is connected twice; remove one"
            )
        seen.add(port)


def _all_ports(cluster: Cluster) -> Iterator[PortId]:
    for cable in cluster.cables:
        yield from cable.ends
    for switch in cluster.switches:
        yield from switch.ports
