"""The latest schedule: every event as late as results at a steady rate allow.

FIFOs that hold what is under way in any schedule of a rate sustain that rate, and the latest
schedule holds little: nothing is made before it is needed. It is the earliest schedule of the net
run backwards, in which producers and consumers change places and every constraint keeps its form.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from elasticdf.simulation.engine import run
from elasticdf.simulation.occupancy import held, recorded
from elasticdf.simulation.process import Channel, Net, Pattern, Process


def latest_depths(net: Net, *, frames: int, period: int) -> NDArray[np.int64]:
    """Return the depth each channel needs for the latest schedule; at least 1.

    Args:
        net: With channels without limits, but for those inside hops.
        frames: Of the schedule; enough to reach its steady state.
        period: Cycles between two results, no less than the net needs.
    """
    backwards = run(_backwards(net), frames=frames, period=period)
    found = np.ones(len(net.channels), np.int64)
    for i, channel in enumerate(net.channels):
        if channel.sized:
            taken, put = recorded(backwards, i)
            inside = net.processes[channel.source].pattern.slots + channel.registers
            found[i] = max(1, held(-put[::-1], -taken[::-1]) - inside)
    return found


def _backwards(net: Net) -> Net:
    """Return the net in which time runs the other way."""
    return Net(
        processes=tuple(_reversed_process(net, process) for process in net.processes),
        channels=tuple(_reversed_channel(net, channel) for channel in net.channels),
        sources=net.sinks,
        sinks=net.sources,
    )


def _reversed_pattern(pattern: Pattern) -> Pattern:
    """Return the events in the opposite order; the cycles before an event come after it."""
    return Pattern(
        gap=np.roll(pattern.gap, -1)[::-1].copy(),
        reads=pattern.writes[::-1].copy(),
        writes=pattern.reads[::-1].copy(),
        repeat=pattern.repeat,
        restart=pattern.restart,
    )


def _reversed_process(net: Net, process: Process) -> Process:
    need = None
    if process.partner is not None:
        partner = net.processes[process.partner]
        need = _reversed_need(partner, process.pattern.events)
    return replace(process, pattern=_reversed_pattern(process.pattern), need=need)


def _reversed_need(partner: Process, events: int) -> NDArray[np.int32]:
    """Return what a process needs of its partner backwards: all that needed it forwards.

    An event must come after those of the partner that waited for it or for a later one; backwards
    that is so when the first of them has happened.
    """
    if partner.need is None:
        return np.zeros(events, np.int32)
    most = np.maximum.accumulate(partner.need)
    first = np.searchsorted(most, np.arange(events, 0, -1), side="left")
    return (len(most) - first).astype(np.int32)


def _reversed_channel(net: Net, channel: Channel) -> Channel:
    """Return the channel with its ends swapped, its delay and its places the same."""
    producer = net.processes[channel.source].pattern
    delay = channel.latency + producer.latency
    places = None
    if channel.depth is not None:
        places = channel.depth + producer.slots + channel.registers - (delay - 1)
    return replace(
        channel,
        source=channel.target,
        source_port=channel.target_port,
        target=channel.source,
        target_port=channel.source_port,
        depth=places,
        latency=delay,
    )
