"""xclbin files (the ``axlf`` container): read, checked, written back byte for byte.

Refuses what contradicts itself (sections outside the file or on top of each other); takes as it
comes what real files show (missing sections, gaps, text without an end). Layout: XRT's xclbin.h.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import IntEnum
from pathlib import Path
from typing import Any

from elasticdf.artifact import sections as views
from elasticdf.artifact.blob import Blob
from elasticdf.artifact.kernel_metadata import Metadata, parse_metadata
from elasticdf.errors import UserError

MAGIC = b"xclbin2\0"
MAX_SECTIONS = 1024
MAX_TEXT_BYTES = 16 << 20
"""Largest table, XML or JSON section that is read into memory."""

_HEADER = struct.Struct("<8si28s256sQQQQHBBHH16s64s16s16sI4s")
_SECTION = struct.Struct("<I16s4sQQ")
_ALIGNMENT = 8


class SectionKind(IntEnum):
    """Section kinds of xclbin.h that we name; a file may hold others."""

    BITSTREAM = 0
    EMBEDDED_METADATA = 2
    DEBUG_DATA = 4
    MEM_TOPOLOGY = 6
    CONNECTIVITY = 7
    IP_LAYOUT = 8
    DEBUG_IP_LAYOUT = 9
    CLOCK_FREQ_TOPOLOGY = 11
    BUILD_METADATA = 14
    KEYVALUE_METADATA = 15
    USER_METADATA = 16
    PDI = 18
    PARTITION_METADATA = 20
    EMULATION_DATA = 21
    SYSTEM_METADATA = 22
    SOFT_KERNEL = 23
    GROUP_TOPOLOGY = 26
    GROUP_CONNECTIVITY = 27
    IP_METADATA = 33


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """The fields before the section table; raw bytes where no meaning is needed here.

    Attributes:
        signature_length: -1 where the file is not signed.
        unique_id: Of the build.
        length: Of the whole file, bytes.
        timestamp: Seconds since 1970.
        rom_timestamp: Of the platform.
        version: Patch, major, minor, as they lie in the file.
        mode: Kind of flow.
        action_mask: Flags for the loader.
        interface_uuid: Of the platform's interface.
        platform: VBNV name, 64 bytes, perhaps without an end.
        uuid: Of this binary.
    """

    signature_length: int = -1
    reserved: bytes = b"\xff" * 28
    key_block: bytes = b"\xff" * 256
    unique_id: int = 0
    length: int = 0
    timestamp: int = 0
    rom_timestamp: int = 0
    version: tuple[int, int, int] = (0, 2, 0)
    mode: int = 0
    action_mask: int = 0
    interface_uuid: bytes = bytes(16)
    platform: bytes = bytes(64)
    uuid: bytes = bytes(16)
    debug_bin: bytes = bytes(16)
    padding: bytes = bytes(4)

    def pack(self, section_count: int) -> bytes:
        """Return the 456 bytes of the file."""
        before = (self.signature_length, self.reserved, self.key_block, self.unique_id)
        times = (self.length, self.timestamp, self.rom_timestamp)
        names = (self.interface_uuid, self.platform, self.uuid, self.debug_bin)
        flags = (self.mode, self.action_mask)
        return _HEADER.pack(
            MAGIC, *before, *times, *self.version, *flags, *names, section_count, self.padding
        )

    @staticmethod
    def unpack(content: bytes) -> tuple[Header, int]:
        """Return the header and the number of sections it announces."""
        fields = _HEADER.unpack(content)
        header = Header(
            signature_length=fields[1],
            reserved=fields[2],
            key_block=fields[3],
            unique_id=fields[4],
            length=fields[5],
            timestamp=fields[6],
            rom_timestamp=fields[7],
            version=fields[8:11],
            mode=fields[11],
            action_mask=fields[12],
            interface_uuid=fields[13],
            platform=fields[14],
            uuid=fields[15],
            debug_bin=fields[16],
            padding=fields[18],
        )
        return header, fields[17]


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One section: what it is, where it lies, what it holds.

    Attributes:
        kind: Number of the kind; see `SectionKind`.
        name: 16 bytes, perhaps without an end.
        offset: In the file, bytes.
        content: Its bytes.
        padding: The 4 bytes nobody reads.
    """

    kind: int
    name: bytes
    offset: int
    content: Blob
    padding: bytes = bytes(4)

    @property
    def label(self) -> str:
        """The kind in words, for messages."""
        known = {kind.value: kind.name for kind in SectionKind}
        return known.get(self.kind, f"kind {self.kind}")

    def pack(self) -> bytes:
        """Return the 40 bytes of the section table."""
        return _SECTION.pack(self.kind, self.name, self.padding, self.offset, self.content.size)


