"""Works out when every event of a net happens: compiled, exact, in any order.

A process is run until it misses a transfer, a free place or its partner; then whoever can help is
run. Times do not depend on that order, because each is a maximum over earlier events. Refuses to
stop early: it ends when all frames are done or when nothing can move any more.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

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
        starved: Cycles each process waited for inputs beyond its own pace, int64, (processes,).
        stalled: The same for places on its outputs.
        waits: Channel each process waits for at the end; -1 if it is done, -2 for its partner.
        written: Transfers put on each channel, int64, shape (channels,).
        read: Transfers taken off it.
        put: When the last transfers were put on each channel, a ring per channel, int64.
        taken: When they were taken off.
        rings: Start of each channel's ring and its length, int64, shape (channels, 2).
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
    outcome = _compiled(frames, period, *arrays)
    first, last, starved, stalled, waits, written, read, events = outcome
    return Times(
        first=first,
        last=last,
        starved=starved,
        stalled=stalled,
        waits=waits,
        written=written,
        read=read,
        put=arrays[-2].astype(np.int64, copy=False),
        taken=arrays[-1].astype(np.int64, copy=False),
        rings=np.stack([arrays[-3], arrays[-5]], axis=1),
        events=int(events),
    )


def capacities(net: Net, frames: int, depths: NDArray[np.int64] | None) -> NDArray[np.int64]:
    """Return the transfers each channel holds, those inside its producer included."""
    found = np.empty(len(net.channels), np.int64)
    for i, channel in enumerate(net.channels):
        pattern = net.processes[channel.source].pattern
        total = pattern.transfers(port=channel.source_port, out=True) * frames
        depth = channel.depth if depths is None else int(depths[i])
        found[i] = total if depth is None else min(depth + pattern.slots, total)
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
    shape = np.array(
        [
            (place[id(p)], len(p.gap), p.events, p.restart, i in net.sources)
            for i, p in enumerate(patterns)
        ],
        np.int64,
    )
    partners, need, history = _partners(net)
    ends = np.array([(c.source, c.target) for c in net.channels], np.int64)
    ports_in, ports_out = _ports(net)
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


def _partners(net: Net) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.int64]]:
    """Return (partner, where its needs start, its history's start and length), needs, history."""
    rows, needs = np.full((len(net.processes), 4), -1, np.int64), [np.zeros(0, np.int32)]
    watched = {p.partner for p in net.processes if p.partner is not None}
    needed = kept = 0
    for i, process in enumerate(net.processes):
        if i in watched:
            length = 1 << (2 * process.pattern.events - 1).bit_length()
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


def _run(  # noqa: C901 - one loop nest on purpose: the compiled core has no cheap calls
    frames: Any,
    period: Any,
    gap: Any,
    reads: Any,
    writes: Any,
    shape: Any,
    partners: Any,
    need: Any,
    history: Any,
    ends: Any,
    ports_in: Any,
    ports_out: Any,
    capacity: Any,
    latency: Any,
    ring: Any,
    put: Any,
    taken: Any,
) -> Any:
    """Run the net; see `_arrays` for the arguments and `Times` for what is returned.

    Transfer n of a channel lies at place n modulo the capacity in the channel's part of ``put`` and
    ``taken``, so the place a transfer needs is the one whose ``taken`` tells when it became free.
    """
    processes, ports = ports_in.shape
    first = np.full((processes, frames), -1, np.int64)
    last = np.full((processes, frames), -1, np.int64)
    starved = np.zeros(processes, np.int64)
    stalled = np.zeros(processes, np.int64)
    waits = np.full(processes, -3, np.int64)
    written = np.zeros(len(ends), np.int64)
    read = np.zeros(len(ends), np.int64)
    write_at = ring.copy()
    read_at = ring.copy()
    done = np.zeros(processes, np.int64)
    frame = np.zeros(processes, np.int64)
    clock = np.full(processes, -1, np.int64)
    queue = np.arange(processes)
    queued = np.ones(processes, np.bool_)
    head, waiting, events = 0, processes, 0
    while waiting > 0:
        p = queue[head]
        head = head + 1 if head + 1 < processes else 0
        waiting -= 1
        queued[p] = False
        start, rows, per_frame = shape[p, 0], shape[p, 1], shape[p, 2]
        restart, release = shape[p, 3], shape[p, 4] * period
        partner, needs = partners[p, 0], partners[p, 1]
        kept, kept_mask = partners[p, 2], partners[p, 3] - 1
        other_kept = other_mask = other_done = count = np.int64(0)
        if partner >= 0:
            other_kept, other_mask = partners[partner, 2], partners[partner, 3] - 1
            other_done = done[partner] - frame[p] * shape[partner, 2]
        before = done[p]
        total, now, at_frame = before, clock[p], frame[p]
        local = total - at_frame * per_frame
        row = start + local % rows
        end = start + rows
        hungry, blocked = starved[p], stalled[p]
        reason = np.int64(-1)
        while at_frame < frames:
            own = now + gap[row]
            if local == 0:
                own = max(own + restart if at_frame else own, at_frame * release)
            arrives = own
            takes = reads[row]
            puts = writes[row]
            marks, port = takes, 0
            while marks:
                if marks & 1:
                    c = ports_in[p, port]
                    if read[c] >= written[c]:
                        reason = c
                        break
                    arrives = max(arrives, put[read_at[c]] + latency[c])
                marks >>= 1
                port += 1
            if reason >= 0:
                break
            if partner >= 0:
                count = need[needs + local]
                if count > other_done:
                    reason = np.int64(-2)
                    break
                count += at_frame * shape[partner, 2]
                if count > 0:
                    arrives = max(arrives, history[other_kept + ((count - 1) & other_mask)] + 1)
            leaves = arrives
            marks, port = puts, 0
            while marks:
                if marks & 1:
                    c = ports_out[p, port]
                    over = written[c] - capacity[c]
                    if over >= 0:
                        if over >= read[c]:
                            reason = c
                            break
                        leaves = max(leaves, taken[write_at[c]] + 1)
                marks >>= 1
                port += 1
            if reason >= 0:
                break
            marks, port = takes, 0
            while marks:
                if marks & 1:
                    c = ports_in[p, port]
                    taken[read_at[c]] = leaves
                    read[c] += 1
                    read_at[c] += 1
                    if read_at[c] == ring[c] + capacity[c]:
                        read_at[c] = ring[c]
                marks >>= 1
                port += 1
            marks, port = puts, 0
            while marks:
                if marks & 1:
                    c = ports_out[p, port]
                    put[write_at[c]] = leaves
                    written[c] += 1
                    write_at[c] += 1
                    if write_at[c] == ring[c] + capacity[c]:
                        write_at[c] = ring[c]
                marks >>= 1
                port += 1
            hungry += arrives - own
            blocked += leaves - arrives
            now = leaves
            if kept_mask > 0:
                history[kept + (total & kept_mask)] = leaves
            if local == 0:
                first[p, at_frame] = leaves
            total += 1
            local += 1
            row = row + 1 if row + 1 < end else start
            if local == per_frame:
                last[p, at_frame] = leaves
                at_frame += 1
                local = 0
                row = start
                if partner >= 0:
                    other_done -= shape[partner, 2]
        starved[p], stalled[p] = hungry, blocked
        done[p], clock[p], frame[p] = total, now, at_frame
        waits[p] = reason if at_frame < frames else -1
        if total == before:
            continue
        events += total - before
        for port in range(ports):
            for side in range(2):
                c = ports_in[p, port] if side == 0 else ports_out[p, port]
                if c < 0:
                    continue
                other = ends[c, side]
                if waits[other] == c and not queued[other]:
                    queued[other] = True
                    queue[(head + waiting) % processes] = other
                    waiting += 1
        if partner >= 0 and waits[partner] == -2 and not queued[partner]:
            queued[partner] = True
            queue[(head + waiting) % processes] = partner
            waiting += 1
    return first, last, starved, stalled, waits, written, read, events


_compiled: Callable[..., Any] = numba.njit(cache=True)(_run)
