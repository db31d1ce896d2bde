"""bitstream.json: what the orchestrator reads of an artifact.

The format is the orchestrator's; keys, spellings and list-valued ``name`` and ``memory`` are its
own. A kernel object whose ``name`` lists several directives is one accelerator made of several
compute units that are started together. Which of them takes which argument no public text fixes,
so it is fixed here: an argument's ``index`` is parallel to the kernel object's ``name``; entry i is
the argument's position in the call of compute unit i, or "" where that one does not take it.
With a single name ``index`` may be left out: the order says it. With several it is needed to run.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from elasticdf.artifact.bitstream_xml import read_xml
from elasticdf.documents import json_bytes, parse_json, shown
from elasticdf.errors import UserError
from elasticdf.records import refuse_unknown

ACCESSES = ("r", "w", "rw")
MAX_JSON_BYTES = 4 << 20
"""Largest description anybody reads; the longest published one has a few KiB."""

_IDENTIFIER = re.compile(r"[A-Za-z0-9_]+(\.[A-Za-z0-9_]+)*")
_FOLDER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+\-]{0,199}")
_KERNEL_ID = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-]{0,199}")
_DIRECTIVE = re.compile(r"(?P<kernel>[^-:]+(:\{[^-{}]+\})?)-(?P<entry>[^-]+)")
_TYPE = re.compile(r"[A-Za-z_][A-Za-z0-9_ ]*\*?")


class EscapingNameError(UserError):
    """The archive's name leads out of the artifact's folder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Directive:
    """``<kernel>[:{cu}]-<entry>``: a compute unit of one of the binaries.

    Attributes:
        kernel: Goes to the runtime as it is, compute unit in braces included.
        entry: Name of the tar entry.
    """

    kernel: str
    entry: str

    @staticmethod
    def parse(text: str) -> Directive:
        """Split a directive.

        Raises:
            UserError: There is not exactly one '-', or a part is empty.
        """
        match = _DIRECTIVE.fullmatch(text)
        if match is None:
            raise UserError(
                f"kernel directive {text[:200]!r} is not <kernel>-<entry> with exactly one '-'; "
                "package the artifact again"
            )
        return Directive(kernel=match["kernel"], entry=match["entry"])

    @property
    def function(self) -> str:
        """Name of the kernel, without the compute unit."""
        return self.kernel.partition(":")[0]

    @property
    def compute_unit(self) -> str | None:
        """Name of the compute unit, if the directive asks for one."""
        unit = self.kernel.partition(":")[2]
        return unit.strip("{}") or None

    def __str__(self) -> str:
        return f"{self.kernel}-{self.entry}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Argument:
    """An argument of a request.

    Attributes:
        type: C type; a trailing ``*`` makes it an array in shared memory.
        name: For people.
        memory: Memory index over all boards; arrays only, None for the default 0.
        access: ``r``, ``w`` or ``rw``; arrays only.
        index: Position in the call of each of the kernel object's compute units, None where the
            unit does not take it; empty where there is one unit and the order says it.
    """

    type: str
    name: str = ""
    memory: int | None = None
    access: str | None = None
    index: tuple[int | None, ...] = ()

    @property
    def is_array(self) -> bool:
        """Whether it is an array."""
        return self.type.endswith("*")

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form; keys that say nothing are left out."""
        document: dict[str, Any] = {"type": self.type}
        if self.index:
            document["index"] = ["" if entry is None else str(entry) for entry in self.index]
        if self.name:
            document["name"] = self.name
        if self.memory is not None:
            document["memory"] = [str(self.memory)]
        if self.access is not None:
            document["access"] = self.access
        return document


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelObject:
    """An accelerator: compute units that serve one request together.

    Attributes:
        directives: One per compute unit.
        kernel_id: Public name; replicas share it.
        arguments: In call order.
    """

    directives: tuple[Directive, ...]
    kernel_id: str
    arguments: tuple[Argument, ...]

    @property
    def says_who_takes_what(self) -> bool:
        """Whether every argument's place in the call of every unit is known."""
        return len(self.directives) == 1 or all(argument.index for argument in self.arguments)

    def call_of(self, unit: int) -> tuple[tuple[int, int], ...]:
        """Return (position in the unit's call, position in the request) of a unit's arguments.

        Raises:
            UserError: There are several units and an argument does not say which of them take it.
        """
        if not self.says_who_takes_what:
            raise UserError(
                f"kernel {self.kernel_id} has {len(self.directives)} compute units and an argument "
                "without index, so nobody knows which unit takes it; package the artifact again"
            )
        positions = (
            (argument.index[unit] if argument.index else order, order)
            for order, argument in enumerate(self.arguments)
        )
        return tuple(sorted((at, order) for at, order in positions if at is not None))

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "name": [str(directive) for directive in self.directives],
            "kernelId": self.kernel_id,
            "arguments": [argument.to_json() for argument in self.arguments],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Platform:
    """The resource that can load the artifact.

    Attributes:
        vendor: ``xilinx``.
        name: ``2xu280``; see `platform_name`.
        version: Shell.
        label: Further words, such as a cloud's name.
    """

    vendor: str
    name: str
    version: str
    label: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form."""
        document: dict[str, Any] = {
            "vendor": self.vendor,
            "name": self.name,
            "version": self.version,
        }
        return {**document, "label": list(self.label)} if self.label else document


@dataclass(frozen=True, slots=True, kw_only=True)
class Bitstream:
    """The whole file.

    Attributes:
        name: File name of the archive beside it.
        bitstream_id: Dotted package name.
        version: Of the artifact.
        description: For people.
        platform: What it runs on.
        kernels: The accelerators.
    """

    name: str
    bitstream_id: str
    version: str
    description: str
    platform: Platform
    kernels: tuple[KernelObject, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "name": self.name,
            "bitstreamId": self.bitstream_id,
            "version": self.version,
            "description": self.description,
            "platform": self.platform.to_json(),
            "kernels": [kernel.to_json() for kernel in self.kernels],
        }

    def to_bytes(self) -> bytes:
        """Return the file's content."""
        return json_bytes(self.to_json())

    @property
    def folder(self) -> str:
        """The folder in a repository, relative, with '/'."""
        platform = self.platform
        labels = ("_".join(platform.label),) if platform.label else ()
        counts = Counter(kernel.kernel_id for kernel in self.kernels)
        kernels = "_".join(f"{count}{name}" for name, count in sorted(counts.items()))
        return "/".join(
            (
                platform.vendor,
                platform.name,
                platform.version,
                *labels,
                *self.bitstream_id.split("."),
                self.version,
                kernels,
            )
        )

    @staticmethod
    def parse(content: bytes, where: str = "bitstream.json") -> Bitstream:
        """Read the file, or its XML twin.

        Raises:
            UserError: It is neither, a key is missing, unknown or there twice, or a value is not
                allowed.
        """
        if content.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"<":
            return _bitstream(read_xml(content, where), where)
        document = parse_json(content, where, advice="package the artifact again")
        return _bitstream(document, where)


