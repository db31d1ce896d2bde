"""Which adapters a board needs, with their parameters, and how they are wired.

Every network port in use gets one merger towards the network layer and one distributor from it, so
that senders and receivers, whatever their number, share its two streams by socket row.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from elasticdf.artifact.deployment import Deployment, NetworkStream, Port
from elasticdf.artifact.network_registers import network_unit
from elasticdf.errors import InternalError, UserError
from elasticdf.hardware.framing import BEAT_BYTES, MAX_PACKET_BEATS
from elasticdf.layers.kind import padded

MAX_WINDOW_BEATS = 1008
"""What the receiver's 1024-beat buffer holds beside 16 beats of control packets."""

MAX_TRANSFER_BYTES = 512

CREDITS_PER_WINDOW = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """``edf_tx``: a FINN stream onto a socket row.

    Attributes:
        name: Of kernel and compute unit.
        transfer_bytes: Width of the stream, padded to bytes.
        transfers: Per frame.
        row: Of the socket table.
        window_beats: Most 64-byte beats on the way without credit.
        restart_cycles: Silence after a reset, longer than any packet can be on the way.
        probe_cycles: Wait for credit before asking, longer than a round trip.
    """

    name: str
    transfer_bytes: int
    transfers: int
    row: int
    window_beats: int
    restart_cycles: int = 16384
    probe_cycles: int = 16384

    def __post_init__(self) -> None:
        _check(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Receiver:
    """``edf_rx``: a socket row back into a FINN stream.

    Attributes:
        name: Of kernel and compute unit.
        transfer_bytes: Width of the stream, padded to bytes.
        transfers: Per frame.
        row: Of the socket table.
        window_beats: The sender's.
        fill_missing: Frames wholly lost are replaced by zeros, so that the count stays right;
            otherwise they are left out.
    """

    name: str
    transfer_bytes: int
    transfers: int
    row: int
    window_beats: int
    fill_missing: bool = True

    def __post_init__(self) -> None:
        _check(self)

    @property
    def credit_step(self) -> int:
        """Beats used up that are worth a credit packet."""
        return max(1, self.window_beats // CREDITS_PER_WINDOW)


@dataclass(frozen=True, slots=True, kw_only=True)
class Merger:
    """``edf_mux``: whole packets from several adapters onto the network layer.

    Attributes:
        name: Of kernel and compute unit.
        inputs: Streams.
    """

    name: str
    inputs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Distributor:
    """``edf_demux``: packets from the network layer to the adapter of their row.

    Attributes:
        name: Of kernel and compute unit.
        rows: Of each output, in order. A sender and a receiver may share a row.
        credits: Whether the output leads to a sender, which hears CREDIT only.
    """

    name: str
    rows: tuple[int, ...]
    credits: tuple[bool, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TieOff:
    """A stream end of a network layer that nothing else uses.

    Attributes:
        name: Of kernel and compute unit.
        drives: It feeds ``S_AXIS_sk2nl`` and is never valid; else it empties ``M_AXIS_nl2sk``.
    """

    name: str
    drives: bool


Adapter: TypeAlias = Sender | Receiver | Merger | Distributor | TieOff


@dataclass(frozen=True, slots=True, kw_only=True)
class Wire:
    """A stream connection: ``unit.port`` to ``unit.port``."""

    source: str
    target: str


def sender_name(link: NetworkStream) -> str:
    """Return the name of the adapter at the producer's end."""
    return f"edf_tx_{link.id}"


def receiver_name(link: NetworkStream) -> str:
    """Return the name of the adapter at the consumer's end."""
    return f"edf_rx_{link.id}"


def merger_name(qsfp: int) -> str:
    """Return the name of the merger of a network port."""
    return f"edf_mux_{qsfp}"


def distributor_name(qsfp: int) -> str:
    """Return the name of the distributor of a network port."""
    return f"edf_demux_{qsfp}"


def instances(
    deployment: Deployment, board: int, *, fill_missing: bool = True
) -> tuple[Adapter, ...]:
    """Return the adapters of a board: by link, then by network port."""
    ends: list[Adapter] = []
    for link in deployment.links:
        if link.source_board == board:
            ends.append(_sender(deployment, link))
        if link.target_board == board:
            ends.append(_receiver(deployment, link, fill_missing=fill_missing))
    for qsfp in _ports(deployment, board):
        attached = _attached(deployment, board, qsfp)
        ends.append(Merger(name=merger_name(qsfp), inputs=len(attached)))
        ends.append(
            Distributor(
                name=distributor_name(qsfp),
                rows=tuple(row for row, _, _ in attached),
                credits=tuple(sends for _, sends, _ in attached),
            )
        )
    return tuple(ends)


def wires(deployment: Deployment, board: int) -> tuple[Wire, ...]:
    """Return every stream connection of a board's adapters, also those to compute kernels."""
    found = []
    for link in deployment.links:
        if link.source_board == board:
            producer = _producer(deployment, link)
            found.append(Wire(source=producer, target=f"{sender_name(link)}.s_axis_0"))
        if link.target_board == board:
            consumer = _consumer(deployment, link)
            found.append(Wire(source=f"{receiver_name(link)}.m_axis_0", target=consumer))
    for qsfp in _ports(deployment, board):
        merger, distributor, unit = merger_name(qsfp), distributor_name(qsfp), network_unit(qsfp)
        for index, (_row, _sends, name) in enumerate(_attached(deployment, board, qsfp)):
            found.append(Wire(source=f"{name}.k2n", target=f"{merger}.s_axis_{index}"))
            found.append(Wire(source=f"{distributor}.m_axis_{index}", target=f"{name}.n2k"))
        found.append(Wire(source=f"{merger}.k2n", target=f"{unit}.S_AXIS_sk2nl"))
        found.append(Wire(source=f"{unit}.M_AXIS_nl2sk", target=f"{distributor}.n2k"))
    return tuple(dict.fromkeys(found))


def _check(adapter: Sender | Receiver) -> None:
    if adapter.transfer_bytes > MAX_TRANSFER_BYTES:
        raise UserError(
            f"{adapter.name}: a transfer of {adapter.transfer_bytes} bytes is too wide for a link, "
            f"which takes {MAX_TRANSFER_BYTES}; lower PE of the layer before the cut"
        )
    if adapter.transfer_bytes < 1 or adapter.transfers < 1:
        raise InternalError(
            f"{adapter.name}: {adapter.transfers} transfers of {adapter.transfer_bytes} bytes"
        )
    if not MAX_PACKET_BEATS <= adapter.window_beats <= MAX_WINDOW_BEATS:
        raise InternalError(f"{adapter.name}: a window of {adapter.window_beats} beats")


def _sender(deployment: Deployment, link: NetworkStream) -> Sender:
    port = _port(deployment, link)
    return Sender(
        name=sender_name(link),
        transfer_bytes=padded(port.bits) // 8,
        transfers=port.transfers,
        row=link.source_row,
        window_beats=_window_beats(link),
    )


def _receiver(deployment: Deployment, link: NetworkStream, *, fill_missing: bool) -> Receiver:
    port = _port(deployment, link)
    return Receiver(
        name=receiver_name(link),
        transfer_bytes=padded(port.bits) // 8,
        transfers=port.transfers,
        row=link.target_row,
        window_beats=_window_beats(link),
        fill_missing=fill_missing,
    )


def _window_beats(link: NetworkStream) -> int:
    return min(link.window_bytes // BEAT_BYTES, MAX_WINDOW_BEATS)


def _port(deployment: Deployment, link: NetworkStream) -> Port:
    kernel = deployment.kernel(link.source[0])
    return next(port for port in kernel.outputs if port.name == link.source[1])


def _ports(deployment: Deployment, board: int) -> tuple[int, ...]:
    return tuple(port.qsfp for port in deployment.ports if port.board == board)


def _attached(deployment: Deployment, board: int, qsfp: int) -> list[tuple[int, bool, str]]:
    """Return row, whether it sends, and name of the adapters on a network port, in row order."""
    found = []
    for link in deployment.links:
        if (link.source_board, link.source_qsfp) == (board, qsfp):
            found.append((link.source_row, True, sender_name(link)))
        if (link.target_board, link.target_qsfp) == (board, qsfp):
            found.append((link.target_row, False, receiver_name(link)))
    return sorted(found)


def _producer(deployment: Deployment, link: NetworkStream) -> str:
    """Return the port that feeds a sender: a relay has no logic, its receiver does it."""
    kernel, port = link.source
    if deployment.kernel(kernel).layers:
        return f"{kernel}.{port}"
    before = next(other for other in deployment.links if other.target[0] == kernel)
    return f"{receiver_name(before)}.m_axis_0"


def _consumer(deployment: Deployment, link: NetworkStream) -> str:
    """Return the port that a receiver feeds; behind a relay, its sender's."""
    kernel, port = link.target
    if deployment.kernel(kernel).layers:
        return f"{kernel}.{port}"
    after = next(other for other in deployment.links if other.source[0] == kernel)
    return f"{sender_name(after)}.s_axis_0"
