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
from partitioner.clock import Clock
from partitioner.counting.census import STRAIN_TOLERANCE, Census
from partitioner.counting.matching import Counts, placed
from partitioner.problem import Problem, Region
from partitioner.solution import Placement
from partitioner.solver import Answer, SolverOptions, Status
from partitioner.verify import violations

_ROUNDS = ((False, (1, 1, 1, 1)), (True, (1, 1, 1, 1)), (False, (1, 1, 1, 1)), (False, (inf,)))
"""How often copies are shared out: whether all boards are to be joined, and nodes of the trees.

Joining all is no necessity, but what is searched with ports for granted is found sooner.
"""

_PACKING = (1, 1, 1)
"""Nodes of the search trees of the searches for what is on which die of a board."""

_SPARE = 0.001
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
    for number, (all_joined, nodes) in enumerate(_ROUNDS):
        census = _boards(problem, problem.boards if all_joined else joined, missing)
        if census is None:
            break
        seeded = replace(options, seed=(options.seed + number * len(nodes)) % 2**31)
        answer = _luckily(census, seeded, clock.part(_SHARE), nodes, -_SPARE)
        if answer.status is Status.INFEASIBLE and not (all_joined or any(missing.values())):
            return Shared(impossible=True)
        if answer.values is None or answer.objective > STRAIN_TOLERANCE:
            continue
        copies = census.boards(answer)
        placement, lacking = _within_boards(problem, copies, options, clock)
        if placement is not None:
            return Shared(placement=placement, copies=copies)
        missing = {board: missing[board] + lacking[board] for board in problem.boards}
    return Shared()


def _luckily(
    census: Census, options: SolverOptions, clock: Clock, nodes: tuple[float, ...], enough: float
) -> Answer:
    """Return the least strained answer, or a refusal, of searches begun anew with other seeds.

    How little strain a search finds is luck and seen early, so most are given up early.

    Args:
        census: What to solve.
        options: Solver and first seed.
        clock: Time left.
        nodes: Of each search's tree at most.
        enough: Strain at which to stop.
    """
    best: Answer | None = None
    for number, most in enumerate(nodes):
        seeded = replace(options, seed=(options.seed + number) % 2**31)
        answer = census.solve(seeded, clock.left(), gap=_GAP, nodes=most)
        if best is None or answer.objective < best.objective:
            best = answer
        if answer.status is Status.INFEASIBLE:
            return answer
        if best.objective <= enough:
            break
    if best is None:
        raise InternalError("a model was to be solved by no search at all")
    return best


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
    answer = _luckily(census, options, clock, _PACKING, STRAIN_TOLERANCE)
    dies = dict(zip(alone.regions_of(board), problem.regions_of(board), strict=True))
    counts = census.counts(answer)
    return answer, {(item, dies[r], v): n for (item, r, v), n in counts.items()}
