"""When parts of a frame leave a layer, for linear models; and a whole frame's latency, exactly.

A curve says when the first, an eighth, two eighths, ... and the last of a layer's outputs leave it
at the earliest, given when such parts of its input come. Nothing happens earlier in a simulation,
whatever the neighbours do, so latencies from curves are lower bounds. `frame_latency` runs the
events themselves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from elasticdf.ir import Graph, Layer
from elasticdf.simulation import windows
from elasticdf.simulation.engine import run
from elasticdf.simulation.hops import Hop
from elasticdf.simulation.netlist import FIFO_LATENCY, WIRE_LATENCY, build_net
from elasticdf.simulation.patterns import buffered_patterns, pattern_of
from elasticdf.simulation.process import Pattern

POINTS = 9
"""Points of a curve: the first transfer, then eighths of the frame."""

STREAM_LATENCY = WIRE_LATENCY + FIFO_LATENCY
"""Cycles from a layer's output to the next layer's input."""

_Indices: TypeAlias = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """What a point of a layer's output waits for at least.

    Attributes:
        point: Of its inputs.
        cycles: From that input to the output, at the layer's own pace.
        from_first: The same from the first input.
    """

    point: int
    cycles: int
    from_first: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """Earliest times of a layer's outputs; each tuple has one entry per point.

    Attributes:
        waits: What the output waits for; None if it comes before any input, as padding does.
        gaps: Cycles from the output point before, at the layer's own pace; 0 for the first.
        inputs: Transfers of a frame it takes.
    """

    waits: tuple[Wait | None, ...]
    gaps: tuple[int, ...]
    inputs: int


def point_transfers(transfers: int) -> _Indices:
    """Return the index of the transfer that completes each point, shape (POINTS,).

    >>> point_transfers(4).tolist()
    [0, 0, 0, 1, 1, 2, 2, 3, 3]
    """
    parts = np.arange(POINTS, dtype=np.int64)
    return np.maximum(-(-parts * transfers // (POINTS - 1)) - 1, 0)


def _point_within(transfers: _Indices, whole: int) -> _Indices:
    """Return the last point that so many transfers complete."""
    return transfers * (POINTS - 1) // whole


def curve_of(layer: Layer) -> Curve:
    """Return the curve of a layer.

    Raises:
        UserError: There is no rule for this kind of layer.
    """
    if layer.family == "ConvolutionInputGenerator" and not windows.in_registers(layer):
        return _buffered(layer)
    return _single(pattern_of(layer))


def _single(pattern: Pattern) -> Curve:
    """Return the curve of a layer that is one process, from one pass through its table."""
    times = np.cumsum(pattern.gap, dtype=np.int64)
    read, written = np.flatnonzero(pattern.reads), np.flatnonzero(pattern.writes)
    inputs = len(read) * pattern.repeat

    def time(events: _Indices, indices: _Indices) -> _Indices:
        passes, rest = np.divmod(indices, len(events))
        return np.asarray(passes * times[-1] + times[events[rest]])

    outputs = point_transfers(len(written) * pattern.repeat)
    passes, rest = np.divmod(outputs, len(written))
    before = passes * len(read) + np.searchsorted(read, written[rest], side="right")
    needs = _point_within(before, inputs)
    leaves = time(written, outputs) + pattern.latency
    comes = time(read, point_transfers(inputs))
    return Curve(
        waits=tuple(
            Wait(point=need, cycles=int(leave - comes[need]), from_first=int(leave - comes[0]))
            if reads
            else None
            for need, leave, reads in zip(needs.tolist(), leaves, before, strict=True)
        ),
        gaps=_gaps(leaves),
        inputs=inputs,
    )


def _gaps(leaves: _Indices) -> tuple[int, ...]:
    return tuple(int(gap) for gap in np.diff(leaves, prepend=leaves[0]))


def _buffered(layer: Layer) -> Curve:
    """Return the curve of a window generator: a word is fetched a cycle after its input came."""
    reader, fetcher = buffered_patterns(layer)
    _, words = windows.buffered_needs(layer)
    inputs, outputs = reader.events, point_transfers(len(words))
    needs = _point_within(np.maximum.accumulate(words)[outputs].astype(np.int64), inputs)
    # How far ahead of its place in the row of fetches the input is that a fetch waits for.
    lead = words - np.arange(len(words))
    first = np.maximum.accumulate(lead)[outputs] + outputs + fetcher.latency
    waits = []
    for i, (output, need) in enumerate(zip(outputs.tolist(), needs.tolist(), strict=True)):
        transfer = int(point_transfers(inputs)[need])
        waiting = lead[: output + 1][words[: output + 1] > transfer]
        cycles = int(waiting.max()) + output - transfer + fetcher.latency
        waits.append(Wait(point=need, cycles=cycles, from_first=int(first[i])))
    return Curve(waits=tuple(waits), gaps=_gaps(outputs), inputs=inputs)


def least_latency(graph: Graph) -> int:
    """Return cycles that one frame takes at least, from curves alone.

    Raises:
        UserError: A layer has no rule.
    """
    leaves: dict[str, list[int]] = {}
    for layer in graph:
        curve = curve_of(layer)
        comes = [leaves[tensor] for tensor in layer.inputs if tensor in leaves]
        times: list[int] = []
        for wait, gap in zip(curve.waits, curve.gaps, strict=True):
            earliest = [times[-1] + gap] if times else [0]
            if wait is not None:
                for before in comes or [point_transfers(curve.inputs).tolist()]:
                    earliest.append(before[wait.point] + STREAM_LATENCY + wait.cycles)
                    earliest.append(before[0] + STREAM_LATENCY + wait.from_first)
            times.append(max(earliest))
        leaves |= dict.fromkeys(layer.outputs, times)
    return max(leaves[tensor][-1] for tensor in graph.outputs) + STREAM_LATENCY


def frame_latency(graph: Graph, hops: Mapping[str, Sequence[Hop]] | None = None) -> int:
    """Return the cycles from the first input to the last output of one frame that runs alone.

    Args:
        graph: Folded.
        hops: What lies between layers on different dies or boards, by tensor.

    FIFOs are as deep as they need to be, as those are that keep the throughput.

    Raises:
        UserError: A layer has no rule, or the graph's shapes and foldings disagree.
    """
    net = build_net(graph, hops=hops, unlimited=True)
    times = run(net, frames=1)
    start = times.first[list(net.sources), 0].min()
    end = times.last[list(net.sinks), 0].max()
    return int(end - start)
