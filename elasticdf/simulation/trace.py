"""A run as a trace that standard viewers open (Chrome's ``chrome://tracing``, Perfetto).

Trace Event Format; times are in microseconds, its unit. Three groups: a row per process with a
complete event per frame; a counter per layer with the share of each frame's time that it starved
and was stalled; a row per stream on a link with a complete event per burst of packets. Refuses to
draw single transfers: a frame has millions.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from elasticdf.simulation.result import SimulationResult

_FRAMES, _WAITS, _LINKS = range(1, 4)
"""The groups, numbered as the format's processes; viewers take 0 for the idle one, so do rows."""


def trace_document(result: SimulationResult) -> dict[str, Any]:
    """Return the trace as a JSON document."""
    return {
        "traceEvents": [*_frames(result), *_waits(result), *_bursts(result)],
        "displayTimeUnit": "ns",
        "otherData": {"clock_hz": result.clock_hz},
    }


def _frames(result: SimulationResult) -> Iterator[dict[str, Any]]:
    names = dict.fromkeys(bar.process for bar in result.bars)
    rows = {name: row for row, name in enumerate(names, start=1)}
    yield _named("process_name", _FRAMES, 0, result.network)
    for name, row in rows.items():
        yield _named("thread_name", _FRAMES, row, name)
    for bar in result.bars:
        yield {
            **_span(result, f"frame {bar.frame}", bar.first, bar.last + 1),
            "pid": _FRAMES,
            "tid": rows[bar.process],
            "args": {"starved_cycles": bar.starved, "stalled_cycles": bar.stalled},
        }


def _waits(result: SimulationResult) -> Iterator[dict[str, Any]]:
    """Yield, per layer and frame, the shares of the time since the frame before that it waited."""
    layers = {activity.layer for activity in result.layers}
    yield _named("process_name", _WAITS, 0, "waiting, % of each frame's time")
    before: dict[str, int] = {}
    for bar in result.bars:
        if bar.process not in layers:
            continue
        start = before.get(bar.process, bar.first - 1)
        whole = max(1, bar.last - start)
        before[bar.process] = bar.last
        yield {
            "name": bar.process,
            "ph": "C",
            "pid": _WAITS,
            "ts": _microseconds(result, start + 1),
            "args": {
                "starved": round(100 * bar.starved / whole, 1),
                "stalled": round(100 * bar.stalled / whole, 1),
            },
        }


def _bursts(result: SimulationResult) -> Iterator[dict[str, Any]]:
    if not result.links:
        return
    yield _named("process_name", _LINKS, 0, "links")
    rows = {(link.name, link.tensor): row for row, link in enumerate(result.links, start=1)}
    for link, row in zip(result.links, rows.values(), strict=True):
        title = f"{link.name}: {link.tensor}, {link.load:.1%} of its time"
        yield _named("thread_name", _LINKS, row, title)
    for burst in result.bursts:
        yield {
            **_span(result, f"{burst.packets} packets", burst.first, burst.end),
            "pid": _LINKS,
            "tid": rows[burst.link, burst.tensor],
            "args": {"packets": burst.packets},
        }


def _span(result: SimulationResult, name: str, first: int, end: int) -> dict[str, Any]:
    """Return a complete event over some cycles, the last excluded."""
    start = _microseconds(result, first)
    return {"name": name, "ph": "X", "ts": start, "dur": _microseconds(result, end - first)}


def _microseconds(result: SimulationResult, cycles: int) -> float:
    return round(cycles * 1e6 / result.clock_hz, 3)


def _named(kind: str, group: int, row: int, name: str) -> dict[str, Any]:
    return {"name": kind, "ph": "M", "pid": group, "tid": row, "args": {"name": name}}
