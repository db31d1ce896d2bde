"""FIFOs as part of a plan: as deep as `partitioner.fifo_sizing` finds, charged to their dies.

Depths follow from a placement and a placement from what its FIFOs take, so both are found in turns:
while FIFOs overfill a die, the search is asked again and told what every stream must store.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any

from elasticdf.costs.estimate import estimate
from elasticdf.costs.profile import CostProfile, load_profile
from elasticdf.costs.streams import StreamCosts
from elasticdf.errors import InfeasibleError, TimeLimitError, UserError
from elasticdf.hardware.load import load_board
from elasticdf.ir import RESOURCE_NAMES, Graph, Resources
from elasticdf.layers import kind_of
from elasticdf.layers.kind import fpga_part
from elasticdf.records import encode
from elasticdf.units import format_seconds
from partitioner import answer, search
from partitioner.clock import Clock
from partitioner.fifo_sizing import SHALLOW, Sized, sized_groups
from partitioner.plan import Assignment, Place, Plan
from partitioner.problem import Problem, Region, Vector, exact
from partitioner.request import Request
from partitioner.search import Searched
from partitioner.solution import proof_from_above, proof_from_below
from partitioner.topology import vector
from partitioner.verify import capacities

FIFOS = "fifos"
"""Key of ``plan.json`` that lists the FIFOs."""

SIMULATION = "simulation"
"""Key of ``plan.json`` with what the simulation found."""

_TURNS = 3
_FIRST_SHARE = 0.75
"""Part of the time limit the first search may take; others share the rest."""

_SOONER_SHARE = 0.5
"""Part of the time left for a plan of lower latency before its FIFOs are sized."""

_LEAST_SECONDS = 2.0
"""Time for a further search, even if none is left."""

_WORTH = 0.5
"""Part of the first plan's rate that a plan with room for FIFOs must reach to be preferred."""

_MARGIN = 1.5
"""Room made for FIFOs, as a multiple of what was missing."""

_LEAST_LIMIT = 0.05


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


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Filled:
    """A plan with its FIFOs.

    Attributes:
        plan: It.
        problem: What it solves.
        groups: Its FIFOs.
        used: What it uses with them, per region.
        broken: Limits on resources that it breaks, a sentence each.
    """

    plan: Plan
    problem: Problem
    groups: tuple[Sized, ...]
    used: Sequence[Vector]
    broken: tuple[str, ...]


def plan_with_fifos(request: Request) -> tuple[Plan, Problem]:
    """Return the best plan that fits with its FIFOs, and the problem whose solution it is.

    A plan that was searched again is proven only as far as the first search's bound goes: FIFOs
    only take room. Of plans of that rate the one with the lowest latency found is taken if its
    FIFOs fit, too. If they fit nowhere or cannot be sized, the first plan leaves them to FINN and
    says so.

    Raises:
        UserError: The request contradicts itself.
        InfeasibleError: There is no plan.
        TimeLimitError: Time ran out before any plan was found.
    """
    options, clock = request.options, request.options.clock()
    seconds = options.time_limit * _FIRST_SHARE
    searched = search.searched(replace(request, options=replace(options, time_limit=seconds)))
    plan, problem = first = searched.plan()
    own = {region.name: region for region in problem.regions}
    asked, reason = request, ""
    for turn in range(_TURNS):
        _tell(request, "sizing FIFOs")
        try:
            filled = _filled(request.graph, plan, problem, own, clock)
        except UserError as error:
            return _unsized(first[0], str(error)), first[1]
        if not filled.broken:
            best = _sooner(searched, filled, own, clock)
            if turn:
                best = replace(best, plan=_less_proven(request, best.plan, first[0], own))
            return best.plan, best.problem
        reason = filled.broken[0]
        if turn == _TURNS - 1:
            break
        _tell(request, f"searching again: with FIFOs {reason}")
        asked = replace(
            asked,
            fifo_bits=_most(asked.fifo_bits, filled.groups),
            limits={**asked.limits, **_tightened(filled, own)},
            options=replace(
                options, time_limit=max(_LEAST_SECONDS, clock.left() / (_TURNS - turn - 1))
            ),
        )
        try:
            searched = search.searched(asked)
            plan, problem = searched.plan()
        except (InfeasibleError, TimeLimitError):
            break
        if plan.frames_per_second < first[0].frames_per_second * _WORTH:
            break
    return _unsized(first[0], f"with them {reason}"), first[1]


