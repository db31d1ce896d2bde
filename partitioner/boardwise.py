"""Boards first, then dies: which copies sit on which board, then every board by itself.

A model of boards whose dies are poured into one region shares out the copies and leaves every
board as much room as can be; what it refuses is impossible. Given the shares, boards do not depend
on each other, so each is a small problem. A board that is too full for its dies gets less the next
time. Refuses to judge problems whose boards have dies of several kinds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import inf

from elasticdf.errors import InternalError
from partitioner.bounds import boards_only
from partitioner.census import STRAIN_TOLERANCE, Census
from partitioner.clock import Clock
from partitioner.matching import Counts, placed
from partitioner.problem import Problem, Region
from partitioner.solution import Placement
from partitioner.solver import Answer, SolverOptions, Status
from partitioner.verify import violations

_ROUNDS = 4
"""How often copies are shared out."""

_NODES = (1, 1, 1, 1, inf)
"""Nodes of the search trees of the searches for one model."""

_SPARE = 0.002
"""Share of its limits that is room enough on every board."""

_ENDLESS = 1e3
"""Factor for limits that need not be watched."""

_GAP = 0.01
"""Relative distance to the least strain at which a model is left."""

_SHARE = 0.6
"""Part of the time left that one model may take."""


Copies = Mapping[tuple[int, int], int]
"""How many copies of an item sit on a board, by item and board."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """What became of a problem: neither if time ran out or dies were too full every time.

    Attributes:
        placement: What was found.
        copies: How they are shared out in it.
        impossible: Whether it is proven that there is none.
    """

    placement: Placement | None = None
    copies: Copies = field(default_factory=dict)
    impossible: bool = False


def place_boardwise(
    problem: Problem,
    joined: tuple[int, ...],
    options: SolverOptions,
    clock: Clock,
    *,
    known: Copies,
) -> Shared:
    """Return a placement on several boards, or that there is none.

    Args:
        problem: What to place.
        joined: Boards that streams surely join to others.
        options: Solver and seed.
        clock: Time left.
        known: How copies may be shared out, from a problem alike; empty if there is none.
    """
    if known:
        placement, _ = _within_boards(problem, known, options, clock.part(_SHARE))
        if placement is not None:
            return Shared(placement=placement, copies=known)
    missing = dict.fromkeys(problem.boards, 0.0)
    for _ in range(_ROUNDS):
        census = _boards(problem, joined, missing)
        if census is None:
            break
        answer = _luckily(census, options, clock.part(_SHARE))
        if answer.status is Status.INFEASIBLE:
            return Shared(impossible=not any(missing.values()))
        if answer.objective > STRAIN_TOLERANCE:
            break
        copies = census.boards(answer)
        placement, lacking = _within_boards(problem, copies, options, clock)
        if placement is not None:
            return Shared(placement=placement, copies=copies)
        missing = {board: missing[board] + lacking[board] for board in problem.boards}
    return Shared()


def _luckily(census: Census, options: SolverOptions, clock: Clock) -> Answer:
    """Return the first answer that keeps all limits, or refuses them, in searches begun anew.

    Whether a search keeps the limits is luck and seen early, so most are given up early.
    """
    for number, nodes in enumerate(_NODES):
        seeded = replace(options, seed=(options.seed + number) % 2**31)
        answer = census.solve(seeded, clock.left(), gap=_GAP, nodes=nodes)
        if answer.status is Status.INFEASIBLE or answer.objective <= STRAIN_TOLERANCE:
            break
    return answer


def _within_boards(
    problem: Problem, copies: Copies, options: SolverOptions, clock: Clock
) -> tuple[Placement | None, dict[int, float]]:
    """Return a placement with so many copies per board, and the share each lacks of its limits."""
    lacking = dict.fromkeys(problem.boards, 0.0)
    counts: dict[tuple[int, int, int], int] = {}
    for board in problem.boards:
        answer, held = _dies(problem, board, copies, options, clock.part(_SHARE))
        if answer.values is None:
            return None, lacking
        lacking[board] = max(0.0, answer.objective)
        counts |= held
    if max(lacking.values()) > STRAIN_TOLERANCE:
        return None, lacking
    placement = placed(problem, counts)
    valid = placement is not None and not violations(problem, placement)
    return (placement if valid else None), lacking


def _boards(
    problem: Problem, joined: tuple[int, ...], missing: Mapping[int, float]
) -> Census | None:
    """Return the model of boards with one region each, and less of it by some shares."""
    poured = boards_only(problem)
    if poured is None:
        return None
    poured = _scaled(poured, {board: 1.0 - share for board, share in missing.items()})
    census = Census(poured, split=frozenset(poured.boards), spare=_SPARE)
    for board in joined:
        census.join(board)
    return census


def _scaled(problem: Problem, factors: Mapping[int, float]) -> Problem:
    """Return the problem with the limits of some boards' regions multiplied."""
    regions = tuple(
        region if region.board is None else _limited(region, factors.get(region.board, 1.0))
        for region in problem.regions
    )
    return replace(problem, regions=regions)


def _limited(region: Region, factor: float) -> Region:
    if factor == 1.0:
        return region
    means = tuple(replace(mean, limit=mean.limit * factor) for mean in region.mean_limits)
    limits = tuple(limit * factor for limit in region.limits)
    return replace(region, limits=limits, mean_limits=means)


def _dies(
    problem: Problem,
    board: int,
    copies: Copies,
    options: SolverOptions,
    clock: Clock,
) -> tuple[Answer, Counts]:
    """Return by which share a board's dies are too full, and the copies on each of them."""
    alone = boards_only(problem, but=board)
    if alone is None:
        raise InternalError("dies of several kinds were to be told apart board by board")
    others = frozenset(alone.boards) - {board}
    alone = _scaled(alone, dict.fromkeys(others, _ENDLESS))  # what is there is settled
    census = Census(alone, split=others, spare=0.0)
    census.keep_boards(copies)
    answer = _luckily(census, options, clock)
    dies = dict(zip(alone.regions_of(board), problem.regions_of(board), strict=True))
    counts = census.counts(answer)
    return answer, {(item, dies[r], v): n for (item, r, v), n in counts.items()}