@dataclass(frozen=True, slots=True, kw_only=True)
class Xclbin:
    """An xclbin file.

    Attributes:
        name: What to call it in messages.
        header: The fixed fields.
        sections: In the order of the section table.
        gaps: (offset, bytes) of everything no section covers: padding, the mirror, signatures.
    """

    name: str
    header: Header
    sections: tuple[Section, ...]
    gaps: tuple[tuple[int, Blob], ...]

    @property
    def uuid(self) -> str:
        """The binary's UUID, 32 hexadecimal digits."""
        return self.header.uuid.hex()

    @property
    def platform(self) -> str:
        """The platform's VBNV name; empty where the file names none."""
        return views.text(self.header.platform)

    def section(self, kind: SectionKind) -> Section | None:
        """Return the first section of a kind."""
        return next((section for section in self.sections if section.kind == kind), None)

    def text_of(self, kind: SectionKind) -> bytes | None:
        """Return the content of a section that must fit into memory.

        Raises:
            UserError: It is larger than `MAX_TEXT_BYTES`.
        """
        section = self.section(kind)
        if section is None:
            return None
        where = f"{self.name}, section {section.label}"
        return section.content.read_at_most(MAX_TEXT_BYTES, where)

    def _table(self, kind: SectionKind) -> tuple[bytes, str]:
        return self.text_of(kind) or b"", f"{self.name}, section {kind.name}"

    @property
    def memories(self) -> tuple[views.MemoryBank, ...]:
        """Memory banks, by memory index; none where the section is missing."""
        return views.memory_topology(*self._table(SectionKind.MEM_TOPOLOGY))

    @property
    def ips(self) -> tuple[views.Ip, ...]:
        """Compute units and memory controllers, by ip index."""
        return views.ip_layout(*self._table(SectionKind.IP_LAYOUT))

    @property
    def connections(self) -> tuple[views.Connection, ...]:
        """Kernel arguments to memories; indices may be out of range in real files."""
        return views.connectivity(*self._table(SectionKind.CONNECTIVITY))

    @property
    def clocks(self) -> tuple[views.Clock, ...]:
        """Clocks of the dynamic region."""
        return views.clock_topology(*self._table(SectionKind.CLOCK_FREQ_TOPOLOGY))

    @property
    def metadata(self) -> Metadata | None:
        """Kernels, arguments and register offsets, from the embedded XML."""
        content = self.text_of(SectionKind.EMBEDDED_METADATA)
        where = f"{self.name}, section EMBEDDED_METADATA"
        return None if content is None else parse_metadata(content, where)

    @property
    def build_metadata(self) -> Mapping[str, Any] | None:
        """What the linker wrote about the build."""
        content, where = self._table(SectionKind.BUILD_METADATA)
        return views.json_object(content, where) if content else None

    def chunks(self) -> Iterator[bytes]:
        """Yield the file's bytes in pieces."""
        yield self.header.pack(len(self.sections))
        yield from (section.pack() for section in self.sections)
        covered = [(s.offset, s.content) for s in self.sections if s.content.size]
        for _, content in sorted([*covered, *self.gaps], key=lambda piece: piece[0]):
            yield from content.chunks()

    def to_bytes(self) -> bytes:
        """Return the whole file; of a parsed one, the very bytes it was parsed from."""
        return b"".join(self.chunks())