def _sooner(
    searched: Searched, filled: _Filled, own: Mapping[str, Region], clock: Clock
) -> _Filled:
    """Return a plan of the same rate and a lower latency whose FIFOs fit too, else the one given.

    Layers faster than the rate asks for take more room, so it comes second: room for the FIFOs
    of the rate goes first.
    """
    request = searched.space.request
    space = replace(searched.space, clock=clock.part(_SOONER_SHARE))
    sooner = replace(searched, space=space).sooner()
    if sooner.found is searched.found:
        return filled
    plan, problem = sooner.plan()
    if plan.latency_seconds >= filled.plan.latency_seconds:
        return filled
    _tell(request, "sizing the FIFOs of a plan with a lower latency")
    try:
        other = _filled(request.graph, plan, problem, own, clock)
    except UserError:
        return filled
    return filled if other.broken else other


def _filled(
    graph: Graph, plan: Plan, problem: Problem, own: Mapping[str, Region], clock: Clock
) -> _Filled:
    """Return a plan with its FIFOs.

    Args:
        graph: The network.
        plan: Without them.
        problem: What it solves.
        own: Regions with the limits that were asked for, by name.
        clock: Time left for sizing.

    Raises:
        UserError: Something cannot be simulated.
    """
    groups = sized_groups(graph, plan, clock)
    charged = _charged(graph, plan, groups)
    used = _used(problem, charged)
    limited = replace(problem, regions=_with_limits(problem, own))
    return _Filled(
        plan=charged,
        problem=problem,
        groups=groups,
        used=used,
        broken=tuple(capacities(limited, used)),
    )


def _with_limits(problem: Problem, own: Mapping[str, Region]) -> tuple[Region, ...]:
    return tuple(own.get(region.name, region) for region in problem.regions)


def _tightened(filled: _Filled, own: Mapping[str, Region]) -> dict[str, float]:
    """Return limits that leave room for what FIFOs took beyond the regions' own limits."""
    problem = filled.problem
    asked = _with_limits(problem, own)
    found: dict[str, float] = {}

    def lower(name: str, limit: float, excess: Fraction) -> None:
        if excess > 0:
            tight = max(_LEAST_LIMIT, limit - float(excess) * _MARGIN)
            found[name] = min(found.get(name, limit), tight)

    for now, region, amounts in zip(problem.regions, asked, filled.used, strict=True):
        shares = [
            Fraction(u, c) if c else Fraction(0)
            for u, c in zip(amounts, region.capacity, strict=True)
        ]
        for name, share, before, limit in zip(
            problem.resources, shares, now.limits, region.limits, strict=True
        ):
            lower(name, before, share - exact(limit))
        for mean, before_mean in zip(region.mean_limits, now.mean_limits, strict=True):
            present = [r for r in mean.resources if region.capacity[r]]
            average = sum((shares[r] for r in present), Fraction(0)) / max(1, len(present))
            lower("mean", before_mean.limit, average - exact(mean.limit))
    return found


def _less_proven(request: Request, plan: Plan, first: Plan, own: Mapping[str, Region]) -> Plan:
    """Return the plan with the proof that holds for it, and the limits that were asked for."""
    limits = {
        (region.board, region.die, name): limit
        for region in own.values()
        for name, limit in zip(RESOURCE_NAMES, region.limits, strict=True)
    }
    found, proven = plan.certificate, first.certificate
    latency = None
    if found.latency is not None and proven.latency is not None:
        latency = proof_from_below(found.latency.value, proven.latency.bound)
    certificate = answer.certificate(
        request,
        proof_from_above(found.throughput.value, proven.throughput.bound),
        proof_from_below(found.crossing_cost.value, 0.0),
        latency,
    )
    rows = (
        replace(row, limit=limits.get((row.board, row.die, row.resource), row.limit))
        for row in plan.utilisation
    )
    return replace(plan, certificate=certificate, utilisation=tuple(rows))


def _tell(request: Request, what: str) -> None:
    if request.progress is not None:
        request.progress(what)


def _unsized(plan: Plan, reason: str) -> Plan:
    note = f"FIFOs are left for FINN to size, nothing is reserved beyond an allowance: {reason}."
    return replace(plan, notes=(*plan.notes, note))


