"""The page that shows a project."""

from __future__ import annotations

from pathlib import Path

from elasticdf.errors import UserError
from elasticdf.files import write_file
from elasticdf.networks import project_graph
from elasticdf.progress import Report
from elasticdf.report.page import page
from elasticdf.report.reading import read_plan_report
from elasticdf.report.record import PlanReport, with_timeline
from elasticdf.report.timeline import slowest_copy
from elasticdf.rundir import MANIFEST, NETWORK
from partitioner.latency.frame import SIMULATED
from partitioner.plan import Plan


def report(directory: Path, output: Path, told: Report) -> PlanReport:
    """Draw the page of a project folder and return the record behind it.

    Raises:
        UserError: The folder holds no plan, or the page cannot be written.
    """
    record = read_plan_report(directory)
    if record.plan is not None:
        told("simulating one frame")
        record = _with_timeline(record, record.plan, directory)
    told("drawing")
    write_file(output, page(record).encode())
    return record


def _with_timeline(record: PlanReport, plan: Plan, directory: Path) -> PlanReport:
    """Simulate a frame, where the folder holds the network and every layer has a rule."""
    if not (directory / NETWORK).is_file() or not (directory / MANIFEST).is_file():
        return with_timeline(record, (), f"not simulated: {directory.name} holds no network")
    try:
        copy, spans = slowest_copy(project_graph(directory), plan)
    except UserError as error:
        return with_timeline(record, (), f"not simulated: {error}")
    return with_timeline(record, spans, SIMULATED, copy=copy)
