"""The plan as a few lines for a terminal: boards, dies, how full they are.

Plain characters without colour, never wider than the terminal.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from elasticdf.report.loads import Fullness, die_fullness
from partitioner.plan import Assignment, Plan, PlannedBoard

_WIDTH = 120
_WORDS = 54
"""Columns for everything but the bar."""

_NARROWEST_BAR, _WIDEST_BAR = 10, 24
_MOST_COPIES = 3
_MOST_BOARDS = 6
_FULL, _FREE, _LIMIT = "█", "·", "│"


def floorplan(plan: Plan, width: int = _WIDTH) -> str:
    """Return a line per die, uppermost die first: a bar of its fullest resource, and what is there.

    The bar is the resource nearest to its limit; a stroke marks the limit. Many boards take a line
    each, with their fullest die.

    Args:
        plan: What to show.
        width: Of the terminal, in columns.
    """
    rows = die_fullness(plan)
    cells = max(_NARROWEST_BAR, min(_WIDEST_BAR, width - _WORDS))
    many = len(plan.boards) > _MOST_BOARDS
    lines = [
        line
        for board in plan.boards
        for line in (_one(board, plan, rows, cells) if many else _dies(board, plan, rows, cells))
    ]
    return "\n".join(line if len(line) <= width else f"{line[: width - 1]}…" for line in lines)


def _dies(board: PlannedBoard, plan: Plan, rows: Sequence[Fullness], cells: int) -> Iterable[str]:
    widest = max((len(_printable(die)) for die in board.dies), default=0)
    yield f"board {board.id}: {_printable(board.board)}"
    for die in reversed(board.dies):
        own = [row for row in rows if (row.board, row.die) == (board.id, die)]
        there = [a for a in plan.assignments if (a.board, a.die) == (board.id, die)]
        yield f"  {_printable(die):{widest}}  {_meter(own, cells)}  {_contents(there)}".rstrip()


def _one(board: PlannedBoard, plan: Plan, rows: Sequence[Fullness], cells: int) -> Iterable[str]:
    own = [row for row in rows if row.board == board.id]
    there = [a for a in plan.assignments if a.board == board.id]
    name = f"board {board.id}: {_printable(board.board)}"
    yield f"{name:16}  {_meter(own, cells)}  {_contents(there)}".rstrip()


def _meter(rows: Sequence[Fullness], cells: int) -> str:
    fullest = max(rows, key=lambda row: row.fraction / row.limit if row.limit else 0, default=None)
    if fullest is None:
        return " " * cells
    filled = round(cells * min(1.0, max(0.0, fullest.fraction)))
    bar = [_FULL if i < filled else _FREE for i in range(cells)]
    bar[min(cells - 1, max(0, round(cells * fullest.limit)))] = _LIMIT
    return f"{''.join(bar)} {fullest.fraction:4.0%} {fullest.resource:6}"


def _contents(there: Sequence[Assignment]) -> str:
    counts = Counter(a.replica for a in there)
    if len(counts) > _MOST_COPIES:
        return f"{len(counts)} copies: {counts.total()} layers"
    return ", ".join(f"copy {replica}: {count} layers" for replica, count in sorted(counts.items()))


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in text)
