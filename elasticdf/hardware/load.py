"""Board files: TOML into checked `Board` records.

A file says for every number where it comes from (``source``); a table without is refused, as are
unknown keys, negative amounts and references to nothing. Hostile files get a sentence too.
"""

from __future__ import annotations

import difflib
import json
from dataclasses import dataclass, fields
from functools import lru_cache
from importlib.resources import files
from typing import Any

from elasticdf.documents import parse_toml
from elasticdf.errors import UserError, located
from elasticdf.hardware.board import (
    Board,
    Boundary,
    BuildFlow,
    Die,
    HostLink,
    MemoryBank,
    MemoryController,
    MemoryKind,
    NetworkPort,
    Shell,
    check_board,
)
from elasticdf.ir import Resources
from elasticdf.records import decode, expect_table
from elasticdf.units import parse_rate_bits_per_second

_FOLDER = files("elasticdf.hardware") / "boards"
_NAME_LIMIT = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class _Amount:
    lut: int
    ff: int
    bram18: int
    uram: int
    dsp: int

    def resources(self) -> Resources:
        return Resources(lut=self.lut, ff=self.ff, bram18=self.bram18, uram=self.uram, dsp=self.dsp)


@dataclass(frozen=True, slots=True, kw_only=True)
class _DieTable:
    name: str
    capacity: _Amount
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _BoundaryTable:
    dies: tuple[str, str]
    sll_wires: int
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _MemoryTable:
    """``count`` banks of one kind, tagged ``<tag>[<first>]`` and so on."""

    tag: str
    kind: MemoryKind
    dies: tuple[str, ...]
    size_kib: int
    bandwidth: str
    source: str
    first: int = 0
    count: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class _ControllerTable:
    die: str
    banks: tuple[str, ...]
    resources: _Amount
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _PortTable:
    number: int
    die: str
    rate: str
    sockets: int
    resources: _Amount
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _ShellTable:
    name: str
    version: str
    oldest_tool: str
    newest_tool: str
    per_kernel_clocks: bool
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _HostTable:
    to_board: str
    from_board: str
    transfer_latency_us: float
    launch_latency_us: float
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _LimitsTable:
    compute_units: int
    interfaces_per_bank: int
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _BoardTable:
    vendor: str
    part: str
    has_uram: bool
    dsp58: bool
    series7: bool
    flow: BuildFlow
    source: str
    die: tuple[_DieTable, ...]
    memory: tuple[_MemoryTable, ...]
    shell: tuple[_ShellTable, ...]
    host: _HostTable
    limits: _LimitsTable
    finn_name: str | None = None
    network_ip: str | None = None
    boundary: tuple[_BoundaryTable, ...] = ()
    controller: tuple[_ControllerTable, ...] = ()
    port: tuple[_PortTable, ...] = ()


def board_names() -> tuple[str, ...]:
    """Return the names of the known boards, sorted."""
    return tuple(
        sorted(
            entry.name.removesuffix(".toml")
            for entry in _FOLDER.iterdir()
            if entry.name.endswith(".toml")
        )
    )


def default_board() -> str:
    """Return the name of the board that estimates are for unless another is asked for."""
    return str(json.loads((_FOLDER / "default.json").read_text(encoding="utf-8"))["board"])


@lru_cache(maxsize=32)
def load_board(name: str) -> Board:
    """Return the board of that name.

    Raises:
        UserError: No such board; the message suggests the nearest name.
    """
    known = board_names()
    if name not in known:
        close = difflib.get_close_matches(name.lower()[:_NAME_LIMIT], known, n=1)
        hint = f"did you mean {close[0]}?" if close else f"known boards: {', '.join(known)}"
        raise UserError(f"board {name[:_NAME_LIMIT]!r} is not known; {hint}")
    file = f"{name}.toml"
    return read_board(name, (_FOLDER / file).read_bytes(), file)


