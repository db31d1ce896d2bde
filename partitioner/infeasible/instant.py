"""Reasons that need no solver: layers that must share a die, or a board, and fit none.

Layers share a die because the user says so, because no cut may run inside a branch, or because the
stream between them is wider than every boundary and too fast for every link; they share a board
because the mode says so or no link between boards can carry the stream. Refuses to look for a
placement.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import networkx as nx

from partitioner.plan import CrossingKind
from partitioner.problem import Arc, Link, Problem, exact

Lacks = Mapping[str, tuple[float, float]]
"""Per resource that lacks, what is needed at least and what is allowed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cramped:
    """Items that must share a die or a board and fit none.

    Attributes:
        items: Indices.
        level: ``die`` or ``board``.
        reasons: Why they must, in words; none for a single item.
        where: Name of the die or board that comes closest; empty if none is open to all of them.
        short: What lacks there.
    """

    items: tuple[int, ...]
    level: str
    reasons: tuple[str, ...]
    where: str
    short: Lacks


@dataclass(frozen=True, slots=True, kw_only=True)
class _Level:
    """Dies, or boards.

    Attributes:
        name: ``die`` or ``board``.
        places: Name and regions of each.
        groups: Items that must share one, with the reason in words.
        links: Links between them.
    """

    name: str
    places: tuple[tuple[str, tuple[int, ...]], ...]
    groups: tuple[tuple[tuple[int, ...], str], ...]
    links: tuple[Link, ...]


def cramped(problem: Problem) -> Cramped | None:
    """Return the first items that must share a die or a board and fit none, None without any."""
    return next((found for level in _levels(problem) if (found := _find(problem, level))), None)


def _levels(problem: Problem) -> tuple[_Level, _Level]:
    dies = _Level(
        name="die",
        places=tuple((problem.regions[r].name, (r,)) for r in problem.places),
        groups=tuple((group, "they are to be together") for group in problem.together),
        links=problem.links,
    )
    boards = _Level(
        name="board",
        places=tuple((f"board {board}", problem.regions_of(board)) for board in problem.boards),
        groups=tuple(
            (group, "the first and the last layer belong together") for group in problem.same_board
        ),
        links=tuple(link for link in problem.links if link.kind is not CrossingKind.DIE),
    )
    return dies, boards


def _find(problem: Problem, level: _Level) -> Cramped | None:
    bound = nx.Graph()
    bound.add_nodes_from(range(len(problem.items)))
    reasons: dict[int, str] = {}
    for group, reason in level.groups:
        bound.add_edges_from((group[0], item) for item in group[1:])
        reasons |= dict.fromkeys(group, reason)
    for arc in problem.arcs:
        if not any(_can_cross(problem, arc, link) for link in level.links):
            bound.add_edge(arc.source, arc.target)
            reasons |= dict.fromkeys((arc.source, arc.target), _why(problem, arc, level))
    for component in sorted(map(sorted, nx.connected_components(bound))):
        found = _nowhere(problem, level, tuple(component))
        if found is not None:
            where, short = found
            return Cramped(
                items=tuple(component),
                level=level.name,
                reasons=tuple(dict.fromkeys(reasons[i] for i in component if i in reasons)),
                where=where,
                short=short,
            )
    return None


def _can_cross(problem: Problem, arc: Arc, link: Link) -> bool:
    """Return whether a stream alone could use a link."""
    return (
        problem.usable(arc, link)
        and (link.wires is None or _wires(problem, arc) <= link.wires)
        and (link.bits_per_second is None or arc.bits_per_second <= link.bits_per_second)
        and all(end.sockets is None or end.sockets > 0 for end in link.ends)
    )


def _wires(problem: Problem, arc: Arc) -> int:
    options = range(len(problem.items[arc.source].options))
    return min(problem.arc_wires(arc, option) for option in options)


def _why(problem: Problem, arc: Arc, level: _Level) -> str:
    usable = [link for link in level.links if problem.usable(arc, link)]
    if not usable:
        inside = CrossingKind.DIE in arc.forbidden
        return "no cut may run inside a branch" if inside else "no stream may leave its board"
    ends = f"the stream from {problem.items[arc.source].name} to {problem.items[arc.target].name}"
    wires = [link.wires for link in usable if link.wires is not None]
    rates = [link.bits_per_second for link in usable if link.bits_per_second is not None]
    if wires and max(wires) < _wires(problem, arc):
        return f"{ends} is {_wires(problem, arc)} wires wide where a boundary has {max(wires)}"
    if rates and max(rates) < arc.bits_per_second:
        return f"{ends} carries {arc.bits_per_second} bit/s where a connection has {max(rates)}"
    return f"{ends} finds no socket"


