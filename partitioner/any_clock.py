"""One search for every clock, where links carry the streams at all of them.

Cycles, resources and wires know no clock; only the rate of streams between boards does. A search
that leaves the rates of links out relaxes the problem of every clock: what it proves holds at each,
and a placement that keeps the rates at one is as good there as any. Refuses requests for a frame
rate or a latency, whose goal depends on the clock.
"""

from __future__ import annotations

from dataclasses import replace
from math import inf

from elasticdf.hardware.cluster import Cluster
from partitioner import search, throughput
from partitioner.infeasible import verdict
from partitioner.plan import Plan
from partitioner.request import Objective, Request
from partitioner.search import Settled
from partitioner.space import Space
from partitioner.verify import violations

_RATES = {"links": inf}


def settle(request: Request) -> Settled | None:
    """Return what a search without the rates of links comes to, the same at every clock.

    Returns:
        None where the goal depends on the clock, or nothing was found.

    Raises:
        UserError: The request contradicts itself.
    """
    target = request.target
    fastest = request.fps is None and request.objective is Objective.THROUGHPUT
    if not fastest or not isinstance(target, Cluster):
        return None
    request = replace(request, clock_hz=1)  # any: what depends on it is left out
    space = Space.of(request, target, request.options.clock(), _RATES)
    if verdict.refused(space) is not None:
        return None
    found = throughput.highest(space)
    return None if found is None else search.settled(space, *found)


def plan(request: Request, settled: Settled) -> Plan | None:
    """Return the plan that a search without rates means at the request's clock.

    Returns:
        None if the links are too slow for its streams there.
    """
    if not isinstance(request.target, Cluster):
        return None
    found = settled.found
    space = Space.of(request, request.target, request.options.clock())
    problem = space.problem(found.choices, found.interval_cycles, found.replicas)
    if violations(problem, found.placement):
        return None
    timed = replace(settled, found=replace(found, problem=problem))
    return search.planned(request, request.target, timed)
