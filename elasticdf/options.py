"""What is asked of a command, as frozen records, and the files that such a request names."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from codegen.finn.structure import check_user_steps
from codegen.options import BuildOptions, read_build_options
from elasticdf.artifact.manifest import Loader
from elasticdf.errors import UserError
from elasticdf.hardware.cluster import AutoTarget, Cluster
from elasticdf.ir import Graph
from elasticdf.networks import ZOO, fold_by_file
from elasticdf.progress import Report
from elasticdf.records import encode
from partitioner.plan import Mode
from partitioner.request import Anchor, Objective, Request
from partitioner.solver import SolverOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class EstimateOptions:
    """A request for an estimate; without rate, folding or as_is the graph's own folding counts."""

    model: str
    board: str
    clock_hz: int
    costs: str
    frames_per_second: float | None = None
    folding: Path | None = None
    as_is: bool = False


_RARE = ("external_weights",)
"""Not stated where nobody asks for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionOptions:
    """A request for a plan and its project; the fields are the options of ``partition``."""

    model: str
    target: str
    output: Path
    mode: Mode = Mode.TRANSPARENT
    frames_per_second: float | None = None
    as_is: bool = False
    replicas: int | None = None
    folding: Path | None = None
    clock_hz: int = 200_000_000
    costs: str = "calibrated"
    anchors: tuple[tuple[str, int, str | None], ...] = ()
    together: tuple[tuple[str, ...], ...] = ()
    linear_cuts: bool = False
    variants: bool = True
    limits: tuple[tuple[str, float], ...] = ()
    objective: str = "throughput"
    solver: str = "highs"
    time_limit_seconds: float = 60.0
    seed: int = 0
    snapshot: Path | None = None
    finn_steps: Path | None = None
    tool: str | None = None
    build_options: Path | None = None
    loader: Loader = Loader.ELASTICDF
    external_weights: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return what decides the plan, without the folders of this machine."""
        document: dict[str, Any] = encode(self)
        for name in ("output", "snapshot", *(() if self.external_weights else _RARE)):
            del document[name]
        for name in ("model", "folding", "finn_steps", "target", "build_options"):
            if isinstance(document[name], str | Path) and not str(document[name]).startswith(ZOO):
                document[name] = Path(document[name]).name
        return document


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageOptions:
    """A request for an artifact; None takes the packer's default, or the project's loader."""

    directory: Path
    output: Path | None = None
    loader: Loader | None = None
    bitstream_id: str | None = None
    version: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrateOptions:
    """A request to correct a cost profile by reports of builds.

    Without a model, each report's own is taken from the FINN output folder it lies in.
    """

    reports: tuple[Path, ...]
    output: Path
    model: str | None
    folding: Path | None
    board: str
    base: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulateOptions:
    """A request for a simulation of a project folder or a network."""

    what: str
    folding: Path | None
    clock_hz: int
    size_fifos: bool
    fifo_depth: int | None
    trace: Path | None


def request(
    options: PartitionOptions, graph: Graph, target: Cluster | AutoTarget, report: Report
) -> Request:
    """Return the request for a plan of a network.

    Raises:
        UserError: The folding file cannot be used, or limits contradict each other.
    """
    return Request(
        graph=fold_by_file(graph, options.folding),
        target=target,
        mode=options.mode,
        clock_hz=options.clock_hz,
        fps=options.frames_per_second,
        as_is=options.as_is or options.folding is not None,
        replicas=options.replicas,
        anchors=tuple(Anchor(layer=a[0], board=a[1], die=a[2]) for a in options.anchors),
        together=options.together,
        linear_cuts=options.linear_cuts,
        variants=options.variants,
        limits=_limits(options.limits),
        objective=Objective(options.objective),
        costs=options.costs,
        through_boards=isinstance(target, Cluster) and target.routes_through,
        options=SolverOptions(
            solver=options.solver, time_limit=options.time_limit_seconds, seed=options.seed
        ),
        progress=report,
    )


def _limits(given: tuple[tuple[str, float], ...]) -> dict[str, float]:
    limits: dict[str, float] = {}
    for name, fraction in given:
        if limits.setdefault(name, fraction) != fraction:
            raise UserError(
                f"--limit {name} is given as {limits[name]:g} and as {fraction:g}; give it once"
            )
    return limits


def check_tool(target: Cluster | AutoTarget, tool: str | None) -> None:
    """Check that every board has a shell for a Vitis release; None takes the newest.

    Raises:
        UserError: One has none.
    """
    boards = (target.board,) if isinstance(target, AutoTarget) else target.boards
    for board in boards if tool is not None else ():
        board.shell_for(tool or "")


def finn_steps(path: Path | None) -> bytes | None:
    """Return the user's build steps.

    Raises:
        UserError: The file cannot be read or defines none.
    """
    content = _optional_file(path)
    return None if content is None else check_user_steps(content, str(path))


def build_options(path: Path | None) -> BuildOptions:
    """Return the user's choices for building.

    Raises:
        UserError: The file cannot be read or is wrong.
    """
    content = _optional_file(path)
    return BuildOptions() if content is None else read_build_options(content, str(path))


def _optional_file(path: Path | None) -> bytes | None:
    if path is None:
        return None
    try:
        return path.read_bytes()
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from error
