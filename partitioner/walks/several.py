"""Sets of walks, one per replica, by rising total weight: the cheapest crossings of a few replicas.

Refuses more than four replicas and items with options, for which there are too many sets.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations_with_replacement

from partitioner.best import Best
from partitioner.clock import Clock
from partitioner.solver import SolverOptions, Status
from partitioner.walk import WalkModel
from partitioner.walks.tree import Ground, Walk


def several(ground: Ground, best: Best, options: SolverOptions, clock: Clock) -> None:
    """Search sets of walks, one per replica, by rising total weight."""
    problem = ground.problem
    if problem.replicas > 4 or any(len(item.options) > 1 for item in problem.items):
        return
    least = ground.least_weight
    main = len(problem.arcs) == len(ground.backbone) - 1
    if least is None:
        return
    total, proven = problem.replicas * least, True
    known: dict[tuple[Walk, ...], bool | None] = {}
    heaviest = problem.replicas * 2 * sum(link.cost for link in problem.links)
    while total < min(best.cost, heaviest + 1) and clock.left() > 0:
        for walks in _walk_sets(ground, total, least):
            if clock.left() <= 0:
                return
            found = _parts_fit(ground, walks, options, clock, known, best)
            if found and best.cost <= total:
                break
            proven &= found is False and main
        if proven and best.cost > total:
            best.raise_bound(total + 1)
        total += 1


def _walk_sets(ground: Ground, total: int, least: int) -> Iterator[tuple[Walk, ...]]:
    """Yield every canonical multiset of walks, one per replica, of a total weight."""
    replicas = ground.problem.replicas
    most = total - (replicas - 1) * least
    walks = sorted(
        (weight, walk) for weight in range(least, most + 1) for walk in ground.walks(weight)
    )
    for chosen in combinations_with_replacement(walks, replicas):
        if sum(weight for weight, _ in chosen) == total:
            ordered = tuple(sorted(walk for _, walk in chosen))
            if ground.canonical(ordered) and _pooled_room(ground, ordered):
                yield ordered


def _pooled_room(ground: Ground, walks: tuple[Walk, ...]) -> bool:
    """Return whether the replicas that stay inside some board's regions could fit there."""
    problem = ground.problem
    for board in problem.boards:
        regions = set(problem.regions_of(board))
        inside = [walk for walk in walks if set(walk) <= regions]
        if inside:
            used = tuple(sorted({r for walk in inside for r in walk}))
            if ground.share_of(used) * len(inside) > 1 + 1e-9:
                return False
    return True


def _parts_fit(
    ground: Ground,
    walks: tuple[Walk, ...],
    options: SolverOptions,
    clock: Clock,
    known: dict[tuple[Walk, ...], bool | None],
    best: Best,
) -> bool | None:
    """Return whether replicas fit along their walks; None if that is not known.

    Walks that share no region are solved apart, and every part once.
    """
    for part in _connected(walks):
        if len(part) < len(walks) and part not in known:
            known[part] = _fits(ground, part, options, clock, None)
        if known.get(part) is False:
            return False
    return _fits(ground, walks, options, clock, best)


def _fits(
    ground: Ground,
    walks: tuple[Walk, ...],
    options: SolverOptions,
    clock: Clock,
    best: Best | None,
) -> bool | None:
    part = replace(ground.problem, replicas=len(walks))
    model = WalkModel(Ground(problem=part), walks)
    answer = model.solve(options, clock.left())
    if answer.status is Status.INFEASIBLE:
        return False
    if answer.values is None:
        return None
    return best is None or best.offer(model.placement(answer)) or None


def _connected(walks: tuple[Walk, ...]) -> list[tuple[Walk, ...]]:
    """Return the walks grouped so that groups share no region."""
    groups: list[list[Walk]] = []
    for walk in walks:
        touching = [g for g in groups if any(set(walk) & set(other) for other in g)]
        merged = [walk, *(other for group in touching for other in group)]
        groups = [g for g in groups if g not in touching] + [merged]
    return [tuple(sorted(group)) for group in groups]
