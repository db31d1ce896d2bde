"""Boards by themselves: where no replica can span boards, each board is a problem of its own.

Equal boards are solved once. Refuses problems whose items are anchored.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from partitioner.plan import CrossingKind
from partitioner.problem import Problem, Region
from partitioner.solution import Placement


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One board of a problem.

    Attributes:
        problem: With the board's regions and links only; equal for equal boards.
        regions: Where its regions are in the whole problem.
        links: The same for its links.
    """

    problem: Problem
    regions: tuple[int, ...]
    links: tuple[int, ...]


def part_of(problem: Problem, board: int) -> Part:
    """Return one board of a problem."""
    regions = problem.regions_of(board)
    number = {region: i for i, region in enumerate(regions)}
    links = tuple(
        index
        for index, link in enumerate(problem.links)
        if link.kind is CrossingKind.DIE and set(link.regions) <= set(regions)
    )
    return Part(
        problem=replace(
            problem,
            name=f"one board of {problem.name}",
            regions=tuple(_alone(problem.regions[r], number) for r in regions),
            links=tuple(
                link.between(number[link.regions[0]], number[link.regions[1]])
                for link in (problem.links[index] for index in links)
            ),
        ),
        regions=regions,
        links=links,
    )


def _alone(region: Region, number: dict[int, int]) -> Region:
    memory = None if region.memory is None else number[region.memory]
    return replace(region, name=region.die, board=0, memory=memory)


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What a board holds.

    Attributes:
        most: Replicas that nothing refuses.
        placement: Of as many replicas as were placed, None for none.
        placed: Their number.
    """

    most: int
    placement: Placement | None
    placed: int


def hold(problem: Problem, most: Sequence[int], ask: Callable[[Problem], Held]) -> Held:
    """Return what all boards of a problem hold if no replica spans boards.

    Args:
        problem: With replicas wanted.
        most: Per board, how many replicas it can hold at most.
        ask: Tells what a board holds of some replicas.
    """
    known: dict[Problem, Held] = {}
    parts: list[tuple[Part, Held]] = []
    for board, limit in zip(problem.boards, most, strict=True):
        if not limit:
            continue
        part = part_of(replace(problem, replicas=min(limit, problem.replicas)), board)
        if part.problem not in known:
            known[part.problem] = ask(part.problem)
        parts.append((part, known[part.problem]))
    placed = sum(held.placed for _, held in parts)
    return Held(
        most=sum(held.most for _, held in parts),
        placement=_joined(problem, parts) if placed >= problem.replicas else None,
        placed=min(placed, problem.replicas),
    )


def _joined(problem: Problem, parts: list[tuple[Part, Held]]) -> Placement:
    """Return the placement of all replicas, the first boards' first."""
    regions: list[int] = []
    options: list[int] = []
    routes: list[tuple[tuple[int, bool], ...]] = []
    for part, held in parts:
        if held.placement is not None:
            regions += [part.regions[r] for r in held.placement.regions]
            options += held.placement.options
            routes += [
                tuple((part.links[link], forward) for link, forward in route)
                for route in held.placement.routes
            ]
    return Placement(
        regions=tuple(regions[: problem.replicas * len(problem.items)]),
        options=tuple(options[: problem.replicas * len(problem.items)]),
        routes=tuple(routes[: problem.replicas * len(problem.arcs)]),
    )