def _nowhere(problem: Problem, level: _Level, items: tuple[int, ...]) -> tuple[str, Lacks] | None:
    """Return the place that comes closest and what lacks there; None if some place may do."""
    closest: tuple[float, str, Lacks] | None = None
    for name, regions in level.places:
        if not all(set(regions) & set(problem.allowed_regions(item)) for item in items):
            continue
        short = _short(problem, items, regions)
        if not short:
            return None
        excess = max(need / max(most, 1e-9) for need, most in short.values())
        if closest is None or excess < closest[0]:
            closest = excess, name, short
    return ("", {}) if closest is None else closest[1:]


def _short(problem: Problem, items: tuple[int, ...], regions: tuple[int, ...]) -> Lacks:
    """Return what the items need at least of some regions poured into one, where it is too much."""
    records = [problem.regions[r] for r in regions]
    parts = {record.part for record in records}
    rows = [
        [o.resources for o in problem.items[item].options if any(map(o.fits_part, parts))]
        for item in items
    ]
    allowed = [sum(most) for most in zip(*(r.allowed() for r in records), strict=True)]
    short: dict[str, tuple[float, float]] = {}
    for r, (name, most) in enumerate(zip(problem.resources, allowed, strict=True)):
        need = sum(min(vector[r] for vector in row) for row in rows)
        if need > most:
            short[name] = (need, most)
    if len(regions) == 1:
        short |= _mean(problem, rows, regions[0])
        if len(items) == 1 and not short:
            short |= _no_option(problem, rows[0], allowed)
    return short


def _mean(problem: Problem, rows: list[list[tuple[int, ...]]], index: int) -> Lacks:
    region = problem.regions[index]
    short: dict[str, tuple[float, float]] = {}
    for mean in region.mean_limits:
        present = [r for r in mean.resources if region.capacity[r]]
        least = sum(
            min(sum(Fraction(vector[r], region.capacity[r]) for r in present) for vector in row)
            for row in rows
        )
        if present and least > exact(mean.limit) * len(present):
            short["mean"] = (float(least / len(present)), mean.limit)
    return short


def _no_option(problem: Problem, row: list[tuple[int, ...]], allowed: list[int]) -> Lacks:
    """Return what lacks for the option that lacks least, if every option exceeds some limit."""
    shorts = [
        {
            name: (float(amount), float(most))
            for name, amount, most in zip(problem.resources, vector, allowed, strict=True)
            if amount > most
        }
        for vector in row
    ]
    return min(shorts, key=len) if shorts else {}


def described(problem: Problem, found: Cramped) -> str:
    """Return the reason in words."""
    names = [problem.items[item].name for item in found.items]
    lacks = ", ".join(
        f"{need:.7g} {name} where {most:.7g} are allowed"
        for name, (need, most) in found.short.items()
    )
    if len(names) == 1:
        if not found.where:
            return f"layer {names[0]} is wanted in several places at once, so in none"
        return (
            f"layer {names[0]} alone is larger than any {found.level}: on {found.where} it would "
            f"need {lacks}; layers are not split over dies"
        )
    likewise = "" if len(found.reasons) == 1 else f" ({len(found.reasons) - 1} more likewise)"
    why = f"because {found.reasons[0]}{likewise}"
    who = f"layers {_listed(names)} must share a {found.level}, {why}"
    if not found.where:
        return f"{who}; but where they are wanted leaves none for all of them"
    return f"{who}; but together they fit none: on {found.where} they would need {lacks}"


def _listed(names: list[str]) -> str:
    shown = names if len(names) <= 6 else [*names[:5], f"{len(names) - 5} more"]
    return f"{', '.join(shown[:-1])} and {shown[-1]}"


def shortfall(problem: Problem, found: Cramped) -> tuple[Mapping[str, Any], ...]:
    """Return what is missing, in units."""
    names = [problem.items[item].name for item in found.items]
    who = {"layer": names[0]} if len(names) == 1 else {"layers": names}
    return tuple(
        {
            **who,
            found.level: found.where,
            "resource": resource,
            "needed": need,
            "allowed": most,
            "short": need - most,
        }
        for resource, (need, most) in found.short.items()
    )
