"""Rows of a sweep as dots and lines over two axes that start at zero. Lengths are SVG units."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from elasticdf.explore.result import Exploration, Row, fps, most_by_boards
from elasticdf.units import format_si
from partitioner.plan import Mode

_WIDTH = 640.0
_HEIGHT = 340.0
_LEFT = 70.0
_BOTTOM = 46.0
_TOP = 22.0
_RIGHT = 130.0
_LOOKS = 8
_TICKS = 5
_NAME_HEIGHT = 12.0
_STEPS = (1.0, 1.2, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 20.0)
_SUPERLINEAR = 1.001
"""Least gain over the linear line that is worth a label."""

_MARKS = {
    Mode.DATA_PARALLEL: "M-5 -5h10v10h-10Z",
    Mode.HARDWARE: "M0 -6.5L6 5H-6Z",
    Mode.TRANSPARENT: "M-5 0a5 5 0 1 0 10 0a5 5 0 1 0 -10 0",
    Mode.SOFTWARE: "M0 -6.5L6.5 0L0 6.5L-6.5 0Z",
}
"""A shape per mode, so that nothing rests on colour alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """Values along one side: ``places`` are (coordinate, text)."""

    label: str
    places: tuple[tuple[float, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Dot:
    """A row in a chart; ``mark`` is SVG path data around the origin."""

    x: float
    y: float
    row: Row
    look: int
    mark: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A line with its name at the right end."""

    path: str
    name: str
    kind: str
    look: int
    end: tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """A short text in the chart."""

    x: float
    y: float
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """Dots and lines over two axes that start at zero; ``modes`` are those with dots."""

    across: Axis
    up: Axis
    dots: tuple[Dot, ...]
    lines: tuple[Line, ...]
    labels: tuple[Label, ...] = ()
    width: float = _WIDTH
    height: float = _HEIGHT
    left: float = _LEFT
    floor: float = _HEIGHT - _BOTTOM
    right: float = _WIDTH - _RIGHT

    @property
    def key(self) -> tuple[tuple[str, str], ...]:
        """The shape of every mode that has dots."""
        return tuple(dict.fromkeys((dot.row.point.mode.value, dot.mark) for dot in self.dots))


class _Frame:
    """Where values go."""

    def __init__(self, top_x: float, top_y: float) -> None:
        self.top_x = top_x
        self.top_y = top_y

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


def by_boards(planned: Sequence[Row]) -> Chart:
    """Return throughput over boards, with the line on which every board buys the same."""
    frame = _Frame(
        max(1.0, *(float(row.boards or 0) for row in planned)), _round_up(max(map(fps, planned)))
    )
    series: dict[tuple[str, Mode], list[Row]] = {}
    families: dict[str, list[Row]] = {}
    for row in planned:
        series.setdefault((row.family, row.point.mode), []).append(row)
        families.setdefault(row.family, []).append(row)
    looks = {family: look for look, family in enumerate(families)}
    curves = [
        _line(
            frame,
            [(row.boards or 0, fps(row)) for row in most_by_boards(rows)],
            f"{family} {mode}",
            "curve",
            looks[family],
        )
        for (family, mode), rows in series.items()
    ]
    linear = [_linear(frame, rows[0], family) for family, rows in _most(families)]
    return Chart(
        across=frame.across("boards", whole=True),
        up=frame.up("frames per second"),
        dots=tuple(_dot(frame, row, float(row.boards or 0), looks[row.family]) for row in planned),
        lines=_apart([*_merged(curves), *linear]),
        labels=tuple(label for _, rows in _most(families) for label in _gains(frame, rows)),
    )


def _most(families: dict[str, list[Row]]) -> list[tuple[str, tuple[Row, ...]]]:
    return [(family, most_by_boards(rows)) for family, rows in families.items()]


def _gains(frame: _Frame, most: Sequence[Row]) -> list[Label]:
    """Return a label over every stretch on which boards buy more than those before did."""
    found = []
    for before, after in pairwise(most):
        expected = fps(before) * (after.boards or 1) / (before.boards or 1)
        gain = fps(after) / expected if expected else 0.0
        if gain >= _SUPERLINEAR:
            x, y = frame.at(after.boards or 0, fps(after))
            found.append(Label(x=x, y=y - 9, text=f"{gain:.2f} times linear"))
    return found


def _merged(lines: Sequence[Line]) -> list[Line]:
    """Return the lines with those that lie on each other drawn once, under all their names."""
    names: dict[tuple[str, int], list[str]] = {}
    for line in lines:
        names.setdefault((line.path, line.look), []).append(line.name)
    merged = {(line.path, line.look): line for line in reversed(lines)}
    return [replace(merged[key], name=_together(found)) for key, found in names.items()]


def _together(names: Sequence[str]) -> str:
    """Return names that begin alike as one.

    >>> _together(["u280 dp", "u280 hw"])
    'u280 dp, hw'
    """
    first, *rest = names
    return ", ".join((first, *(name.rpartition(" ")[2] for name in rest)))


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
    each = fps(first) / (first.boards or 1)
    reach = min(frame.top_x, frame.top_y / each if each else frame.top_x)
    return _line(frame, [(0, 0), (reach, each * reach)], f"{family} linear", "linear", 0)


def by_latency(planned: Sequence[Row], result: Exploration) -> Chart:
    """Return throughput over latency, with the Pareto front."""
    frame = _Frame(_round_up(max(map(_ms, planned))), _round_up(max(map(fps, planned))))
    families = list(dict.fromkeys(row.family for row in planned))
    front = [result.rows[number] for number in result.front]
    values = sorted((_ms(row), fps(row)) for row in front)
    return Chart(
        across=frame.across("latency of a frame, ms", whole=False),
        up=frame.up("frames per second"),
        dots=tuple(_dot(frame, row, _ms(row), families.index(row.family)) for row in planned),
        lines=(_line(frame, values, "Pareto front", "front", 0),),
    )


def _line(
    frame: _Frame, values: Sequence[tuple[float, float]], name: str, kind: str, look: int
) -> Line:
    return Line(
        path=frame.path(values), name=name, kind=kind, look=look % _LOOKS, end=frame.at(*values[-1])
    )


def _dot(frame: _Frame, row: Row, x: float, look: int) -> Dot:
    across, up = frame.at(x, fps(row))
    return Dot(x=across, y=up, row=row, look=look % _LOOKS, mark=_MARKS[row.point.mode])


def _round_up(value: float) -> float:
    """Return a top whose `_TICKS` parts are short numbers.

    >>> _round_up(7971.9), _round_up(15943.9)
    (10000.0, 20000.0)
    """
    if not 0 < value < math.inf:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value / _TICKS))
    return next(_TICKS * m * power for m in _STEPS if _TICKS * m * power >= value)


def _ticks(top: float) -> tuple[float, ...]:
    return tuple(top * i / _TICKS for i in range(_TICKS + 1))


def _whole_ticks(top: float) -> tuple[float, ...]:
    step = max(1, math.ceil(top / 10))
    return tuple(float(v) for v in range(0, math.floor(top) + 1, step))


def _ms(row: Row) -> float:
    return 1e3 * (row.latency_seconds or 0.0)
