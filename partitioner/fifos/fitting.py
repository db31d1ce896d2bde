"""FIFOs as part of a plan: as deep as `partitioner.fifos.sizing` finds, charged to their dies.

Depths follow from a placement and a placement from what its FIFOs take, so both are found in turns:
while FIFOs overfill a die, the search is asked again and told what every stream must store.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from elasticdf.errors import InfeasibleError, TimeLimitError, UserError
from elasticdf.hardware.cluster import Cluster
from elasticdf.ir import RESOURCE_NAMES, Graph
from elasticdf.layers import kind_of
from partitioner import answer, search
from partitioner.clock import Clock
from partitioner.fifos.charges import charged
from partitioner.fifos.room import in_place
from partitioner.fifos.sizing import Sized, can_size_again, sized_groups
from partitioner.plan import Place, Plan
from partitioner.problem import Problem, Region, Vector, exact
from partitioner.request import Request
from partitioner.search import Searched
from partitioner.solution import proof_from_above, proof_from_below
from partitioner.space import Found, Space
from partitioner.topology import Limits, build
from partitioner.verify import capacities

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


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Filled:
    """A plan with its FIFOs.

    Attributes:
        plan: It.
        found: The placement it means.
        groups: Its FIFOs.
        used: What it uses with them, per region.
        broken: Limits on resources that it breaks, a sentence each.
    """

    plan: Plan
    found: Found
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
    few = searched.settled()
    plan = searched.planned(few)
    first = (plan, few.found.problem)
    asked, reason = request, ""
    for turn in range(_TURNS):
        _tell(request, "sizing FIFOs")
        own = _regions(request, searched.space.cluster)
        try:
            filled = _filled(searched.space, plan, few.found, own, clock)
        except UserError as error:
            return _unsized(first[0], str(error)), first[1]
        if not filled.broken:
            best = _sooner(searched, filled, own, clock)
            if turn:
                best = replace(best, plan=_less_proven(request, best.plan, first[0], own))
            return best.plan, best.found.problem
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
            few = searched.settled()
            plan = searched.planned(few)
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
    if not can_size_again(filled.groups, clock.left() * (1 - _SOONER_SHARE)):
        return filled
    request = searched.space.request
    space = replace(searched.space, clock=clock.part(_SOONER_SHARE))
    sooner = replace(searched, space=space).sooner()
    if sooner.found is searched.found:
        return filled
    few = sooner.settled()
    plan = sooner.planned(few)
    if plan.latency_seconds >= filled.plan.latency_seconds:
        return filled
    _tell(request, "sizing the FIFOs of a plan with a lower latency")
    try:
        other = _filled(space, plan, few.found, own, clock)
    except UserError:
        return filled
    return filled if other.broken else other


def _filled(
    space: Space, plan: Plan, found: Found, own: Mapping[str, Region], clock: Clock
) -> _Filled:
    """Return a plan with its FIFOs; where they overfill a die, others of its variants if they fit.

    Args:
        space: What is asked, and the boards it takes.
        plan: Without them.
        found: The placement it means.
        own: Regions with the limits that were asked for, by name.
        clock: Time left for sizing.

    Raises:
        UserError: Something cannot be simulated.
    """
    request = space.request
    groups = sized_groups(request.graph, plan, clock)
    filled = _priced(request.graph, plan, found, groups, own)
    if not filled.broken:
        return filled
    _tell(request, f"building layers in other ways: with FIFOs {filled.broken[0]}")
    limited = replace(
        found, problem=replace(found.problem, regions=_with_limits(found.problem, own))
    )
    other = in_place(request, space.cluster, plan, limited, filled.used)
    again = filled if other is None else _priced(request.graph, *other, groups, own)
    return filled if again.broken else again


def _priced(
    graph: Graph, plan: Plan, found: Found, groups: tuple[Sized, ...], own: Mapping[str, Region]
) -> _Filled:
    """Return a plan with FIFOs of known depths."""
    priced, problem = charged(graph, plan, groups), found.problem
    used = _used(problem, priced)
    limited = replace(problem, regions=_with_limits(problem, own))
    return _Filled(
        plan=priced,
        found=found,
        groups=groups,
        used=used,
        broken=tuple(capacities(limited, used)),
    )


def _regions(request: Request, cluster: Cluster) -> dict[str, Region]:
    """Return the regions of boards with the limits that were asked for, by name."""
    limits = Limits.with_changes(request.limits)
    topology = build(cluster, request.mode, limits, clock_hz=request.clock_hz)
    return {region.name: region for region in topology.regions}


def _with_limits(problem: Problem, own: Mapping[str, Region]) -> tuple[Region, ...]:
    return tuple(own[region.name] for region in problem.regions)


def _tightened(filled: _Filled, own: Mapping[str, Region]) -> dict[str, float]:
    """Return limits that leave room for what FIFOs took beyond the regions' own limits."""
    problem = filled.found.problem
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
