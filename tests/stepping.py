"""A simulator that steps cycle by cycle, and random small nets: the reference for the fast one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random

import numpy as np

from elasticdf.simulation.process import Channel, Net, Pattern, Process, table


@dataclass
class Stepped:
    """Times of the events of every process; whether all frames came through."""

    events: list[list[int]]
    complete: bool
    puts: list[list[int]] = field(default_factory=list)
    takes: list[list[int]] = field(default_factory=list)


def step(net: Net, *, frames: int, depths: Sequence[int | None], period: int = 0) -> Stepped:
    """Run the net one cycle at a time, asking every process in every cycle."""
    events: list[list[int]] = [[] for _ in net.processes]
    puts: list[list[int]] = [[] for _ in net.channels]
    takes: list[list[int]] = [[] for _ in net.channels]
    patience = (
        2
        + period
        + max(
            int(p.pattern.gap.max()) + p.pattern.restart + p.pattern.latency for p in net.processes
        )
        + max(c.latency for c in net.channels)
    )
    now = quiet = 0
    while quiet <= patience:
        fired = [
            i
            for i in range(len(net.processes))
            if _able(net, i, now, frames, period, events, puts, takes, depths)
        ]
        for i in fired:
            row = len(events[i]) % len(net.processes[i].pattern.gap)
            for n, channel in enumerate(net.channels):
                if (
                    channel.target == i
                    and net.processes[i].pattern.reads[row] >> channel.target_port & 1
                ):
                    takes[n].append(now)
                if (
                    channel.source == i
                    and net.processes[i].pattern.writes[row] >> channel.source_port & 1
                ):
                    puts[n].append(now)
            events[i].append(now)
        quiet = 0 if fired else quiet + 1
        now += 1
    complete = all(
        len(done) == frames * p.pattern.events
        for done, p in zip(events, net.processes, strict=True)
    )
    return Stepped(events, complete, puts, takes)


def _able(
    net: Net,
    i: int,
    now: int,
    frames: int,
    period: int,
    events: list[list[int]],
    puts: list[list[int]],
    takes: list[list[int]],
    depths: Sequence[int | None],
) -> bool:
    """Tell whether process i's next event can happen in this cycle."""
    process, done = net.processes[i], events[i]
    frame, local = divmod(len(done), process.pattern.events)
    if frame >= frames:
        return False
    row = local % len(process.pattern.gap)
    wait = int(process.pattern.gap[row])
    if local == 0 and frame:
        wait += process.pattern.restart
    if now < (done[-1] if done else -1) + wait:
        return False
    if i in net.sources and local == 0 and now < frame * period:
        return False
    if process.partner is not None and process.need is not None:
        other = net.processes[process.partner].pattern.events
        count = frame * other + int(process.need[local])
        if sum(1 for t in events[process.partner] if t < now) < count:
            return False
    return all(
        _stream_ready(net, n, i, row, now, puts[n], takes[n], depths[n])
        for n in range(len(net.channels))
    )


def _stream_ready(
    net: Net,
    n: int,
    i: int,
    row: int,
    now: int,
    puts: list[int],
    takes: list[int],
    depth: int | None,
) -> bool:
    channel, pattern = net.channels[n], net.processes[i].pattern
    producer = net.processes[channel.source].pattern
    if channel.target == i and pattern.reads[row] >> channel.target_port & 1:
        number = len(takes)
        if len(puts) <= number or now < puts[number] + channel.latency + producer.latency:
            return False
    if channel.source == i and pattern.writes[row] >> channel.source_port & 1 and depth is not None:
        room = depth + producer.slots + channel.latency - 1
        return len(puts) - sum(1 for t in takes if t < now) < room
    return True


def random_net(random: Random) -> Net:
    """Return a net of a few processes with forks, joins and window generators."""
    processes: list[Process] = []
    channels: list[Channel] = []
    loose: list[tuple[int, int, int]] = []  # process, port, transfers

    def add(reads: list[int], writes: list[int], *, window: bool = False) -> None:
        chosen = [loose.pop(random.randrange(len(loose))) for _ in reads]
        totals_in = [entry[2] for entry in chosen]
        first = len(processes)
        if window:
            last = first + 1
            size = totals_in[0]
            span = random.randint(1, size)
            buffer = random.randint(span, size)
            fetched = [i + k for i in range(size - span + 1) for k in range(span)]
            need_read = np.array([f + 1 for f in fetched], np.int32)
            least = np.minimum.accumulate(np.array(fetched)[::-1])[::-1]
            need_fetch = np.searchsorted(
                np.append(least, 10**6), np.arange(size) - buffer, side="right"
            ).astype(np.int32)
            writes[:] = [len(fetched)]
            ones = [1] * size
            processes.append(
                Process(
                    name=f"p{first}:read",
                    layer="",
                    pattern=table(ones, ones, [0] * size),
                    partner=last,
                    need=need_fetch,
                )
            )
            many = len(fetched)
            processes.append(
                Process(
                    name=f"p{first}",
                    layer="",
                    partner=first,
                    need=need_read,
                    pattern=table([1] * many, [0] * many, [1] * many, latency=2, slots=2),
                )
            )
        else:
            last = first
            processes.append(
                Process(
                    name=f"p{first}", layer="", pattern=_random_pattern(random, totals_in, writes)
                )
            )
        for port, (source, source_port, _) in enumerate(chosen):
            channels.append(
                Channel(
                    tensor=f"t{len(channels)}",
                    source=source,
                    source_port=source_port,
                    target=first,
                    target_port=port,
                    depth=random.choice([1, 1, 2, 3, 5, None]),
                    latency=random.choice([1, 1, 1, 1, 1, 2]),
                    bits=random.randint(1, 9),
                )
            )
        loose.extend((last, port, total) for port, total in enumerate(writes))

    add([], [random.randint(1, 6)])
    for turn in range(random.randint(2, 6)):
        kind = "fork" if turn == 0 else random.choice(["plain", "join", "join", "fork", "window"])
        inputs = [0] * (2 if kind == "join" and len(loose) > 1 else 1)
        outputs = [random.randint(1, 6) for _ in range(2 if kind == "fork" else 1)]
        add(inputs, outputs, window=kind == "window")
    inner = len(processes)
    while loose:
        add([0], [])
    return Net(
        processes=tuple(processes),
        channels=tuple(channels),
        sources=(0,),
        sinks=tuple(range(inner, len(processes))),
    )


def _random_pattern(random: Random, reads: list[int], writes: list[int]) -> Pattern:
    marks: list[tuple[int, int]] = []
    for port, total in enumerate(reads):
        marks += [(1 << port, 0)] * total
    for port, total in enumerate(writes):
        marks += [(0, 1 << port)] * total
    random.shuffle(marks)
    merged: list[tuple[int, int]] = []
    for take, give in marks:  # some events do several things at once
        before = merged[-1] if merged else (take, give)
        if merged and random.random() < 0.4 and not (before[0] & take or before[1] & give):
            merged[-1] = (before[0] | take, before[1] | give)
        else:
            merged.append((take, give))
    if reads and random.random() < 0.7:  # most processes read something before they write
        first = next(i for i, mark in enumerate(merged) if mark[0])
        merged.insert(0, merged.pop(first))
    latency = random.randint(0, 3)
    return table(
        [random.choice([1, 1, 1, 2, 4]) for _ in merged],
        [mark[0] for mark in merged],
        [mark[1] for mark in merged],
        restart=random.choice([0, 0, 3]),
        latency=latency,
        slots=random.randint(0, latency),
    )
