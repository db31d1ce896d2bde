"""Lint rules about binaries and about what the description asks of them.

Every table is read once, safely; what cannot be read is noted and counts as empty. Nothing here
looks at links or the manifest.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import TypeAlias, TypeVar

from elasticdf.artifact import axlf
from elasticdf.artifact.bitstream import Argument, Bitstream, Directive, KernelObject
from elasticdf.artifact.kernel_metadata import Metadata, Qualifier
from elasticdf.artifact.lint_tar import Note
from elasticdf.artifact.sections import Connection, Ip, IpType, MemoryBank
from elasticdf.artifact.tarwalk import TarEntry
from elasticdf.errors import UserError

MAX_COMPUTE_UNITS = 60

Value = TypeVar("Value")


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What a binary says of itself.

    Attributes:
        name: Of its tar entry.
        uuid: Hexadecimal.
        interface: Interface UUID, hexadecimal.
        platform: VBNV name.
        memories: By memory index.
        ips: By IP index.
        connections: Of arguments to memories.
        metadata: Of the kernels, or None.
        offset: Memory index over all boards of its first bank.
    """

    name: str
    uuid: str
    interface: str
    platform: str
    memories: tuple[MemoryBank, ...]
    ips: tuple[Ip, ...]
    connections: tuple[Connection, ...]
    metadata: Metadata | None
    offset: int

    @cached_property
    def units(self) -> Mapping[str, int]:
        """IP index of every compute unit, by its name."""
        return {ip.compute_unit: i for i, ip in enumerate(self.ips) if ip.type == IpType.KERNEL}

    @cached_property
    def kernels(self) -> Mapping[str, tuple[str, ...]]:
        """Names of the compute units of every kernel, by its name."""
        found: dict[str, tuple[str, ...]] = {}
        for unit, index in self.units.items():
            kernel = self.ips[index].kernel
            found[kernel] = (*found.get(kernel, ()), unit)
        return found

    @cached_property
    def wires(self) -> Mapping[tuple[int, int], tuple[int, ...]]:
        """Memory indices that an (IP index, argument) is connected to."""
        found: dict[tuple[int, int], tuple[int, ...]] = {}
        for row in self.connections:
            end = (row.ip, row.argument)
            found[end] = (*found.get(end, ()), row.memory)
        return found


Owner: TypeAlias = tuple[Facts, str]
"""A binary and the name of one of its compute units."""


def read_facts(entries: Sequence[TarEntry], notes: list[Note]) -> tuple[Facts, ...]:
    """Return what each entry says; entries that are no xclbin are noted and left out."""
    facts: list[Facts] = []
    offset = 0
    for entry in entries:
        try:
            xclbin = axlf.parse(entry.content, entry.name)
        except UserError as error:
            notes.append(("xclbin-invalid", str(error)))
            continue
        facts.append(_facts(xclbin, offset, notes))
        offset += len(facts[-1].memories)
    return tuple(facts)


def _facts(xclbin: axlf.Xclbin, offset: int, notes: list[Note]) -> Facts:
    def attempt(read: Callable[[], Value], otherwise: Value, code: str) -> Value:
        try:
            return read()
        except UserError as error:
            notes.append((code, str(error)))
            return otherwise

    return Facts(
        name=xclbin.name,
        uuid=xclbin.uuid,
        interface=xclbin.header.interface_uuid.hex(),
        platform=xclbin.platform,
        memories=attempt(lambda: xclbin.memories, (), "xclbin-table"),
        ips=attempt(lambda: xclbin.ips, (), "xclbin-table"),
        connections=attempt(lambda: xclbin.connections, (), "xclbin-table"),
        metadata=attempt(lambda: xclbin.metadata, None, "xclbin-metadata"),
        offset=offset,
    )


