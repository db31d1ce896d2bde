"""The answers of a sweep on disk: one folder per point, found again by what was asked.

``DIR/points/<key>/plan.json`` is as ``partition`` writes it, so ``report`` draws it;
``answer.json`` is written last and marks the point as done. The key is a digest of the network,
the point, the settings, the files they name and our version: a changed question is another folder,
never a stale answer.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from codegen.build_plan import BuildPlan
from elasticdf import __version__
from elasticdf.documents import json_bytes, read_json
from elasticdf.errors import UserError
from elasticdf.explore.grid import Point
from elasticdf.explore.solve import Answer, Outcome, Settings
from elasticdf.records import encode
from elasticdf.rundir import PLAN, sha256

_DONE = "answer.json"
_SCHEMA = "elasticdf.answer/1"
_FINAL = (Outcome.PLANNED, Outcome.INFEASIBLE, Outcome.REFUSED, Outcome.OUT_OF_TIME)


@dataclass(frozen=True, slots=True, kw_only=True)
class Store:
    """Answers to one network under one set of settings.

    Attributes:
        directory: Of the sweep.
        model_sha256: Of the network.
        settings: Of every point.
    """

    directory: Path
    model_sha256: str
    settings: Settings

    def key(self, point: Point) -> str:
        """Return what a point's folder is called."""
        files = [_content(name) for name in (point.target, self.settings.costs)]
        question = [__version__, self.model_sha256, encode(self.settings), encode(point), files]
        return hashlib.sha256(json.dumps(question).encode()).hexdigest()[:16]

    def folder(self, point: Point) -> Path:
        """Return a point's folder."""
        return self.directory / "points" / self.key(point)

    def load(self, point: Point) -> Answer | None:
        """Return the answer to a point, or None if there is none yet or it is damaged."""
        folder = self.folder(point)
        if not (folder / _DONE).is_file():
            return None
        try:
            done = read_json(folder / _DONE)
            plan = read_json(folder / PLAN) if done["has_plan"] else None
            if done["schema"] != _SCHEMA:
                return None
            return Answer(outcome=Outcome(done["outcome"]), reason=str(done["reason"]), plan=plan)
        except (UserError, KeyError, ValueError):
            return None

    def save(self, point: Point, answer: Answer) -> None:
        """Keep an answer, unless a repaired program or machine could give another.

        Raises:
            UserError: The folder cannot be written.
        """
        if answer.outcome not in _FINAL:
            return
        done: dict[str, Any] = {
            "schema": _SCHEMA,
            "point": encode(point),
            "outcome": answer.outcome.value,
            "reason": answer.reason,
            "has_plan": answer.plan is not None,
        }
        folder = self.folder(point)
        if answer.plan is not None:
            BuildPlan({PLAN: json_bytes(answer.plan)}).write(folder)
        BuildPlan({_DONE: json_bytes(done)}).write(folder)


def _content(name: str) -> str | None:
    """Return the digest of a cluster or profile file, or None if the name is no file's."""
    path = Path(name)
    try:
        return sha256(path.read_bytes()) if path.is_file() else None
    except OSError:
        return None
