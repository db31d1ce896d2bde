"""The compiled simulator against one that steps cycle by cycle, on random nets."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest

from elasticdf.simulation.engine import run
from elasticdf.simulation.process import Net
from elasticdf.simulation.result import Wait
from elasticdf.simulation.simulate import deadlock_of
from elasticdf.simulation.sizing import least_net_depths
from elasticdf.simulation.steady import interval_of
from tests.stepping import Stepped, random_net, step

FRAMES = 4


def _frame_ends(net: Net, stepped: Stepped) -> list[list[int]]:
    return [
        times[p.pattern.events - 1 :: p.pattern.events]
        for times, p in zip(stepped.events, net.processes, strict=True)
    ]


@pytest.mark.parametrize("seed", range(300))
def test_every_event_happens_when_stepping_says(seed: int) -> None:
    random = Random(seed)
    net = random_net(random)
    period = random.choice([0, 0, 7, 30])
    fast = run(net, frames=FRAMES, period=period)
    slow = step(net, frames=FRAMES, depths=[c.depth for c in net.channels], period=period)
    assert fast.complete == slow.complete
    assert fast.events == sum(map(len, slow.events))
    for i, process in enumerate(net.processes):
        size = process.pattern.events
        ends = slow.events[i][size - 1 :: size]
        assert fast.last[i][: len(ends)].tolist() == ends
        starts = slow.events[i][::size]
        assert fast.first[i][: len(starts)].tolist() == starts
    if not slow.complete:
        _check_deadlock(net, slow, deadlock_of(net, fast))


def _check_deadlock(net: Net, slow: Stepped, waits: tuple[Wait, ...]) -> None:
    """Every stream the cycle calls empty or full is so in the stepped run too."""
    names = {channel.tensor: n for n, channel in enumerate(net.channels)}
    assert waits
    for wait, following in zip(waits, (*waits[1:], waits[0]), strict=True):
        assert wait.other == following.process
        if not wait.stream:
            continue
        n = names[wait.stream]
        channel = net.channels[n]
        held = len(slow.puts[n]) - len(slow.takes[n])
        slots = net.processes[channel.source].pattern.slots
        room = (channel.depth or 0) + slots + channel.latency - 1
        assert held == (0 if wait.why == "empty" else room)


def test_the_random_nets_have_all_there_is() -> None:
    nets = [random_net(Random(seed)) for seed in range(300)]
    done = [run(net, frames=FRAMES).complete for net in nets]
    assert 150 < sum(done) < 270
    assert any(p.partner is not None for net in nets for p in net.processes)
    assert any(len(net.sinks) > 1 for net in nets)


@pytest.mark.parametrize("seed", range(60))
def test_sized_depths_keep_the_interval_and_none_can_shrink(seed: int) -> None:
    limited = random_net(Random(seed))
    net = replace(limited, channels=tuple(replace(c, depth=None) for c in limited.channels))
    endless = run(net, frames=6)
    if not endless.complete:
        pytest.skip("this net waits for itself whatever the FIFOs")
    depths = least_net_depths(net)
    target = interval_of(net, endless)

    def interval(chosen: list[int]) -> float:
        stepped = step(net, frames=6, depths=chosen)
        if not stepped.complete:
            return float("inf")
        ends = _frame_ends(net, stepped)
        results = [max(ends[i][f] for i in net.sinks) for f in range(6)]
        return (results[-1] - results[-3]) / 2

    assert interval(depths.tolist()) == target
    for i, depth in enumerate(depths):
        if depth > 1:
            less = depths.copy()
            less[i] -= 1
            assert interval(less.tolist()) > target
