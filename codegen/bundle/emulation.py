"""Emulation binaries: real xclbin containers whose logic is an ONNX segment per compute kernel.

Everything a loader reads of a binary is there and true: compute units, memory banks, connections,
clocks, register offsets. Only the bitstream is missing, and nothing else says so.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from itertools import accumulate

from codegen.link_rtl.emit import describe
from codegen.link_rtl.instances import instances
from elasticdf import __version__
from elasticdf.artifact import network_registers as registers
from elasticdf.artifact import sections
from elasticdf.artifact.axlf import Header, SectionKind, assemble
from elasticdf.artifact.deployment import DeployedBoard, Deployment
from elasticdf.artifact.emulation import pack_segments
from elasticdf.artifact.kernel_metadata import (
    Argument,
    KernelMetadata,
    Qualifier,
    write_metadata,
)
from elasticdf.artifact.sections import Connection, Control, Ip, IpType, MemoryType
from elasticdf.documents import json_bytes
from elasticdf.errors import UserError
from elasticdf.hardware.board import Board, MemoryKind

_MEMORY_TYPES = {
    MemoryKind.HBM: MemoryType.HBM,
    MemoryKind.DDR: MemoryType.DDR4,
    MemoryKind.PLRAM: MemoryType.DRAM,
    MemoryKind.HOST: MemoryType.HOST,
}
_REGISTERS_START = 0x0180_0000
_REGISTERS_STRIDE = 0x1_0000
_ADDRESS_OFFSET = 0x10
_REPETITIONS_OFFSET = 0x1C
ADDRESS_ARGUMENT = "addr"
REPETITIONS_ARGUMENT = "numReps"
"""FINN's names of a DMA kernel's two arguments: the buffer and the number of frames."""


def emulation_binary(
    deployment: Deployment,
    board_id: int,
    segments: Mapping[str, bytes],
    board: Board,
    *,
    network_release: str = "current",
) -> bytes:
    """Return the binary of one board.

    Args:
        deployment: What runs where.
        board_id: Which board of it.
        segments: ONNX bytes of every compute kernel on that board, by kernel name; kernels without
            layers only pass a stream on and have none.
        board: Facts of that board.
        network_release: Whose register offsets the network layer has: ``current``, or ``original``
            for artifacts that the original loader is to set up.

    Raises:
        UserError: A segment is missing or too many, or a memory bank does not exist.
    """
    deployed = next(entry for entry in deployment.boards if entry.id == board_id)
    wanted = _checked(segments, deployment, deployed)
    kernels = _addressed(_kernels(deployment, board_id, network_release))
    ips = tuple(_ip(kernel, unit, base) for kernel in kernels for unit, base in kernel.instances)
    contents = (
        (SectionKind.EMULATION_DATA, "emulation", pack_segments(wanted)),
        (SectionKind.MEM_TOPOLOGY, "mem_topology", _memories(deployment, board_id, board)),
        (SectionKind.IP_LAYOUT, "ip_layout", sections.pack_ip_layout(ips)),
        (SectionKind.CONNECTIVITY, "connectivity", _connections(deployment, board_id, board, ips)),
        (SectionKind.CLOCK_FREQ_TOPOLOGY, "clock_freq", _clocks(deployment)),
        (
            SectionKind.EMBEDDED_METADATA,
            "xml",
            write_metadata(
                name=deployed.binary.removesuffix(".xclbin"),
                part=deployed.part,
                clock_mhz=deployment.clock_hz // 10**6,
                kernels=kernels,
            ),
        ),
        (SectionKind.BUILD_METADATA, "build_metadata", _build_metadata(deployment, deployed)),
    )
    header = _header(deployed, [content for _, _, content in contents])
    return assemble(header, contents, deployed.binary).to_bytes()


def _checked(
    segments: Mapping[str, bytes], deployment: Deployment, deployed: DeployedBoard
) -> Mapping[str, bytes]:
    """Return the segments of the kernels that compute something."""
    kernels = deployment.kernels_of(deployed.id)
    expected = [kernel.name for kernel in kernels if kernel.layers]
    if not set(expected) <= set(segments) <= {kernel.name for kernel in kernels}:
        raise UserError(
            f"{deployed.binary}: segments {', '.join(sorted(segments)) or 'none'}, the plan puts "
            f"{', '.join(expected) or 'none'} on board {deployed.id}; partition the network again"
        )
    return {name: segments[name] for name in expected}


def _header(deployed: DeployedBoard, contents: Iterable[bytes]) -> Header:
    digest = hashlib.sha256(deployed.binary.encode("ascii"))
    for content in contents:
        digest.update(len(content).to_bytes(8, "little"))
        digest.update(content)
    identity = digest.digest()
    return Header(
        unique_id=int.from_bytes(identity[16:24], "little"),
        interface_uuid=hashlib.sha256(deployed.shell.encode("utf-8")).digest()[:16],
        platform=sections.field(deployed.shell, 64, "shell"),
        uuid=identity[:16],
    )


def _kernels(
    deployment: Deployment, board_id: int, network_release: str
) -> Iterator[KernelMetadata]:
    for kernel in deployment.kernels_of(board_id):
        if not kernel.layers:
            continue  # a relay is a stream between two adapters, not a kernel
        ports = (*kernel.inputs, *kernel.outputs)
        streams = tuple(_stream(port.name, position) for position, port in enumerate(ports))
        yield _free_running(kernel.name, (kernel.name,), streams)
    for stream in deployment.host:
        if stream.board == board_id:
            yield _dma(stream.dma)
    ports_used = tuple(port.qsfp for port in deployment.ports if port.board == board_id)
    for port in ports_used:
        mac = registers.mac_kernel(port)
        yield _free_running(mac, (mac,), _named(registers.MAC))
    if ports_used:
        units = tuple(registers.network_unit(port) for port in ports_used)
        offsets = registers.RELEASES[network_release]
        yield _free_running(registers.NETWORK_LAYER, units, _named(offsets))
    yield from _adapters(deployment, board_id)


def _adapters(deployment: Deployment, board_id: int) -> Iterator[KernelMetadata]:
    """The link adapters and what joins those of a port, as the build project makes them."""
    for adapter in instances(deployment, board_id):
        kernel = describe(adapter)
        streams = tuple(_stream(port.name, order) for order, port in enumerate(kernel.streams))
        named = _named({register.name: register.offset for register in kernel.registers})
        yield _free_running(kernel.name, (kernel.name,), (*streams, *named))


def _free_running(
    name: str, units: tuple[str, ...], arguments: tuple[Argument, ...]
) -> KernelMetadata:
    instances = tuple((unit, None) for unit in units)
    return KernelMetadata(
        name=name, control="ap_ctrl_none", arguments=arguments, instances=instances
    )


def _dma(name: str) -> KernelMetadata:
    arguments = (
        Argument(
            name=ADDRESS_ARGUMENT,
            id=0,
            offset=_ADDRESS_OFFSET,
            qualifier=Qualifier.GLOBAL,
            type="void*",
            size=8,
            port="m_axi_gmem0",
        ),
        Argument(
            name=REPETITIONS_ARGUMENT,
            id=1,
            offset=_REPETITIONS_OFFSET,
            qualifier=Qualifier.SCALAR,
            type="unsigned int",
            size=4,
            port="s_axi_control_0",
        ),
    )
    return KernelMetadata(
        name=name, control="ap_ctrl_hs", arguments=arguments, instances=((name, None),)
    )


def _stream(port: str, position: int) -> Argument:
    return Argument(
        name=port, id=position, offset=0, qualifier=Qualifier.STREAM, type="stream", port=port
    )


def _named(offsets: Mapping[str, int]) -> tuple[Argument, ...]:
    return tuple(
        Argument(
            name=name,
            id=position,
            offset=offset,
            type="unsigned int",
            size=4,
            port="s_axi_control_0",
        )
        for position, (name, offset) in enumerate(offsets.items())
    )


def _addressed(kernels: Iterable[KernelMetadata]) -> tuple[KernelMetadata, ...]:
    """Give every compute unit with registers its own window of addresses."""
    addressed = []
    base = _REGISTERS_START
    for kernel in kernels:
        instances = []
        has_registers = any(a.qualifier != Qualifier.STREAM for a in kernel.arguments)
        for unit, _ in kernel.instances:
            instances.append((unit, base if has_registers else None))
            base += _REGISTERS_STRIDE if has_registers else 0
        addressed.append(
            KernelMetadata(
                name=kernel.name,
                control=kernel.control,
                arguments=kernel.arguments,
                instances=tuple(instances),
            )
        )
    return tuple(addressed)


def _ip(kernel: KernelMetadata, unit: str, base: int | None) -> Ip:
    control = Control.AP_CTRL_HS if kernel.control == "ap_ctrl_hs" else Control.AP_CTRL_NONE
    return Ip(type=IpType.KERNEL, properties=control << 8, base=base, name=f"{kernel.name}:{unit}")


def _memories(deployment: Deployment, board_id: int, board: Board) -> bytes:
    used = {stream.memory for stream in deployment.host if stream.board == board_id}
    sizes = [bank.size_bytes for bank in board.memory]
    return sections.pack_memory_topology(
        sections.MemoryBank(
            type=_MEMORY_TYPES[bank.kind],
            used=bank.tag in used,
            size_kib=bank.size_bytes // 1024,
            base=end - bank.size_bytes,
            tag=bank.tag,
        )
        for bank, end in zip(board.memory, accumulate(sizes), strict=True)
    )


def _connections(deployment: Deployment, board_id: int, board: Board, ips: tuple[Ip, ...]) -> bytes:
    tags = [bank.tag for bank in board.memory]
    units = [ip.compute_unit for ip in ips]
    streams = [stream for stream in deployment.host if stream.board == board_id]
    for stream in streams:
        board.bank(stream.memory)
    return sections.pack_connectivity(
        Connection(argument=0, ip=units.index(stream.dma), memory=tags.index(stream.memory))
        for stream in streams
    )


def _clocks(deployment: Deployment) -> bytes:
    clock = sections.Clock(
        mhz=deployment.clock_hz // 10**6, type=sections.ClockType.DATA, name="DATA_CLK"
    )
    return sections.pack_clock_topology((clock,))


def _build_metadata(deployment: Deployment, deployed: DeployedBoard) -> bytes:
    document = {
        "build_metadata": {
            "dsa": {"name": deployed.shell, "board": {"name": deployed.board}},
            "xclbin": {
                "generated_by": {
                    "name": "elasticdf",
                    "version": __version__,
                    "options": "build --emulate",
                },
                "user": dict(deployment.metadata()),
            },
        }
    }
    return json_bytes(document)