def binary_notes(facts: Sequence[Facts]) -> Iterator[Note]:
    """Yield what is wrong with the binaries, taken alone."""
    for one in facts:
        units = len(one.units)
        found = (
            ("xclbin-no-memories", not one.memories, "has no memory topology"),
            ("xclbin-no-kernels", not units, "has no compute units"),
            ("xclbin-no-uuid", not one.uuid.strip("0"), "has the UUID zero"),
            ("xclbin-metadata", one.metadata is None, "has no kernel metadata"),
            ("xclbin-too-many-units", units > MAX_COMPUTE_UNITS, f"has {units} compute units"),
        )
        yield from ((code, f"{one.name} {what}") for code, wrong, what in found if wrong)
        for row, connection in enumerate(one.connections):
            if not _inside(one, connection):
                yield (
                    "xclbin-connectivity",
                    f"{one.name}, connection {row}: ip {connection.ip} of {len(one.ips)}, "
                    f"memory {connection.memory} of {len(one.memories)}",
                )
    for uuid, count in Counter(one.uuid for one in facts).items():
        if count > 1 and uuid.strip("0"):
            yield "xclbin-same-uuid", f"{count} binaries have the UUID {uuid}"


def _inside(one: Facts, connection: Connection) -> bool:
    return 0 <= connection.ip < len(one.ips) and 0 <= connection.memory < len(one.memories)


def platform_notes(bitstream: Bitstream, facts: Sequence[Facts]) -> Iterator[Note]:
    """Yield where binaries and the description's platform disagree."""
    boards = _platform_boards(bitstream.platform.name)
    if len(boards) != len(facts):
        yield (
            "platform-board-count",
            f"platform {bitstream.platform.name} means {len(boards)} board(s), the archive has "
            f"{len(facts)} binaries",
        )
        return
    shells: dict[str, Facts] = {}
    for board, one in zip(boards, facts, strict=True):
        if one.platform and not _names(one.platform, board):
            yield "platform-board", f"{one.name} is linked for {one.platform}, not for {board}"
        version = bitstream.platform.version
        if one.platform and not any(_fits(one.platform, part) for part in version.split("+")):
            yield "platform-version", f"{one.name} is linked for {one.platform}, not for {version}"
        first = shells.setdefault(board, one)
        if (first.platform, first.interface) != (one.platform, one.interface):
            yield (
                "platform-shell",
                f"{first.name} is linked for {_shell(first)}, {one.name} for {_shell(one)}",
            )


def _names(platform: str, board: str) -> bool:
    """Whether some words of a platform's name, one after another, spell the board's."""
    words = re.findall(r"[a-z0-9]+", platform.lower())
    wanted = "".join(re.findall(r"[a-z0-9]+", board.lower()))
    runs = combinations(range(len(words) + 1), 2)
    return any("".join(words[start:end]) == wanted for start, end in runs)


def _fits(platform: str, version: str) -> bool:
    """Whether the words of a shell's version occur in the platform's name; filler words may not."""
    words = set(re.findall(r"[a-z0-9]+", platform.lower()))
    return all(
        word in words or not any(letter.isdigit() for letter in word)
        for word in re.findall(r"[a-z0-9]+", version.lower())
    )


def _shell(one: Facts) -> str:
    return f"{one.platform or 'no named shell'} ({one.interface[:12]})"


def _platform_boards(name: str) -> list[str]:
    """``2xu280+1xu50`` means u280, u280, u50; ``u280`` means itself."""
    boards: list[str] = []
    for part in name.split("+"):
        count, mark, board = part.partition("x")
        if mark and count.isdecimal() and len(count) < 5:
            boards += [board] * int(count)
        else:
            boards.append(part)
    return boards


