"""From a plan to a deployment: kernels, their streams, memory banks, network rows.

Everything that two boards, or a board and the host, must agree on is decided here once; emission,
packaging and the runtime only read it. Nothing here knows file formats.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter
from dataclasses import dataclass, field, replace

from codegen.addressing import Addressing, Hop, connect, network_ports
from codegen.depths import STREAM_DEPTH, with_depths
from codegen.host_ports import BankPicker
from codegen.segmentation import Join, Segmentation, relay, segment
from elasticdf.artifact.deployment import (
    DeployedBoard,
    Deployment,
    Direction,
    HostStream,
    Kernel,
    LocalStream,
    Port,
    StreamEnd,
)
from elasticdf.errors import InternalError, UserError
from elasticdf.hardware import Cluster
from elasticdf.hardware.cluster import PortId
from elasticdf.hardware.framing import wire_bits
from elasticdf.ir import Graph
from elasticdf.layers.kind import padded
from partitioner.placed import folded
from partitioner.plan import Mode, Plan


def deploy(
    graph: Graph,
    plan: Plan,
    cluster: Cluster,
    addressing: Addressing | None = None,
    *,
    tool: str | None = None,
) -> Deployment:
    """Return what runs where.

    Args:
        graph: The network the plan places.
        plan: Where every layer sits.
        cluster: The boards the plan's ids mean.
        addressing: Of the network ports.
        tool: Vitis release whose shells to use, the newest shells by default.

    Raises:
        UserError: More streams than sockets or memory interfaces, or boards nothing connects.
    """
    segmentations = tuple(
        segment(folded(graph, plan, replica), plan, replica) for replica in range(plan.replicas)
    )
    wiring = _Wiring(plan=plan, cluster=cluster, segmentations=segmentations)
    for segmentation in segmentations:
        for join in segmentation.joins:
            wiring.add(join, segmentation)
    links = connect(wiring.hops, cluster)
    relays = sorted(wiring.relays, key=lambda kernel: (kernel.replica, kernel.name))
    kernels = tuple(k for s in segmentations for k in s.kernels) + tuple(relays)
    deployment = Deployment(
        network=graph.name,
        mode=plan.mode.value,
        clock_hz=plan.clock_hz,
        replicas=plan.replicas,
        boards=_boards(graph, kernels, cluster, tool),
        kernels=kernels,
        local=tuple(wiring.local),
        links=links,
        host=_named(wiring.host),
        ports=network_ports(links, cluster, addressing or Addressing()),
        plan_digest=plan.digest,
    )
    return with_depths(deployment)


@dataclass(kw_only=True)
class _Wiring:
    """Collects the connections of all replicas; the loads decide between parallel cables."""

    plan: Plan
    cluster: Cluster
    segmentations: tuple[Segmentation, ...]
    local: list[LocalStream] = field(default_factory=list)
    hops: list[Hop] = field(default_factory=list)
    host: list[HostStream] = field(default_factory=list)
    relays: list[Kernel] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._kernels = {k.name: k for s in self.segmentations for k in s.kernels}
        self._banks = {i: BankPicker(board) for i, board in enumerate(self.cluster.boards)}
        self._loads: Counter[tuple[PortId, str]] = Counter()
        self._routes = {(c.replica, c.source, c.target): c.route for c in self.plan.crossings}

    def add(self, join: Join, segmentation: Segmentation) -> None:
        """Wire one stream."""
        if join.source is None or join.target is None:
            self._add_host_end(join, segmentation)
            return
        source, target = self._kernels[join.source[0]], self._kernels[join.target[0]]
        if source.board == target.board:
            self.local.append(
                LocalStream(
                    board=source.board,
                    source=join.source,
                    target=join.target,
                    depth=STREAM_DEPTH,
                )
            )
        elif self.plan.mode is Mode.SOFTWARE:
            self._add_host(join.source, Direction.OUT, segmentation.steps[source.name])
            self._add_host(join.target, Direction.IN, segmentation.steps[target.name])
        else:
            self._add_network(join, source, target)

    def _add_host_end(self, join: Join, segmentation: Segmentation) -> None:
        for end, direction in ((join.source, Direction.OUT), (join.target, Direction.IN)):
            if end is not None:
                step = segmentation.steps[end[0]] if self.plan.mode is Mode.SOFTWARE else 0
                self._add_host(end, direction, step, join.weights)

    def _add_host(
        self, end: StreamEnd, direction: Direction, step: int, weights: str | None = None
    ) -> None:
        kernel = self._kernels[end[0]]
        word = f"{direction.value[0]}dma" if weights is None else "wdma"
        self.host.append(
            HostStream(
                board=kernel.board,
                dma=f"{word}_{kernel.name}",
                direction=direction,
                end=end,
                memory=self._banks[kernel.board].take(),
                step=step,
                bytes_per_frame=_bytes_per_frame(_port_of(kernel, end)),
                weights=weights,
            )
        )

    def _add_network(self, join: Join, source: Kernel, target: Kernel) -> None:
        if join.source is None or join.target is None:
            raise InternalError("a network stream has two ends")
        port = _port_of(source, join.source)
        frame_bytes = _bytes_per_frame(port)
        boards = self._board_route(join, source, target)
        leaving = join.source
        for here, there in itertools.pairwise(boards):
            origin, destination = self._cable(here, there, wire_bits(frame_bytes * 8))
            if there == target.board:
                arriving = onward = join.target
            else:
                name = f"relay_r{source.replica}_n{len(self.relays)}"
                die = self.cluster.boards[there].port(destination[1]).die
                self.relays.append(relay(source, port, name, (there, die)))
                arriving, onward = (name, "s_axis_0"), (name, "m_axis_0")
            self.hops.append(
                Hop(
                    source=leaving,
                    target=arriving,
                    origin=origin,
                    destination=destination,
                    frame_bytes=frame_bytes,
                )
            )
            leaving = onward

    def _board_route(self, join: Join, source: Kernel, target: Kernel) -> list[int]:
        stream = join.stream
        route = self._routes.get((source.replica, stream.source or "", stream.target or ""), ())
        boards = [source.board]
        for board, _die in route:
            if board != boards[-1]:
                boards.append(board)
        if boards[-1] != target.board:
            boards.append(target.board)
        return boards

    def _cable(self, here: int, there: int, bits: int) -> tuple[PortId, PortId]:
        pairs = [
            (origin, destination)
            for origin, destination, _rate in self.cluster.joined_ports
            if (origin[0], destination[0]) == (here, there)
        ]
        if not pairs:
            raise UserError(
                f"target {self.cluster.name}: boards {here} and {there} exchange a stream but "
                "nothing connects them; add a cable or a switch"
            )
        best = min(pairs, key=lambda pair: (self._load(pair), pair))
        self._loads[best[0], "out"] += bits
        self._loads[best[1], "in"] += bits
        return best

    def _load(self, pair: tuple[PortId, PortId]) -> int:
        return max(self._loads[pair[0], "out"], self._loads[pair[1], "in"])


def _port_of(kernel: Kernel, end: StreamEnd) -> Port:
    return next(port for port in (*kernel.inputs, *kernel.outputs) if port.name == end[1])


def _bytes_per_frame(port: Port) -> int:
    return port.transfers * padded(port.bits) // 8


def _named(streams: list[HostStream]) -> tuple[HostStream, ...]:
    """Number the DMA kernels of a compute kernel that has several in one direction."""
    total = Counter(stream.dma for stream in streams)
    seen: Counter[str] = Counter()
    named = []
    for stream in streams:
        suffix = f"_{seen[stream.dma]}" if total[stream.dma] > 1 else ""
        seen[stream.dma] += 1
        named.append(replace(stream, dma=f"{stream.dma}{suffix}"))
    return tuple(named)


def _boards(
    graph: Graph, kernels: tuple[Kernel, ...], cluster: Cluster, tool: str | None
) -> tuple[DeployedBoard, ...]:
    """Return the boards that do something: one without kernels needs no binary."""
    used = sorted({kernel.board for kernel in kernels})
    return tuple(_board(graph, number, cluster, tool) for number in used)


def _board(graph: Graph, number: int, cluster: Cluster, tool: str | None) -> DeployedBoard:
    board = cluster.boards[number]
    shell = board.shell if tool is None else board.shell_for(tool)
    return DeployedBoard(
        id=number,
        board=board.name,
        part=board.part,
        vendor=board.vendor,
        shell=shell.name,
        shell_version=shell.version,
        binary=f"{binary_stem(graph.name)}_board{number}.xclbin",
    )


def binary_stem(network: str) -> str:
    """Return a network's name as the original loader can take it: letters, digits, ``_``, ``.``."""
    return re.sub(r"[^A-Za-z0-9_.]", "_", network)[:60] or "network"
