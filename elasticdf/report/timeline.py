"""One frame through one copy: when each of its layers works."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from elasticdf.ir import Graph
from elasticdf.simulation import Hop, Span, frame_spans
from partitioner.placed import folded, hops_of
from partitioner.plan import Plan

_NEARLY = 0.999
"""Share of a plan's latency after which the last layer is done; its output is under way then."""


def slowest_copy(network: Graph, plan: Plan) -> tuple[int, tuple[Span, ...]]:
    """Return the copy whose latency the plan states, and when its layers work on a frame.

    Raises:
        UserError: A layer has no rule for the simulation.
    """
    stated = _NEARLY * plan.latency_seconds * plan.clock_hz
    ways = {copy: hops_of(network, plan, copy) for copy in range(plan.replicas)}
    found: list[tuple[int, int, tuple[Span, ...]]] = []
    for copy in sorted(ways, key=lambda copy: (-_cycles_under_way(ways[copy]), copy)):
        spans = frame_spans(folded(network, plan, copy), ways[copy])
        found.append((max(span.last for span in spans), -copy, spans))
        if found[-1][0] >= stated:
            break
    _, copy, spans = max(found, key=lambda entry: entry[:2])
    return -copy, spans


def _cycles_under_way(hops: Mapping[str, Sequence[Hop]]) -> int:
    return sum(hop.latency_cycles for stream in hops.values() for hop in stream)
