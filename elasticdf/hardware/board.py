"""Boards as records: dies, boundaries, memory, network ports, shells.

Plain facts with their consistency checks; where the numbers come from stands beside them in
``boards/*.toml``. Refuses boards whose parts contradict each other, in one sentence.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

from elasticdf.errors import UserError
from elasticdf.ir import Resources

_RELEASE = re.compile(r"(?P<year>20\d\d)\.(?P<number>[1-9])")

Key = TypeVar("Key")
Value = TypeVar("Value")


class MemoryKind(StrEnum):
    """What a memory bank is made of."""

    HBM = "HBM"
    DDR = "DDR"
    PLRAM = "PLRAM"
    HOST = "HOST"


class BuildFlow(StrEnum):
    """Which vendor flow makes the binary."""

    VITIS = "vitis"
    ZYNQ = "zynq"


@dataclass(frozen=True, slots=True, kw_only=True)
class Die:
    """A super logic region, or the whole fabric of a part that has only one.

    Attributes:
        name: Vendor's name (``SLR1``); unique on the board.
        capacity: Resources for kernels, the shell's own share already taken off.
    """

    name: str
    capacity: Resources


@dataclass(frozen=True, slots=True, kw_only=True)
class Boundary:
    """The wires between two neighbouring dies, shared by both directions.

    Attributes:
        dies: Names of the two.
        sll_wires: Wires that kernels can use.
    """

    dies: tuple[str, str]
    sll_wires: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryBank:
    """A memory bank kernels can be connected to.

    Attributes:
        tag: As v++ and the binary's memory topology spell it: ``HBM[3]``.
        kind: What it is made of.
        dies: Dies it is attached to.
        size_bytes: Capacity.
        bandwidth_bits_per_second: Peak.
    """

    tag: str
    kind: MemoryKind
    dies: tuple[str, ...]
    size_bytes: int
    bandwidth_bits_per_second: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryController:
    """Logic that is built as soon as one of its banks is used.

    Attributes:
        die: Where it is built.
        banks: Tags of the banks behind it.
        resources: What it takes from the die's capacity.
    """

    die: str
    banks: tuple[str, ...]
    resources: Resources


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkPort:
    """A network port that kernels can use.

    Attributes:
        number: As printed on the board and used in kernel names (``cmac_<number>``).
        die: Die of the transceivers, where MAC and network layer sit.
        rate_bits_per_second: Of the wire, one direction.
        resources: MAC and network stack, only if the port carries something.
        sockets: Rows of the socket table.
    """

    number: int
    die: str
    rate_bits_per_second: int
    resources: Resources
    sockets: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Shell:
    """A platform a binary can be linked for.

    Attributes:
        name: As ``v++ --platform`` takes it.
        version: As the orchestrator spells it (``xdma_201920.3``).
        oldest_tool: First Vitis release that supports it, ``2021.1``.
        newest_tool: Last one.
        per_kernel_clocks: Whether a clock can be set per compute unit (fixed-clock shells);
            otherwise all share the platform's first kernel clock.
    """

    name: str
    version: str
    oldest_tool: str
    newest_tool: str
    per_kernel_clocks: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class HostLink:
    """The way between host memory and board memory.

    Attributes:
        to_board_bits_per_second: Large transfers, measured.
        from_board_bits_per_second: The same the other way.
        transfer_latency_seconds: Of a small transfer.
        launch_latency_seconds: Of starting a kernel and seeing it end.
    """

    to_board_bits_per_second: int
    from_board_bits_per_second: int
    transfer_latency_seconds: float
    launch_latency_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """An FPGA board.

    Attributes:
        name: Of its data file; also the orchestrator's name of the board.
        finn_name: FINN's name of the board, or None if FINN does not know it.
        vendor: ``xilinx``.
        part: FPGA part.
        has_uram: Whether UltraRAM exists.
        dsp58: Whether the DSP is Versal's DSP58.
        series7: Whether it is a 7-series part.
        flow: Which vendor flow makes the binary.
        dies: Bottom first; the position is FINN's ``slr``.
        boundaries: Between neighbouring dies.
        memory: Banks, in the order of the binary's memory topology.
        controllers: Logic behind the banks.
        ports: Network ports; empty if kernels can reach none.
        network_ip: Folder of the network stack's IP inside VNx, or None without ports.
        shells: Newest first.
        host_link: Between host and board.
        max_compute_units: Of one binary.
        max_interfaces_per_bank: Kernel interfaces on one memory bank.
    """

    name: str
    finn_name: str | None
    vendor: str
    part: str
    has_uram: bool
    dsp58: bool
    series7: bool
    flow: BuildFlow
    dies: tuple[Die, ...]
    boundaries: tuple[Boundary, ...]
    memory: tuple[MemoryBank, ...]
    controllers: tuple[MemoryController, ...]
    ports: tuple[NetworkPort, ...]
    network_ip: str | None
    shells: tuple[Shell, ...]
    host_link: HostLink
    max_compute_units: int
    max_interfaces_per_bank: int

    @property
    def capacity(self) -> Resources:
        """Everything kernels can use, over all dies."""
        return Resources.total(die.capacity for die in self.dies)

    @property
    def shell(self) -> Shell:
        """The newest shell, which binaries are linked for unless another is asked for."""
        return self.shells[0]

    def shell_for(self, tool: str) -> Shell:
        """Return the newest shell that a Vitis release supports.

        Args:
            tool: The release, for example ``2022.1``.

        Raises:
            UserError: There is none, or this is no release.
        """
        release = _release(tool)
        for shell in self.shells:
            if _release(shell.oldest_tool) <= release <= _release(shell.newest_tool):
                return shell
        known = ", ".join(f"{s.name} ({s.oldest_tool} to {s.newest_tool})" for s in self.shells)
        raise UserError(f"board {self.name} has no shell for Vitis {tool}; it has {known}")

    def die(self, name: str) -> Die:
        """Return the die of that name.

        Raises:
            UserError: There is none.
        """
        return _pick("die", name, {die.name: die for die in self.dies}, self.name)

    def die_index(self, name: str) -> int:
        """Return the die's position, FINN's and v++'s SLR number."""
        return self.dies.index(self.die(name))

    def port(self, number: int) -> NetworkPort:
        """Return the network port of that number.

        Raises:
            UserError: There is none.
        """
        if not self.ports:
            raise UserError(
                f"board {self.name} has no network port that kernels can reach; "
                "use mode sw or dp, or another board"
            )
        return _pick("port", number, {port.number: port for port in self.ports}, self.name)

    def bank(self, tag: str) -> MemoryBank:
        """Return the memory bank of that tag.

        Raises:
            UserError: There is none.
        """
        return _pick("memory bank", tag, {bank.tag: bank for bank in self.memory}, self.name)

    @property
    def home_controller(self) -> MemoryController | None:
        """The logic behind the banks that host buffers use first, or None if none is needed.

        The smallest, then the lowest on the board: HBM where there is any, else the first DDR.
        """
        return min(
            self.controllers,
            key=lambda c: (c.resources.lut, self.die_index(c.die)),
            default=None,
        )


