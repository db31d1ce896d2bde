"""What is in a file: plans, binaries and artifacts as short tables.

Recognises the kind by content, never by the name alone. Refuses files of other kinds in a sentence;
whether an artifact would run is for ``lint``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from elasticdf.artifact import axlf
from elasticdf.artifact.blob import Blob
from elasticdf.artifact.opening import (
    DESCRIPTION_NAMES,
    Artifact,
    described,
    find_artifacts,
    open_artifact,
)
from elasticdf.artifact.sections import IpType, printable
from elasticdf.documents import parse_json
from elasticdf.errors import UserError, located

INSPECT_SCHEMA = "elasticdf.inspection/1"
PLAN_NAME = "plan.json"
_PLAN_SCHEMA = "elasticdf.plan/1"
_MAX_PLAN_BYTES = 64 << 20

Cell = str | int | float | bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows under headings.

    Attributes:
        title: Of the table.
        columns: Headings, which are also the keys of the JSON form.
        rows: One cell per column.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]

    def to_json(self) -> list[dict[str, Cell]]:
        """Return one object per row."""
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]

    def to_text(self) -> str:
        """Return aligned columns."""
        cells = [self.columns, *(tuple(_cell(value) for value in row) for row in self.rows)]
        widths = [max(len(row[i]) for row in cells) for i in range(len(self.columns))]
        lines = (
            "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()
            for row in cells
        )
        return "\n".join((self.title, *(f"  {line}" for line in lines)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """What was found.

    Attributes:
        kind: ``plan``, ``xclbin`` or ``artifact``.
        path: As given.
        facts: Name and value, in order.
        tables: Details.
    """

    kind: str
    path: str
    facts: tuple[tuple[str, Cell], ...]
    tables: tuple[Table, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "schema": INSPECT_SCHEMA,
            "kind": self.kind,
            "path": self.path,
            **dict(self.facts),
            **{table.title.replace(" ", "_"): table.to_json() for table in self.tables},
        }

    def to_text(self) -> str:
        """Return facts and tables for people."""
        width = max((len(name) for name, _ in self.facts), default=0)
        facts = (
            f"{name.replace('_', ' ').ljust(width)}  {_cell(value)}" for name, value in self.facts
        )
        tables = (f"\n{table.to_text()}" for table in self.tables if table.rows)
        return "\n".join((f"{self.kind} {self.path}", *facts, *tables))


def inspect(path: Path) -> Inspection:
    """Tell what a plan, a binary or an artifact holds.

    Args:
        path: A project folder, plan.json, an xclbin, or an artifact in any of its forms.

    Raises:
        UserError: It is none of these, or it is damaged.
    """
    if path.is_dir():
        if (path / PLAN_NAME).is_file():
            return _plan(path / PLAN_NAME, path)
        return _artifact(open_artifact(path), path)
    blob = Blob.of(path)
    start = blob.read(0, min(len(axlf.MAGIC), blob.size))
    if start == axlf.MAGIC:
        with located(str(path.parent)):
            return _xclbin(axlf.parse(path), path)
    if path.suffix == ".tar" or path.name in DESCRIPTION_NAMES or described(path.parent):
        return _artifact(open_artifact(path), path)
    if start.lstrip()[:1] == b"{":
        return _plan(path, path)
    raise UserError(
        f"{path} is neither a plan, nor an xclbin, nor an artifact; "
        "give a project folder, plan.json, a .xclbin or an artifact's folder"
    )


def _plan(path: Path, shown: Path) -> Inspection:
    plan = _read_plan(path)
    try:
        facts = _plan_facts(plan)
        tables = _plan_tables(plan)
    except (KeyError, TypeError, IndexError, AttributeError, ValueError) as error:
        reason = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        raise UserError(f"{path} is damaged ({reason}); partition the network again") from error
    for description in find_artifacts(path.parent / "artifact") if shown.is_dir() else ():
        facts += (("artifact", str(description.parent)),)
    return Inspection(kind="plan", path=str(shown), facts=facts, tables=tables)


def _read_plan(path: Path) -> Mapping[str, Any]:
    content = Blob.of(path).read_at_most(_MAX_PLAN_BYTES, str(path))
    document = parse_json(content, str(path), advice="partition the network again")
    if not isinstance(document, dict) or document.get("schema") != _PLAN_SCHEMA:
        found = document.get("schema") if isinstance(document, dict) else type(document).__name__
        raise UserError(f"{path}: schema is {found!r}, {_PLAN_SCHEMA!r} is needed")
    return document


def _plan_facts(plan: Mapping[str, Any]) -> tuple[tuple[str, Cell], ...]:
    if plan.get("outcome") == "infeasible":
        return (("outcome", "infeasible"),)
    certificate = plan["certificate"]
    return (
        ("network", plan["network"]),
        ("mode", plan["mode"]),
        ("replicas", plan["replicas"]),
        ("frames_per_second", plan["frames_per_second"]),
        ("latency_seconds", plan["latency_seconds"]),
        ("clock_hz", plan["clock_hz"]),
        ("outcome", certificate["outcome"]),
        ("throughput_gap", certificate["throughput"]["gap"]),
        ("crossing_gap", certificate["crossing_cost"]["gap"]),
    )


def _plan_tables(plan: Mapping[str, Any]) -> tuple[Table, ...]:
    if plan.get("outcome") == "infeasible":
        conflict = plan.get("explanation", {}).get("conflict", [])
        rows = tuple((str(line),) for line in conflict)
        return (Table(title="conflict", columns=("limit",), rows=rows),)
    places: dict[tuple[int, int, str], list[str]] = {}
    for item in plan["assignments"]:
        place = (item["replica"], item["board"], item["die"])
        places.setdefault(place, []).append(item["layer"])
    boards = {board["id"]: board["board"] for board in plan["cluster"]["boards"]}
    return (
        Table(
            title="places",
            columns=("replica", "board", "type", "die", "layers", "first", "last"),
            rows=tuple(
                (replica, board, boards[board], die, len(layers), layers[0], layers[-1])
                for (replica, board, die), layers in sorted(places.items())
            ),
        ),
        Table(
            title="crossings",
            columns=("replica", "source", "target", "kind", "from", "to", "bits_per_frame"),
            rows=tuple(
                (
                    item["replica"],
                    item["source"],
                    item["target"],
                    item["kind"],
                    _place(item["from"]),
                    _place(item["to"]),
                    item["bits_per_frame"],
                )
                for item in plan["crossings"]
            ),
        ),
        Table(
            title="links",
            columns=("from", "to", "load_bits_per_second", "capacity_bits_per_second"),
            rows=tuple(
                (
                    _place(item["from"]),
                    _place(item["to"]),
                    item["load_bits_per_second"],
                    item["capacity_bits_per_second"],
                )
                for item in plan["links"]
            ),
        ),
    )


def _place(pair: Sequence[Any]) -> str:
    return f"{pair[0]}.{pair[1]}"


def _xclbin(xclbin: axlf.Xclbin, path: Path) -> Inspection:
    facts: tuple[tuple[str, Cell], ...] = (
        ("uuid", xclbin.uuid),
        ("platform", xclbin.platform),
        ("bytes", xclbin.header.length),
        ("emulated", xclbin.section(axlf.SectionKind.EMULATION_DATA) is not None),
        *((f"clock_{clock.name}", f"{clock.mhz} MHz") for clock in xclbin.clocks),
    )
    sections = Table(
        title="sections",
        columns=("kind", "offset", "bytes"),
        rows=tuple((s.label, s.offset, s.content.size) for s in xclbin.sections),
    )
    return Inspection(
        kind="xclbin",
        path=str(path),
        facts=facts,
        tables=(sections, _units(((xclbin.name, xclbin),)), _banks(((xclbin.name, 0, xclbin),))),
    )


def _units(binaries: Iterable[tuple[str, axlf.Xclbin]]) -> Table:
    return Table(
        title="compute units",
        columns=("binary", "kernel", "compute_unit", "registers", "memories"),
        rows=tuple(
            (
                name,
                ip.kernel,
                ip.compute_unit,
                None if ip.base is None else f"{ip.base:#x}",
                ", ".join(_tags(xclbin, index)),
            )
            for name, xclbin in binaries
            for index, ip in enumerate(xclbin.ips)
            if ip.type == IpType.KERNEL
        ),
    )


def _tags(xclbin: axlf.Xclbin, ip: int) -> list[str]:
    memories = xclbin.memories
    return [
        memories[connection.memory].tag
        for connection in xclbin.connections
        if connection.ip == ip and 0 <= connection.memory < len(memories)
    ]


def _banks(binaries: Iterable[tuple[str, int, axlf.Xclbin]]) -> Table:
    return Table(
        title="memories in use",
        columns=("binary", "index", "bank", "kib"),
        rows=tuple(
            (name, offset + index, bank.tag, bank.size_kib)
            for name, offset, xclbin in binaries
            for index, bank in enumerate(xclbin.memories)
            if bank.used
        ),
    )


def _artifact(artifact: Artifact, path: Path) -> Inspection:
    bitstream = artifact.bitstream
    platform = bitstream.platform
    manifest = artifact.manifest
    facts: tuple[tuple[str, Cell], ...] = (
        ("archive", bitstream.name),
        ("bytes", artifact.archive.size),
        ("platform", f"{platform.vendor}/{platform.name}/{platform.version}"),
        ("version", bitstream.version),
        ("description", bitstream.description),
        ("loader", manifest.loader.value if manifest else None),
        ("mode", manifest.deployment.mode if manifest else None),
        ("plan_digest", manifest.plan_digest if manifest else None),
    )
    binaries = Table(
        title="binaries",
        columns=("position", "binary", "bytes", "uuid", "shell", "first_memory"),
        rows=tuple(
            (b.position, b.name, b.content.size, b.xclbin.uuid, b.xclbin.platform, b.memory_offset)
            for b in artifact.binaries
        ),
    )
    pairs = tuple((b.name, b.xclbin) for b in artifact.binaries)
    offsets = tuple((b.name, b.memory_offset, b.xclbin) for b in artifact.binaries)
    tables = [binaries, _requests(artifact), _units(pairs), _banks(offsets)]
    if manifest is not None:
        tables += [_segments(artifact), _ports(artifact)]
    return Inspection(kind="artifact", path=str(path), facts=facts, tables=tuple(tables))


def _requests(artifact: Artifact) -> Table:
    bitstream = artifact.bitstream
    return Table(
        title="requests",
        columns=("accelerator", "arguments", "compute_units"),
        rows=tuple(
            (
                f"{bitstream.bitstream_id}.{kernel.kernel_id}",
                ", ".join(f"{a.type} {a.name}".strip() for a in kernel.arguments),
                ", ".join(str(directive) for directive in kernel.directives),
            )
            for kernel in bitstream.kernels
        ),
    )


def _segments(artifact: Artifact) -> Table:
    kernels = artifact.manifest.deployment.kernels if artifact.manifest else ()
    return Table(
        title="segments",
        columns=("replica", "stage", "kernel", "board", "die", "layers"),
        rows=tuple((k.replica, k.stage, k.name, k.board, k.die, len(k.layers)) for k in kernels),
    )


def _ports(artifact: Artifact) -> Table:
    ports = artifact.manifest.deployment.ports if artifact.manifest else ()
    return Table(
        title="network ports",
        columns=("board", "port", "ip", "mac", "sockets", "rsfec"),
        rows=tuple((p.board, p.qsfp, p.ip, p.mac, len(p.sockets), p.rsfec) for p in ports),
    )


def _cell(value: Cell) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return printable(f"{value:.6g}" if isinstance(value, float) else str(value))
