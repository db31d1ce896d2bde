"""The kernel objects of bitstream.json, resolved against what the binaries really hold.

Nothing is taken on hope: compute units must be in IP_LAYOUT, banks in CONNECTIVITY, arguments in
the embedded metadata. Refuses binaries that belong to another plan.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from codegen.deployment import binary_stem
from elasticdf.artifact.axlf import Xclbin
from elasticdf.artifact.bitstream import Argument, Directive, KernelObject
from elasticdf.artifact.deployment import Deployment, Direction, HostStream, Port
from elasticdf.artifact.kernel_metadata import Argument as Register
from elasticdf.artifact.kernel_metadata import Qualifier
from elasticdf.artifact.opening import Binary
from elasticdf.artifact.sections import IpType
from elasticdf.errors import UserError
from elasticdf.ir import DataType
from partitioner.plan import Mode

_STEP_WORDS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_REPETITIONS = "numReps"
_C_TYPES = {8: "char", 16: "short", 32: "int", 64: "long"}
_BANK = re.compile(r"bank(\d+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Unit:
    """A DMA compute unit as its binary has it.

    Attributes:
        stream: What it carries.
        port: The end of the compute kernel.
        directive: How the orchestrator names it.
        memory: Memory index over all boards.
        address: Position of the buffer in its call.
        repetitions: Position of the number of frames, or None if it takes none.
    """

    stream: HostStream
    port: Port
    directive: Directive
    memory: int
    address: int
    repetitions: int | None


def kernel_objects(
    deployment: Deployment, binaries: Mapping[int, Binary]
) -> tuple[KernelObject, ...]:
    """Return the accelerators software sees: one per replica, in mode ``sw`` one per step of it.

    Args:
        deployment: What runs where.
        binaries: Binary of each board id.

    Raises:
        UserError: A binary lacks what the deployment puts on its board.
    """
    for kernel in deployment.kernels:
        if kernel.layers:
            _unit_index(binaries[kernel.board].xclbin, kernel.name)
    groups: dict[tuple[int, int], list[_Unit]] = defaultdict(list)
    for stream in deployment.host:
        replica = deployment.kernel(stream.end[0]).replica
        groups[replica, stream.step].append(_unit(deployment, stream, binaries[stream.board]))
    steps = sorted({step for _, step in groups})
    several = deployment.mode == Mode.SOFTWARE and len(steps) > 1
    return tuple(
        _kernel_object(
            _kernel_id(deployment.network, steps.index(step) if several else None),
            sorted(groups[replica, step], key=_order),
        )
        for replica, step in sorted(groups)
    )


def _kernel_id(network: str, step: int | None) -> str:
    """``net``; with steps ``net-one`` to ``net-ten``, then ``net-11`` and so on."""
    name = binary_stem(network).replace(".", "_")
    if step is None:
        return name
    word = _STEP_WORDS[step] if step < len(_STEP_WORDS) else str(step + 1)
    return f"{name}-{word}"


def _kernel_object(kernel_id: str, units: list[_Unit]) -> KernelObject:
    """Inputs, outputs, weights, then the number of frames, which every unit takes."""
    single = len(units) == 1
    arguments = [
        Argument(
            type=f"{stream_type(unit.port)}*",
            name=_argument_name(unit, units),
            memory=unit.memory,
            access="r" if unit.stream.direction is Direction.IN else "w",
            index=() if single else tuple(u.address if u is unit else None for u in units),
        )
        for unit in units
    ]
    repetitions = tuple(unit.repetitions for unit in units)
    if any(position is not None for position in repetitions):
        arguments.append(Argument(type="uint", name="n", index=() if single else repetitions))
    return KernelObject(
        directives=tuple(unit.directive for unit in units),
        kernel_id=kernel_id,
        arguments=tuple(arguments),
    )


def _order(unit: _Unit) -> tuple[bool, Direction]:
    return unit.stream.weights is not None, unit.stream.direction


def _argument_name(unit: _Unit, units: list[_Unit]) -> str:
    same = [u for u in units if _order(u) == _order(unit)]
    word = unit.stream.direction.value if unit.stream.weights is None else "weights"
    return word if len(same) == 1 else f"{word}{same.index(unit)}"


def stream_type(port: Port) -> str:
    """Return the C type of an array that holds the port's stream.

    One value per word where a value, padded to whole bytes, is a C integer as it stands; else
    ``uchar``: the bytes of the stream, transfer after transfer.
    """
    datatype = DataType.parse(port.datatype)
    if datatype.name == "FLOAT32":
        return "float"
    padded = -(-port.bits // 8) * 8
    bits = padded if port.elements == 1 and not datatype.signed else datatype.bits
    if bits not in _C_TYPES:
        return "uchar"
    return _C_TYPES[bits] if datatype.signed else f"u{_C_TYPES[bits]}"


def _unit(deployment: Deployment, stream: HostStream, binary: Binary) -> _Unit:
    kernel = deployment.kernel(stream.end[0])
    port = next(p for p in (*kernel.inputs, *kernel.outputs) if p.name == stream.end[1])
    index = _unit_index(binary.xclbin, stream.dma)
    ips = binary.xclbin.ips
    shared = sum(ip.kernel == ips[index].kernel for ip in ips) > 1
    name = f"{ips[index].kernel}:{{{stream.dma}}}" if shared else ips[index].kernel
    address, repetitions = _call_positions(binary, ips[index].kernel)
    return _Unit(
        stream=stream,
        port=port,
        directive=Directive(kernel=name, entry=binary.name),
        memory=binary.memory_offset + _bank(binary, stream, index, address),
        address=address,
        repetitions=repetitions,
    )


def _unit_index(xclbin: Xclbin, unit: str) -> int:
    for index, ip in enumerate(xclbin.ips):
        if ip.type == IpType.KERNEL and ip.compute_unit == unit:
            return index
    units = ", ".join(ip.compute_unit for ip in xclbin.ips if ip.type == IpType.KERNEL)
    raise UserError(
        f"{xclbin.name} holds no compute unit {unit}, it holds {units or 'none'}; "
        "it was built from another plan, build it again"
    )


def _call_positions(binary: Binary, kernel: str) -> tuple[int, int | None]:
    metadata = binary.xclbin.metadata
    found = metadata.kernel(kernel) if metadata else None
    arguments: tuple[Register, ...] = found.arguments if found else ()
    buffers = [a.id for a in arguments if a.qualifier == Qualifier.GLOBAL and a.id is not None]
    if len(buffers) != 1:
        raise UserError(
            f"{binary.name}, kernel {kernel}: its metadata names {len(buffers)} buffer arguments, "
            "a DMA kernel has one; build the binary again"
        )
    counts = [a.id for a in arguments if a.name == _REPETITIONS]
    return buffers[0], counts[0] if counts else None


def _bank(binary: Binary, stream: HostStream, ip: int, argument: int) -> int:
    memories = binary.xclbin.memories
    banks = [
        connection.memory
        for connection in binary.xclbin.connections
        if (connection.ip, connection.argument) == (ip, argument)
        and 0 <= connection.memory < len(memories)
    ]
    for bank in banks:
        if _tag(memories[bank].tag) == stream.memory:
            return bank
    linked = ", ".join(memories[bank].tag for bank in banks) or "no memory"
    raise UserError(
        f"{binary.name}, compute unit {stream.dma}: it is linked to {linked}, the plan says "
        f"{stream.memory}; the binary was built from another plan, build it again"
    )


def _tag(tag: str) -> str:
    """The tag as plans spell it; shells with DDR call a bank ``bank1`` or ``DDR[1]``."""
    return _BANK.sub(r"DDR[\1]", tag)