def _charged(graph: Graph, plan: Plan, groups: tuple[Sized, ...]) -> Plan:
    """Return the plan with depths, what they take, and what the simulation found."""
    group_of = {replica: group for group in groups for replica in group.replicas}
    fifos = sorted(_fifos(plan, groups), key=lambda fifo: fifo.replica)
    held: dict[tuple[int, str], list[Fifo]] = defaultdict(list)
    for fifo in fifos:
        held[fifo.replica, fifo.layer].append(fifo)
    price = _Price(graph=graph, profile=load_profile(plan.costs))
    extra: dict[Place, list[int]] = defaultdict(lambda: [0] * len(RESOURCE_NAMES))
    assignments = []
    for a in plan.assignments:
        settings = group_of[a.replica].settings.get(a.layer, {})
        board = plan.boards[a.board].board
        now = price.of(a, held[a.replica, a.layer], board) if settings else a.resources
        deep = {name: depths for name, depths in settings.items() if max(depths) > SHALLOW}
        assignments.append(replace(a, attributes={**a.attributes, **deep}, resources=now))
        for r, (new, old) in enumerate(zip(vector(now), vector(a.resources), strict=True)):
            extra[a.board, a.die][r] += new - old
    utilisation = tuple(
        replace(row, used=row.used + extra[row.board, row.die][RESOURCE_NAMES.index(row.resource)])
        for row in plan.utilisation
    )
    found = {FIFOS: encode(fifos), SIMULATION: [_found(group) for group in groups]}
    return replace(
        plan,
        assignments=tuple(assignments),
        utilisation=utilisation,
        extra={**plan.extra, **found},
    )


@dataclass(slots=True, kw_only=True)
class _Price:
    """What layers take with their FIFOs; copies alike are priced once.

    Attributes:
        graph: The network.
        profile: ``finn`` counts no streams, as FINN's partitioner does.
    """

    graph: Graph
    profile: CostProfile
    _known: dict[object, Resources] = field(default_factory=dict)

    def of(self, chosen: Assignment, fifos: list[Fifo], board: str) -> Resources:
        """Return what a layer takes with the FIFOs its kernel holds for it."""
        if self.profile.exactly_finn:
            return chosen.resources
        sizes = tuple((fifo.bits, fifo.depth) for fifo in fifos)
        key = (chosen.layer, repr(chosen.attributes), sizes, board)
        if key not in self._known:
            part = fpga_part(load_board(board).part)
            built = self.graph.layer(chosen.layer).with_attributes(chosen.attributes)
            streams = StreamCosts(profile=self.profile, part=part)
            allowance = streams.before(kind_of(built).ports(built).input_bits, (), ())
            self._known[key] = Resources.total(
                (
                    estimate(built, self.profile, part).high,
                    allowance,
                    *(streams.fifo(bits, depth) for bits, depth in sizes),
                )
            )
        return self._known[key]


def _used(problem: Problem, plan: Plan) -> list[Vector]:
    """Return what a plan uses per region of its problem."""
    rows: dict[Place, list[int]] = defaultdict(list)
    for row in plan.utilisation:
        rows[row.board, row.die].append(row.used)
    return [
        tuple(rows.get((-1 if r.board is None else r.board, r.die), [0] * len(r.capacity)))
        for r in problem.regions
    ]


def _most(
    stored: Mapping[str, tuple[int, ...]], groups: tuple[Sized, ...]
) -> dict[str, tuple[int, ...]]:
    """Return the most bits each input stores in any replica or earlier round."""
    found = dict(stored)
    for group in groups:
        for layer in group.graph:
            depths = group.settings.get(layer.name, {}).get("inFIFODepths", ())
            widths = kind_of(layer).ports(layer).input_bits
            bits = tuple(w * d for w, d in zip(widths, depths, strict=False))
            before = found.get(layer.name, (0,) * len(bits))
            if any(bits):
                found[layer.name] = tuple(map(max, before, bits))
    return found


def _fifos(plan: Plan, groups: tuple[Sized, ...]) -> Iterator[Fifo]:
    """Yield every FIFO that is deeper than the registers of a stream."""
    place = {(a.replica, a.layer): (a.board, a.die) for a in plan.assignments}
    for group in groups:
        known = set(group.settings)
        for stream in group.result.streams:
            holders = [end for end in (stream.target, stream.source) if end in known]
            for replica in group.replicas if holders and stream.depth > SHALLOW else ():
                board, die = place[replica, holders[0]]
                yield Fifo(
                    replica=replica,
                    stream=stream.tensor,
                    layer=holders[0],
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
    for found in plan.extra.get(SIMULATION, []):
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
    sizes = [fifo["depth"] * fifo["bits"] for fifo in plan.extra.get(FIFOS, [])]
    if sizes:
        yield f"{len(sizes)} FIFOs hold {sum(sizes) / 8192:.1f} KiB; depths are in folding.json"
