"""What is simulated: processes that fire in a fixed order, and the channels between them.

A process is a loop over events. Each event happens at a whole cycle, takes one transfer from some
of the process's inputs and puts one on some of its outputs. What happens when depends on nothing
but counts, so every time is a maximum of earlier times plus constants (a timed event graph).
Refuses to know what a layer is; see ``patterns``.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256

import numpy as np
from numpy.typing import NDArray

MOST_PORTS = 16
"""Inputs, and outputs, a process can have: one bit each."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pattern:
    """The events of one frame: a table that is gone through ``repeat`` times.

    Attributes:
        gap: Least cycles since the event before, int32, shape (events,).
        reads: Inputs an event takes a transfer from, one bit per input, uint16, same shape.
        writes: Outputs it puts a transfer on, one bit per output, uint16, same shape.
        repeat: Times the table is gone through per frame.
        restart: Cycles lost between the last event of a frame and the first of the next.
        latency: Cycles from an event until its outputs leave the process.
        slots: Transfers the process itself holds on their way out.
    """

    gap: NDArray[np.int32]
    reads: NDArray[np.uint16]
    writes: NDArray[np.uint16]
    repeat: int = 1
    restart: int = 0
    latency: int = 0
    slots: int = 0

    @property
    def events(self) -> int:
        """Events of a frame."""
        return len(self.gap) * self.repeat

    def transfers(self, *, port: int, out: bool) -> int:
        """Return the transfers of a frame on one input or output."""
        marks = self.writes if out else self.reads
        return int(np.count_nonzero(marks & np.uint16(1 << port))) * self.repeat


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """What a stream puts on a link per frame.

    Attributes:
        link: Name of the hop.
        tensor: The stream.
        sends: Packets that each event sends.
        wire_bytes: In bytes, headers, gaps and all.
    """

    link: str
    tensor: str
    sends: tuple[int, ...]
    wire_bytes: int

    @property
    def packets(self) -> int:
        """Packets of a frame."""
        return sum(self.sends)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Process:
    """One process.

    Attributes:
        name: For reports; several processes of one layer share its name's beginning.
        layer: The layer it belongs to; empty for sources, sinks and hops.
        pattern: Its events.
        partner: Index of a process it must keep in step with; None for none.
        need: How many of the partner's events of the same frame must have happened one cycle
            before each event, int32, shape (events,); 0 means those of the frame before.
        traffic: What it puts on a link; None for what is no link.
    """

    name: str
    layer: str
    pattern: Pattern
    partner: int | None = None
    need: NDArray[np.int32] | None = None
    traffic: Traffic | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """A stream between two processes.

    Attributes:
        tensor: What it carries.
        source: Index of the producing process.
        source_port: Its output.
        target: Index of the consuming process.
        target_port: Its input.
        depth: Transfers its FIFO holds; None for no limit.
        latency: Cycles a transfer takes at least.
        bits: Of a transfer.
        sized: Whether its depth may be chosen; those inside a hop are what they are.
    """

    tensor: str
    source: int
    source_port: int
    target: int
    target_port: int
    depth: int | None
    latency: int
    bits: int
    sized: bool = True

    @property
    def registers(self) -> int:
        """Transfers it holds beside its FIFO: one per cycle of its latency but the last."""
        return self.latency - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Net:
    """Everything that is simulated.

    Attributes:
        processes: In topological order but for partners.
        channels: Every input and output of every process has exactly one.
        sources: Indices of the processes that feed frames in.
        sinks: Indices of those that take results out.
    """

    processes: tuple[Process, ...]
    channels: tuple[Channel, ...]
    sources: tuple[int, ...]
    sinks: tuple[int, ...]

    @property
    def links(self) -> tuple[str, ...]:
        """The links that are passed, one for each stream on each."""
        return tuple(p.traffic.link for p in self.processes if p.traffic is not None)

    @property
    def signature(self) -> str:
        """A digest of all that decides what happens when: nets that share it differ in names."""
        known = {id(p.pattern): _digest(p.pattern) for p in self.processes}
        rows = [
            (
                p.layer,
                known[id(p.pattern)],
                p.partner,
                None if p.need is None else sha256(p.need.tobytes()).hexdigest(),
                None if p.traffic is None else (p.traffic.sends, p.traffic.wire_bytes),
            )
            for p in self.processes
        ]
        whole = repr((rows, self.channels, self.sources, self.sinks))
        return sha256(whole.encode()).hexdigest()


def _digest(pattern: Pattern) -> str:
    arrays = (pattern.gap, pattern.reads, pattern.writes)
    content = b"".join(array.tobytes() for array in arrays)
    numbers = (pattern.repeat, pattern.restart, pattern.latency, pattern.slots, len(pattern.gap))
    return sha256(content + repr(numbers).encode()).hexdigest()


def table(
    gap: NDArray[np.generic] | list[int],
    reads: NDArray[np.generic] | list[int],
    writes: NDArray[np.generic] | list[int],
    **more: int,
) -> Pattern:
    """Return a pattern from plain numbers."""
    return Pattern(
        gap=np.asarray(gap, np.int32),
        reads=np.asarray(reads, np.uint16),
        writes=np.asarray(writes, np.uint16),
        **more,
    )
