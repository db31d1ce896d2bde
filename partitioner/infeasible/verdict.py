"""Why a request found no plan, and whether that is proven.

The conflict is irreducible: limits are dropped one after another as long as what is left is proven
to have no plan, and every limit that stays was shown to be needed by a plan without it. All of it
ends with the request's time; what could not be shown in it is said.
"""

from __future__ import annotations

from math import inf

from elasticdf.errors import ElasticDFError, InfeasibleError, TimeLimitError
from partitioner import explain
from partitioner.clock import Clock
from partitioner.explain import Explanation, number, rounded_down
from partitioner.infeasible import instant
from partitioner.infeasible.decision import (
    decide,
    easiest_problem,
    kernel_room,
    longest_target,
    needed,
)
from partitioner.infeasible.remedies import Goal, remedies
from partitioner.infeasible.what_if import WhatIf
from partitioner.plan import PlannedBoard, infeasible_document
from partitioner.space import Space

_PROOF_SHARE = 0.5
"""Of the time left, for the proof that there is no plan."""

_CONFLICT_SHARE = 0.5
"""Of what is left then, for the conflict; remedies have the rest."""


def of(space: Space, goal: Goal) -> ElasticDFError:
    """Return the error that says why there is no plan, and whether that is proven."""
    clock = space.clock
    message = _obvious(space) if clock.left() > 0 else None
    proof = clock.part(_PROOF_SHARE)
    if message is None and not (proof.left() > 0 and decide(space, proof).proven):
        return TimeLimitError(
            f"no plan was found in {clock.spent():.0f} s, nor a proof that there is none; "
            "raise --time-limit or give more room"
        )
    return _infeasible(space, goal, message)


def at_once(space: Space, goal: Goal) -> InfeasibleError | None:
    """Return the error for a request that is impossible for a reason that needs no solver."""
    message = refused(space)
    return None if message is None else _infeasible(space, goal, message)


def refused(space: Space) -> str | None:
    """Return a reason for which a request is impossible and that needs no solver, None without."""
    target = longest_target(space)
    choices = space.table.at(space.table.targets[target])
    if target >= space.fastest and choices is not None:
        replicas = needed(space, space.fastest)
        problem = space.problem(choices, space.table.targets[target], replicas)
        if replicas <= kernel_room(space) and instant.cramped(problem) is None:
            return None  # the usual case, at the price of one interval's choices
    return _obvious(space)


def _obvious(space: Space) -> str | None:
    """Return a reason that needs no solver: a rate no folding reaches, layers no die holds."""
    request, room = space.request, kernel_room(space)
    fastest, most = space.table.targets[space.fastest], request.replicas or max(1, room)
    if request.fps is not None and most * request.clock_hz / fastest < request.fps:
        reached = number(rounded_down(most * request.clock_hz / fastest))
        return (
            f"{number(request.fps)} frames per second are out of reach: the slowest layer "
            f"needs {fastest} cycles per frame however it is folded, "
            f"and {_times(most, 'copy', 'copies')} make {reached} at most"
        )
    if (request.replicas or 1) > room:
        return (
            f"{_times(request.replicas or 1, 'copy needs', 'copies need')} a kernel and two "
            f"memory movers each; the boards and their memories have room for {room}"
        )
    problem = easiest_problem(space)
    found = instant.cramped(problem)
    return None if found is None else instant.described(problem, found)


def _times(count: int, one: str, many: str) -> str:
    return f"{count} {one if count == 1 else many}"


def _infeasible(space: Space, goal: Goal, message: str | None) -> InfeasibleError:
    """Return the error with everything that can be said in the time left."""
    what_if = WhatIf.of(space)
    conflict, irreducible = _conflict(what_if, space.clock.part(_CONFLICT_SHARE))
    shortfall, changes = remedies(what_if, goal, conflict)
    cause = Explanation(
        message=message or explain.sentence(what_if.request, conflict),
        conflict=conflict,
        irreducible=irreducible,
        shortfall=shortfall,
        remedies=changes,
    )
    advice = f"; what helps: {'; or '.join(changes)}" if changes else ""
    return InfeasibleError(cause.message + advice, explanation=_document(space, cause))


def _conflict(what_if: WhatIf, clock: Clock) -> tuple[tuple[str, ...], bool]:
    """Return limits that cannot hold together, and whether none is shown to be superfluous."""
    gone: dict[str, float] = {}
    kept: list[str] = []
    shown = True
    names = [*explain.PLAIN_LIMITS, *explain.wishes(what_if.request)]
    unlikely = dict.fromkeys(names[:8], inf)
    if what_if.decide(what_if.request, unlikely, clock).proven:
        gone, names = unlikely, names[8:]
    for name in names:
        decision = what_if.decide(what_if.request, {**gone, name: inf}, clock)
        if decision.proven:
            gone[name] = inf
        else:
            kept.append(name)
            shown = shown and decision.found is not None
    return tuple(kept), shown


def _document(space: Space, cause: Explanation) -> dict[str, object]:
    request, cluster = space.request, space.cluster
    return infeasible_document(
        network=request.graph.name,
        mode=request.mode,
        clock_hz=request.clock_hz,
        cluster=cluster.name,
        boards=tuple(
            PlannedBoard(id=i, board=b.name, dies=tuple(d.name for d in b.dies))
            for i, b in enumerate(cluster.boards)
        ),
        certificate={
            "seconds": 0.0,
            "solver": request.options.label,
            "seed": request.options.seed,
        },
        explanation=cause.to_json(),
    )
