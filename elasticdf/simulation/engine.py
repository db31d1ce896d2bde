"""Works out when every event of a net happens: compiled, exact, in any order.

A process is run until it misses a transfer, a free place or its partner; then whoever can help is
run. Times do not depend on that order, because each is a maximum over earlier events. Refuses to
stop early: it ends when all frames are done or when nothing can move any more.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from elasticdf.simulation.core import compiled_run
from elasticdf.simulation.process import Net

NEVER = -1
"""Time of what did not happen."""

_DONE, _PARTNER = -1, -2
"""What a process waits for beside channels (numbered from 0)."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Times:
    """What happened when.

    Attributes:
        first: Cycle of the first event of each frame, int64, shape (processes, frames).
        last: Cycle of the last one, same shape.
        starved: Cycles each process waited for inputs beyond its own pace during each frame that
            it ended, same shape.
        stalled: The same for places on its outputs.
        waits: Channel each process waits for at the end; -1 if it is done, -2 for its partner.
        written: Transfers put on each channel, int64, shape (channels,).
        read: Transfers taken off it.
        put: When the last transfers were put on each channel, a ring per channel, int64.
        taken: When they were taken off.
        rings: Start of each channel's ring and its length, int64, shape (channels, 2).
        sent: When each packet was sent, by the index of the process that sends on a link, int64.
        events: Events that happened, over all processes.
    """

    first: NDArray[np.int64]
    last: NDArray[np.int64]
    starved: NDArray[np.int64]
    stalled: NDArray[np.int64]
    waits: NDArray[np.int64]
    written: NDArray[np.int64]
    read: NDArray[np.int64]
    put: NDArray[np.int64]
    taken: NDArray[np.int64]
    rings: NDArray[np.int64]
    sent: Mapping[int, NDArray[np.int64]]
    events: int

    @property
    def complete(self) -> bool:
        """Whether all frames came through."""
        return bool((self.waits == _DONE).all())


def run(
    net: Net,
    *,
    frames: int,
    depths: NDArray[np.int64] | None = None,
    period: int = 0,
) -> Times:
    """Return when everything happens.

    Args:
        net: What is simulated.
        frames: Fed in.
        depths: Depth of each channel instead of its own, int64, shape (channels,).
        period: Cycles between the starts of two frames at least; 0 feeds them back to back.
    """
    arrays = _arrays(net, frames, depths)
    partners, history = arrays[4], arrays[6].astype(np.int64, copy=False)
    outcome = compiled_run(frames, period, *arrays)
    first, last, starved, stalled, waits, written, read, events = outcome
    return Times(
        first=first,
        last=last,
        starved=np.diff(starved, prepend=0),
        stalled=np.diff(stalled, prepend=0),
        waits=waits,
        written=written,
        read=read,
        put=arrays[-2].astype(np.int64, copy=False),
        taken=arrays[-1].astype(np.int64, copy=False),
        rings=np.stack([arrays[-3], arrays[-5]], axis=1),
        sent={
            i: history[partners[i, 2] :][: process.pattern.events * frames]
            for i, process in enumerate(net.processes)
            if process.traffic is not None
        },
        events=int(events),
    )


def capacities(net: Net, frames: int, depths: NDArray[np.int64] | None) -> NDArray[np.int64]:
    """Return the transfers each channel holds, those in its producer and registers included."""
    found = np.empty(len(net.channels), np.int64)
    for i, channel in enumerate(net.channels):
        pattern = net.processes[channel.source].pattern
        total = pattern.transfers(port=channel.source_port, out=True) * frames
        depth = channel.depth if depths is None else int(depths[i])
        inside = pattern.slots + channel.registers
        found[i] = total if depth is None else min(depth + inside, total)
    return np.maximum(found, 1)


def _arrays(
    net: Net, frames: int, depths: NDArray[np.int64] | None
) -> tuple[NDArray[np.generic], ...]:
    """Return the net as flat arrays, in the order `_run` takes them."""
    patterns = [process.pattern for process in net.processes]
    unique = list({id(p): p for p in patterns}.values())
    place = dict(zip(map(id, unique), _offsets([len(p.gap) for p in unique]), strict=True))
    gap = np.concatenate([p.gap for p in unique])
    reads = np.concatenate([p.reads for p in unique])
    writes = np.concatenate([p.writes for p in unique])
    ports_in, ports_out = _ports(net)
    single = np.all(np.maximum(ports_in, ports_out)[:, 1:] < 0, axis=1)
    shape = np.array(
        [
            (place[id(p)], len(p.gap), p.events, p.restart, i in net.sources, single[i])
            for i, p in enumerate(patterns)
        ],
        np.int64,
    )
    partners, need, history = _partners(net, frames)
    ends = np.array([(c.source, c.target) for c in net.channels], np.int64)
    capacity = capacities(net, frames, depths)
    latency = np.array(
        [c.latency + net.processes[c.source].pattern.latency for c in net.channels], np.int64
    )
    rings = np.array(_offsets(capacity.tolist()), np.int64)
    return (
        gap,
        reads,
        writes,
        shape,
        partners,
        need,
        history,
        ends,
        ports_in,
        ports_out,
        capacity,
        latency,
        rings,
        np.zeros(int(capacity.sum()), np.int64),
        np.zeros(int(capacity.sum()), np.int64),
    )


def _offsets(lengths: list[int]) -> list[int]:
    return [0, *np.cumsum(np.array(lengths, np.int64)).tolist()][: len(lengths)]


def _partners(
    net: Net, frames: int
) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.int64]]:
    """Return (partner, where its needs start, its history's start and length), needs, history.

    What others keep in step with is remembered for two frames, what sends on a link throughout.
    """
    rows, needs = np.full((len(net.processes), 4), -1, np.int64), [np.zeros(0, np.int32)]
    watched = {p.partner for p in net.processes if p.partner is not None}
    needed = kept = 0
    for i, process in enumerate(net.processes):
        remembered = frames if process.traffic is not None else 2 if i in watched else 0
        if remembered:
            length = 1 << (remembered * process.pattern.events - 1).bit_length()
            rows[i, 2:] = kept, length
            kept += length
        if process.partner is not None and process.need is not None:
            rows[i, :2] = process.partner, needed
            needed += len(process.need)
            needs.append(process.need)
    return rows, np.concatenate(needs), np.zeros(kept, np.int64)


def _ports(net: Net) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the channel of each process's inputs and outputs, -1 where there is none."""
    width = 1 + max([max(c.source_port, c.target_port) for c in net.channels], default=0)
    ports = np.full((2, len(net.processes), width), -1, np.int64)
    for i, channel in enumerate(net.channels):
        ports[0, channel.target, channel.target_port] = i
        ports[1, channel.source, channel.source_port] = i
    return ports[0], ports[1]
