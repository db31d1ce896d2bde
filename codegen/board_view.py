"""One board of a deployment, with everything that touches it picked out."""

from __future__ import annotations

from dataclasses import dataclass

from elasticdf.artifact.deployment import (
    DeployedBoard,
    Deployment,
    HostStream,
    Kernel,
    LocalStream,
    NetworkPort,
    NetworkStream,
    Port,
    StreamEnd,
)
from elasticdf.hardware import Board, Cluster, Shell


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardView:
    """What emitters for one board need.

    Attributes:
        deployment: The whole, for ends on other boards.
        deployed: The board and its binary.
        board: Its facts.
        kernels: Compute kernels with layers, by replica and stage.
        relays: Kernels without layers: streams that only pass through.
        local: Streams between its kernels.
        outgoing: Links it sends on.
        incoming: Links it receives from.
        host: Its DMA kernels.
        ports: Network ports in use.
    """

    deployment: Deployment
    deployed: DeployedBoard
    board: Board
    kernels: tuple[Kernel, ...]
    relays: tuple[Kernel, ...]
    local: tuple[LocalStream, ...]
    outgoing: tuple[NetworkStream, ...]
    incoming: tuple[NetworkStream, ...]
    host: tuple[HostStream, ...]
    ports: tuple[NetworkPort, ...]

    @property
    def shell(self) -> Shell:
        """Return the facts of the shell the binary is linked for."""
        return next(s for s in self.board.shells if s.name == self.deployed.shell)

    def port(self, end: StreamEnd) -> Port:
        """Return the port behind a stream end."""
        kernel = self.deployment.kernel(end[0])
        return next(p for p in (*kernel.inputs, *kernel.outputs) if p.name == end[1])


def view(deployment: Deployment, cluster: Cluster, number: int) -> BoardView:
    """Return the view of one board."""
    kernels = deployment.kernels_of(number)
    return BoardView(
        deployment=deployment,
        deployed=next(b for b in deployment.boards if b.id == number),
        board=cluster.boards[number],
        kernels=tuple(k for k in kernels if k.layers),
        relays=tuple(k for k in kernels if not k.layers),
        local=tuple(s for s in deployment.local if s.board == number),
        outgoing=tuple(link for link in deployment.links if link.source_board == number),
        incoming=tuple(link for link in deployment.links if link.target_board == number),
        host=tuple(s for s in deployment.host if s.board == number),
        ports=tuple(p for p in deployment.ports if p.board == number),
    )
