"""Room for FIFOs in dies they overfill: the same foldings there, built in other ways.

Depths follow from when things happen, and that from foldings and places; so what was simulated
holds as it is. Refuses to move anything.
"""

from __future__ import annotations

from collections.abc import Sequence

from elasticdf.hardware.cluster import Cluster
from elasticdf.ir import Graph
from partitioner import answer
from partitioner.in_place import other_variants
from partitioner.placed import net_of
from partitioner.plan import Plan
from partitioner.problem import Vector
from partitioner.request import Request
from partitioner.space import Found
from partitioner.verify import measure


def in_place(
    request: Request, cluster: Cluster, plan: Plan, found: Found, used: Sequence[Vector]
) -> tuple[Plan, Found] | None:
    """Return a plan and placement that run the same way and leave room for FIFOs.

    Args:
        request: What was asked.
        cluster: The boards.
        plan: Without FIFOs.
        found: The placement it means; its problem has the limits that count.
        used: What the plan uses with its FIFOs, per region of the problem.

    Returns:
        None if there is no such room.
    """
    without = measure(found.problem, found.placement).resources
    beside = [
        tuple(max(0, now - before) for now, before in zip(*amounts, strict=True))
        for amounts in zip(used, without, strict=True)
    ]
    other = other_variants(found, beside)
    if other is None:
        return None
    varied = answer.varied(plan, request, cluster, other)
    return (varied, other) if _run_alike(request.graph, plan, varied) else None


def _run_alike(graph: Graph, plan: Plan, other: Plan) -> bool:
    return all(
        net_of(graph, plan, replica).signature == net_of(graph, other, replica).signature
        for replica in range(plan.replicas)
    )