def read_board(name: str, content: bytes, where: str) -> Board:
    """Return the board a file describes.

    Args:
        name: Of the board.
        content: The file's bytes.
        where: Its name, for messages.

    Raises:
        UserError: The file is not TOML, or says something that cannot be.
    """
    document = expect_table(parse_toml(content, where), where)
    _refuse_negative(document, where)
    table = decode(_BoardTable, document, where)
    board = _board(name, table, where)
    check_board(board, where)
    return board


def _refuse_negative(value: Any, where: str) -> None:
    if isinstance(value, dict):
        for key, item in value.items():
            _refuse_negative(item, f"{where}, {key}")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            _refuse_negative(item, f"{where}[{index}]")
    elif isinstance(value, (int, float)) and not 0 <= value < 1 << 63:
        raise UserError(f"{where} is {str(value)[:40]}; amounts are 0 to 2^63-1")


def _board(name: str, table: _BoardTable, where: str) -> Board:
    return Board(
        name=name,
        finn_name=table.finn_name,
        vendor=table.vendor,
        part=table.part,
        has_uram=table.has_uram,
        dsp58=table.dsp58,
        series7=table.series7,
        flow=table.flow,
        dies=tuple(Die(name=d.name, capacity=d.capacity.resources()) for d in table.die),
        boundaries=tuple(Boundary(dies=b.dies, sll_wires=b.sll_wires) for b in table.boundary),
        memory=tuple(bank for entry in table.memory for bank in _banks(entry, where)),
        controllers=tuple(_controllers(table, where)),
        ports=tuple(
            NetworkPort(
                number=p.number,
                die=p.die,
                rate_bits_per_second=_rate(p.rate, f"{where}, port {p.number}"),
                resources=p.resources.resources(),
                sockets=p.sockets,
            )
            for p in sorted(table.port, key=lambda port: port.number)
        ),
        network_ip=table.network_ip,
        shells=tuple(
            Shell(**{field.name: getattr(shell, field.name) for field in fields(Shell)})
            for shell in table.shell
        ),
        host_link=HostLink(
            to_board_bits_per_second=_rate(table.host.to_board, f"{where}, host"),
            from_board_bits_per_second=_rate(table.host.from_board, f"{where}, host"),
            transfer_latency_seconds=table.host.transfer_latency_us / 1e6,
            launch_latency_seconds=table.host.launch_latency_us / 1e6,
        ),
        max_compute_units=table.limits.compute_units,
        max_interfaces_per_bank=table.limits.interfaces_per_bank,
    )


def _banks(entry: _MemoryTable, where: str) -> tuple[MemoryBank, ...]:
    if entry.count > 256:
        raise UserError(f"{where}, memory {entry.tag}: count is {entry.count}; at most 256")
    return tuple(
        MemoryBank(
            tag=f"{entry.tag}[{index}]",
            kind=entry.kind,
            dies=entry.dies,
            size_bytes=entry.size_kib << 10,
            bandwidth_bits_per_second=_rate(entry.bandwidth, f"{where}, memory {entry.tag}"),
        )
        for index in range(entry.first, entry.first + entry.count)
    )


def _controllers(table: _BoardTable, where: str) -> tuple[MemoryController, ...]:
    tags = [bank.tag for entry in table.memory for bank in _banks(entry, where)]
    found = []
    for controller in table.controller:
        banks = tuple(tag for tag in tags if _covers(controller.banks, tag))
        if not banks:
            raise UserError(f"{where}: controller of {', '.join(controller.banks)} has no bank")
        found.append(
            MemoryController(
                die=controller.die, banks=banks, resources=controller.resources.resources()
            )
        )
    return tuple(found)


def _covers(patterns: tuple[str, ...], tag: str) -> bool:
    return any(pattern in (tag, tag.partition("[")[0]) for pattern in patterns)


def _rate(text: str, where: str) -> int:
    with located(where):
        return parse_rate_bits_per_second(text)
