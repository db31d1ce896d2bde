"""From numbers back to domain words: a verified placement becomes a `Plan`.

Refuses placements the independent verifier does not accept.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from math import inf

from elasticdf.hardware.cluster import Cluster
from elasticdf.ir import RESOURCE_NAMES
from elasticdf.layers.kind import padded
from partitioner.choices import Choices
from partitioner.latency.frame import latency_of
from partitioner.lower import carried_bits
from partitioner.plan import (
    Assignment,
    Certificate,
    Crossing,
    CrossingKind,
    LinkLoad,
    Mode,
    Outcome,
    Place,
    Plan,
    PlannedBoard,
    Proof,
    Utilisation,
)
from partitioner.problem import Problem
from partitioner.request import Request
from partitioner.solution import Hop, Placement, proof_from_below
from partitioner.space import Found
from partitioner.verify import Loads, check, copies, stops


def assemble(
    request: Request, cluster: Cluster, found: Found, *, throughput: Proof, crossing_cost: Proof
) -> Plan:
    """Return the plan a placement means, with its certificate.

    Args:
        request: What was asked.
        cluster: The boards.
        found: A placement and what it solves.
        throughput: What is proven about frames per second.
        crossing_cost: What is proven about crossings.
    """
    draft = _draft(request, cluster, found)
    seconds, how = latency_of(request.graph, draft)
    latency = None
    if found.least_latency is not None:
        latency = proof_from_below(float(seconds), found.least_latency / request.clock_hz)
    return replace(
        draft,
        latency_seconds=float(seconds),
        certificate=certificate(request, throughput, crossing_cost, latency),
        notes=_notes(request, found.problem, found.placement, found.choices, how),
    )


def varied(plan: Plan, request: Request, cluster: Cluster, found: Found) -> Plan:
    """Return a plan with its layers built as in a placement that differs in nothing else."""
    draft = _draft(request, cluster, found)
    return replace(plan, assignments=draft.assignments, utilisation=draft.utilisation)


def latency_cycles(request: Request, cluster: Cluster, found: Found) -> int:
    """Return the cycles one frame takes through a placement."""
    seconds, _ = latency_of(request.graph, _draft(request, cluster, found))
    return int(seconds * request.clock_hz)


def _draft(request: Request, cluster: Cluster, found: Found) -> Plan:
    """Return the plan without its latency and with nothing proven."""
    problem, placement, choices = found.problem, found.placement, found.choices
    interval = found.interval_cycles
    loads = check(problem, placement)
    rate = float(Fraction(problem.replicas * request.clock_hz, interval))
    nothing = Proof(value=rate, bound=inf, gap=1.0)
    return Plan(
        network=request.graph.name,
        mode=request.mode,
        clock_hz=request.clock_hz,
        replicas=problem.replicas,
        interval_cycles=interval,
        frames_per_second=rate,
        latency_seconds=0.0,
        cluster=cluster.name,
        boards=tuple(
            PlannedBoard(id=i, board=b.name, dies=tuple(d.name for d in b.dies))
            for i, b in enumerate(cluster.boards)
        ),
        links=tuple(_links(request, problem, placement, choices, interval)),
        certificate=certificate(request, nothing, proof_from_below(loads.cost, 0.0), None),
        assignments=tuple(_assignments(problem, placement, choices)),
        crossings=tuple(_crossings(request, problem, placement, choices)),
        utilisation=tuple(_utilisation(problem, loads)),
        costs=request.costs,
    )


def _place(problem: Problem, region: int) -> Place:
    record = problem.regions[region]
    return (-1 if record.board is None else record.board, record.die)


def _assignments(problem: Problem, placement: Placement, choices: Choices) -> Iterator[Assignment]:
    for position, replica, item in copies(problem):
        choice = choices[item][placement.options[position]]
        board, die = _place(problem, placement.regions[position])
        yield Assignment(
            replica=replica,
            layer=problem.items[item].name,
            board=board,
            die=die,
            attributes=choice.attributes,
            cycles=choice.cycles,
            resources=choice.resources,
        )


def _width(problem: Problem, placement: Placement, choices: Choices, index: int) -> int:
    """Return the unpadded width of the stream of one arc of one replica."""
    replica, arc_index = divmod(index, len(problem.arcs))
    arc = problem.arcs[arc_index]
    option = placement.options[replica * len(problem.items) + arc.source]
    return max(choices[arc.source][option].output_bits, default=0)


def _crossings(
    request: Request, problem: Problem, placement: Placement, choices: Choices
) -> Iterator[Crossing]:
    for index, route in enumerate(placement.routes):
        if not route:
            continue
        replica, arc_index = divmod(index, len(problem.arcs))
        arc = problem.arcs[arc_index]
        start = placement.regions[replica * len(problem.items) + arc.source]
        trail = stops(problem, start, route)
        kinds = {problem.links[link].kind for link, _ in route}
        yield Crossing(
            replica=replica,
            source=problem.items[arc.source].name,
            target=problem.items[arc.target].name,
            kind=next(
                kind
                for kind in (CrossingKind.HOST, CrossingKind.BOARD, CrossingKind.DIE)
                if kind in kinds
            ),
            origin=_place(problem, trail[0]),
            destination=_place(problem, trail[-1]),
            route=tuple(_place(problem, r) for r in trail if not problem.regions[r].is_hub),
            bits_per_frame=arc.bits_per_frame,
            wires=padded(_width(problem, placement, choices, index)),
        )


def _utilisation(problem: Problem, loads: Loads) -> Iterator[Utilisation]:
    for index in problem.places:
        region = problem.regions[index]
        board, die = _place(problem, index)
        for r, name in enumerate(RESOURCE_NAMES):
            yield Utilisation(
                board=board,
                die=die,
                resource=name,
                used=loads.resources[index][r],
                available=region.capacity[r],
                limit=region.limits[r],
            )


def _links(
    request: Request,
    problem: Problem,
    placement: Placement,
    choices: Choices,
    interval_cycles: int,
) -> Iterator[LinkLoad]:
    """Yield each direction of each pair of network ports that streams run between."""
    bits: dict[tuple[tuple[int, int], tuple[int, int]], Fraction] = defaultdict(Fraction)
    capacity: dict[tuple[tuple[int, int], tuple[int, int]], int] = {}
    rate = Fraction(request.clock_hz, interval_cycles)
    for index, route in enumerate(placement.routes):
        frame = problem.arcs[index % len(problem.arcs)].bits_per_frame
        carried = carried_bits(frame, _width(problem, placement, choices, index), request.mode)
        for origin, destination, most in _port_pairs(problem, route):
            bits[origin, destination] += carried * rate
            capacity[origin, destination] = most
    for ends in sorted(bits):
        yield LinkLoad(
            origin=ends[0],
            destination=ends[1],
            load_bits_per_second=float(bits[ends]),
            capacity_bits_per_second=float(capacity[ends]),
        )


def _port_pairs(
    problem: Problem, route: tuple[Hop, ...]
) -> Iterator[tuple[tuple[int, int], tuple[int, int], int]]:
    """Yield the network ports a route leaves and enters; a switch is between two hops."""
    left: tuple[int, int] | None = None
    for link_index, forward in route:
        link = problem.links[link_index]
        near, far = link.ends if forward else link.ends[::-1]
        if near.port is not None:
            left = (_place(problem, near.region)[0], near.port)
        if far.port is not None and left is not None and link.bits_per_second is not None:
            yield left, (_place(problem, far.region)[0], far.port), link.bits_per_second


def _notes(
    request: Request, problem: Problem, placement: Placement, choices: Choices, latency: str
) -> tuple[str, ...]:
    notes = list(request.graph.notes)
    unknown = any(
        choices[item][placement.options[position]].resources.ff is None
        for position, _, item in copies(problem)
    )
    if unknown:
        notes.append(
            "Flip-flops of some layers are not known; they count as 0 in the limit on flip-flops."
        )
    notes.append(latency)
    if request.mode is Mode.SOFTWARE:
        notes.append("The host's copies are counted with large transfers at the measured rate.")
    return tuple(notes)


def certificate(
    request: Request, throughput: Proof, crossing_cost: Proof, latency: Proof | None
) -> Certificate:
    """Return the certificate; optimal only if the proofs of what was asked for are closed.

    Its seconds are 0: two runs of one request give the same plan byte for byte, so wall time is
    told on the terminal and in the run's manifest instead.
    """
    first = throughput if latency is None else latency
    closed = max(first.gap, crossing_cost.gap) <= 1e-6
    return Certificate(
        outcome=Outcome.OPTIMAL if closed else Outcome.FEASIBLE,
        seconds=0.0,
        solver=request.options.label,
        seed=request.options.seed,
        throughput=throughput,
        crossing_cost=crossing_cost,
        latency=latency,
    )
