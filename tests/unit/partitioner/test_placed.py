"""Replicas that run alike are recognised wherever they sit."""

from __future__ import annotations

from dataclasses import replace

import pytest

from elasticdf.hardware.cluster import Cluster, parse_target
from elasticdf.ir import Graph
from elasticdf.simulation import simulate
from partitioner.placed import folded, hops_of, net_of
from partitioner.plan import Mode, Place, Plan
from tests.placed import chain, placed

GRAPH = chain(4)


def _plan(graph: Graph, *places: tuple[Place, ...]) -> Plan:
    """Return the plan whose replicas have their layers there."""
    cluster = parse_target("4xu280")
    assert isinstance(cluster, Cluster)
    spots = {
        (replica, layer.name): place
        for replica, row in enumerate(places)
        for layer, place in zip(graph, row, strict=True)
    }
    return placed(graph, cluster, Mode.HARDWARE, spots)


def _cut(first: int, second: int, near: str, far: str) -> tuple[Place, ...]:
    """Return places that cross a boundary of dies, then a link between boards."""
    return ((first, near), (first, far), (second, far), (second, far))


PLAN = _plan(
    GRAPH,
    _cut(0, 1, "SLR1", "SLR0"),
    _cut(3, 2, "SLR0", "SLR1"),
    ((0, "SLR2"),) * 4,
)


def test_names_of_boards_and_dies_do_not_matter() -> None:
    nets = [net_of(GRAPH, PLAN, replica) for replica in range(3)]
    assert nets[0].signature == nets[1].signature != nets[2].signature
    assert [net.links for net in nets] == [
        ("link: board 0 to board 1",),
        ("link: board 3 to board 2",),
        (),
    ]


def test_a_replica_that_runs_alike_keeps_its_own_links() -> None:
    first, second = (
        simulate(
            folded(GRAPH, PLAN, replica), clock_hz=10**8, placement=hops_of(GRAPH, PLAN, replica)
        )
        for replica in range(2)
    )
    renamed = first.with_link_names(net_of(GRAPH, PLAN, 1).links)
    assert renamed.links == second.links != first.links
    assert renamed.layers == second.layers
    assert renamed.latency_cycles == second.latency_cycles
    assert [stream.depth for stream in renamed.streams] == [s.depth for s in second.streams]


@pytest.mark.parametrize("what", ["folding", "clock"])
def test_what_decides_the_run_matters(what: str) -> None:
    other = {
        "folding": lambda: _plan(chain(4, pe=(1, 4)), *[_cut(0, 1, "SLR1", "SLR0")]),
        "clock": lambda: replace(PLAN, clock_hz=2 * PLAN.clock_hz),
    }[what]()
    graph = chain(4, pe=(1, 4)) if what == "folding" else GRAPH
    assert net_of(graph, other, 0).signature != net_of(GRAPH, PLAN, 0).signature
