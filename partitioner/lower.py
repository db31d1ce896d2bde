"""From layers to items: one problem for a frame rate and a number of replicas.

Options come from `elasticdf.folding`; a stream's rate is its bits per frame times the pipeline's
frame rate, never the producer's own cycles. Anchors, groups, modes and linear cuts become
properties of items and arcs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from math import ceil

from elasticdf.errors import UserError
from elasticdf.hardware.cluster import Cluster
from elasticdf.hardware.framing import wire_bits
from elasticdf.ir import AttributeValue, Graph, Resources, Stream
from elasticdf.layers.kind import padded
from elasticdf.layers.mvau import has_external_weights
from partitioner.plan import CrossingKind, Mode
from partitioner.problem import Arc, Item, Option, Problem
from partitioner.request import Anchor, Request
from partitioner.topology import Topology, vector


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One way to build a layer, as the partitioner sees it and as the plan will say it.

    Attributes:
        attributes: FINN's names and values.
        cycles: Per frame.
        resources: Under the cost profile.
        output_bits: Widths of the output streams, unpadded.
        parts: FPGA parts it is for.
    """

    attributes: Mapping[str, AttributeValue]
    cycles: int
    resources: Resources
    output_bits: tuple[int, ...]
    parts: tuple[str, ...] = ()

    def option(self) -> Option:
        """Return it in numbers."""
        return Option(
            resources=vector(self.resources),
            cycles=self.cycles,
            wires=padded(max(self.output_bits, default=0)),
            parts=self.parts,
            control_ports=1 if self.attributes.get("runtime_writeable_weights") == 1 else 0,
        )


def problem(
    request: Request,
    cluster: Cluster,
    topology: Topology,
    choices: Sequence[Sequence[Choice]],
    *,
    interval_cycles: int,
    replicas: int,
    lightest: bool = False,
) -> Problem:
    """Return the problem of placing every replica at one interval.

    Args:
        request: What is asked.
        cluster: The boards.
        topology: Their regions and links in the request's mode.
        choices: Per layer of the graph, how it may be built.
        interval_cycles: Cycles between two frames of a replica.
        replicas: Copies.
        lightest: Whether a stream weighs as little as any of its producer's choices makes it, for
            what is easier than every placement. Otherwise as much, so that all of them are carried.
    """
    graph = request.graph
    number = {layer.name: i for i, layer in enumerate(graph.layers)}
    rate = Fraction(request.clock_hz, interval_cycles)
    weigh = min if lightest else max
    branch = _inside_branches(graph) if request.linear_cuts else frozenset()
    ends = (0, len(graph.layers) - 1)
    return Problem(
        name=f"{graph.name} on {cluster.name}, {request.mode}, "
        f"{replicas} replicas at {interval_cycles} cycles",
        resources=("lut", "ff", "bram18", "uram", "dsp"),
        regions=topology.regions,
        links=topology.links,
        items=tuple(
            Item(
                name=layer.name,
                options=tuple(choice.option() for choice in choices[i]),
                regions=_anchored(request.anchors, layer.name, topology),
                memory_ports=_host_streams(graph, layer.name) + has_external_weights(layer),
            )
            for i, layer in enumerate(graph.layers)
        ),
        arcs=tuple(
            _arc(request, stream, number, choices, rate, weigh, inside=stream.tensor in branch)
            for stream in graph.arcs
        ),
        replicas=replicas,
        together=tuple(_group(group, number) for group in request.together),
        same_board=(ends,) if request.mode is Mode.TRANSPARENT and ends[1] else (),
        segmented=request.mode is Mode.SOFTWARE,
        through_boards=request.through_boards,
        compute_units=topology.compute_units,
    )


def _arc(
    request: Request,
    stream: Stream,
    number: Mapping[str, int],
    choices: Sequence[Sequence[Choice]],
    rate: Fraction,
    weigh: Callable[[Iterable[int]], int],
    *,
    inside: bool,
) -> Arc:
    source, target = number[stream.source or ""], number[stream.target or ""]
    bits = frame_bits(request.graph, stream.tensor)
    widths = {c.output_bits[stream.source_port] for c in choices[source]}
    carried = weigh(carried_bits(bits, width, request.mode) for width in widths)
    return Arc(
        source=source,
        target=target,
        bits_per_second=ceil(carried * rate),
        bits_per_frame=bits,
        forbidden=tuple(CrossingKind) if inside else (),
    )


def carried_bits(frame: int, width: int, mode: Mode) -> int:
    """Return what a frame of a stream puts on the link between boards.

    Args:
        frame: Payload bits.
        width: Bits per transfer; each transfer is padded to whole bytes.
        mode: Over the network packets are framed, the host copies bare bytes.
    """
    transfers = -(-frame // max(width, 1))
    total = transfers * padded(width)
    return total if mode is Mode.SOFTWARE else wire_bits(total)


def frame_bits(graph: Graph, tensor: str) -> int:
    """Return the payload bits of one frame of a stream, elements unpadded."""
    record = graph.tensors[tensor]
    elements = 1
    for size in record.shape[1:]:
        elements *= size
    return elements * record.datatype.bits


def _host_streams(graph: Graph, layer: str) -> int:
    return sum(
        1
        for stream in graph.streams
        if (stream.source is None and stream.target == layer)
        or (stream.target is None and stream.source == layer)
    )


def _anchored(
    anchors: tuple[Anchor, ...], layer: str, topology: Topology
) -> tuple[int, ...] | None:
    own = [anchor for anchor in anchors if anchor.layer == layer]
    if not own:
        return None
    return tuple(
        index
        for index, region in enumerate(topology.regions)
        if all(region.board == anchor.board and anchor.die in (None, region.die) for anchor in own)
    )


def check_names(request: Request, topology: Topology) -> None:
    """Check that anchors and groups name layers, boards and dies that exist and agree.

    Raises:
        UserError: They do not.
    """
    for name in (*(a.layer for a in request.anchors), *(n for g in request.together for n in g)):
        request.graph.layer(name)
    boards = sorted({region.board for region in topology.regions if region.board is not None})
    for anchor in request.anchors:
        dies = [region.die for region in topology.regions if region.board == anchor.board]
        if not dies:
            raise UserError(
                f"anchor {anchor.layer}={anchor.board}: there is no board {anchor.board}; "
                f"boards are {boards[0]} to {boards[-1]}"
            )
        if anchor.die is not None and anchor.die not in dies:
            raise UserError(
                f"anchor {anchor.layer}={anchor.board}.{anchor.die}: board {anchor.board} has no "
                f"die {anchor.die}; its dies are {', '.join(dies)}"
            )
        if not _anchored(request.anchors, anchor.layer, topology):
            raise UserError(
                f"the anchors of layer {anchor.layer} contradict each other; keep one of them"
            )


def _group(names: tuple[str, ...], number: Mapping[str, int]) -> tuple[int, ...]:
    return tuple(sorted(number[name] for name in names))


@lru_cache(maxsize=8)
def _inside_branches(graph: Graph) -> frozenset[str]:
    """Return the tensors that run beside another one: no cut may pass through them."""
    position = {layer.name: i for i, layer in enumerate(graph.layers)}
    open_at = [0] * (len(position) + 1)
    for arc in graph.arcs:
        for cut in range(position[arc.source or ""] + 1, position[arc.target or ""] + 1):
            open_at[cut] += 1
    return frozenset(
        arc.tensor
        for arc in graph.arcs
        if any(
            open_at[cut] > 1
            for cut in range(position[arc.source or ""] + 1, position[arc.target or ""] + 1)
        )
    )
