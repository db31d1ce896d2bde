"""The independent check of a placement: whole numbers and exact fractions, no solver, no model.

Everything is counted again from the problem and the placement alone. Refuses nothing silently:
every broken limit is one sentence.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

import networkx as nx

from elasticdf.errors import InternalError
from partitioner.problem import PORT_KERNELS, Arc, Problem, Vector, exact
from partitioner.solution import Hop, Placement


@dataclass(frozen=True, slots=True, kw_only=True)
class Loads:
    """What a placement uses.

    Attributes:
        resources: Per region, items, link ends, adapters and memory controllers together.
        wires: Per hop (link and direction).
        bits_per_second: Per hop.
        streams: Per (link, end index): streams in and out.
        memory_ports: Per memory region.
        cost: Sum of the costs of all hops of all routes.
    """

    resources: tuple[Vector, ...]
    wires: dict[Hop, int]
    bits_per_second: dict[Hop, int]
    streams: dict[tuple[int, int], int]
    memory_ports: dict[int, int]
    cost: int


def measure(problem: Problem, placement: Placement) -> Loads:
    """Count what a placement uses; its shape must be right, its limits may be broken."""
    wires: dict[Hop, int] = defaultdict(int)
    bits: dict[Hop, int] = defaultdict(int)
    streams: dict[tuple[int, int], int] = defaultdict(int)
    cost = 0
    for index, route in enumerate(placement.routes):
        replica, arc_index = divmod(index, len(problem.arcs))
        arc = problem.arcs[arc_index]
        option = placement.options[replica * len(problem.items) + arc.source]
        for hop in route:
            cost += problem.links[hop[0]].cost
            wires[hop] += problem.arc_wires(arc, option)
            bits[hop] += arc.bits_per_second
            for end in (0, 1):
                streams[hop[0], end] += 1
    memory_ports = _memory_ports(problem, placement)
    return Loads(
        resources=_resources(problem, placement, streams, memory_ports),
        wires=dict(wires),
        bits_per_second=dict(bits),
        streams=dict(streams),
        memory_ports=memory_ports,
        cost=cost,
    )


def violations(problem: Problem, placement: Placement) -> tuple[str, ...]:
    """Return one sentence per broken rule; empty for a valid placement."""
    shape = tuple(_shape(problem, placement)) or tuple(_routes(problem, placement))
    if shape:
        return shape  # loads of routes that do not exist cannot be counted
    loads = measure(problem, placement)
    return (
        *capacities(problem, loads.resources),
        *_links(problem, loads),
        *_groups(problem, placement),
        *_segments(problem, placement),
        *_kernels(problem, placement, loads),
    )


def check(problem: Problem, placement: Placement) -> Loads:
    """Return the loads of a placement that is to be shown to someone.

    Raises:
        InternalError: It breaks a rule, so the model that made it is wrong.
    """
    broken = violations(problem, placement)
    if broken:
        raise InternalError(
            f"problem {problem.name}: the placement found breaks {len(broken)} rules: "
            + "; ".join(broken[:5])
        )
    return measure(problem, placement)


def copies(problem: Problem) -> Iterator[tuple[int, int, int]]:
    """Return (position in the placement, replica, item) of every copy of every item."""
    for position in range(problem.replicas * len(problem.items)):
        yield position, *divmod(position, len(problem.items))


def _resources(
    problem: Problem,
    placement: Placement,
    streams: dict[tuple[int, int], int],
    memory_ports: dict[int, int],
) -> tuple[Vector, ...]:
    used = [[0] * len(problem.resources) for _ in problem.regions]

    def add(region: int, amounts: Vector, times: int = 1) -> None:
        for r, amount in enumerate(amounts):
            used[region][r] += amount * times

    for position, _, item in copies(problem):
        option = problem.items[item].options[placement.options[position]]
        add(placement.regions[position], option.resources)
    for (link, end), count in streams.items():
        record = problem.links[link].ends[end]
        add(record.region, record.charge)
        add(record.region, record.adapter, count)
    for region in memory_ports:
        add(region, problem.regions[region].memory_charge)
    return tuple(tuple(amounts) for amounts in used)


def _memory_ports(problem: Problem, placement: Placement) -> dict[int, int]:
    ports: dict[int, int] = defaultdict(int)
    for position, _, item in copies(problem):
        memory = problem.regions[placement.regions[position]].memory
        if memory is not None and problem.items[item].memory_ports:
            ports[memory] += problem.items[item].memory_ports
    for route in placement.routes:
        for hop in route:
            memory = _host_memory(problem, hop)
            if memory is not None:
                ports[memory] += 1
    return dict(ports)


def _host_memory(problem: Problem, hop: Hop) -> int | None:
    """Return the memory region that a hop to or from the host passes, None for other hops."""
    link = problem.links[hop[0]]
    if link.kind != "host":
        return None
    ends = (problem.regions[region] for region in link.regions)
    return next((end.memory for end in ends if not end.is_hub), None)


def _shape(problem: Problem, placement: Placement) -> Iterator[str]:
    copies_of_items = problem.replicas * len(problem.items)
    copies_of_arcs = problem.replicas * len(problem.arcs)
    found = (len(placement.regions), len(placement.options), len(placement.routes))
    if found != (copies_of_items, copies_of_items, copies_of_arcs):
        yield (
            f"the placement has {found[0]} regions, {found[1]} options and {found[2]} routes for "
            f"{copies_of_items} items and {copies_of_arcs} arcs"
        )
        return
    for position, replica, item in copies(problem):
        record, region = problem.items[item], placement.regions[position]
        who = f"item {record.name} of replica {replica}"
        if region not in problem.places or region not in (
            problem.places if record.regions is None else record.regions
        ):
            yield f"{who} sits in region {region}, where it may not be"
        elif placement.options[position] not in range(len(record.options)):
            yield f"{who} has option {placement.options[position]} of {len(record.options)}"
        elif not record.options[placement.options[position]].fits_part(
            problem.regions[region].part
        ):
            yield f"{who} is built for another part than that of {problem.regions[region].name}"


def _routes(problem: Problem, placement: Placement) -> Iterator[str]:
    for index, route in enumerate(placement.routes):
        replica, arc_index = divmod(index, len(problem.arcs))
        arc = problem.arcs[arc_index]
        offset = replica * len(problem.items)
        start = placement.regions[offset + arc.source]
        goal = placement.regions[offset + arc.target]
        who = (
            f"stream {problem.items[arc.source].name} to {problem.items[arc.target].name} "
            f"of replica {replica}"
        )
        fault = _route_fault(problem, arc, route, start, goal)
        if fault:
            yield f"{who} {fault}"


def _route_fault(
    problem: Problem, arc: Arc, route: tuple[Hop, ...], start: int, goal: int
) -> str | None:
    trail = [start]
    for link_index, forward in route:
        if link_index not in range(len(problem.links)):
            return f"uses link {link_index}, which does not exist"
        link = problem.links[link_index]
        near, far = link.regions if forward else link.regions[::-1]
        if near != trail[-1]:
            return f"jumps from region {trail[-1]} to {near}"
        if not problem.usable(arc, link):
            return f"uses a {link.kind} link, which it may not"
        trail.append(far)
    if trail[-1] != goal:
        return f"ends in region {trail[-1]} instead of {goal}"
    if len(set(trail)) != len(trail):
        return "visits a region twice on one route"
    boards = {problem.regions[r].board for r in trail} - {None}
    ends = {problem.regions[start].board, problem.regions[goal].board}
    if not problem.through_boards and boards - ends:
        return f"passes through board {min(b for b in boards - ends if b is not None)}"
    return None


def capacities(problem: Problem, resources: Sequence[Vector]) -> Iterator[str]:
    """Yield a sentence for every limit on resources that is broken.

    Args:
        problem: Whose limits count.
        resources: What is used, per region.
    """
    for region, used in zip(problem.regions, resources, strict=True):
        for name, amount, most in zip(problem.resources, used, region.allowed(), strict=True):
            if amount > most:
                yield f"region {region.name} uses {amount} {name} of {most} allowed"
        for mean in region.mean_limits:
            present = [r for r in mean.resources if region.capacity[r]]
            total = sum((Fraction(used[r], region.capacity[r]) for r in present), Fraction(0))
            if total > exact(mean.limit) * len(present):
                names = ", ".join(problem.resources[r] for r in present)
                yield (
                    f"region {region.name} uses {float(total / len(present)):.4f} of {names} "
                    f"in the mean, {mean.limit} is allowed"
                )


def _links(problem: Problem, loads: Loads) -> Iterator[str]:
    for hop in sorted(loads.wires):
        link = problem.links[hop[0]]
        near, far = link.regions if hop[1] else link.regions[::-1]
        where = f"from {problem.regions[near].name} to {problem.regions[far].name}"
        if link.wires is not None and loads.wires[hop] > link.wires:
            yield f"the boundary {where} carries {loads.wires[hop]} wires of {link.wires}"
        if link.bits_per_second is not None and loads.bits_per_second[hop] > link.bits_per_second:
            yield (
                f"the link {where} carries {loads.bits_per_second[hop]} bit/s "
                f"of {link.bits_per_second}"
            )
    for (link_index, end), count in sorted(loads.streams.items()):
        record = problem.links[link_index].ends[end]
        if record.sockets is not None and count > record.sockets:
            name = problem.regions[record.region].name
            yield f"port {record.port} at {name} has {count} streams for {record.sockets} sockets"


def _groups(problem: Problem, placement: Placement) -> Iterator[str]:
    for replica in range(problem.replicas):
        offset = replica * len(problem.items)
        for group in problem.together:
            if len({placement.regions[offset + item] for item in group}) > 1:
                yield f"{_names(problem, group)} of replica {replica} are not in one region"
        for group in problem.same_board:
            boards = {problem.regions[placement.regions[offset + item]].board for item in group}
            if len(boards) > 1:
                yield f"{_names(problem, group)} of replica {replica} are not on one board"


def _names(problem: Problem, group: tuple[int, ...]) -> str:
    return " and ".join(problem.items[item].name for item in group)


def _segments(problem: Problem, placement: Placement) -> Iterator[str]:
    if not problem.segmented:
        return
    for replica in range(problem.replicas):
        offset = replica * len(problem.items)
        board_of = [
            problem.regions[placement.regions[offset + item]].board
            for item in range(len(problem.items))
        ]
        flow = nx.DiGraph(
            (board_of[arc.source], board_of[arc.target])
            for arc in problem.arcs
            if board_of[arc.source] != board_of[arc.target]
        )
        if not nx.is_directed_acyclic_graph(flow):
            yield f"replica {replica} comes back to a board it has left"


def _kernels(problem: Problem, placement: Placement, loads: Loads) -> Iterator[str]:
    for region, count in sorted(loads.memory_ports.items()):
        most = problem.regions[region].memory_ports
        if most is not None and count > most:
            yield f"the memory at {problem.regions[region].name} has {count} ports of {most}"
    if problem.compute_units is None:
        return
    for board, count in sorted(compute_units(problem, placement, loads).items()):
        if count > problem.compute_units:
            yield f"board {board} has {count} kernels of {problem.compute_units}"


def compute_units(problem: Problem, placement: Placement, loads: Loads) -> dict[int, int]:
    """Return the kernels per board: segments, memory movers, network ports and their streams."""
    count: dict[int, int] = defaultdict(int)
    for (_, region), kernels in segment_kernels(problem, placement).items():
        count[problem.board_of(region)] += kernels
    for region, ports in loads.memory_ports.items():
        count[problem.board_of(region)] += ports
    for (link, end), streams in loads.streams.items():
        record = problem.links[link].ends[end]
        if record.port is not None:
            count[problem.board_of(record.region)] += PORT_KERNELS + streams
    return dict(count)


def segment_kernels(problem: Problem, placement: Placement) -> dict[tuple[int, int], int]:
    """Return how many kernels hold the items of every replica in every region.

    Items share a segment if they share a region, the number of region borders before them and the
    number of host copies before them (`codegen.segmentation`): kernels must not form circles. A
    segment is as many kernels as it has control ports, and one if it has none. Where arcs form
    circles, a region's items are one segment.
    """
    ports: dict[tuple[int, int, int, int], int] = defaultdict(int)
    before: dict[int, list[int]] = defaultdict(list)
    for arc in problem.arcs if problem.order else ():
        before[arc.target].append(arc.source)
    for replica in range(problem.replicas):
        offset = replica * len(problem.items)
        keys: dict[int, tuple[int, int]] = {}
        for item in problem.order or range(len(problem.items)):
            here, borders, copied = placement.regions[offset + item], 0, 0
            for source in before[item]:
                there, (depth, step) = placement.regions[offset + source], keys[source]
                away = problem.segmented and problem.board_of(there) != problem.board_of(here)
                borders, copied = max(borders, depth + (there != here)), max(copied, step + away)
            keys[item] = borders, copied
            option = problem.items[item].options[placement.options[offset + item]]
            ports[replica, here, *keys[item]] += option.control_ports
    kernels: dict[tuple[int, int], int] = defaultdict(int)
    for (replica, region, _, _), control_ports in ports.items():
        kernels[replica, region] += max(1, control_ports)
    return dict(kernels)


def stops(problem: Problem, start: int, route: tuple[Hop, ...]) -> tuple[int, ...]:
    """Return the regions a route passes, its ends included."""
    trail = [start]
    for link, forward in route:
        trail.append(problem.links[link].regions[1 if forward else 0])
    if any(a == b for a, b in pairwise(trail)):
        raise InternalError(f"problem {problem.name}: a hop does not move")
    return tuple(trail)