def platform_name(boards: Iterable[str]) -> str:
    """Return the name under which software sees several boards as one.

    >>> platform_name(["u280", "u280"])
    '2xu280'
    >>> platform_name(["u280", "u280", "u50"])
    '2xu280+1xu50'
    """
    return "+".join(f"{len(tuple(run))}x{board}" for board, run in groupby(boards))


def platform_version(shells: Iterable[str]) -> str:
    """Return the shell of the boards; of different ones, each once, in board order.

    >>> platform_version(["xdma_1", "xdma_1"])
    'xdma_1'
    """
    return "+".join(dict.fromkeys(shells))


def _bitstream(document: Any, where: str) -> Bitstream:
    keys = ("name", "bitstreamId", "version", "description", "platform", "kernels")
    table = _table(document, where, keys)
    name = table.get("name")
    if isinstance(name, str) and ("/" in name or name in (".", "..")):
        raise EscapingNameError(
            f"{where}, name: {shown(name)} leads out of the folder; package the artifact again"
        )
    bitstream = Bitstream(
        name=_text(table, "name", where, _FOLDER),
        bitstream_id=_text(table, "bitstreamId", where, _IDENTIFIER),
        version=_text(table, "version", where, _FOLDER),
        description=_text(table, "description", where, default=""),
        platform=_platform(table.get("platform"), f"{where}, platform"),
        kernels=tuple(
            _kernel(item, f"{where}, kernels[{index}]")
            for index, item in enumerate(_list(table, "kernels", where))
        ),
    )
    if not bitstream.kernels:
        raise UserError(f"{where}: kernels is empty; package the artifact again")
    return bitstream