def directive_notes(bitstream: Bitstream, facts: Sequence[Facts]) -> Iterator[Note]:
    """Yield every directive, argument and memory that the binaries cannot honour."""
    by_name = {one.name: one for one in reversed(facts)}
    for kernel in bitstream.kernels:
        owners: list[Owner | None] = []
        for directive in kernel.directives:
            note, owner = _resolve(directive, by_name)
            owners.append(owner)
            if note is not None:
                yield note
        if not kernel.says_who_takes_what:
            yield "argument-index", f"kernel {kernel.kernel_id} has an argument without index"
            continue
        yield from _argument_notes(kernel, owners)
        for order, argument in enumerate(kernel.arguments):
            yield from _memory_notes(kernel, order, argument, owners, facts)


def _resolve(directive: Directive, by_name: dict[str, Facts]) -> tuple[Note | None, Owner | None]:
    one = by_name.get(directive.entry)
    if one is None:
        names = ", ".join(sorted(by_name)) or "none"
        what = f"directive {directive}: entry {directive.entry!r} is not among {names}"
        return ("directive-entry", what), None
    units = one.kernels.get(directive.function, ())
    if not units:
        what = f"directive {directive}: {one.name} has no kernel {directive.function}"
        return ("directive-kernel", what), None
    unit = directive.compute_unit or units[0]
    if unit in units:
        return None, (one, unit)
    what = f"directive {directive}: {one.name} has no compute unit {directive.compute_unit}"
    return ("directive-unit", what), None


def _argument_notes(kernel: KernelObject, owners: Sequence[Owner | None]) -> Iterator[Note]:
    for unit, (directive, owner) in enumerate(zip(kernel.directives, owners, strict=True)):
        document = owner[0].metadata if owner else None
        metadata = document.kernel(directive.function) if document else None
        if metadata is None:
            continue
        wanted = {
            a.id: a.qualifier == Qualifier.GLOBAL
            for a in metadata.arguments
            if a.id is not None and a.qualifier in (Qualifier.GLOBAL, Qualifier.SCALAR)
        }
        given = {at: kernel.arguments[order].is_array for at, order in kernel.call_of(unit)}
        if wanted != given:
            yield (
                "argument-position",
                f"kernel {kernel.kernel_id}, {directive}: the call gives {_call(given)}, "
                f"the kernel takes {_call(wanted)}",
            )


def _call(arguments: dict[int, bool]) -> str:
    words = [f"{'array' if array else 'scalar'} at {at}" for at, array in sorted(arguments.items())]
    return ", ".join(words) or "nothing"


def _memory_notes(
    kernel: KernelObject,
    order: int,
    argument: Argument,
    owners: Sequence[Owner | None],
    facts: Sequence[Facts],
) -> Iterator[Note]:
    where = f"kernel {kernel.kernel_id}, argument {order} ({argument.name or argument.type})"
    if not argument.is_array:
        if argument.memory is not None:
            yield "memory-on-scalar", f"{where}: a scalar has memory {argument.memory}"
        return
    index = argument.memory or 0
    holder = next((f for f in facts if 0 <= index - f.offset < len(f.memories)), None)
    if holder is None:
        count = sum(len(f.memories) for f in facts)
        yield "memory-range", f"{where}: memory {index}, the boards have {count} together"
        return
    bank = holder.memories[index - holder.offset]
    if not bank.used:
        yield "memory-unused", f"{where}: memory {index} is {bank.tag} of {holder.name}, unused"
    for unit, owner in enumerate(owners):
        position = argument.index[unit] if argument.index else order
        if owner is not None and position is not None:
            yield from _reach_notes(where, index, holder, owner, position)


def _reach_notes(
    where: str, index: int, holder: Facts, owner: Owner, position: int
) -> Iterator[Note]:
    one, unit = owner
    if one.name != holder.name:
        yield (
            "memory-board",
            f"{where}: memory {index} is on {holder.name}, compute unit {unit} on {one.name}",
        )
        return
    banks = one.wires.get((one.units[unit], position), ())
    if banks and index - holder.offset not in banks:
        yield (
            "memory-connection",
            f"{where}: memory {index}, compute unit {unit} is wired to "
            f"{', '.join(str(bank + holder.offset) for bank in banks)}",
        )
