"""EMBEDDED_METADATA: the XML that says which kernels a binary has and where their registers are.

Reads it with document types and entities refused and with limits on size and depth, because it
comes from files that anybody may have written. Writes the same elements for emulated binaries.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import IntEnum
from functools import cached_property
from typing import NoReturn
from xml.parsers import expat
from xml.sax.saxutils import quoteattr

from elasticdf.errors import UserError

MAX_XML_BYTES = 16 << 20
MAX_DEPTH = 64
MAX_RECORDS = 100_000


class Qualifier(IntEnum):
    """How an argument is passed."""

    SCALAR = 0
    GLOBAL = 1
    CONSTANT = 2
    LOCAL = 3
    STREAM = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Argument:
    """A kernel argument or a named register.

    Attributes:
        name: As the kernel's source has it.
        id: Position in the call; None for registers that no call sets.
        offset: Of its register, bytes.
        qualifier: See `Qualifier`.
        type: C type.
        size: Bytes.
        port: The interface it goes through.
    """

    name: str
    id: int | None
    offset: int
    qualifier: int = Qualifier.SCALAR
    type: str = ""
    size: int = 0
    port: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelMetadata:
    """A kernel of the binary.

    Attributes:
        name: Of the kernel.
        control: ``ap_ctrl_hs``, ``ap_ctrl_chain``, ``ap_ctrl_none``; empty where not said.
        arguments: In document order.
        instances: Compute units, (name, base address or None).
    """

    name: str
    control: str = ""
    arguments: tuple[Argument, ...] = ()
    instances: tuple[tuple[str, int | None], ...] = ()

    def argument(self, name: str) -> Argument | None:
        """Return the argument of that name."""
        return next((argument for argument in self.arguments if argument.name == name), None)


@dataclass(frozen=True, kw_only=True)
class Metadata:
    """What the XML says.

    Attributes:
        part: FPGA of the platform, as the platform spells it.
        kernels: In document order.
    """

    part: str = ""
    kernels: tuple[KernelMetadata, ...] = ()

    def kernel(self, name: str) -> KernelMetadata | None:
        """Return the kernel of that name."""
        return self._by_name.get(name)

    @cached_property
    def _by_name(self) -> Mapping[str, KernelMetadata]:
        return {kernel.name: kernel for kernel in reversed(self.kernels)}


def parse_metadata(content: bytes, where: str) -> Metadata:
    """Read the XML.

    Raises:
        UserError: It is too large, nested too deeply, not XML, or declares types or entities.
    """
    if len(content) > MAX_XML_BYTES:
        raise UserError(
            f"{where}: {len(content)} bytes of XML, at most {MAX_XML_BYTES} are read; "
            "build the binary again"
        )
    reader = _Reader(where=where)
    parser = expat.ParserCreate(namespace_separator=None)
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.StartDoctypeDeclHandler = reader.refuse_doctype
    parser.EntityDeclHandler = reader.refuse_entity
    try:
        parser.Parse(content.rstrip(b"\0"), True)
    except (expat.ExpatError, ValueError, LookupError) as error:
        raise UserError(f"{where}: it is not XML ({error}); build the binary again") from error
    return Metadata(part=reader.part, kernels=tuple(reader.kernels))


@dataclass(slots=True, kw_only=True)
class _Reader:
    """Collects what is wanted while the parser walks the document."""

    where: str
    part: str = ""
    kernels: list[KernelMetadata] = field(default_factory=list)
    path: list[str] = field(default_factory=list)
    arguments: list[Argument] = field(default_factory=list)
    instances: list[tuple[str, int | None]] = field(default_factory=list)
    records: int = 0

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        self.path.append(tag)
        self.records += 1
        if len(self.path) > MAX_DEPTH or self.records > MAX_RECORDS:
            raise UserError(
                f"{self.where}: more than {MAX_DEPTH} levels or {MAX_RECORDS} elements of XML; "
                "build the binary again"
            )
        match self.path:
            case [*_, "platform", "device"]:
                self.part = attributes.get("fpgaDevice", "")
            case [*_, "core", "kernel"]:
                control = attributes.get("hwControlProtocol", "")
                self.kernels.append(
                    KernelMetadata(name=attributes.get("name", ""), control=control)
                )
            case [*_, "kernel", "arg"]:
                self.arguments.append(_argument(attributes, self.where))
            case [*_, "kernel", "instance"]:
                self.instances.append((attributes.get("name", ""), None))
            case [*_, "instance", "addrRemap"] if self.instances:
                base = _number(attributes.get("base", ""), self.where, "base")
                self.instances[-1] = (self.instances[-1][0], base)

    def end(self, tag: str) -> None:
        self.path.pop()
        if tag == "kernel" and self.path[-1:] == ["core"]:
            self.kernels[-1] = replace(
                self.kernels[-1],
                arguments=tuple(self.arguments),
                instances=tuple(self.instances),
            )
            self.arguments.clear()
            self.instances.clear()

    def refuse_doctype(self, *_: object) -> NoReturn:
        raise UserError(
            f"{self.where}: the XML declares a document type, which no linker writes; "
            "do not use this binary"
        )

    def refuse_entity(self, *_: object) -> NoReturn:
        raise UserError(
            f"{self.where}: the XML declares an entity, which no linker writes; "
            "do not use this binary"
        )


def _argument(attributes: dict[str, str], where: str) -> Argument:
    identity = attributes.get("id", "")
    return Argument(
        name=attributes.get("name", ""),
        id=_number(identity, where, "id") if identity else None,
        offset=_number(attributes.get("offset", ""), where, "offset") or 0,
        qualifier=_number(attributes.get("addressQualifier", ""), where, "addressQualifier") or 0,
        type=attributes.get("type", ""),
        size=_number(attributes.get("size", ""), where, "size") or 0,
        port=attributes.get("port", ""),
    )


def _number(value: str, where: str, what: str) -> int | None:
    if not value:
        return None
    try:
        number = int(value, 0)
    except ValueError:
        number = -1
    if not 0 <= number < 1 << 64 or len(value) > 32:
        raise UserError(
            f"{where}: attribute {what} is {value[:40]!r}, a number of 64 bits is needed; "
            "build the binary again"
        )
    return number


def write_metadata(
    *, name: str, part: str, clock_mhz: int, kernels: Iterable[KernelMetadata]
) -> bytes:
    """Return the XML for a binary.

    Args:
        name: Of the binary.
        part: FPGA part.
        clock_mhz: Of the kernels, MHz.
        kernels: In the order to be listed.
    """
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f"<project name={quoteattr(name)}>",
        "  <platform>",
        f'    <device name="fpga0" fpgaDevice={quoteattr(part)}>',
        '      <core name="OCL_REGION_0" target="bitstream" type="clc_region">',
        "        <kernelClocks>",
        f'          <clock port="DATA_CLK" frequency="{clock_mhz}.000000MHz"/>',
        "        </kernelClocks>",
    ]
    for kernel in kernels:
        lines += _kernel_lines(kernel)
    lines += ["      </core>", "    </device>", "  </platform>", "</project>", ""]
    return "\n".join(lines).encode("utf-8")


def _kernel_lines(kernel: KernelMetadata) -> Iterable[str]:
    label = quoteattr(kernel.name)
    vlnv = quoteattr(f"xilinx.com:kernel:{kernel.name}:1.0")
    control = quoteattr(kernel.control)
    yield (f'        <kernel name={label} language="ip_c" vlnv={vlnv} hwControlProtocol={control}>')
    for argument in kernel.arguments:
        identity = "" if argument.id is None else str(argument.id)
        yield (
            f'          <arg name={quoteattr(argument.name)} id="{identity}" '
            f'addressQualifier="{int(argument.qualifier)}" port={quoteattr(argument.port)} '
            f'size="{argument.size:#x}" offset="{argument.offset:#x}" '
            f"type={quoteattr(argument.type)}/>"
        )
    for instance, base in kernel.instances:
        if base is None:
            yield f"          <instance name={quoteattr(instance)}/>"
        else:
            yield f"          <instance name={quoteattr(instance)}>"
            yield f'            <addrRemap base="{base:#x}"/>'
            yield "          </instance>"
    yield "        </kernel>"