def _pick(kind: str, key: Key, table: dict[Key, Value], board: str) -> Value:
    if key not in table:
        known = ", ".join(str(name) for name in table)
        raise UserError(f"board {board} has no {kind} {key!r}; it has {known}")
    return table[key]


def _release(text: str) -> tuple[int, int]:
    match = _RELEASE.fullmatch(text)
    if match is None:
        raise UserError(f"Vitis release {text!r} is not a year and a number, for example 2022.2")
    return int(match["year"]), int(match["number"])


def check_board(board: Board, where: str) -> None:
    """Check that the parts of a board fit together.

    Args:
        board: As loaded.
        where: Start of every message: the file's name.

    Raises:
        UserError: A duplicate name, a reference to a missing die, dies that do not hang together.
    """
    dies = tuple(die.name for die in board.dies)
    _refuse_duplicates(where, "die", dies)
    _refuse_duplicates(where, "memory bank", (bank.tag for bank in board.memory))
    _refuse_duplicates(where, "port", (str(port.number) for port in board.ports))
    _refuse_duplicates(where, "shell", (shell.name for shell in board.shells))
    _refuse_duplicates(where, "boundary", ("-".join(sorted(b.dies)) for b in board.boundaries))
    references = (
        *((f"boundary {'-'.join(b.dies)}", die) for b in board.boundaries for die in b.dies),
        *((f"memory {bank.tag}", die) for bank in board.memory for die in bank.dies),
        *((f"port {port.number}", port.die) for port in board.ports),
        *((f"controller of {c.banks[0]}", c.die) for c in board.controllers),
    )
    for user, die in references:
        if die not in dies:
            raise UserError(
                f"{where}: {user} is on die {die!r}, which does not exist; dies: {', '.join(dies)}"
            )
    for boundary in board.boundaries:
        if boundary.dies[0] == boundary.dies[1]:
            raise UserError(f"{where}: boundary joins die {boundary.dies[0]!r} with itself")
    _check_connected(board, where)
    if board.ports and board.network_ip is None:
        raise UserError(f"{where}: there are network ports but no network_ip; add it")
    if not board.shells:
        raise UserError(f"{where}: there is no [[shell]]; add one")
    for shell in board.shells:
        if _release(shell.oldest_tool) > _release(shell.newest_tool):
            raise UserError(
                f"{where}, shell {shell.name}: oldest_tool {shell.oldest_tool} is newer than "
                f"newest_tool {shell.newest_tool}; swap them"
            )


def _refuse_duplicates(where: str, kind: str, names: Iterable[str]) -> None:
    for name, count in Counter(names).items():
        if count > 1:
            raise UserError(f"{where}: {kind} {name!r} is there {count} times; names are unique")


def _check_connected(board: Board, where: str) -> None:
    if not board.dies:
        raise UserError(f"{where}: there is no [[die]]; add one")
    reached = {board.dies[0].name}
    for _ in board.dies:
        for boundary in board.boundaries:
            if reached & set(boundary.dies):
                reached |= set(boundary.dies)
    for die in board.dies:
        if die.name not in reached:
            raise UserError(
                f"{where}: die {die.name!r} has no boundary towards {board.dies[0].name!r}; add it"
            )
