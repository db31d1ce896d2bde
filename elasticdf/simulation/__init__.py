"""What the board will do: interval, latency, FIFO depths and deadlocks, without vendor tools.

`simulate` runs a folded graph with its FIFOs, width converters, die crossings and links, event by
event and exactly; `size_fifos` chooses depths. What each layer does when is in ``patterns``; what
is assumed is in ``docs/simulation.md``.
"""

from elasticdf.simulation.curve import frame_latency
from elasticdf.simulation.frame import Span, frame_spans
from elasticdf.simulation.hops import Hop
from elasticdf.simulation.pools import pools_as_windows
from elasticdf.simulation.result import SimulationResult
from elasticdf.simulation.simulate import simulate
from elasticdf.simulation.sizing import (
    STEADY_FRAMES,
    events_per_frame,
    fifo_attributes,
    finn_depths,
    least_depths,
    sized_streams,
)
from elasticdf.simulation.trace import trace_document

__all__ = [
    "STEADY_FRAMES",
    "Hop",
    "SimulationResult",
    "Span",
    "events_per_frame",
    "fifo_attributes",
    "finn_depths",
    "frame_latency",
    "frame_spans",
    "least_depths",
    "pools_as_windows",
    "simulate",
    "size_fifos",
    "sized_streams",
    "trace_document",
]

size_fifos = least_depths
