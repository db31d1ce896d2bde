"""EMULATION_DATA: the ONNX segment of every compute kernel, inside the binary of its board.

A small archive: ``index.json`` says which kernel computes which member, then the members. It exists
only in emulated binaries; a binary without the section is a real one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from elasticdf.artifact.axlf import SectionKind, Xclbin
from elasticdf.artifact.blob import Blob
from elasticdf.artifact.tarwalk import pack, walk
from elasticdf.documents import json_bytes, parse_json
from elasticdf.errors import UserError
from elasticdf.records import decode, encode

EMULATION_SCHEMA = "elasticdf.emulation/1"
_INDEX = "index.json"
_MAX_INDEX_BYTES = 4 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentRecord:
    """A compute kernel and the member of the archive that it computes."""

    kernel: str
    member: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Index:
    schema: str
    segments: tuple[SegmentRecord, ...]


def pack_segments(segments: Mapping[str, bytes]) -> bytes:
    """Return the section's content; replicas of a segment are held once.

    Args:
        segments: ONNX bytes by compute kernel.
    """
    members: dict[bytes, str] = {}
    for name in sorted(segments):
        members.setdefault(segments[name], f"{name}.onnx")
    records = tuple(
        SegmentRecord(kernel=name, member=members[segments[name]]) for name in sorted(segments)
    )
    index = encode(_Index(schema=EMULATION_SCHEMA, segments=records))
    head = json_bytes(index)
    return pack(((_INDEX, head), *((member, content) for content, member in members.items())))


def is_emulated(xclbin: Xclbin) -> bool:
    """Tell an emulated binary from a real one; a board that only relays holds no segment."""
    return xclbin.section(SectionKind.EMULATION_DATA) is not None


def segments_of(xclbin: Xclbin) -> Mapping[str, Blob]:
    """Return the ONNX segments of an emulated binary by compute kernel; none of a real one.

    Raises:
        UserError: The section is damaged.
    """
    section = xclbin.section(SectionKind.EMULATION_DATA)
    if section is None:
        return {}
    where = f"{xclbin.name}, section EMULATION_DATA"
    members = {entry.name: entry.content for entry in walk(section.content, where)}
    if _INDEX not in members:
        raise UserError(f"{where}: {_INDEX} is missing; build the binary again")
    content = members[_INDEX].read_at_most(_MAX_INDEX_BYTES, where)
    document = parse_json(content, f"{where}, {_INDEX}", advice="build the binary again")
    index = decode(_Index, document, f"{where}, {_INDEX}")
    missing = [record.member for record in index.segments if record.member not in members]
    if index.schema != EMULATION_SCHEMA or missing:
        raise UserError(
            f"{where}: schema {index.schema!r}, missing {', '.join(missing) or 'nothing'}; "
            f"{EMULATION_SCHEMA!r} with all its members is needed, build the binary again"
        )
    return {record.kernel: members[record.member] for record in index.segments}
