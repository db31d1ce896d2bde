"""One point of a sweep: a pure function that any worker can run, however often.

Nothing is read or written beyond its arguments, so a point that is computed twice is the same.
Failing is an answer too: a row says why.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import Any

from elasticdf import flow
from elasticdf.costs.profile import load_profile
from elasticdf.errors import InfeasibleError, TimeLimitError, UserError
from elasticdf.explore.grid import Point
from elasticdf.networks import Network, load_network
from elasticdf.options import PartitionOptions
from partitioner.search import Settled


class Outcome(StrEnum):
    """How a point ended."""

    PLANNED = "planned"
    INFEASIBLE = "infeasible"
    OUT_OF_TIME = "out of time"
    REFUSED = "refused"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A network that travels to workers.

    Attributes:
        name: Of the network.
        content: The ONNX file.
    """

    name: str
    content: bytes

    @property
    def sha256(self) -> str:
        """Digest of the file."""
        return hashlib.sha256(self.content).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What all points of a sweep share; see `elasticdf.PartitionOptions`.

    The time limit counts work (`partitioner.clock`), so that a point computed twice, on another
    machine or a busier one, has the same answer.
    """

    costs: str = "calibrated"
    solver: str = "highs"
    time_limit_seconds: float = 60.0
    seed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came of a point.

    Attributes:
        outcome: How it ended.
        reason: Why there is no plan; empty if there is one.
        plan: The document of ``plan.json``; of an infeasible point its explanation; or None.
    """

    outcome: Outcome
    reason: str = ""
    plan: Mapping[str, Any] | None = None


def solve(point: Point, model: Model, settings: Settings, settled: Settled | None = None) -> Answer:
    """Return the plan of a point, or why there is none; ``settled`` is what `settle` found."""
    try:
        plan = flow.plan_counted(*_request(point, model, settings), settled)
    except InfeasibleError as error:
        explained = dict(error.explanation) or None
        return Answer(outcome=Outcome.INFEASIBLE, reason=str(error), plan=explained)
    except TimeLimitError as error:
        return Answer(outcome=Outcome.OUT_OF_TIME, reason=str(error))
    except UserError as error:
        return Answer(outcome=Outcome.REFUSED, reason=str(error))
    except Exception as error:  # noqa: BLE001 - one broken point must not end the sweep
        return Answer(outcome=Outcome.FAILED, reason=f"bug in elasticdf: {error!r:.300}")
    return Answer(outcome=Outcome.PLANNED, plan=plan.to_json())


def settle(point: Point, model: Model, settings: Settings) -> Settled | None:
    """Search once for all points that differ from this one in their clock only.

    A point's answer is the same whichever other clocks are swept. None where each of them is to be
    searched by itself, which then says what is wrong.
    """
    try:
        return flow.settle_counted(*_request(point, model, settings))
    except Exception:  # noqa: BLE001 - the points will say it
        return None


def _request(
    point: Point, model: Model, settings: Settings
) -> tuple[PartitionOptions, Network, dict[object, Any]]:
    options = PartitionOptions(
        model=model.name,
        target=point.target,
        output=Path(),
        mode=point.mode,
        clock_hz=point.clock_hz,
        frames_per_second=point.frames_per_second,
        costs=settings.costs,
        solver=settings.solver,
        time_limit_seconds=settings.time_limit_seconds,
        seed=settings.seed,
    )
    quirks = load_profile(settings.costs).exactly_finn
    return options, *_read(model.name, model.content, quirks=quirks)


@lru_cache(maxsize=2)
def _read(name: str, content: bytes, *, quirks: bool) -> tuple[Network, dict[object, Any]]:
    """Read a network once per process, with a memory for what its points share."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.onnx"
        path.write_bytes(content)
        return load_network(str(path), quirks=quirks, name=name), {}
