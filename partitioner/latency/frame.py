"""How long one frame takes through a plan: simulated, or added up where that cannot be.

Refuses to look at more than one frame; a pipeline under load is the simulation's own subject.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from elasticdf.errors import UserError
from elasticdf.ir import Graph
from elasticdf.simulation import frame_latency
from partitioner.placed import folded, hops_of, net_of
from partitioner.plan import Plan

SIMULATED = (
    "Latency is that of a frame that runs alone, simulated with FIFOs of any depth it needs."
)
_SUMMED = "Latency adds up every layer's cycles for a whole frame, an upper estimate: {reason}."


def latency_of(graph: Graph, plan: Plan) -> tuple[Fraction, str]:
    """Return the seconds from the first input to the last output of a frame, and how it was found.

    Replicas differ by where they sit; the slowest counts.

    Args:
        graph: The network.
        plan: Where everything sits and how it is built; its own latency is not looked at.
    """
    try:
        cycles, note = max(_simulated(graph, plan)), SIMULATED
    except UserError as error:
        cycles = max(_summed(graph, plan, replica) for replica in range(plan.replicas))
        note = _SUMMED.format(reason=error)
    return Fraction(cycles, plan.clock_hz), note


def _simulated(graph: Graph, plan: Plan) -> Iterator[int]:
    """Yield the cycles of every replica that does not run like one before it."""
    seen = set()
    for replica in range(plan.replicas):
        signature = net_of(graph, plan, replica).signature
        if signature not in seen:
            seen.add(signature)
            yield frame_latency(folded(graph, plan, replica), hops_of(graph, plan, replica))


def _summed(graph: Graph, plan: Plan, replica: int) -> int:
    """Return the longest way through the layers, each counted with its cycles for a frame."""
    cycles = {a.layer: a.cycles for a in plan.assignments if a.replica == replica}
    hops = hops_of(graph, plan, replica)
    ready: dict[str, int] = {}
    for layer in graph:
        arrives = [
            ready[tensor] + sum(hop.latency_cycles for hop in hops.get(tensor, ()))
            for tensor in layer.inputs
            if tensor in ready
        ]
        done = max(arrives, default=0) + cycles[layer.name]
        ready |= dict.fromkeys(layer.outputs, done)
    return max(ready.values(), default=0)
