"""The page of a sweep: throughput over boards, throughput over latency, and the table."""

from __future__ import annotations

from elasticdf.explore.charts import by_boards, by_latency
from elasticdf.explore.result import Exploration, Row
from elasticdf.report.page import fullness_values, render


def page(result: Exploration) -> str:
    """Return the page; it needs no other file and no network."""
    planned = [row for row in result.rows if row.frames_per_second is not None]
    return render(
        "explore.html.j2",
        result=result,
        best=None if result.best is None else result.rows[result.best],
        knee=None if result.knee is None else result.rows[result.knee],
        superlinear=max(planned, key=lambda row: row.scaling or 0, default=None),
        failed=len(result.rows) - len(planned),
        by_boards=by_boards(planned) if planned else None,
        by_latency=by_latency(planned, result) if planned else None,
        things=[_thing(row) for row in result.rows],
        **fullness_values(result.fullness),
    )


def _thing(row: Row) -> str:
    """Return what the foot of the page says of a row that is pointed at."""
    point = row.point
    asked = f"{point.target}, {point.mode}, {point.clock_hz / 1e6:g} MHz"
    if row.frames_per_second is None:
        return f"{asked}: {row.outcome}, {row.reason}"
    late = 1e3 * (row.latency_seconds or 0)
    return f"{asked}: {row.frames_per_second:,.1f} frames per second, {late:,.4g} ms, {row.outcome}"
