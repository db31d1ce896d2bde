"""What the board will do: interval, latency, FIFO depths and deadlocks, without vendor tools.

`simulate` runs a folded graph with its FIFOs, width converters, die crossings and links, event by
event and exactly; `size_fifos` chooses depths. What each layer does when is in ``patterns``; what
is assumed is in ``docs/simulation.md``.
"""

from elasticdf.simulation.hops import Hop
from elasticdf.simulation.result import SimulationResult
from elasticdf.simulation.simulate import simulate
from elasticdf.simulation.sizing import fifo_attributes, finn_depths, least_depths

__all__ = [
    "Hop",
    "SimulationResult",
    "fifo_attributes",
    "finn_depths",
    "least_depths",
    "simulate",
    "size_fifos",
]

size_fifos = least_depths
