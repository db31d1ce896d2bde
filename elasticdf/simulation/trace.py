"""A run as a trace that standard viewers open (Chrome's ``chrome://tracing``, Perfetto).

One row per process, one bar per frame; times are in microseconds, the unit of the format
(Trace Event Format, complete events). Refuses to draw single transfers: a frame has millions.
"""

from __future__ import annotations

from typing import Any

from elasticdf.simulation.result import SimulationResult


def trace_document(result: SimulationResult) -> dict[str, Any]:
    """Return the trace as a JSON document."""
    scale = 1e6 / result.clock_hz
    rows = {name: row for row, name in enumerate(dict.fromkeys(b.process for b in result.bars))}
    events = [_named("process_name", 0, result.network)]
    events += [_named("thread_name", row, name) for name, row in rows.items()]
    events += [
        {
            "name": f"frame {bar.frame}",
            "ph": "X",
            "pid": 0,
            "tid": rows[bar.process],
            "ts": round(bar.first * scale, 3),
            "dur": round((bar.last - bar.first + 1) * scale, 3),
        }
        for bar in result.bars
    ]
    return {
        "traceEvents": events,
        "displayTimeUnit": "ns",
        "otherData": {"clock_hz": result.clock_hz},
    }


def _named(kind: str, row: int, name: str) -> dict[str, Any]:
    return {"name": kind, "ph": "M", "pid": 0, "tid": row, "args": {"name": name}}
