"""What a request without a plan is short of, and which changes would help.

Only changes are named whose request was solved.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from math import ceil
from typing import Any, TypeAlias

from elasticdf.hardware.cluster import Cluster
from partitioner import explain
from partitioner.explain import number, rounded_down
from partitioner.infeasible import instant
from partitioner.infeasible.decision import easiest_problem
from partitioner.infeasible.what_if import WhatIf
from partitioner.problem import Problem
from partitioner.space import Found, Space
from partitioner.topology import DEFAULT_LIMITS

Goal: TypeAlias = Callable[[Space], tuple[Found, float] | None]
"""Finds what a space's request asks for."""

Shortfall: TypeAlias = Mapping[str, Any]
"""What is missing of one thing, as ``plan.json`` says it."""

_RATE_SHARE = 0.5
"""Of the time left, for the highest rate that is reached."""

_MORE_BOARDS = 3
"""Boards added at most."""


def remedies(
    what_if: WhatIf, goal: Goal, conflict: tuple[str, ...]
) -> tuple[tuple[Shortfall, ...], tuple[str, ...]]:
    """Return what is missing and the changes that were solved and work."""
    request = what_if.request
    short = list(_obvious_shortfall(what_if.space))
    changes: list[str] = []
    if request.fps is not None and isinstance(request.target, Cluster):
        for rate in _best_rate(what_if, goal):
            changes.append(f"lower the rate: --fps {number(rate)}")
            short.append(_too_fast(request.fps, rate))
    changes += _more_boards(what_if)
    changes += [text for text, r in explain.fewer_wishes(request) if what_if.works(r)]
    for name in conflict:
        if name.startswith("capacity["):
            resource = name[len("capacity[") : -1]
            raised = _least_limit(what_if, resource)
            changes += [explain.with_limit(request, resource, h)[0] for h in raised]
            short += _lacking(what_if, resource, raised)
        elif name in explain.PLAIN_LIMITS:
            short += _least_factor(what_if, name)
    changes += [f"ask for fewer copies: --replicas {n}" for n in _most_replicas(what_if)]
    return tuple(short), tuple(changes)


def _obvious_shortfall(space: Space) -> tuple[Shortfall, ...]:
    problem = easiest_problem(space)
    found = instant.cramped(problem)
    return () if found is None else instant.shortfall(problem, found)


def _best_rate(what_if: WhatIf, goal: Goal) -> list[float]:
    """Return a rate that is reached, close to the highest, with few digits."""
    request = what_if.request
    clock = what_if.space.clock.part(_RATE_SHARE)
    space = what_if.space_of(replace(request, fps=None), clock)
    best = None if space is None else goal(space)
    if best is None:
        return []
    rate = rounded_down(best[0].rate() * request.clock_hz)
    return [rate] if what_if.works(replace(request, fps=rate)) else []


def _too_fast(asked: float, reachable: float) -> Shortfall:
    return {"frames_per_second": asked, "reachable": reachable, "short": asked - reachable}


def _more_boards(what_if: WhatIf) -> tuple[str, ...]:
    for count in range(1, _MORE_BOARDS + 1):
        change = explain.more_boards(what_if.request, count)
        if change is not None and what_if.works(change[1]):
            return (change[0],)
    return ()


def _least_limit(what_if: WhatIf, resource: str) -> list[int]:
    """Return the least raise of a limit that works, in hundredths; empty if none does."""

    def works(hundredths: int) -> bool:
        return what_if.works(explain.with_limit(what_if.request, resource, hundredths)[1])

    low, high = int(_limit(what_if, resource) * 100 + 1e-9), 100
    if low >= high or not works(high):
        return []
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if works(middle) else (middle, high)
    return [high]


def _limit(what_if: WhatIf, resource: str) -> float:
    return {**DEFAULT_LIMITS, **what_if.request.limits}[resource]


def _lacking(what_if: WhatIf, resource: str, hundredths: list[int]) -> Iterator[Shortfall]:
    """Yield what lacks of a resource: of all dies together, or for packing them tighter."""
    problem = easiest_problem(what_if.space)
    now = _limit(what_if, resource)
    entry: dict[str, Any] = {"resource": resource, "limit": now}
    if hundredths:
        entry["limit_enough"] = hundredths[0] / 100
    if resource in problem.resources:
        r = problem.resources.index(resource)
        least = sum(min(o.resources[r] for o in item.options) for item in problem.items)
        dies = [problem.regions[p] for p in problem.places]
        allowed = sum(die.allowed()[r] for die in dies)
        needed = least * problem.replicas
        tighter = sum(int(die.capacity[r] * (h / 100 - now)) for die in dies for h in hundredths)
        entry |= {"needed_at_least": needed, "allowed": allowed}
        entry |= {"short": max(needed - allowed, 0) or tighter}
    if hundredths or entry.get("short"):
        yield entry


def _least_factor(what_if: WhatIf, name: str) -> Iterator[Shortfall]:
    """Yield by how much a limit of the boards would have to be larger, within 5 %."""
    clock = what_if.space.clock
    low, high = 1.0, 1.25
    while not what_if.works(what_if.request, {name: high}):
        low, high = high, high * 2
        if high > 100 or clock.left() <= 0:
            return
    while high / low > 1.05 and clock.left() > 0:
        middle = (low * high) ** 0.5
        works = what_if.works(what_if.request, {name: middle})
        low, high = (low, middle) if works else (middle, high)
    allowed = _amount(easiest_problem(what_if.space), name)
    needed = ceil(allowed * high - 1e-9)
    yield {"limit": name, "allowed": allowed, "enough": needed, "short": needed - allowed}


def _amount(problem: Problem, name: str) -> int:
    """Return the least value of a limit of the boards."""
    ends = [end for link in problem.links for end in link.ends]
    values: dict[str, list[int | None]] = {
        "kernels": [problem.compute_units],
        "memory_ports": [region.memory_ports for region in problem.regions],
        "sockets": [end.sockets for end in ends],
        "wires": [link.wires for link in problem.links],
        "links": [link.bits_per_second for link in problem.links],
    }
    return min((value for value in values[name] if value is not None), default=0)


def _most_replicas(what_if: WhatIf) -> list[int]:
    """Return how many copies there is room for, where more were asked for."""
    low, high = 0, what_if.request.replicas or 1
    while high - low > 1:
        middle = (low + high) // 2
        works = what_if.works(replace(what_if.request, replicas=middle))
        low, high = (middle, high) if works else (low, middle)
    return [low] if low else []
