"""The page of a sweep: throughput over boards, throughput over latency, and the table."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from elasticdf.explore.result import Exploration, Row, most_by_boards
from elasticdf.report.page import render
from elasticdf.units import format_si

_WIDTH = 640.0
_HEIGHT = 340.0
_LEFT = 70.0
_BOTTOM = 46.0
_TOP = 14.0
_RIGHT = 120.0
_LOOKS = 8
_TICKS = 5
_NAME_HEIGHT = 12.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """Values along one side: ``places`` are (coordinate, text)."""

    label: str
    places: tuple[tuple[float, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Dot:
    """A row in a chart."""

    x: float
    y: float
    row: Row
    look: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A line with its name at the right end."""

    path: str
    name: str
    kind: str
    look: int
    end: tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """Dots and lines over two axes that start at zero."""

    across: Axis
    up: Axis
    dots: tuple[Dot, ...]
    lines: tuple[Line, ...]
    width: float = _WIDTH
    height: float = _HEIGHT
    left: float = _LEFT
    floor: float = _HEIGHT - _BOTTOM
    right: float = _WIDTH - _RIGHT


def page(result: Exploration) -> str:
    """Return the page; it needs no other file and no network."""
    planned = [row for row in result.rows if row.frames_per_second is not None]
    return render(
        "explore.html.j2",
        result=result,
        best=None if result.best is None else result.rows[result.best],
        knee=None if result.knee is None else result.rows[result.knee],
        by_boards=_by_boards(planned) if planned else None,
        by_latency=_by_latency(planned, result) if planned else None,
    )


class _Frame:
    """Where values go."""

    def __init__(self, most_x: float, most_y: float) -> None:
        self.top_x = _round_up(most_x)
        self.top_y = _round_up(most_y)

    def at(self, x: float, y: float) -> tuple[float, float]:
        across = _WIDTH - _LEFT - _RIGHT
        up = _HEIGHT - _BOTTOM - _TOP
        return (_LEFT + across * x / self.top_x, _HEIGHT - _BOTTOM - up * y / self.top_y)

    def path(self, values: Iterable[tuple[float, float]]) -> str:
        points = (self.at(x, y) for x, y in values)
        return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)

    def across(self, label: str, *, whole: bool) -> Axis:
        steps = _whole_ticks(self.top_x) if whole else _ticks(self.top_x)
        return Axis(label=label, places=tuple((self.at(v, 0)[0], f"{v:g}") for v in steps))

    def up(self, label: str) -> Axis:
        steps = _ticks(self.top_y)
        return Axis(
            label=label, places=tuple((self.at(0, v)[1], format_si(v, "").strip()) for v in steps)
        )


def _by_boards(planned: Sequence[Row]) -> Chart:
    series: dict[tuple[str, str], list[Row]] = {}
    for row in planned:
        series.setdefault((row.family, row.point.mode.value), []).append(row)
    frame = _Frame(
        max(float(row.boards or 0) for row in planned), max(_fps(row) for row in planned)
    )
    lines: list[Line] = []
    families: dict[str, list[Row]] = {}
    for look, ((family, mode), rows) in enumerate(series.items()):
        most = most_by_boards(rows)
        families.setdefault(family, []).extend(rows)
        lines.append(
            _line(
                frame,
                [(row.boards or 0, _fps(row)) for row in most],
                f"{family} {mode}",
                "curve",
                look,
            )
        )
    for family, rows in families.items():
        lines.append(_linear(frame, most_by_boards(rows)[0], family))
    looks = {key: index for index, key in enumerate(series)}
    return Chart(
        across=frame.across("boards", whole=True),
        up=frame.up("frames per second"),
        dots=tuple(
            _dot(frame, row, float(row.boards or 0), looks[row.family, row.point.mode.value])
            for row in planned
        ),
        lines=_apart(lines),
    )


def _apart(lines: Sequence[Line]) -> tuple[Line, ...]:
    """Return the lines with their names moved down until none covers another."""
    lowest = 0.0
    moved = []
    for line in sorted(lines, key=lambda line: line.end[1]):
        lowest = max(line.end[1], lowest + _NAME_HEIGHT)
        moved.append(replace(line, end=(line.end[0], lowest)))
    return tuple(moved)


def _linear(frame: _Frame, first: Row, family: str) -> Line:
    """The line of boards that each buy what those of the smallest cluster do."""
    each = _fps(first) / (first.boards or 1)
    reach = min(frame.top_x, frame.top_y / each if each else frame.top_x)
    return _line(frame, [(0, 0), (reach, each * reach)], f"{family} linear", "linear", 0)


def _by_latency(planned: Sequence[Row], result: Exploration) -> Chart:
    frame = _Frame(
        max(1e3 * (row.latency_seconds or 0) for row in planned), max(_fps(row) for row in planned)
    )
    modes = list(dict.fromkeys(row.point.mode for row in planned))
    front = [result.rows[number] for number in result.front]
    values = [(1e3 * (row.latency_seconds or 0), _fps(row)) for row in front]
    return Chart(
        across=frame.across("latency of a frame, ms", whole=False),
        up=frame.up("frames per second"),
        dots=tuple(
            _dot(frame, row, 1e3 * (row.latency_seconds or 0), modes.index(row.point.mode))
            for row in planned
        ),
        lines=(_line(frame, sorted(values), "Pareto front", "curve", 0),),
    )


def _line(
    frame: _Frame, values: Sequence[tuple[float, float]], name: str, kind: str, look: int
) -> Line:
    return Line(
        path=frame.path(values), name=name, kind=kind, look=look % _LOOKS, end=frame.at(*values[-1])
    )


def _dot(frame: _Frame, row: Row, x: float, look: int) -> Dot:
    across, up = frame.at(x, _fps(row))
    return Dot(x=across, y=up, row=row, look=look % _LOOKS)


def _round_up(value: float) -> float:
    """Return the next 1, 2, 2.5 or 5 times a power of ten times `_TICKS`.

    >>> _round_up(7971.9)
    10000.0
    """
    if not 0 < value < math.inf:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value / _TICKS))
    return next(
        _TICKS * m * power for m in (1.0, 2.0, 2.5, 5.0, 10.0, 20.0) if _TICKS * m * power >= value
    )


def _ticks(top: float) -> tuple[float, ...]:
    return tuple(top * i / _TICKS for i in range(_TICKS + 1))


def _whole_ticks(top: float) -> tuple[float, ...]:
    step = max(1, math.ceil(top / 10))
    return tuple(float(v) for v in range(0, math.floor(top) + 1, step))


def _fps(row: Row) -> float:
    return row.frames_per_second or 0.0
