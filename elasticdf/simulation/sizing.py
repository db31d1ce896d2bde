"""How deep the FIFOs are: as FINN sizes them, or as shallow as they can be.

`finn_depths` follows FINN's own procedure (``set_fifo_depths.py``), because that is what a FINN
build will have; `least_depths` finds depths that keep the interval of unlimited FIFOs, none of
which can be made shallower alone. Both give depths by stream; `fifo_attributes` puts them in FINN's
form.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from elasticdf.errors import UserError
from elasticdf.ir import Graph
from elasticdf.layers import kind_of
from elasticdf.simulation.engine import Times, run
from elasticdf.simulation.hops import Hop
from elasticdf.simulation.latest import latest_depths
from elasticdf.simulation.netlist import LEAST_DEPTH, build_net
from elasticdf.simulation.occupancy import fullest
from elasticdf.simulation.process import Net
from elasticdf.simulation.steady import interval_of

FINN_SHALLOWEST = 32
"""FINN rounds depths between 3 and this up: shift-register FIFOs get no smaller."""

STEADY_FRAMES = 6
"""Frames after which the interval is taken."""

EFFORT = 150_000_000
"""Events spent on making depths shallower, by default."""

_LAYOUT = 64
"""What laying out a trial takes, as a part of the events of one that comes through."""


def finn_depths(graph: Graph, *, hops: Mapping[str, Sequence[Hop]] | None = None) -> dict[str, int]:
    """Return the depth of every stream's FIFO as FINN's simulation-based sizing chooses it.

    FINN feeds a few frames into FIFOs without limit, one per period of the slowest layer's
    estimate, and takes how full each became; but no more than a row of windows between a window
    generator and its matrix unit (``swg_exception``). Two frames fill a network with windows;
    others get one for every second layer and stream.
    """
    net = build_net(graph, hops=hops, unlimited=True)
    slowest = max((kind_of(layer).cycles(layer) for layer in graph), default=1)
    windows = any(layer.family == "ConvolutionInputGenerator" for layer in graph)
    frames = 2 if windows else max(1, (len(net.processes) + len(net.channels)) // 2)
    depths = fullest(net, run(net, frames=frames, period=slowest))
    rows = _window_rows(graph, net)
    return {
        channel.tensor: _finn_rounded(min(int(depth), rows.get(i, int(depth))))
        for i, (channel, depth) in enumerate(zip(net.channels, depths, strict=True))
        if channel.sized
    }


def _finn_rounded(depth: int) -> int:
    """Return the depth FINN builds (``optimize_depth``)."""
    if depth <= LEAST_DEPTH:
        return LEAST_DEPTH
    return max(depth, FINN_SHALLOWEST)


def _window_rows(graph: Graph, net: Net) -> dict[int, int]:
    """Return transfers of a row of windows, by channel from window generator to matrix unit."""
    families = {layer.name: layer.family for layer in graph}
    found = {}
    for i, channel in enumerate(net.channels):
        source, target = net.processes[channel.source], net.processes[channel.target]
        ends = families.get(source.layer), families.get(target.layer)
        if ends == ("ConvolutionInputGenerator", "MVAU"):
            rows = graph.layer(source.layer).integers("OFMDim")[0]
            found[i] = source.pattern.transfers(port=0, out=True) // rows
    return found


def least_depths(
    graph: Graph,
    *,
    hops: Mapping[str, Sequence[Hop]] | None = None,
    effort: int = EFFORT,
    frames: int = STEADY_FRAMES,
    same_latency: bool = False,
    known: Mapping[str, int] | None = None,
) -> dict[str, int]:
    """Return depths that keep the interval FIFOs without limit have, and cannot deadlock.

    Args:
        graph: Folded.
        hops: Die crossings and links by tensor.
        effort: Events to spend on making depths shallower. Where it suffices, no depth can be
            made smaller alone; where it does not, the widest memories have been tried first.
        frames: Simulated in each trial.
        same_latency: Keep the latency of a lone frame, too.
        known: Depths of a network much the same, by stream. They are returned where they do here,
            and no effort is spent.
    """
    net = build_net(graph, hops=hops, unlimited=True)
    tried = None
    if known is not None:
        tried = np.array([known.get(channel.tensor, 1) for channel in net.channels], np.int64)
    depths = least_net_depths(
        net, effort=effort, frames=frames, same_latency=same_latency, known=tried
    )
    return {
        channel.tensor: int(depth)
        for channel, depth in zip(net.channels, depths, strict=True)
        if channel.sized
    }


def least_net_depths(
    net: Net,
    *,
    frames: int = STEADY_FRAMES,
    effort: int = EFFORT,
    same_latency: bool = False,
    known: NDArray[np.int64] | None = None,
) -> NDArray[np.int64]:
    """Return what `least_depths` does, per channel of a net without limits.

    What is under way in any schedule of a rate is room enough for that rate. The start is what the
    latest schedule needs, or less where the earliest that this leaves needs less. Depths only ever
    help: more room makes nothing later. So each depth's least value is found by bisection, and
    stays least when others shrink afterwards.
    """
    trial = _Trial.of(net, frames, effort, same_latency=same_latency)
    if known is not None:
        depths = _within_hops(net, known)
        if trial.keeps(depths, (), 0):
            return depths
    depths = trial.start()
    _halve(trial, depths)
    for i in _by_memory(net, depths):
        low, high = 1, int(depths[i])
        while low < high and trial.left > 0:
            middle = (low + high) // 2
            low, high = (low, middle) if trial.keeps(depths, [i], middle) else (middle + 1, high)
        depths[i] = high
    return depths


@dataclass(slots=True, kw_only=True)
class _Trial:
    """Whether a net keeps the interval it has without limits, and perhaps its latency.

    Attributes:
        net: Its channels have no limits, but those inside hops.
        frames: To run.
        target: Interval without limits.
        free: The run without limits.
        left: Events that may still be spent.
        same_latency: Whether the first frame must not end later either.
    """

    net: Net
    frames: int
    target: Fraction
    free: Times
    left: int
    same_latency: bool

    @staticmethod
    def of(net: Net, frames: int, effort: int, *, same_latency: bool) -> _Trial:
        free = run(net, frames=frames)
        if not free.complete:
            raise UserError(
                "the network waits for itself however deep its FIFOs are; check its forks and joins"
            )
        target = interval_of(net, free)
        return _Trial(
            net=net,
            frames=frames,
            target=target,
            free=free,
            left=effort,
            same_latency=same_latency,
        )

    def start(self) -> NDArray[np.int64]:
        """Return depths that keep the interval."""
        net, frames = self.net, self.frames
        period = -(-self.target.numerator // self.target.denominator)
        latest = _within_hops(net, latest_depths(net, frames=frames, period=period))
        earliest = fullest(net, run(net, frames=frames, period=period))
        less = [i for i, c in enumerate(net.channels) if c.sized and earliest[i] < latest[i]]
        open_ended = latest.copy()
        open_ended[less] = np.iinfo(np.int64).max // 2
        times = run(net, frames=frames, depths=open_ended)
        mixed = latest.copy()
        mixed[less] = fullest(net, times)[less]
        # With these depths everything happens when it did without them: one run tells of both.
        known = {id(mixed): times}
        choices = [mixed, latest, _within_hops(net, fullest(net, self.free))]
        bits = np.array([channel.bits for channel in net.channels])
        choices.sort(key=lambda depths: int((depths * bits).sum()))
        return next(c for c in choices if self._has_target(known.get(id(c)) or self._run(c)))

    def keeps(
        self, depths: NDArray[np.int64], chosen: Sequence[int], value: int | NDArray[np.int64]
    ) -> bool:
        """Tell whether some depths may have other values."""
        changed = depths.copy()
        changed[list(chosen)] = value
        times = self._run(changed)
        self.left -= times.events + self.free.events // _LAYOUT
        return self._has_target(times)

    def _run(self, depths: NDArray[np.int64]) -> Times:
        return run(self.net, frames=self.frames, depths=depths)

    def _has_target(self, times: Times) -> bool:
        if not times.complete or interval_of(self.net, times) != self.target:
            return False
        sinks = list(self.net.sinks)
        late = bool((times.last[sinks, 0] > self.free.last[sinks, 0]).any())
        return not (self.same_latency and late)


def _halve(trial: _Trial, depths: NDArray[np.int64]) -> None:
    """Halve depths, many at once, as long as the interval stays; largest memories first."""
    groups = [_by_memory(trial.net, depths)]
    while groups and trial.left > 0:
        group = [i for i in groups.pop() if depths[i] > 1]
        if not group:
            continue
        half = (depths[group] + 1) // 2
        if trial.keeps(depths, group, half):
            depths[group] = half
            groups.append(group)
        elif len(group) > 1:
            middle = len(group) // 2
            groups += [group[middle:], group[:middle]]


def _within_hops(net: Net, depths: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the depths, those inside hops as they are."""
    own = [
        int(depth) if channel.sized or channel.depth is None else channel.depth
        for depth, channel in zip(depths, net.channels, strict=True)
    ]
    return np.array(own, np.int64)