def _platform(document: Any, where: str) -> Platform:
    table = _table(document, where, ("vendor", "name", "version", "label"))
    labels = _list(table, "label", where) if "label" in table else ()
    for label in labels:
        if not isinstance(label, str) or _FOLDER.fullmatch(label) is None:
            raise UserError(f"{where}, label: {shown(label)} cannot be a folder's name; change it")
    return Platform(
        vendor=_text(table, "vendor", where, _FOLDER),
        name=_text(table, "name", where, _FOLDER),
        version=_text(table, "version", where, _FOLDER),
        label=tuple(labels),
    )


def _kernel(document: Any, where: str) -> KernelObject:
    table = _table(document, where, ("name", "kernelId", "arguments"))
    name = table.get("name")
    names = [name] if isinstance(name, str) else _list(table, "name", where)
    if not names or not all(isinstance(item, str) for item in names):
        raise UserError(f"{where}, name: {shown(name)} is not a list of texts; correct it")
    arguments = tuple(
        _argument(item, len(names), f"{where}, arguments[{index}]")
        for index, item in enumerate(_list(table, "arguments", where))
    )
    return KernelObject(
        directives=tuple(Directive.parse(item) for item in names),
        kernel_id=_text(table, "kernelId", where, _KERNEL_ID),
        arguments=arguments,
    )


def _argument(document: Any, units: int, where: str) -> Argument:
    keys = ("index", "type", "name", "size", "memory", "access")
    table = _table(document, where, keys)
    access = table.get("access")
    if access is not None and access not in ACCESSES:
        raise UserError(f"{where}, access: {shown(access)}, one of r, w, rw is needed")
    memory = _indices(table, "memory", where)
    if len(memory) > 1 or None in memory:
        raise UserError(f"{where}, memory: one bank index is needed, there are {len(memory)}")
    index = _indices(table, "index", where)
    if index and len(index) != units:
        raise UserError(
            f"{where}, index: {len(index)} entries for {units} compute units; one each is needed, "
            '"" where the unit does not take the argument'
        )
    return Argument(
        type=_text(table, "type", where, _TYPE),
        name=_text(table, "name", where, default=""),
        memory=memory[0] if memory else None,
        access=access,
        index=index,
    )


def _indices(table: Mapping[str, Any], key: str, where: str) -> tuple[int | None, ...]:
    texts = _list(table, key, where) if key in table else ()
    for text in texts:
        if not isinstance(text, str) or re.fullmatch(r"[0-9]{0,9}", text) is None:
            raise UserError(f"{where}, {key}: {shown(text)} is not a decimal number as text")
    return tuple(int(text) if text else None for text in texts)


def _table(document: Any, where: str, keys: tuple[str, ...]) -> Mapping[str, Any]:
    if not isinstance(document, Mapping):
        raise UserError(f"{where} is {shown(document)}, a table of keys is needed")
    refuse_unknown(document, keys, where)
    return document


def _list(table: Mapping[str, Any], key: str, where: str) -> Sequence[Any]:
    value = table.get(key)
    if not isinstance(value, list):
        raise UserError(f"{where}, {key}: {shown(value)} is not a list; correct it")
    return value


def _text(
    table: Mapping[str, Any],
    key: str,
    where: str,
    form: re.Pattern[str] | None = None,
    default: str | None = None,
) -> str:
    value = table.get(key, default)
    if not isinstance(value, str) or (form is not None and form.fullmatch(value) is None):
        raise UserError(f"{where}, {key}: {shown(value)} is not allowed here; correct it")
    return value
