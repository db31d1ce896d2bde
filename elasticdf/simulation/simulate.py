"""The whole of a simulation: from a graph to what the board will do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from itertools import pairwise

import numpy as np

from elasticdf.errors import InternalError, UserError
from elasticdf.ir import Graph
from elasticdf.simulation.engine import NEVER, Times, run
from elasticdf.simulation.hops import Hop
from elasticdf.simulation.netlist import build_net, states_depths
from elasticdf.simulation.process import Net, Process
from elasticdf.simulation.result import (
    Activity,
    Bar,
    Burst,
    LinkTraffic,
    SimulationResult,
    StreamDepth,
    Wait,
)
from elasticdf.simulation.sizing import STEADY_FRAMES, finn_depths
from elasticdf.simulation.steady import interval_of


def simulate(
    graph: Graph,
    *,
    clock_hz: int,
    placement: Mapping[str, Sequence[Hop]] | None = None,
    depths: Mapping[str, int] | None = None,
    frames: int = STEADY_FRAMES,
) -> SimulationResult:
    """Return what the network does on the board.

    Args:
        graph: Folded; width converters are added where it lacks them.
        clock_hz: Of the accelerator.
        placement: What lies between layers on different dies or boards, by tensor.
        depths: FIFO depth by tensor. None takes those of the graph's FIFO layers or what its
            layers ask for; if it has neither, the depths FINN's build would choose.
        frames: Fed back to back.

    Raises:
        UserError: The graph contradicts itself or a tensor is unknown.
    """
    if frames < 1:
        raise UserError(f"{frames} frames cannot be simulated; at least 1 is needed")
    if depths is None and not states_depths(graph):
        depths = finn_depths(graph, hops=placement)
    net = build_net(graph, depths=depths, hops=placement)
    return report(graph, net, run(net, frames=frames), clock_hz=clock_hz, frames=frames)


def report(graph: Graph, net: Net, times: Times, *, clock_hz: int, frames: int) -> SimulationResult:
    """Return the result of a run.

    Args:
        graph: The net was built from.
        net: What ran.
        times: Of the run.
        clock_hz: Of the accelerator.
        frames: That were fed in.
    """
    live = times.complete
    interval = interval_of(net, times) if live else Fraction(0)
    starts = times.first[list(net.sources)].min(axis=0)
    ends = times.last[list(net.sinks)].max(axis=0)
    bursts = tuple(_bursts(net, times)) if live else ()
    return SimulationResult(
        network=graph.name,
        clock_hz=clock_hz,
        live=live,
        deadlock=() if live else deadlock_of(net, times),
        interval_cycles=interval,
        latency_cycles=int(ends[0] - starts[0]) if live else 0,
        loaded_latency_cycles=int(ends[-1] - starts[-1]) if live else 0,
        frames=frames,
        events=times.events,
        layers=_activities(graph, net, times, frames) if live else (),
        streams=_streams(net),
        links=tuple(_links(net, bursts, interval)) if live else (),
        bars=tuple(_bars(net, times)),
        bursts=bursts,
    )


def deadlock_of(net: Net, times: Times) -> tuple[Wait, ...]:
    """Return the cycle of waits of a run that stopped; the last step leads back to the first.

    Everyone who is not done waits for exactly one other, so following the waits must close.
    """
    waiting = [i for i, reason in enumerate(times.waits) if reason != -1]
    if not waiting:
        raise InternalError("a run that is complete has no deadlock")
    path: list[int] = [waiting[0]]
    while True:
        following = _helper(net, times, path[-1])
        if following in path:
            return tuple(_wait(net, times, i) for i in path[path.index(following) :])
        path.append(following)


def _helper(net: Net, times: Times, process: int) -> int:
    reason = int(times.waits[process])
    if reason >= 0:
        channel = net.channels[reason]
        return channel.source if channel.target == process else channel.target
    partner = net.processes[process].partner
    if partner is None:
        raise InternalError(f"{net.processes[process].name} waits for nothing")
    return partner


def _wait(net: Net, times: Times, process: int) -> Wait:
    reason = int(times.waits[process])
    name, other = net.processes[process].name, net.processes[_helper(net, times, process)].name
    if reason < 0:
        empty = not name.endswith(":read")
        return Wait(process=name, stream="", why="empty" if empty else "full", other=other)
    channel = net.channels[reason]
    why = "empty" if channel.target == process else "full"
    return Wait(process=name, stream=channel.tensor, why=why, other=other)


def _activities(graph: Graph, net: Net, times: Times, frames: int) -> tuple[Activity, ...]:
    """Return what every layer did; of a window generator, its fetcher, which makes its outputs."""
    place = {process.name: i for i, process in enumerate(net.processes)}
    found = []
    for layer in graph:
        i = place.get(layer.name)
        if i is None:
            continue
        first = int(times.first[i, 0])
        whole = int(times.last[i, -1]) - first + 1
        # Waiting for the very first input is no starvation.
        starved = max(0, int(times.starved[i].sum()) - first)
        stalled = int(times.stalled[i].sum())
        found.append(
            Activity(
                layer=layer.name,
                busy=max(0, whole - starved - stalled) / frames,
                starved=starved / frames,
                stalled=stalled / frames,
            )
        )
    return tuple(found)


def _bars(net: Net, times: Times) -> Iterator[Bar]:
    for i, process in enumerate(net.processes):
        for frame, last in enumerate(times.last[i]):
            if last == NEVER:
                continue
            first = int(times.first[i, frame])
            idle = first if frame == 0 else 0  # waiting for the very first input is no starvation
            yield Bar(
                process=process.name,
                frame=frame,
                first=first,
                last=int(last),
                starved=max(0, int(times.starved[i, frame]) - idle),
                stalled=int(times.stalled[i, frame]),
            )


def _streams(net: Net) -> tuple[StreamDepth, ...]:
    return tuple(
        StreamDepth(
            tensor=channel.tensor,
            source=_end(net.processes[channel.source]),
            target=_end(net.processes[channel.target]),
            bits=channel.bits,
            depth=channel.depth or 0,
        )
        for channel in net.channels
        if channel.sized
    )


def _end(process: Process) -> str:
    """Return the layer at the end of a stream, or the process that stands for what is no layer."""
    return process.layer or process.name


def _bursts(net: Net, times: Times) -> Iterator[Burst]:
    for i, sent in times.sent.items():
        process = net.processes[i]
        if process.traffic is None:
            continue
        gaps = np.resize(process.pattern.gap, len(sent))
        packets = np.resize(process.traffic.sends, len(sent))
        begins = np.flatnonzero(np.diff(sent, prepend=NEVER - int(gaps.max())) > gaps)
        for begin, end in pairwise((*begins.tolist(), len(sent))):
            yield Burst(
                link=process.traffic.link,
                tensor=process.traffic.tensor,
                packets=int(packets[begin:end].sum()),
                first=int(sent[begin]),
                end=int(sent[end - 1] + gaps[end - 1]),
            )


def _links(net: Net, bursts: Sequence[Burst], interval: Fraction) -> Iterator[LinkTraffic]:
    for process in net.processes:
        traffic = process.traffic
        if traffic is None:
            continue
        own = (b.packets for b in bursts if (b.link, b.tensor) == (traffic.link, traffic.tensor))
        yield LinkTraffic(
            name=traffic.link,
            tensor=traffic.tensor,
            packets=traffic.packets,
            wire_bytes=traffic.wire_bytes,
            load=float(int(process.pattern.gap.sum()) / interval) if interval else 0.0,
            burst=max(own, default=0),
        )