def _by_memory(net: Net, depths: NDArray[np.int64]) -> list[int]:
    """Return the channels whose depths may be chosen, largest memory first."""
    bits = [int(depth) * channel.bits for depth, channel in zip(depths, net.channels, strict=True)]
    sized = [i for i, channel in enumerate(net.channels) if channel.sized]
    return sorted(sized, key=lambda i: (-bits[i], i))


def events_per_frame(graph: Graph, hops: Mapping[str, Sequence[Hop]] | None = None) -> int:
    """Return the events of one frame; without limits each is remembered."""
    return sum(process.pattern.events for process in build_net(graph, hops=hops).processes)


def sized_streams(graph: Graph) -> tuple[str, ...]:
    """Return the streams that have a FIFO, those between layers and their width converters too."""
    return tuple(channel.tensor for channel in build_net(graph).channels)


def fifo_attributes(graph: Graph, depths: Mapping[str, int]) -> dict[str, dict[str, list[int]]]:
    """Return the depths as FINN's folding file states them: in/outFIFODepths by layer.

    Args:
        graph: Without FIFO layers.
        depths: By tensor; those of width converters FINN inserts count for both neighbours.
    """
    net = build_net(graph, unlimited=True)
    known = {layer.name: layer for layer in graph}
    found: dict[str, dict[str, list[int]]] = {}
    for channel in net.channels:
        depth = depths.get(channel.tensor, LEAST_DEPTH)
        for end, port, name in (
            (channel.source, channel.source_port, "outFIFODepths"),
            (channel.target, channel.target_port, "inFIFODepths"),
        ):
            layer = known.get(net.processes[end].layer)
            if layer is None:
                continue
            entry = found.setdefault(layer.name, {}).setdefault(name, [])
            entry.extend([LEAST_DEPTH] * (port + 1 - len(entry)))
            entry[port] = depth
    return found
