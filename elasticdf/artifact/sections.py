"""The tables inside an xclbin: memories, compute units, connections, clocks.

Pure functions from bytes to records and back. A table that announces more entries than its bytes
hold is refused; strange values inside an entry are kept, because real files have them.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from elasticdf.errors import UserError

NO_ADDRESS = 0xFFFF_FFFF_FFFF_FFFF
"""Base address of a compute unit without registers."""

MAX_ROWS = 4096
"""Of a table; the vendor's tools write at most a few hundred."""

_COUNT = struct.Struct("<i")
_SHORT_COUNT = struct.Struct("<h")
_MEMORY = struct.Struct("<BB6xQQ16s")
_IP = struct.Struct("<IIQ64s")
_CONNECTION = struct.Struct("<iii")
_CLOCK = struct.Struct("<HB5x128s")


class MemoryType(IntEnum):
    """Memory types of xclbin.h."""

    DDR3 = 0
    DDR4 = 1
    DRAM = 2
    STREAMING = 3
    PREALLOCATED_GLOB = 4
    ARE = 5
    HBM = 6
    BRAM = 7
    URAM = 8
    STREAMING_CONNECTION = 9
    HOST = 10
    PS_KERNEL = 11


class IpType(IntEnum):
    """IP types of xclbin.h."""

    MB = 0
    KERNEL = 1
    DNASC = 2
    DDR4_CONTROLLER = 3
    MEM_DDR4 = 4
    MEM_HBM = 5
    MEM_HBM_ECC = 6
    PS_KERNEL = 7


class Control(IntEnum):
    """How a kernel is started; bits 8 to 15 of its properties."""

    AP_CTRL_HS = 0
    AP_CTRL_CHAIN = 1
    AP_CTRL_NONE = 2


class ClockType(IntEnum):
    """Clock types of xclbin.h."""

    UNUSED = 0
    DATA = 1
    KERNEL = 2
    SYSTEM = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryBank:
    """A row of MEM_TOPOLOGY.

    Attributes:
        type: See `MemoryType`.
        used: Whether a kernel is connected to it.
        size_kib: Capacity, KiB.
        base: Byte address.
        tag: ``HBM[0]``, ``bank1``.
    """

    type: int
    used: bool
    size_kib: int
    base: int
    tag: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ip:
    """A row of IP_LAYOUT.

    Attributes:
        type: See `IpType`.
        properties: Flags; see `control`.
        base: Byte address of its registers, or None.
        name: ``kernel:compute_unit`` for kernels.
    """

    type: int
    properties: int
    base: int | None
    name: str

    @property
    def kernel(self) -> str:
        """Name of the kernel."""
        return self.name.partition(":")[0]

    @property
    def compute_unit(self) -> str:
        """Name of the compute unit."""
        return self.name.partition(":")[2]

    @property
    def control(self) -> int:
        """How it is started; see `Control`."""
        return self.properties >> 8 & 0xFF


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """A row of CONNECTIVITY: an argument of an IP reaches a memory."""

    argument: int
    ip: int
    memory: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """A row of CLOCK_FREQ_TOPOLOGY."""

    mhz: int
    type: int
    name: str


def text(raw: bytes) -> str:
    """Return a C string from a fixed field that may lack its end; other bytes become '?'."""
    return raw.split(b"\0", 1)[0].decode("ascii", "replace").replace("\ufffd", "?")


def printable(words: str) -> str:
    """Return text that cannot steer a terminal; names in files are anybody's."""
    return "".join(letter if letter.isprintable() else "?" for letter in words)


def field(value: str, size: int, what: str) -> bytes:
    """Return a C string for a fixed field.

    Raises:
        UserError: It does not fit with its end, or is not ASCII.
    """
    if not value.isascii() or len(value) >= size or "\0" in value:
        raise UserError(
            f"{what} {value!r} does not fit an xclbin; use at most {size - 1} ASCII characters"
        )
    return value.encode("ascii").ljust(size, b"\0")


