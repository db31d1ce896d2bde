"""Whether a plan that was read from a file still agrees with itself.

Refuses the first contradiction in one sentence.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from elasticdf.errors import UserError
from partitioner.plan import Plan
from partitioner.problem import exact


def contradictions(plan: Plan) -> Iterator[str]:
    """Yield one sentence per contradiction."""
    yield from _assignments(plan)
    yield from _places(plan)
    yield from _rates(plan)
    yield from _loads(plan)


def _assignments(plan: Plan) -> Iterator[str]:
    layers = dict.fromkeys(a.layer for a in plan.assignments)
    found = Counter((a.replica, a.layer) for a in plan.assignments)
    for replica in range(plan.replicas):
        for layer in layers:
            count = found.pop((replica, layer), 0)
            if count != 1:
                yield f"layer {layer} of replica {replica} is assigned {count} times"
    for replica, layer in found:
        yield f"layer {layer} is assigned in replica {replica} of {plan.replicas}"


def _places(plan: Plan) -> Iterator[str]:
    dies = {(board.id, die) for board in plan.boards for die in board.dies}
    at = {(a.replica, a.layer): (a.board, a.die) for a in plan.assignments}
    for (replica, layer), place in at.items():
        if place not in dies:
            yield f"layer {layer} of replica {replica} sits on board {place[0]}, die {place[1]}"
    for crossing in plan.crossings:
        who = f"the crossing from {crossing.source} to {crossing.target}"
        ends = (
            at.get((crossing.replica, crossing.source)),
            at.get((crossing.replica, crossing.target)),
        )
        if ends != (crossing.origin, crossing.destination):
            yield f"{who} of replica {crossing.replica} does not join where these layers sit"


def _rates(plan: Plan) -> Iterator[str]:
    slowest = max((a.cycles for a in plan.assignments), default=0)
    if slowest > plan.interval_cycles:
        yield f"a layer takes {slowest} cycles, the interval is {plan.interval_cycles}"
    rate = plan.replicas * plan.clock_hz / max(plan.interval_cycles, 1)
    if abs(rate - plan.frames_per_second) > 1e-6 * rate:
        yield f"{plan.replicas} replicas at this interval make {rate:.6g} frames per second"


def _loads(plan: Plan) -> Iterator[str]:
    for use in plan.utilisation:
        if use.used > int(use.available * exact(use.limit)):
            yield (
                f"die {use.die} of board {use.board} uses {use.used} {use.resource} where "
                f"{int(use.available * exact(use.limit))} are allowed"
            )
    used = {(u.board, u.die, u.resource): u.used for u in plan.utilisation}
    for resource in {u.resource for u in plan.utilisation}:
        sums: Counter[tuple[int, str]] = Counter()
        for a in plan.assignments:
            sums[a.board, a.die] += dict(a.resources.items()).get(resource) or 0
        for (board, die), total in sorted(sums.items()):
            if total > used.get((board, die, resource), total):
                yield (
                    f"layers on die {die} of board {board} take {total} {resource}, more than the "
                    "die is said to use"
                )
    for link in plan.links:
        if link.load_bits_per_second > link.capacity_bits_per_second:
            yield (
                f"the link from board {link.origin[0]} to board {link.destination[0]} carries "
                f"{link.load_bits_per_second:g} of {link.capacity_bits_per_second:g} bit/s"
            )


def read_plan(document: Any, where: str) -> Plan:
    """Return the plan of a document that agrees with itself.

    Raises:
        UserError: A key is missing or wrong, or one thing contradicts another.
    """
    plan = Plan.from_json(document, where)
    found = next(contradictions(plan), None)
    if found is not None:
        raise UserError(
            f"{where} contradicts itself: {found}; make it again with elasticdf partition"
        )
    return plan
