"""From a report to one HTML page that needs nothing else: no network, no other file.

Layout is in the templates; every text is escaped by the environment, names of layers included.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import jinja2

from elasticdf.report.limits import NEARLY_FULL
from elasticdf.report.loads import Fullness, LayerLoad, link_share
from elasticdf.report.picture import cluster_picture
from elasticdf.report.record import PlanReport

_COPIES_NAMED = 4


def _said(value: object) -> str:
    """Return a value of the explanation as a reader wants it."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:,.1f}"


_ENVIRONMENT = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).resolve().parent / "templates"),
    undefined=jinja2.StrictUndefined,
    autoescape=True,
    trim_blocks=True,
    lstrip_blocks=True,
)
_ENVIRONMENT.filters["whole"] = lambda value: f"{value:,}"
_ENVIRONMENT.filters["rate"] = lambda value: f"{value:,.1f}"
_ENVIRONMENT.filters["share"] = lambda value: f"{value:.1%}"
_ENVIRONMENT.filters["said"] = _said


def page(report: PlanReport) -> str:
    """Return the page."""
    plan = report.plan
    return render(
        "report.html.j2",
        report=report,
        plan=plan,
        numbers={layer.name: layer.number for layer in report.layers},
        picture=cluster_picture(report),
        link_share=link_share,
        fullest=max(report.fullness, key=_of_limit, default=None),
        crossings=Counter(c.kind.value for c in plan.crossings) if plan else Counter(),
        times={time.number: time for time in report.timeline},
        things=[_thing(report, layer) for layer in report.layers],
        most_cycles=max((layer.cycles for layer in report.layers), default=1) or 1,
        end=max((time.last_cycle for time in report.timeline), default=0) or 1,
        **fullness_values(report.fullness),
    )


def fullness_values(rows: tuple[Fullness, ...]) -> dict[str, object]:
    """Return what the picture and table of how full dies are needs."""
    return {
        "fullness": rows,
        "dies": _dies(rows),
        "resources": list(dict.fromkeys(row.resource for row in rows)),
        "nearly": NEARLY_FULL,
    }


def _of_limit(row: Fullness) -> float:
    return row.fraction / row.limit if row.limit else 0.0


def _dies(rows: Iterable[Fullness]) -> list[tuple[str, list[Fullness]]]:
    """Return the rows of every die under its name."""
    found: dict[str, list[Fullness]] = {}
    for row in rows:
        found.setdefault(f"board {row.board} {row.die}", []).append(row)
    return list(found.items())


def _thing(report: PlanReport, layer: LayerLoad) -> str:
    """Return what the foot of the page says of a layer that is pointed at."""
    plan = report.plan
    chosen = [a for a in plan.assignments if a.layer == layer.name] if plan else []
    copies = [f"copy {a.replica} on board {a.board} {a.die}" for a in chosen[:_COPIES_NAMED]]
    if len(chosen) > _COPIES_NAMED:
        copies.append(f"{len(chosen) - _COPIES_NAMED} copies more")
    words = f"{layer.name}: {layer.cycles:,} cycles per frame, slack {layer.slack_cycles:,}"
    return "; ".join((words, *copies))


def render(name: str, /, **values: object) -> str:
    """Return a rendered template of this package."""
    return _ENVIRONMENT.get_template(name).render(values)
