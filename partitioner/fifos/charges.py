"""What a plan says of its FIFOs, and what its dies pay for them.

Once depths are known, streams pay for what FINN builds: a FIFO each, however shallow, and width
converters where widths differ, instead of the allowance that stands for both in a search.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from elasticdf.costs.estimate import estimate
from elasticdf.costs.profile import CostProfile, load_profile
from elasticdf.costs.streams import StreamCosts
from elasticdf.frontend.stream_adapters import insert_width_converters
from elasticdf.hardware.load import load_board
from elasticdf.ir import RESOURCE_NAMES, Graph, Layer, Resources
from elasticdf.layers.kind import fpga_part
from elasticdf.records import encode
from elasticdf.simulation.result import StreamDepth
from elasticdf.units import format_seconds
from partitioner.fifos.sizing import SHALLOW, Sized
from partitioner.plan import Assignment, Place, Plan
from partitioner.topology import vector

FIFOS = "fifos"
"""Key of ``plan.json`` that lists the FIFOs; missing where the plan did not size them."""

SIMULATION = "simulation"
"""Key of ``plan.json`` with what the simulation found."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fifo:
    """A FIFO of a plan; the fields are the keys of ``plan.json``.

    Attributes:
        replica: Counted from 0.
        stream: Tensor it carries.
        layer: Whose kernel holds it: the consumer's, or the producer's before a width converter.
        board: Of that layer.
        die: Of that layer.
        depth: Transfers.
        bits: Of a transfer.
    """

    replica: int
    stream: str
    layer: str
    board: int
    die: str
    depth: int
    bits: int


def charged(graph: Graph, plan: Plan, groups: tuple[Sized, ...]) -> Plan:
    """Return the plan with depths, what they take, and what the simulation found."""
    fifos = sorted(_fifos(plan, groups), key=lambda fifo: fifo.replica)
    streams = _streams_of(graph, plan, groups)
    price = _Price(graph=graph, profile=load_profile(plan.costs))
    group_of = {replica: group for group in groups for replica in group.replicas}
    extra: dict[Place, list[int]] = defaultdict(lambda: [0] * len(RESOURCE_NAMES))
    assignments = []
    for a in plan.assignments:
        settings = group_of[a.replica].settings.get(a.layer, {})
        board = plan.boards[a.board].board
        built = streams[a.replica, a.layer]
        now = price.of(a, built, board) if settings else a.resources
        asked = graph.layer(a.layer).integers
        deep = {
            name: depths
            for name, depths in built.own(settings)
            if max(*depths, *asked(name), SHALLOW) > SHALLOW
        }
        assignments.append(replace(a, attributes={**a.attributes, **deep}, resources=now))
        for r, (new, old) in enumerate(zip(vector(now), vector(a.resources), strict=True)):
            extra[a.board, a.die][r] += new - old
    utilisation = tuple(
        replace(row, used=row.used + extra[row.board, row.die][RESOURCE_NAMES.index(row.resource)])
        for row in plan.utilisation
    )
    found = {SIMULATION: [_found(group) for group in groups]}
    if any(group.settings for group in groups):
        found = {FIFOS: encode(fifos), **found}
    return replace(
        plan,
        assignments=tuple(assignments),
        utilisation=utilisation,
        extra={**plan.extra, **found},
    )


@dataclass(slots=True, kw_only=True)
class _Streams:
    """What is built for the streams of a layer.

    Attributes:
        fifos: Bits and depth of each FIFO that its kernel holds for it.
        converters: Width converters before its inputs.
        leaving: Outputs whose depth the consumer's kernel provides.
    """

    fifos: list[tuple[int, int]] = field(default_factory=list)
    converters: tuple[Layer, ...] = ()
    leaving: set[int] = field(default_factory=set)

    def own(self, settings: Mapping[str, tuple[int, ...]]) -> Iterator[tuple[str, tuple[int, ...]]]:
        """Yield the depths that the layer's own kernel provides; FINN would build others twice."""
        for name, depths in settings.items():
            elsewhere = self.leaving if name == "outFIFODepths" else ()
            yield name, tuple(SHALLOW if p in elsewhere else d for p, d in enumerate(depths))


def _streams_of(
    graph: Graph, plan: Plan, groups: tuple[Sized, ...]
) -> Mapping[tuple[int, str], _Streams]:
    """Return what is built for the streams of every layer of every replica.

    FINN builds a FIFO at both ends of every kernel too. So a stream between kernels has one more:
    where it leaves, or where it arrives if its width changes there.
    """
    found: dict[tuple[int, str], _Streams] = defaultdict(_Streams)
    arriving = set()
    for group in groups:
        converters = _converters(group.graph)
        for replica in group.replicas:
            for layer, before in converters.items():
                found[replica, layer].converters = tuple(before)
            for stream, holder in _held(group):
                found[replica, holder].fifos.append((stream.bits, max(SHALLOW, stream.depth)))
                arriving.add((replica, stream.tensor, holder))
    arcs = {(arc.source, arc.target): arc for arc in graph.arcs}
    for crossing in plan.crossings:
        replica, source, target = crossing.replica, crossing.source, crossing.target
        arc = arcs[source, target]
        if (replica, arc.tensor, target) in arriving:
            found[replica, source].fifos.append((crossing.wires, SHALLOW))
            found[replica, source].leaving.add(arc.source_port)
        else:
            found[replica, target].fifos.append((crossing.wires, SHALLOW))
    return found


