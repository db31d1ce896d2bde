"""A sweep from start to end: what is known, what is computed, what is written.

Every answer is kept the moment it comes; starting again computes only what is missing. The table
at the end depends on the answers alone, not on who computed them or in which order.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from codegen.build_plan import BuildPlan
from elasticdf.costs.profile import load_profile
from elasticdf.documents import json_bytes
from elasticdf.errors import UserError
from elasticdf.explore.engine import Engine, answers
from elasticdf.explore.grid import Point
from elasticdf.explore.page import page
from elasticdf.explore.result import Exploration, exploration, fullness_of, row_of
from elasticdf.explore.solve import Answer, Model, Settings
from elasticdf.explore.store import Store
from elasticdf.networks import load_network

TABLE = "explore.json"
PAGE = "explore.html"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """A request for many plans.

    Attributes:
        model: Path of an ONNX file, or ``zoo:NAME``.
        points: What to plan.
        output: Folder that keeps every plan, the table and the page.
        settings: Shared by all points.
        engine: Where to compute.
    """

    model: str
    points: tuple[Point, ...]
    output: Path
    settings: Settings
    engine: Engine


Told = Callable[[int, int, Point, Answer], None]
"""Told of every new answer: how many are there, of how many, and which it is."""


def explore(sweep: Sweep, told: Told) -> Exploration:
    """Plan every point that is not yet known, and write the table and the page.

    Raises:
        UserError: The network cannot become hardware, or the output cannot be written.
    """
    if sweep.output.exists() and not sweep.output.is_dir():
        raise UserError(f"output {sweep.output} is a file; name a folder with -o")
    quirks = load_profile(sweep.settings.costs).exactly_finn
    network = load_network(sweep.model, quirks=quirks)
    model = Model(name=network.graph.name, content=network.model)
    store = Store(directory=sweep.output, model_sha256=model.sha256, settings=sweep.settings)
    found = {point: answer for point in sweep.points if (answer := store.load(point))}
    missing = [point for point in sweep.points if point not in found]
    for point, answer in answers(missing, model, sweep.settings, sweep.engine):
        store.save(point, answer)
        found[point] = answer
        told(len(found), len(sweep.points), point, answer)
    rows = [
        row_of(number, store.key(point), point, found[point])
        for number, point in enumerate(sweep.points)
    ]
    result = exploration(model.name, rows)
    if result.best is not None:
        best = found[sweep.points[result.best]]
        result = replace(result, fullness=fullness_of(best))
    BuildPlan({TABLE: json_bytes(result.to_json()), PAGE: page(result).encode()}).write(
        sweep.output
    )
    return result