def parse(source: bytes | Path | Blob, name: str | None = None) -> Xclbin:
    """Read the header and the section table; contents are read when asked for.

    Args:
        source: The file, its bytes, or a window into an artifact.
        name: What to call it in messages.

    Raises:
        UserError: It is no xclbin, or it contradicts itself.
    """
    blob = source if isinstance(source, Blob) else Blob.of(source)
    name = name or (source.name if isinstance(source, Path) else "binary")
    if blob.size < _HEADER.size or blob.read(0, len(MAGIC)) != MAGIC:
        raise UserError(
            f"{name} is not an xclbin: it must start with 'xclbin2' and a header of "
            f"{_HEADER.size} bytes; take the file that v++ --link wrote"
        )
    header, count = Header.unpack(blob.read(0, _HEADER.size))
    end = _HEADER.size + count * _SECTION.size
    if count > MAX_SECTIONS or end > blob.size:
        raise UserError(
            f"{name}: {count} sections are announced, the file holds at most "
            f"{min(MAX_SECTIONS, (blob.size - _HEADER.size) // _SECTION.size)}; "
            "the file is damaged, build or copy it again"
        )
    if header.length > blob.size:
        raise UserError(
            f"{name}: the header says {header.length} bytes, the file has {blob.size}; "
            "it is cut short, copy it again"
        )
    table = blob.read(_HEADER.size, end - _HEADER.size)
    sections = tuple(_section(blob, name, fields) for fields in _SECTION.iter_unpack(table))
    return Xclbin(
        name=name, header=header, sections=sections, gaps=_gaps(blob, name, end, sections)
    )


def _section(blob: Blob, name: str, fields: tuple[int, bytes, bytes, int, int]) -> Section:
    kind, label, padding, offset, size = fields
    if size == 0:
        content = blob.window(0, 0)
    elif offset + size > blob.size:
        raise UserError(
            f"{name}, section of kind {kind}: bytes {offset} to {offset + size} are announced, "
            f"the file has {blob.size}; it is cut short, copy it again"
        )
    else:
        content = blob.window(offset, size)
    return Section(kind=kind, name=label, offset=offset, content=content, padding=padding)


def _gaps(
    blob: Blob, name: str, end: int, sections: Iterable[Section]
) -> tuple[tuple[int, Blob], ...]:
    gaps = []
    for section in sorted((s for s in sections if s.content.size), key=lambda s: s.offset):
        if section.offset < end:
            raise UserError(
                f"{name}, section {section.label}: it starts at byte {section.offset}, inside "
                f"what ends at {end}; the file is damaged, build or copy it again"
            )
        if section.offset > end:
            gaps.append((end, blob.window(end, section.offset - end)))
        end = section.offset + section.content.size
    if end < blob.size:
        gaps.append((end, blob.window(end, blob.size - end)))
    return tuple(gaps)


def assemble(
    header: Header, contents: Iterable[tuple[SectionKind, str, bytes]], name: str = "binary"
) -> Xclbin:
    """Return a file with the given sections, aligned, closed by the mirror JSON.

    Args:
        header: The fields to use; the length is filled in.
        contents: Kind, name (at most 15 characters) and bytes of each section, in table order.
        name: What to call the result in messages.
    """
    wanted = tuple(contents)
    end = _HEADER.size + len(wanted) * _SECTION.size
    sections: list[Section] = []
    gaps: list[tuple[int, Blob]] = []
    for kind, label, content in wanted:
        offset = -(-end // _ALIGNMENT) * _ALIGNMENT
        if offset > end:
            gaps.append((end, Blob.of(bytes(offset - end))))
        sections.append(
            Section(
                kind=kind,
                name=label.encode("ascii").ljust(16, b"\0"),
                offset=offset,
                content=Blob.of(content),
            )
        )
        end = offset + len(content)
    mirror = _mirror(header, sections)
    gaps.append((end, Blob.of(mirror)))
    filled = replace(header, length=end + len(mirror))
    return Xclbin(name=name, header=filled, sections=tuple(sections), gaps=tuple(gaps))


def _mirror(header: Header, sections: Iterable[Section]) -> bytes:
    """The JSON that xclbinutil repairs damaged tables from; its keys repeat, as the tool has it."""
    parts = ['"schema_version":{"major":"1","minor":"0","patch":"0"}']
    parts.append(
        f'"header":{{"Magic":"xclbin2","TimeStamp":"{header.timestamp}",'
        f'"PlatformVBNV":"{views.text(header.platform)}","XclBinUUID":"{header.uuid.hex()}"}}'
    )
    parts += (
        f'"section_header":{{"Kind":"{s.kind}","Name":"{views.text(s.name)}",'
        f'"Offset":"{s.offset:#x}","Size":"{s.content.size:#x}"}}'
        for s in sections
    )
    return f"XCLBIN_MIRROR_DATA_START{{{','.join(parts)}}}\nXCLBIN_MIRROR_DATA_END".encode("ascii")