def _rows(
    content: bytes, where: str, count_form: struct.Struct, start: int, row: struct.Struct
) -> tuple[tuple[Any, ...], ...]:
    if not content:
        return ()
    if len(content) < start:
        raise UserError(f"{where}: {len(content)} bytes hold no table; build the binary again")
    (count,) = count_form.unpack_from(content)
    if count < 0 or start + count * row.size > len(content):
        raise UserError(
            f"{where}: {count} entries are announced, {len(content)} bytes hold at most "
            f"{(len(content) - start) // row.size}; build the binary again"
        )
    if count > MAX_ROWS:
        raise UserError(
            f"{where}: {count} entries, at most {MAX_ROWS} are read; build the binary again"
        )
    return tuple(row.unpack_from(content, start + index * row.size) for index in range(count))


def memory_topology(content: bytes, where: str) -> tuple[MemoryBank, ...]:
    """Decode MEM_TOPOLOGY or GROUP_TOPOLOGY."""
    return tuple(
        MemoryBank(type=kind, used=bool(used), size_kib=size, base=base, tag=text(tag))
        for kind, used, size, base, tag in _rows(content, where, _COUNT, 8, _MEMORY)
    )


def ip_layout(content: bytes, where: str) -> tuple[Ip, ...]:
    """Decode IP_LAYOUT."""
    return tuple(
        Ip(
            type=kind,
            properties=properties,
            base=None if base == NO_ADDRESS else base,
            name=text(name),
        )
        for kind, properties, base, name in _rows(content, where, _COUNT, 8, _IP)
    )


def connectivity(content: bytes, where: str) -> tuple[Connection, ...]:
    """Decode CONNECTIVITY or GROUP_CONNECTIVITY."""
    return tuple(
        Connection(argument=argument, ip=ip, memory=memory)
        for argument, ip, memory in _rows(content, where, _COUNT, 4, _CONNECTION)
    )


def clock_topology(content: bytes, where: str) -> tuple[Clock, ...]:
    """Decode CLOCK_FREQ_TOPOLOGY."""
    return tuple(
        Clock(mhz=mhz, type=kind, name=text(name))
        for mhz, kind, name in _rows(content, where, _SHORT_COUNT, 2, _CLOCK)
    )


def json_object(content: bytes, where: str) -> Mapping[str, Any]:
    """Decode a JSON section, with or without a closing NUL.

    Raises:
        UserError: It is not a JSON object.
    """
    try:
        document = json.loads(content.rstrip(b"\0").decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise UserError(f"{where}: it is not JSON ({error}); build the binary again") from error
    if not isinstance(document, dict):
        raise UserError(f"{where}: it is not a JSON object; build the binary again")
    return document


def pack_memory_topology(banks: Iterable[MemoryBank]) -> bytes:
    """Encode MEM_TOPOLOGY."""
    rows = [
        _MEMORY.pack(b.type, b.used, b.size_kib, b.base, field(b.tag, 16, "memory")) for b in banks
    ]
    return _COUNT.pack(len(rows)) + bytes(4) + b"".join(rows)


def pack_ip_layout(ips: Iterable[Ip]) -> bytes:
    """Encode IP_LAYOUT."""
    rows = [
        _IP.pack(
            ip.type,
            ip.properties,
            NO_ADDRESS if ip.base is None else ip.base,
            field(ip.name, 64, "compute unit"),
        )
        for ip in ips
    ]
    return _COUNT.pack(len(rows)) + bytes(4) + b"".join(rows)


def pack_connectivity(connections: Iterable[Connection]) -> bytes:
    """Encode CONNECTIVITY."""
    rows = [_CONNECTION.pack(c.argument, c.ip, c.memory) for c in connections]
    return _COUNT.pack(len(rows)) + b"".join(rows)


def pack_clock_topology(clocks: Iterable[Clock]) -> bytes:
    """Encode CLOCK_FREQ_TOPOLOGY."""
    rows = [_CLOCK.pack(c.mhz, c.type, field(c.name, 128, "clock")) for c in clocks]
    return _SHORT_COUNT.pack(len(rows)) + b"".join(rows)
