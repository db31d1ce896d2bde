"""A replica as a plan builds it: its folded graph, and the hops its streams take, for simulation.

Refuses to decide anything about the simulation itself; see ``elasticdf.simulation``.
"""

from __future__ import annotations

from itertools import pairwise
from math import ceil

from elasticdf.errors import InternalError
from elasticdf.hardware import framing
from elasticdf.hardware.board import HostLink
from elasticdf.hardware.load import load_board
from elasticdf.ir import Graph
from elasticdf.simulation import Hop
from elasticdf.simulation.netlist import build_net
from elasticdf.simulation.process import Net
from partitioner.plan import Crossing, CrossingKind, Place, Plan

DIE_CROSSING_CYCLES = 4
"""Registers on a wire between two dies, as floorplanners insert to close timing (assumed)."""


def folded(graph: Graph, plan: Plan, replica: int) -> Graph:
    """Return the graph with the foldings and variants chosen for a replica.

    Raises:
        InternalError: The plan places other layers than the graph has.
    """
    chosen = {a.layer: a for a in plan.assignments if a.replica == replica}
    if set(chosen) != {layer.name for layer in graph}:
        raise InternalError(f"replica {replica} of the plan and network {graph.name} differ")
    return graph.with_layers(
        layer.with_attributes(chosen[layer.name].attributes) for layer in graph
    )


def net_of(graph: Graph, plan: Plan, replica: int) -> Net:
    """Return what is simulated for a replica.

    Raises:
        UserError: A layer has no rule, or the graph's shapes and foldings disagree.
    """
    return build_net(folded(graph, plan, replica), hops=hops_of(graph, plan, replica))


def hops_of(graph: Graph, plan: Plan, replica: int) -> dict[str, tuple[Hop, ...]]:
    """Return what lies on the way of every stream of a replica that changes die or board.

    Args:
        graph: The network the plan places.
        plan: Where everything sits.
        replica: Which copy.
    """
    tensors = {(s.source, s.target): s.tensor for s in graph.arcs}
    return {
        tensors[crossing.source, crossing.target]: _hops(crossing, plan)
        for crossing in plan.crossings
        if crossing.replica == replica
    }


def _hops(crossing: Crossing, plan: Plan) -> tuple[Hop, ...]:
    if crossing.kind is CrossingKind.HOST:
        return (_through_host(crossing, plan),)
    return tuple(_step(here, there, plan) for here, there in pairwise(crossing.route))


def _step(here: Place, there: Place, plan: Plan) -> Hop:
    if here[0] == there[0]:
        name = f"board {here[0]}: {here[1]} to {there[1]}"
        return Hop(name=name, latency_cycles=DIE_CROSSING_CYCLES)
    rate = min(
        load_board(plan.boards[b].board).ports[0].rate_bits_per_second for b in (here[0], there[0])
    )
    direct = len(plan.boards) == 2
    latency = framing.CABLE_LATENCY_SECONDS if direct else framing.SWITCH_LATENCY_SECONDS
    return Hop(
        name=f"link: board {here[0]} to board {there[0]}",
        latency_cycles=ceil(latency * plan.clock_hz),
        wire_cycles_per_byte=8 * plan.clock_hz / rate,
    )


def _through_host(crossing: Crossing, plan: Plan) -> Hop:
    """Return the host's copy: read back, write, and two kernel launches."""
    leave = load_board(plan.boards[crossing.origin[0]].board).host_link
    enter = load_board(plan.boards[crossing.destination[0]].board).host_link
    seconds = sum(_fixed_seconds(link) for link in (leave, enter))
    per_bit = 1 / leave.from_board_bits_per_second + 1 / enter.to_board_bits_per_second
    return Hop(
        name=f"host: board {crossing.origin[0]} to board {crossing.destination[0]}",
        latency_cycles=ceil(seconds * plan.clock_hz),
        wire_cycles_per_byte=8 * plan.clock_hz * per_bit,
        window_packets=1 + crossing.bits_per_frame // (8 * framing.MAX_DATA_BYTES),
    )


def _fixed_seconds(link: HostLink) -> float:
    return link.transfer_latency_seconds + link.launch_latency_seconds