def _held(group: Sized) -> Iterator[tuple[StreamDepth, str]]:
    """Yield every stream whose FIFO is the plan's, and the layer whose kernel holds it."""
    sources = {tensor: layer.name for layer in group.graph for tensor in layer.outputs}
    for stream in group.result.streams:
        source = sources.get(stream.tensor, "")  # a simulated stream may start at a link
        holders = [end for end in (stream.target, source) if end in group.settings]
        if holders:
            yield stream, holders[0]


def _converters(graph: Graph) -> dict[str, list[Layer]]:
    """Return the width converters FINN inserts before each layer that needs any."""
    own = {layer.outputs: layer.name for layer in graph}
    converted = insert_width_converters(graph)
    inserted = {layer.outputs[0]: layer for layer in converted if layer.outputs not in own}
    found: dict[str, list[Layer]] = defaultdict(list)
    for layer in converted:
        for tensor in layer.inputs:
            if tensor in inserted:
                found[own[layer.outputs]].append(inserted[tensor])
    return found


@dataclass(slots=True, kw_only=True)
class _Price:
    """What layers take with their streams; copies alike are priced once.

    Attributes:
        graph: The network.
        profile: ``finn`` counts no streams, as FINN's partitioner does.
    """

    graph: Graph
    profile: CostProfile
    _known: dict[object, Resources] = field(default_factory=dict)

    def of(self, chosen: Assignment, built: _Streams, board: str) -> Resources:
        """Return what a layer takes with what is built for its streams."""
        if self.profile.exactly_finn:
            return chosen.resources
        converters = [repr((c.op_type, c.attributes)) for c in built.converters]
        key = (chosen.layer, repr(chosen.attributes), tuple(built.fifos), *converters, board)
        if key not in self._known:
            part = fpga_part(load_board(board).part)
            layer = self.graph.layer(chosen.layer).with_attributes(chosen.attributes)
            streams = StreamCosts(profile=self.profile, part=part)
            layers = (layer, *built.converters)
            self._known[key] = Resources.total(
                (
                    *(estimate(each, self.profile, part).high for each in layers),
                    *(streams.fifo(bits, depth) for bits, depth in built.fifos),
                )
            )
        return self._known[key]


def _fifos(plan: Plan, groups: tuple[Sized, ...]) -> Iterator[Fifo]:
    """Yield every FIFO that is deeper than the least."""
    place = {(a.replica, a.layer): (a.board, a.die) for a in plan.assignments}
    for group in groups:
        for stream, holder in _held(group):
            for replica in group.replicas if stream.depth > SHALLOW else ():
                board, die = place[replica, holder]
                yield Fifo(
                    replica=replica,
                    stream=stream.tensor,
                    layer=holder,
                    board=board,
                    die=die,
                    depth=stream.depth,
                    bits=stream.bits,
                )


def _found(group: Sized) -> dict[str, Any]:
    """Return what the simulation found for some replicas; FIFOs are listed beside it."""
    document = group.result.to_json()
    for key in ("schema", "network", "clock_hz", "streams"):
        del document[key]
    return {"replicas": group.replicas, **document}


def to_text(plan: Plan) -> Iterator[str]:
    """Yield what a person wants to know of a plan's simulation and FIFOs, in lines."""
    alike: Counter[str] = Counter()
    groups = plan.extra.get(SIMULATION, [])
    for found in groups:
        text = (
            "it deadlocks with the FIFOs of its graph"
            if not found["live"]
            else (
                f"a frame every {found['interval_cycles']:.0f} cycles "
                f"({found['frames_per_second']:.1f} frames per second), "
                f"{format_seconds(found['latency_seconds'])} from first input to last output"
            )
        )
        alike[text] += len(found["replicas"])
    for text, copies in alike.items():
        yield f"simulated: {text}{f', each of {copies} replicas' if copies > 1 else ''}"
    if alike.total() > 1 and all(found["live"] for found in groups):
        rate = sum(len(found["replicas"]) * found["frames_per_second"] for found in groups)
        yield f"simulated: {rate:.1f} frames per second by all replicas"
    sizes = [fifo["depth"] * fifo["bits"] for fifo in plan.extra.get(FIFOS, [])]
    if sizes:
        yield f"{len(sizes)} FIFOs hold {sum(sizes) / 8192:.1f} KiB; depths are in folding.json"
