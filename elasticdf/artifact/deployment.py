"""What runs where: kernels per board, and every connection between them.

The build projects, the artifact's manifest and the runtime all read this one record. It is derived
from a plan (``codegen.deployment``) and travels as JSON; nobody computes names or sockets again.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeAlias

from elasticdf.errors import UserError
from elasticdf.records import decode, encode, expect_table

DEPLOYMENT_SCHEMA = "elasticdf.deployment/1"
_NAME = re.compile(r"[A-Za-z0-9_.]{1,99}")


class Direction(StrEnum):
    """Of data, seen from the board."""

    IN = "in"
    OUT = "out"


@dataclass(frozen=True, slots=True, kw_only=True)
class Port:
    """A stream end of a kernel.

    Attributes:
        name: AXI stream port: ``s_axis_<i>`` for inputs, ``m_axis_<i>`` for outputs.
        tensor: Name of the tensor in the graph.
        shape: Of the whole tensor of one frame, channels last, batch 1.
        datatype: FINN data type of an element.
        elements: Elements per transfer.
        bits: Bits per transfer, unpadded.
        transfers: Transfers per frame.
    """

    name: str
    tensor: str
    shape: tuple[int, ...]
    datatype: str
    elements: int
    bits: int
    transfers: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Kernel:
    """One compute unit: the layers of one replica that share a die and a pipeline stage.

    Attributes:
        name: Kernel and compute unit name, unique in the deployment: ``seg_r<replica>_s<n>``.
        replica: Counted from 0.
        stage: Position in the replica's chain of segments (a topological order).
        board: Board id.
        die: Name of the die.
        layers: In graph order.
        inputs: Stream inputs.
        outputs: Stream outputs.
    """

    name: str
    replica: int
    stage: int
    board: int
    die: str
    layers: tuple[str, ...]
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]


StreamEnd: TypeAlias = tuple[str, str]
"""Kernel name and port name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalStream:
    """A stream between two kernels of one board."""

    board: int
    source: StreamEnd
    target: StreamEnd
    depth: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkStream:
    """A stream between two boards, through a pair of link adapters.

    Attributes:
        id: Unique, counted from 0.
        source: Producing kernel and port.
        target: Consuming kernel and port.
        source_board: Board id of the producer.
        source_qsfp: Network port number on that board.
        source_row: Row of its socket table, which is the packets' TDEST.
        target_board: Board id of the consumer.
        target_qsfp: Network port number on that board.
        target_row: Row of the consumer's socket table; credits return through it.
        window_bytes: Bytes the sender may have on the way before credits return.
    """

    id: int
    source: StreamEnd
    target: StreamEnd
    source_board: int
    source_qsfp: int
    source_row: int
    target_board: int
    target_qsfp: int
    target_row: int
    window_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class HostStream:
    """A stream between host memory and a kernel, through a DMA kernel.

    Attributes:
        board: Board id.
        dma: Kernel and compute unit name: ``idma_<kernel>``, ``odma_<kernel>`` or, for weights,
            ``wdma_<kernel>``.
        direction: Seen from the board.
        end: The compute kernel and its port.
        memory: Bank tag, for example ``HBM[0]`` or ``DDR[1]``.
        step: In mode ``sw``, the host runs the steps of a replica one after another; else 0.
        bytes_per_frame: Transfers times the byte-padded transfer.
        weights: Layer whose weights it carries: the same bytes are read anew for every frame. None
            for frames.
    """

    board: int
    dma: str
    direction: Direction
    end: StreamEnd
    memory: str
    step: int
    bytes_per_frame: int
    weights: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Socket:
    """A row of a network port's socket table."""

    row: int
    their_ip: str
    their_port: int
    my_port: int
    valid: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkPort:
    """A network port that carries something.

    Attributes:
        board: Board id.
        qsfp: Port number on the board.
        die: Die of the transceivers.
        mac: ``00:0a:35:..``.
        ip: Dotted address; its last octet is unique in the deployment's /24.
        gateway: Dotted address.
        mask: Dotted mask.
        rsfec: Whether forward error correction is on; both ends agree.
        sockets: Rows in use.
        arp: Static entries, (ip, mac) of every peer.
    """

    board: int
    qsfp: int
    die: str
    mac: str
    ip: str
    gateway: str
    mask: str
    rsfec: bool
    sockets: tuple[Socket, ...]
    arp: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeployedBoard:
    """A board and the binary it loads.

    Attributes:
        id: Board id in the cluster; also the order of entries in the artifact.
        board: Name of the board's data file.
        part: FPGA part.
        vendor: ``xilinx``.
        shell: Platform the binary is linked for.
        shell_version: As the orchestrator spells it (``xdma_201920.3``).
        binary: File name of the binary, ``[A-Za-z0-9_.]+``.
    """

    id: int
    board: str
    part: str
    vendor: str
    shell: str
    shell_version: str
    binary: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """Everything that must agree between boards, host and network.

    Attributes:
        network: Name of the network.
        mode: ``dp``, ``hw``, ``tmp`` or ``sw``.
        clock_hz: Of the compute kernels.
        replicas: Whole pipelines.
        boards: In board order.
        kernels: Sorted by replica and stage.
        local: Streams inside boards.
        links: Streams between boards.
        host: Streams from and to host memory.
        ports: Network ports in use, by board and qsfp.
        plan_digest: SHA-256 of the plan this was made from, hexadecimal.
    """

    network: str
    mode: str
    clock_hz: int
    replicas: int
    boards: tuple[DeployedBoard, ...]
    kernels: tuple[Kernel, ...]
    local: tuple[LocalStream, ...]
    links: tuple[NetworkStream, ...]
    host: tuple[HostStream, ...]
    ports: tuple[NetworkPort, ...]
    plan_digest: str

    def kernel(self, name: str) -> Kernel:
        """Return the kernel of that name."""
        return next(kernel for kernel in self.kernels if kernel.name == name)

    def kernels_of(self, board: int) -> tuple[Kernel, ...]:
        """Return the compute kernels on a board, by replica and stage."""
        return tuple(kernel for kernel in self.kernels if kernel.board == board)

    def metadata(self) -> Mapping[str, Any]:
        """Return the few facts that name the artifact."""
        return {
            "network": self.network,
            "mode": self.mode,
            "clock_hz": self.clock_hz,
            "replicas": self.replicas,
            "plan_digest": self.plan_digest,
        }

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form; `from_json` is its inverse. Only weights say whose they are."""
        document = {"schema": DEPLOYMENT_SCHEMA, **encode(self)}
        for stream in document["host"]:
            if stream["weights"] is None:
                del stream["weights"]
        return document

    @staticmethod
    def from_json(document: Any, where: str = "deployment") -> Deployment:
        """Return the deployment a JSON document describes.

        Args:
            document: What `to_json` gave.
            where: Start of every message, for example the file's name.

        Raises:
            UserError: Another schema, an unknown or missing key, a wrong type, a name that is not
                a plain word, or a reference to a board or kernel that does not exist.
        """
        table = expect_table(document, where)
        if table.get("schema") != DEPLOYMENT_SCHEMA:
            raise UserError(
                f"{where}: schema is {table.get('schema')!r}, {DEPLOYMENT_SCHEMA!r} is needed; "
                "make the file again with this version"
            )
        deployment = decode(
            Deployment, {key: value for key, value in table.items() if key != "schema"}, where
        )
        _check_names(deployment, where)
        _check_references(deployment, where)
        return deployment


def _check_names(deployment: Deployment, where: str) -> None:
    names = (
        *(("binary", board.binary) for board in deployment.boards),
        *(("kernel", kernel.name) for kernel in deployment.kernels),
        *(("port", port.name) for k in deployment.kernels for port in (*k.inputs, *k.outputs)),
        *(("DMA kernel", stream.dma) for stream in deployment.host),
    )
    for kind, name in names:
        if _NAME.fullmatch(name) is None:
            raise UserError(
                f"{where}: {kind} name {name!r} is not 1 to 99 letters, digits, _ or .; rename it"
            )
    _refuse_twice("board", (str(board.id) for board in deployment.boards), where)
    _refuse_twice("binary", (board.binary for board in deployment.boards), where)
    _refuse_twice("kernel", (kernel.name for kernel in deployment.kernels), where)
    _refuse_twice("DMA kernel", (stream.dma for stream in deployment.host), where)
    _refuse_twice("link", (str(link.id) for link in deployment.links), where)


def _refuse_twice(kind: str, names: Iterable[str], where: str) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise UserError(f"{where}: {kind} {name!r} is there twice; remove one")
        seen.add(name)


def _check_references(deployment: Deployment, where: str) -> None:
    boards = {board.id for board in deployment.boards}
    ends = {
        (kernel.name, port.name)
        for kernel in deployment.kernels
        for port in (*kernel.inputs, *kernel.outputs)
    }
    used_boards = (
        *(kernel.board for kernel in deployment.kernels),
        *(stream.board for stream in deployment.local),
        *(stream.board for stream in deployment.host),
        *(port.board for port in deployment.ports),
        *(board for link in deployment.links for board in (link.source_board, link.target_board)),
    )
    used_ends = (
        *(end for stream in deployment.local for end in (stream.source, stream.target)),
        *(end for link in deployment.links for end in (link.source, link.target)),
        *(stream.end for stream in deployment.host),
    )
    for board in used_boards:
        if board not in boards:
            raise UserError(f"{where}: board {board} is used but not listed under boards")
    for end in used_ends:
        if end not in ends:
            raise UserError(f"{where}: stream end {end[0]}.{end[1]} belongs to no listed kernel")
    for stream in deployment.host:
        layers = deployment.kernel(stream.end[0]).layers
        if stream.weights is not None and stream.weights not in layers:
            raise UserError(
                f"{where}: {stream.dma} carries weights of layer {stream.weights!r}, which is not "
                f"in kernel {stream.end[0]}; partition the network again"
            )
