"""When each layer works on one frame that runs alone through an empty pipeline.

FIFOs are as deep as they need to be, as in `frame_latency`: the last layer ends when that says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from elasticdf.ir import Graph
from elasticdf.simulation.engine import run
from elasticdf.simulation.hops import Hop
from elasticdf.simulation.netlist import build_net


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A layer's work on the frame; cycles are counted from the frame's first input.

    Attributes:
        layer: Its name.
        first: Cycle of its first event.
        last: Cycle of its last one.
    """

    layer: str
    first: int
    last: int


def frame_spans(graph: Graph, hops: Mapping[str, Sequence[Hop]] | None = None) -> tuple[Span, ...]:
    """Return the span of every layer, in graph order.

    Args:
        graph: Folded.
        hops: What lies between layers on different dies or boards, by tensor.

    Raises:
        UserError: A layer has no rule, or the graph's shapes and foldings disagree.
    """
    net = build_net(graph, hops=hops, unlimited=True)
    times = run(net, frames=1)
    start = int(times.first[list(net.sources), 0].min())
    found: dict[str, Span] = {}
    for i, process in enumerate(net.processes):
        if process.layer:
            span = Span(
                layer=process.layer,
                first=int(times.first[i, 0]) - start,
                last=int(times.last[i, 0]) - start,
            )
            found[process.layer] = _joined(found.get(process.layer, span), span)
    return tuple(found[layer.name] for layer in graph if layer.name in found)


def _joined(a: Span, b: Span) -> Span:
    """Return the span of both halves of a window generator."""
    return Span(layer=a.layer, first=min(a.first, b.first), last=max(a.last, b.last))
