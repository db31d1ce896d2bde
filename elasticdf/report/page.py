"""From a report to one HTML page that needs nothing else: no network, no other file.

Layout is in the templates; every text is escaped by the environment, names of layers included.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import jinja2

from elasticdf.errors import UserError
from elasticdf.report.picture import cluster_picture
from elasticdf.report.record import PlanReport, link_share

_ENVIRONMENT = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).resolve().parent / "templates"),
    undefined=jinja2.StrictUndefined,
    autoescape=True,
    trim_blocks=True,
    lstrip_blocks=True,
)
_ENVIRONMENT.filters["whole"] = lambda value: f"{value:,}"


def page(report: PlanReport) -> str:
    """Return the page."""
    return render(
        "report.html.j2",
        report=report,
        plan=report.plan,
        numbers={layer.name: layer.number for layer in report.layers},
        picture=cluster_picture(report),
        link_share=link_share,
        most_cycles=max((layer.cycles for layer in report.layers), default=1) or 1,
    )


def render(name: str, /, **values: object) -> str:
    """Return a rendered template of this package."""
    return _ENVIRONMENT.get_template(name).render(values)


def write_page(text: str, path: Path) -> None:
    """Write a page, whole or not at all.

    Raises:
        UserError: The file cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
            Path(temporary).chmod(0o644)
            Path(temporary).replace(path)
        finally:
            Path(temporary).unlink(missing_ok=True)
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror}; choose another -o") from error
