"""Why a request found no plan, and whether that is proven.

Refuses to call anything impossible that was only not found in time.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from dataclasses import replace
from math import ceil
from typing import TypeAlias

from elasticdf.errors import (
    ElasticDFError,
    InfeasibleError,
    InternalError,
    TimeLimitError,
    UserError,
)
from elasticdf.hardware.cluster import Cluster
from partitioner import explain
from partitioner.explain import Explanation
from partitioner.formulation import Formulation
from partitioner.plan import PlannedBoard, infeasible_document
from partitioner.problem import Problem
from partitioner.request import Objective, Request
from partitioner.solver import Status
from partitioner.space import Found, Space

Goal: TypeAlias = Callable[[Space], tuple[Found, float] | None]
"""Finds what a space's request asks for."""

_PROOF_SECONDS = 20.0
"""Time spent on proving that a request has no answer, per number of replicas."""


def of(space: Space, goal: Goal) -> ElasticDFError:
    """Return the error that says why there is no plan, and whether that is proven."""
    space = replace(space, request=replace(space.request, objective=Objective.THROUGHPUT))
    request = space.request
    cause = _instant(space)
    if cause is None:
        if not _proven(space):
            return TimeLimitError(
                f"no plan was found in {space.clock.spent():.0f} s, nor a proof that there is "
                "none; raise --time-limit or give more room"
            )
        conflict = explain.conflict(request, lambda r, names: _feasible(space, goal, r, names))
        cause = Explanation(
            message=f"no plan keeps {_words(conflict)}",
            conflict=conflict,
            shortfall=explain.shortfall(_easiest(space), conflict),
            remedies=(),
        )
    cause = replace(cause, remedies=_remedies(space, goal, cause))
    advice = f"; what helps: {'; or '.join(cause.remedies)}" if cause.remedies else ""
    return InfeasibleError(cause.message + advice, explanation=_document(space, cause))


def _words(conflict: tuple[str, ...]) -> str:
    return " and ".join(conflict) if conflict else "these limits"


def _document(space: Space, cause: Explanation) -> dict[str, object]:
    request = space.request
    return infeasible_document(
        network=request.graph.name,
        mode=request.mode,
        clock_hz=request.clock_hz,
        cluster=space.cluster.name,
        boards=tuple(
            PlannedBoard(id=i, board=b.name, dies=tuple(d.name for d in b.dies))
            for i, b in enumerate(space.cluster.boards)
        ),
        certificate={
            "seconds": 0.0,
            "solver": request.options.label,
            "seed": request.options.seed,
        },
        explanation=cause.to_json(),
    )


def _instant(space: Space) -> Explanation | None:
    """Return a reason that needs no solver: a rate no folding reaches, a layer no die holds."""
    request = space.request
    if space.fastest == len(space.table.targets):
        raise InternalError(f"{request.graph.name}: no target can be reached by all layers")
    fastest = space.table.targets[space.fastest]
    numbers = space.replica_numbers()
    if request.fps is not None:
        most = numbers[-1] * request.clock_hz / fastest
        if most < request.fps:
            slowest = f"the slowest layer needs {fastest} cycles per frame however it is folded"
            return Explanation(
                message=(
                    f"{request.fps:g} frames per second are out of reach: {slowest}, "
                    f"{numbers[-1]} replicas at most make {most:.1f}"
                ),
                conflict=("fps", "replicas") if request.replicas is not None else ("fps",),
                shortfall=({"frames_per_second": request.fps, "reachable": most},),
                remedies=(),
            )
    return explain.instant(_easiest(space))


def _easiest(space: Space) -> Problem:
    """Return the problem that is easiest to place: the longest interval, fewest replicas."""
    request, targets = space.request, space.table.targets
    replicas = space.replica_numbers()[0]
    target = len(targets) - 1
    if request.fps is not None:
        wanted = replicas * request.clock_hz / request.fps
        if request.replicas is None:
            replicas = max(replicas, ceil(targets[space.fastest] / wanted))
        longest = replicas * request.clock_hz / request.fps
        target = max(space.fastest, bisect_right(targets, longest) - 1)
    choices = space.table.at(targets[target])
    if choices is None:
        raise InternalError(f"no folding reaches {targets[target]} cycles")
    return space.problem(choices, targets[target], replicas)


def _proven(space: Space) -> bool:
    """Return whether nothing can be placed, for any number of replicas that would do."""
    targets, request = space.table.targets, space.request
    for replicas in space.replica_numbers():
        target = len(targets) - 1
        if request.fps is not None:
            target = bisect_right(targets, replicas * request.clock_hz / request.fps) - 1
        if target < 0 or space.most_replicas(target) < replicas:
            continue
        choices = space.table.at(targets[target])
        if choices is None:
            continue
        seconds = min(_PROOF_SECONDS, space.clock.left())
        model = Formulation(space.problem(choices, targets[target], replicas)).model
        if model.solve(request.options, seconds=seconds).status is not Status.INFEASIBLE:
            return False
        if request.fps is None:
            return True  # what does not fit once does not fit more often
    return True


def _feasible(space: Space, goal: Goal, request: Request, without: frozenset[str]) -> bool:
    """Return whether a changed request has a placement."""
    changed = explain.dropped(request, without)
    cluster = changed.target if isinstance(changed.target, Cluster) else space.cluster
    try:
        attempt = Space.of(changed, cluster, space.clock, without)
    except UserError:
        return False
    if changed.fps is not None:
        return goal(attempt) is not None
    last = len(attempt.table.targets) - 1
    return attempt.place(last, attempt.replica_numbers()[0]) is not None


def _remedies(space: Space, goal: Goal, cause: Explanation) -> tuple[str, ...]:
    request = space.request
    fastest = None
    if request.fps is not None:
        best = goal(Space.of(replace(request, fps=None), space.cluster, space.clock))
        fastest = None if best is None else best[0].rate() * request.clock_hz
    return explain.remedies(
        request, cause.conflict, lambda r, names: _feasible(space, goal, r, names), fastest
    )
