"""A run as a trace that standard viewers open (Chrome's ``chrome://tracing``, Perfetto).

One row per process, one bar per frame; times are in microseconds, the unit of the format
(Trace Event Format, complete events). Refuses to draw single transfers: a frame has millions.
"""

from __future__ import annotations

from typing import Any

from elasticdf.simulation.engine import NEVER, Times
from elasticdf.simulation.process import Net


def trace_document(net: Net, times: Times, *, clock_hz: int) -> dict[str, Any]:
    """Return the trace as a JSON document.

    Args:
        net: What ran.
        times: Of the run.
        clock_hz: Of the accelerator.
    """
    scale = 1e6 / clock_hz
    events: list[dict[str, Any]] = [_named("process_name", 0, "accelerator")]
    for row, process in enumerate(net.processes):
        events.append(_named("thread_name", row, process.name))
        events.extend(
            {
                "name": f"frame {frame}",
                "ph": "X",
                "pid": 0,
                "tid": row,
                "ts": round(int(first) * scale, 3),
                "dur": round(int(last - first + 1) * scale, 3),
            }
            for frame, (first, last) in enumerate(
                zip(times.first[row], times.last[row], strict=True)
            )
            if last != NEVER
        )
    return {"traceEvents": events, "displayTimeUnit": "ns", "otherData": {"clock_hz": clock_hz}}


def _named(kind: str, row: int, name: str) -> dict[str, Any]:
    return {"name": kind, "ph": "M", "pid": 0, "tid": row, "args": {"name": name}}
