"""The compiled core of the simulation: one loop over processes, each run until it misses something.

Knows arrays only; `elasticdf.simulation.engine` says what they mean and calls it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
import numpy as np


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
    """Run the net; see ``engine`` for the arguments and `Times` for what is returned.

    Transfer n of a channel lies at place n modulo the capacity in the channel's part of ``put`` and
    ``taken``, so the place a transfer needs is the one whose ``taken`` tells when it became free.
    Processes with at most one input and one output, nearly all, have a loop of their own that keeps
    their channels' state in registers; the other loop says the same for any number of channels.
    """
    processes, ports = ports_in.shape
    first = np.full((processes, frames), -1, np.int64)
    last = np.full((processes, frames), -1, np.int64)
    starved = np.zeros(processes, np.int64)
    stalled = np.zeros(processes, np.int64)
    starved_by = np.zeros((processes, frames), np.int64)
    stalled_by = np.zeros((processes, frames), np.int64)
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
        if shape[p, 5]:
            takes_from, puts_on = ports_in[p, 0], ports_out[p, 0]
            source, sink = max(takes_from, 0), max(puts_on, 0)
            come, gone = written[source], read[source]
            given, room = written[sink], read[sink] + capacity[sink]
            take_at, put_at = read_at[source], write_at[sink]
            take_start, put_start = ring[source], ring[sink]
            take_end, put_end = take_start + capacity[source], put_start + capacity[sink]
            delay, depth = latency[source], capacity[sink]
            while at_frame < frames:
                own = now + gap[row]
                if local == 0:
                    own = max(own + restart if at_frame else own, at_frame * release)
                arrives = own
                takes, puts = reads[row], writes[row]
                if takes:
                    if gone >= come:
                        reason = takes_from
                        break
                    arrives = max(arrives, put[take_at] + delay)
                if partner >= 0:
                    count = need[needs + local]
                    if count > other_done:
                        reason = np.int64(-2)
                        break
                    count += at_frame * shape[partner, 2]
                    if count > 0:
                        arrives = max(arrives, history[other_kept + ((count - 1) & other_mask)] + 1)
                leaves = arrives
                if puts:
                    if given >= room:
                        reason = puts_on
                        break
                    if given >= depth:
                        leaves = max(leaves, taken[put_at] + 1)
                    put[put_at] = leaves
                    given += 1
                    put_at = put_at + 1 if put_at + 1 < put_end else put_start
                if takes:
                    taken[take_at] = leaves
                    gone += 1
                    take_at = take_at + 1 if take_at + 1 < take_end else take_start
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
                    starved_by[p, at_frame], stalled_by[p, at_frame] = hungry, blocked
                    at_frame += 1
                    local = 0
                    row = start
                    if partner >= 0:
                        other_done -= shape[partner, 2]
            if takes_from >= 0:
                read[source], read_at[source] = gone, take_at
            if puts_on >= 0:
                written[sink], write_at[sink] = given, put_at
        while at_frame < frames and reason == -1:
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
                starved_by[p, at_frame], stalled_by[p, at_frame] = hungry, blocked
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
    return first, last, starved_by, stalled_by, waits, written, read, events


_TYPES = (
    "(int64, int64, int32[::1], uint16[::1], uint16[::1], int64[:, ::1], int64[:, ::1], "
    "int32[::1], int64[::1], int64[:, ::1], int64[:, ::1], int64[:, ::1], int64[::1], int64[::1], "
    "int64[::1], int64[::1], int64[::1])"
)
"""Written out, so that it is compiled when this is first imported: no time limit runs yet."""

compiled_run: Callable[..., Any] = numba.njit(_TYPES, cache=True, nogil=True)(_run)
