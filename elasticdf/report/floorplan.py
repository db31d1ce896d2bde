"""The plan as a few lines for a terminal: boards, dies, how full they are."""

from __future__ import annotations

from elasticdf.report.loads import Fullness
from elasticdf.report.record import PlanReport, of_plan
from partitioner.plan import Plan

_BAR = 24
_MOST_COPIES = 3
_FULL, _FREE, _LIMIT = "█", "·", "│"


def floorplan(plan: Plan) -> str:
    """Return a line per die, uppermost die first: a bar of its fullest resource, and what is there.

    The bar is the resource nearest to its limit; a stroke marks the limit.
    """
    report = of_plan(plan)
    return "\n".join(line for board in plan.boards for line in _board(board.id, report))


def _board(board: int, report: PlanReport) -> list[str]:
    plan = report.plan
    if plan is None:
        return []
    planned = next(entry for entry in plan.boards if entry.id == board)
    widest = max((len(_printable(die)) for die in planned.dies), default=0)
    lines = [f"board {board}: {_printable(planned.board)}"]
    for die in reversed(planned.dies):
        rows = [row for row in report.fullness if (row.board, row.die) == (board, die)]
        line = f"  {_printable(die):{widest}}  {_meter(rows)}  {_contents(plan, board, die)}"
        lines.append(line.rstrip())
    return lines


def _meter(rows: list[Fullness]) -> str:
    fullest = max(rows, key=lambda row: row.fraction / row.limit if row.limit else 0, default=None)
    if fullest is None:
        return " " * _BAR
    filled = round(_BAR * min(1.0, max(0.0, fullest.fraction)))
    cells = [_FULL if i < filled else _FREE for i in range(_BAR)]
    cells[min(_BAR - 1, max(0, round(_BAR * fullest.limit)))] = _LIMIT
    return f"{''.join(cells)} {fullest.fraction:4.0%} {fullest.resource:6}"


def _contents(plan: Plan, board: int, die: str) -> str:
    counts: dict[int, int] = {}
    for a in plan.assignments:
        if (a.board, a.die) == (board, die):
            counts[a.replica] = counts.get(a.replica, 0) + 1
    if len(counts) > _MOST_COPIES:
        return f"{len(counts)} copies: {sum(counts.values())} layers"
    return ", ".join(f"copy {replica}: {count} layers" for replica, count in sorted(counts.items()))


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in text)
