"""What the points of a sweep show together: the table, the best, the front, the knee.

Pure arithmetic on rows. Wall times are left out, so that a sweep that was interrupted ends in the
same bytes as one that was not.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from elasticdf.explore.grid import Point
from elasticdf.explore.solve import Answer, Outcome
from elasticdf.records import encode
from elasticdf.report.loads import Fullness, die_fullness
from partitioner.plan import Plan

SCHEMA = "elasticdf.exploration/1"
_COUNT = re.compile(r"\d+x")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A point and what came of it; figures are None where there is no plan.

    Attributes:
        number: Position in the sweep.
        key: Name of the point's folder.
        family: The target without counts: points of a family differ in the number of boards.
        point: What was asked.
        boards: Of the target.
        outcome: How it ended; of a plan, whether it is proven optimal or only feasible.
        reason: Why there is no plan.
        frames_per_second: Of the whole system.
        bound: Proven upper limit on it.
        latency_seconds: Of one frame.
        replicas: Copies.
        fullest: Highest share of a limit any die reaches in any resource.
        fullest_resource: Which resource that is.
        scaling: Frames per second over what so many boards would make if each bought what those of
            the fewest boards do, at the same mode, clock and asked rate; above 1 is superlinear.
    """

    number: int
    key: str
    family: str
    point: Point
    boards: int | None = None
    outcome: str
    reason: str = ""
    frames_per_second: float | None = None
    bound: float | None = None
    latency_seconds: float | None = None
    replicas: int | None = None
    fullest: float | None = None
    fullest_resource: str = ""
    scaling: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Exploration:
    """A finished sweep.

    Attributes:
        network: Its name.
        rows: In the order of the sweep.
        best: Number of the fastest row, or None if nothing has a plan.
        front: Rows no other beats in both throughput and latency, slowest first.
        knee: Number of the row after which boards buy less, or None; see `knee`.
        fullness: How full every die of the fastest plan is.
    """

    network: str
    rows: tuple[Row, ...]
    best: int | None
    front: tuple[int, ...]
    knee: int | None
    fullness: tuple[Fullness, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {"schema": SCHEMA, **encode(self)}


def exploration(network: str, rows: Sequence[Row]) -> Exploration:
    """Return what the rows show; how full the fastest is, `fullness_of` finds."""
    rows = _scaled(rows)
    planned = [row for row in rows if row.frames_per_second is not None]
    best = max(planned, key=lambda row: (fps(row), -_latency(row), -row.number), default=None)
    return Exploration(
        network=network,
        rows=tuple(rows),
        best=None if best is None else best.number,
        front=pareto(planned),
        knee=knee(planned),
    )


def _scaled(rows: Sequence[Row]) -> list[Row]:
    """Return the rows with their scaling; fewest boards come first where they are alike."""
    first: dict[tuple[object, ...], Row] = {}
    for row in sorted(rows, key=lambda row: (row.boards or 0, -fps(row), row.number)):
        if row.frames_per_second:
            first.setdefault(_alike(row), row)
    return [
        replace(row, scaling=_scaling(row, first[_alike(row)])) if row.frames_per_second else row
        for row in rows
    ]


def _alike(row: Row) -> tuple[object, ...]:
    point = row.point
    return row.family, point.mode, point.clock_hz, point.frames_per_second


def _scaling(row: Row, first: Row) -> float:
    return fps(row) * (first.boards or 1) / (fps(first) * (row.boards or 1))


def fullness_of(answer: Answer) -> tuple[Fullness, ...]:
    """Return how full every die is in the plan of an answer, nothing if it has none."""
    return () if answer.plan is None else die_fullness(Plan.from_json(answer.plan))


def row_of(number: int, key: str, point: Point, answer: Answer) -> Row:
    """Return the row of a point."""
    family = _COUNT.sub("", point.target)
    if answer.outcome is not Outcome.PLANNED or answer.plan is None:
        return Row(
            number=number,
            key=key,
            family=family,
            point=point,
            outcome=answer.outcome.value,
            reason=answer.reason,
        )
    plan = Plan.from_json(answer.plan, f"point {number}")
    fullest = max(
        plan.utilisation,
        key=lambda u: u.used / (u.available * u.limit) if u.available else 0.0,
        default=None,
    )
    share = fullest.used / (fullest.available * fullest.limit) if fullest else 0.0
    return Row(
        number=number,
        key=key,
        family=family,
        point=point,
        boards=len(plan.boards),
        outcome=plan.certificate.outcome.value,
        frames_per_second=plan.frames_per_second,
        bound=plan.certificate.throughput.bound,
        latency_seconds=plan.latency_seconds,
        replicas=plan.replicas,
        fullest=share,
        fullest_resource=fullest.resource if fullest else "",
    )


def pareto(planned: Sequence[Row]) -> tuple[int, ...]:
    """Return the rows that no other beats in throughput without being later, slowest first."""
    front: list[int] = []
    quickest = float("inf")
    for row in sorted(planned, key=lambda row: (-fps(row), _latency(row), row.number)):
        if _latency(row) < quickest:
            quickest = _latency(row)
            front.append(row.number)
    return tuple(reversed(front))


def most_by_boards(planned: Sequence[Row]) -> tuple[Row, ...]:
    """Return the fastest row of every number of boards, fewest boards first."""
    most: dict[int, Row] = {}
    for row in planned:
        boards = row.boards or 0
        if boards not in most or fps(row) > fps(most[boards]):
            most[boards] = row
    return tuple(most[boards] for boards in sorted(most))


def knee(planned: Sequence[Row]) -> int | None:
    """Return the row where throughput over boards rises furthest above its chord.

    The chord joins the fewest boards with the most (Satopaa et al., "Finding a Kneedle in a
    Haystack", 2011). None if fewer than three numbers of boards have plans, or if no point lies
    more than a hundredth above it: then boards buy the same all along.
    """
    most = most_by_boards(planned)
    if len(most) < 3:
        return None
    first, last = most[0], most[-1]
    across = float((last.boards or 0) - (first.boards or 0))
    rise = fps(last) - fps(first)
    if rise <= 0:
        return first.number
    above = [
        ((fps(row) - fps(first)) / rise - ((row.boards or 0) - (first.boards or 0)) / across, row)
        for row in most
    ]
    height, row = max(above, key=lambda pair: pair[0])
    return row.number if height > 0.01 else None


def fps(row: Row) -> float:
    """Return a row's frames per second; 0 where it has no plan."""
    return row.frames_per_second or 0.0


def _latency(row: Row) -> float:
    return row.latency_seconds or 0.0
