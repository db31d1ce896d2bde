"""The link adapters of a board as v++ sees them: kernels, their dies and their streams.

Each network stream has one adapter at each end. A port's adapters share the network layer's single
pair of user streams through a multiplexer and a demultiplexer, which are there even for one stream:
data goes one way and credits the other, so every port sends and receives.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from codegen.board_view import BoardView
from elasticdf.artifact.deployment import NetworkPort, NetworkStream

FIFO_WORDS = 512
"""Depth of the streams to and from the network layer, as ACCL uses."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Adapter:
    """One adapter kernel: TX at the producer's end of a link, RX at the consumer's.

    Attributes:
        name: Kernel and compute unit.
        link: The stream it serves.
        port: Network port it uses on this board.
        row: Its socket row there.
        sends: Whether it is the TX end.
        stream_port: AXI stream towards the compute kernel.
    """

    name: str
    link: NetworkStream
    port: NetworkPort
    row: int
    sends: bool
    stream_port: str


def adapters(view: BoardView) -> tuple[Adapter, ...]:
    """Return the adapters of a board, by port and socket row."""
    ports = {port.qsfp: port for port in view.ports}
    found = [
        Adapter(
            name=f"edf_tx_{link.id}",
            link=link,
            port=ports[link.source_qsfp],
            row=link.source_row,
            sends=True,
            stream_port="s_axis_0",
        )
        for link in view.outgoing
    ]
    found += [
        Adapter(
            name=f"edf_rx_{link.id}",
            link=link,
            port=ports[link.target_qsfp],
            row=link.target_row,
            sends=False,
            stream_port="m_axis_0",
        )
        for link in view.incoming
    ]
    return tuple(sorted(found, key=lambda adapter: (adapter.port.qsfp, adapter.row)))


def multiplexer(port: NetworkPort) -> str:
    """Return the kernel that merges a port's adapters towards the network."""
    return f"edf_mux_{port.qsfp}"


def demultiplexer(port: NetworkPort) -> str:
    """Return the kernel that hands a port's packets to its adapters."""
    return f"edf_demux_{port.qsfp}"


def streams(view: BoardView) -> Iterator[tuple[str, str, int | None]]:
    """Yield (source, target, depth) of the streams around the adapters, the network layer's too."""
    for port in view.ports:
        layer, mac = f"networklayer_{port.qsfp}", f"cmac_{port.qsfp}"
        yield f"{mac}.M_AXIS", f"{layer}.S_AXIS_eth2nl", None
        yield f"{layer}.M_AXIS_nl2eth", f"{mac}.S_AXIS", None
        yield f"{layer}.M_AXIS_nl2sk", f"{demultiplexer(port)}.n2k", FIFO_WORDS
        yield f"{multiplexer(port)}.k2n", f"{layer}.S_AXIS_sk2nl", FIFO_WORDS
    for adapter in adapters(view):
        yield (
            f"{demultiplexer(adapter.port)}.m_axis_{adapter.row}",
            f"{adapter.name}.n2k",
            None,
        )
        yield f"{adapter.name}.k2n", f"{multiplexer(adapter.port)}.s_axis_{adapter.row}", None
