"""The whole story in order: every command is one function here, and only here stages meet.

Functions take plain values or a frozen options record, and return records. Refuses to decide
anything: decisions live in the stages.
"""

from __future__ import annotations

import io
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import models
from codegen.build_plan import BuildPlan, write_atomically
from codegen.bundle import pack
from codegen.bundle.emulation import emulation_binary
from codegen.bundle.host import emit_host
from codegen.bundle.loaders import for_loader, target_for
from codegen.deployment import deploy
from codegen.finn.structure import check_user_steps
from codegen.options import BuildOptions, read_build_options
from codegen.project.emit import ProjectOptions, project, refusals
from codegen.segments.emit import board_model, whole_model
from elasticdf import folding, frontend
from elasticdf.artifact.deployment import Deployment
from elasticdf.artifact.manifest import Loader
from elasticdf.artifact.opening import open_artifact
from elasticdf.costs.calibrate import Calibration
from elasticdf.costs.calibrate import calibrate as calibrate_costs
from elasticdf.costs.network import NetworkEstimate, estimate_network
from elasticdf.costs.profile import load_profile
from elasticdf.costs.profile_file import to_toml
from elasticdf.costs.reports import built_model, read_report
from elasticdf.errors import InfeasibleError, TimeLimitError, UserError
from elasticdf.hardware.cluster import AutoTarget, Cluster, parse_target
from elasticdf.hardware.load import load_board
from elasticdf.ir import Graph
from elasticdf.layers.kind import FpgaPart, fpga_part
from elasticdf.progress import Report, silent
from elasticdf.records import encode
from elasticdf.report.page import page, write_page
from elasticdf.report.reading import read_plan_report
from elasticdf.report.record import PlanReport, with_timeline
from elasticdf.report.timeline import slowest_copy
from elasticdf.rundir import (
    DEPLOYMENT,
    MANIFEST,
    NETWORK,
    PLAN,
    Provenance,
    check_output,
    json_bytes,
    read_json,
    require_project,
    sha256,
    write_project,
)
from elasticdf.runtime.mlperf.benchmark import MlperfOptions, MlperfReport, run_mlperf
from elasticdf.runtime.run import RunReport, read_input, run_artifact
from elasticdf.simulation import (
    Hop,
    SimulationResult,
    size_fifos,
    sized_streams,
    trace_document,
)
from elasticdf.simulation import simulate as simulate_graph
from partitioner import exact, fifos, search
from partitioner.clock import Meter, stop_on_interrupt
from partitioner.consistent import read_plan
from partitioner.latency import SIMULATED
from partitioner.placed import folded, hops_of
from partitioner.plan import Mode, Plan
from partitioner.request import Anchor, Objective, Request
from partitioner.snapshot import load as load_snapshot
from partitioner.snapshot import to_json as snapshot_document
from partitioner.solution import Solution
from partitioner.solver import SolverOptions

ZOO = "zoo:"
_FINN = "finn"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Network:
    """A network as read.

    Attributes:
        graph: In hardware layers.
        model: The ONNX file's content.
    """

    graph: Graph
    model: bytes


def load_network(
    model: str,
    *,
    quirks: bool = False,
    name: str | None = None,
    part: FpgaPart = frontend.ANY_PART,
) -> Network:
    """Read a network.

    Args:
        model: Path of an ONNX file, or ``zoo:NAME``.
        quirks: Follow FINN's known bugs, for cost profile ``finn``.
        name: Of the network; the file's stem by default.
        part: Decides which layers FINN would write in RTL.

    Raises:
        UserError: There is no such network, or it cannot become hardware.
    """
    if not model.startswith(ZOO):
        return _load_file(Path(model), name, quirks=quirks, part=part)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{model.removeprefix(ZOO)}.onnx"
        models.export(model.removeprefix(ZOO), path)
        return _load_file(path, name, quirks=quirks, part=part)


def _load_file(path: Path, name: str | None, *, quirks: bool, part: FpgaPart) -> Network:
    model, graph = frontend.load_with_model(path, name=name, quirks=quirks, part=part)
    return Network(graph=graph, model=model)


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


def estimate(options: EstimateOptions, report: Report) -> NetworkEstimate:
    """Return cycles and resources of every layer.

    Raises:
        UserError: The network, board, profile or folding cannot be used.
    """
    profile = load_profile(options.costs)
    board = load_board(options.board)
    report(f"reading {options.model}")
    part = fpga_part(board.part)
    graph = load_network(options.model, quirks=profile.exactly_finn, part=part).graph
    if options.folding is not None:
        graph = folding.annotate_cycles(folding.apply_folding(graph, read_json(options.folding)))
    elif options.frames_per_second is not None:
        report("folding")
        cycles = int(options.clock_hz / options.frames_per_second)
        graph = folding.fold_for_cycles(graph, cycles)
    report("estimating")
    return estimate_network(
        graph,
        board=board.name,
        clock_hz=options.clock_hz,
        profile=profile,
        part=part,
    )


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

    def to_json(self) -> dict[str, Any]:
        """Return what decides the plan, without the folders of this machine."""
        document: dict[str, Any] = encode(self)
        for name in ("output", "snapshot"):
            del document[name]
        for name in ("model", "folding", "finn_steps", "target", "build_options"):
            if isinstance(document[name], str | Path) and not str(document[name]).startswith(ZOO):
                document[name] = Path(document[name]).name
        return document


@dataclass(frozen=True, slots=True, kw_only=True)
class Partitioned:
    """A plan and where its project is.

    Attributes:
        plan: As it stands in ``plan.json``.
        directory: Of the project.
        refusals: Why real binaries of some boards cannot be built.
    """

    plan: Plan
    directory: Path
    refusals: tuple[str, ...] = ()

    def to_text(self) -> str:
        """Return what a person wants to know first."""
        plan = self.plan
        proof = plan.certificate.throughput
        lines = [
            f"{plan.network}: {plan.frames_per_second:.1f} frames per second, "
            f"{plan.replicas} x {len(plan.boards)} board(s), mode {plan.mode}, "
            f"{plan.clock_hz / 1e6:.0f} MHz",
            f"{plan.certificate.outcome}: at most {proof.bound:.1f} frames per second are possible "
            f"(gap {proof.gap:.1%}), crossings cost {plan.certificate.crossing_cost.value:g} "
            f"(at least {plan.certificate.crossing_cost.bound:g})",
            *fifos.to_text(plan),
            *(f"assumed: {note}" for note in plan.notes),
            *(f"for emulation only: {reason}" for reason in self.refusals),
            f"project in {self.directory}",
        ]
        return "\n".join(lines)


def plan_counted(options: PartitionOptions, network: Network, memory: dict[object, Any]) -> Plan:
    """Decide folding and placement of a network that was read; nothing is written.

    The time limit counts work, not wall time, so the answer is the same on every machine.

    Args:
        options: What is asked.
        network: As read; the same object for requests that share a memory.
        memory: Choices found by earlier requests.

    Raises:
        UserError: The request cannot be understood.
        InfeasibleError: Proven impossible.
        TimeLimitError: No answer in time.
    """
    request = _request(options, network.graph, parse_target(options.target), silent)
    counted = replace(request.options, meter=Meter())
    return search.plan(replace(request, memory=memory, options=counted))


def partition(options: PartitionOptions, report: Report) -> Partitioned:
    """Decide folding and placement, and write the build project.

    Raises:
        UserError: The request cannot be understood or the output cannot be written.
        InfeasibleError: Proven impossible; ``plan.json`` with the explanation is left behind.
        TimeLimitError: No answer in time.
    """
    target = target_for(options.target, options.loader, options.mode)
    report(f"reading {options.model}")
    profile = load_profile(options.costs)
    _check_tool(target, options.tool)
    building = _build_options(options.build_options)
    steps = _finn_steps(options.finn_steps)
    network = load_network(options.model, quirks=profile.exactly_finn)
    digest = sha256(network.model)
    check_output(options.output, digest)
    request = _request(options, network.graph, target, report)
    try:
        with stop_on_interrupt() as stop:
            stoppable = replace(request.options, stop=stop)
            plan, problem = fifos.plan_with_fifos(replace(request, options=stoppable))
    except InfeasibleError as error:
        _leave_verdict(options.output, error)
        raise
    if options.snapshot is not None:
        _write(options.snapshot, json_bytes(snapshot_document(problem)))
    report("writing the project")
    cluster = _planned_cluster(target, plan)
    emission = ProjectOptions(
        link=building.link,
        finn_steps=steps,
        fifo_depths=building.finn.fifo_depths,
    )
    deployment = for_loader(
        deploy(network.graph, plan, cluster, building.addressing, tool=options.tool),
        options.loader,
    )
    files = BuildPlan.merge(
        (
            project(network.graph, plan, cluster, deployment, network.model, emission),
            emit_host(network.graph),
            BuildPlan({NETWORK: network.model, DEPLOYMENT: json_bytes(deployment.to_json())}),
        )
    )
    provenance = Provenance(
        network=plan.network,
        network_sha256=digest,
        options={**options.to_json(), "build_options": building.to_json()},
        seed=options.seed,
    )
    manifest = BuildPlan({MANIFEST: provenance.manifest(files)})
    write_project(options.output, BuildPlan.merge((files, manifest)))
    return Partitioned(
        plan=plan,
        directory=options.output,
        refusals=refusals(network.graph, plan, cluster, deployment),
    )


def _request(
    options: PartitionOptions, graph: Graph, target: Cluster | AutoTarget, report: Report
) -> Request:
    if options.folding is not None:
        graph = folding.apply_folding(graph, read_json(options.folding))
    return Request(
        graph=graph,
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
        limits=dict(options.limits),
        objective=Objective(options.objective),
        costs=options.costs,
        through_boards=isinstance(target, Cluster) and target.routes_through,
        options=SolverOptions(
            solver=options.solver, time_limit=options.time_limit_seconds, seed=options.seed
        ),
        progress=report,
    )


def _check_tool(target: Cluster | AutoTarget, tool: str | None) -> None:
    boards = (target.board,) if isinstance(target, AutoTarget) else target.boards
    for board in boards if tool is not None else ():
        board.shell_for(tool or "")


def _finn_steps(path: Path | None) -> bytes | None:
    content = _optional_file(path)
    return None if content is None else check_user_steps(content, str(path))


def _build_options(path: Path | None) -> BuildOptions:
    content = _optional_file(path)
    return BuildOptions() if content is None else read_build_options(content, str(path))


def _optional_file(path: Path | None) -> bytes | None:
    if path is None:
        return None
    try:
        return path.read_bytes()
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from error


def _planned_cluster(target: Cluster | AutoTarget, plan: Plan) -> Cluster:
    return target.cluster(len(plan.boards)) if isinstance(target, AutoTarget) else target


def _leave_verdict(folder: Path, error: InfeasibleError) -> None:
    """Write the explanation as plan.json, unless the folder holds a project that could be built."""
    if error.explanation and not (folder / MANIFEST).exists():
        BuildPlan({PLAN: json_bytes(error.explanation)}).write(folder)


def build_emulated(
    directory: Path, report: Report, loader: Loader | None = None
) -> tuple[Path, ...]:
    """Write the emulation binary of every board of a project and return their paths.

    Args:
        directory: Of the project.
        report: Takes what is being done.
        loader: Who will set up the network layer, which decides where its registers are; None
            for the one the project was partitioned for.

    Raises:
        UserError: The folder is no project, or its network lacks weights.
    """
    require_project(directory)
    deployment = Deployment.from_json(
        read_json(directory / DEPLOYMENT), str(directory / DEPLOYMENT)
    )
    report(f"reading {deployment.network}")
    graph = _project_graph(directory)
    meant = loader or _project_loader(directory)
    paths = []
    for deployed in deployment.boards:
        segments = {}
        for kernel in deployment.kernels_of(deployed.id):
            report(f"board {deployed.id}: {kernel.name}")
            segments[kernel.name] = board_model(graph, kernel.layers)
        binary = emulation_binary(
            deployment,
            deployed.id,
            segments,
            load_board(deployed.board),
            network_release="original" if meant is Loader.ORIGINAL else "current",
        )
        path = directory / f"board{deployed.id}" / deployed.binary
        _write(path, binary)
        paths.append(path)
    return tuple(paths)


def _project_loader(directory: Path) -> Loader:
    """Return the loader a project was partitioned for."""
    options = read_json(directory / MANIFEST).get("options", {})
    return Loader(options.get("loader", Loader.ELASTICDF))


def _project_graph(directory: Path) -> Graph:
    manifest = read_json(directory / MANIFEST)
    quirks = manifest.get("options", {}).get("costs") == _FINN
    name = manifest.get("network")
    return load_network(str(directory / NETWORK), quirks=quirks, name=name).graph


def _write(path: Path, content: bytes) -> None:
    try:
        write_atomically(path, content)
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror}") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageOptions:
    """A request for an artifact; None takes the packer's default, or the project's loader."""

    directory: Path
    output: Path | None = None
    loader: Loader | None = None
    bitstream_id: str | None = None
    version: str | None = None


def package(options: PackageOptions) -> pack.Packaged:
    """Pack the binaries of a project.

    Raises:
        UserError: The folder is no built project, or the loader cannot do what the plan needs.
    """
    require_project(options.directory)
    labels = pack.Labels(version=options.version)
    if options.bitstream_id is not None:
        labels = pack.Labels(bitstream_id=options.bitstream_id, version=options.version)
    return pack.package(
        options.directory,
        options.output,
        loader=options.loader or _project_loader(options.directory),
        labels=labels,
    )


def run(
    artifact: Path, *, inputs: Path, output: Path | None, check: bool, report: Report
) -> RunReport:
    """Run an artifact on emulated boards.

    Raises:
        UserError: The artifact or the input cannot be used, or the output cannot be written.
        InternalError: The check found a difference.
    """
    frames = read_input(inputs)
    report("starting the boards")
    whole = _unpartitioned(artifact) if check else None
    outputs, ran = run_artifact(
        artifact,
        frames,
        whole_model=whole,
        progress=lambda done, total: report(f"frame {done} of {total}"),
    )
    if output is not None:
        _save(output, outputs)
    return ran


def _unpartitioned(artifact: Path) -> bytes:
    """The network beside the archive, lowered again and whole; nothing of the binaries is used."""
    opened = open_artifact(artifact)
    path = opened.folder / NETWORK
    manifest = opened.manifest
    found = sha256(path.read_bytes()) if path.is_file() else None
    if manifest is None or found is None or found != manifest.network_sha256:
        raise UserError(
            f"{opened.folder} does not hold the {NETWORK} it was made from, which --check compares "
            "with; package it again from its project"
        )
    return whole_model(frontend.load(path, name=manifest.deployment.network))


def _save(path: Path, outputs: NDArray[np.generic]) -> None:
    buffer = io.BytesIO()
    np.save(buffer, outputs, allow_pickle=False)
    _write(path, buffer.getvalue())


def solve(snapshot: Path, options: SolverOptions) -> Solution:
    """Solve a saved problem: ours, or a ``partition-instance/1`` file.

    Raises:
        UserError: The file holds no problem.
        TimeLimitError: No answer in time.
    """
    with stop_on_interrupt() as stop:
        solution = exact.solve(load_snapshot(snapshot), replace(options, stop=stop))
    if solution.outcome is None:
        raise TimeLimitError(
            f"{snapshot.name}: no answer in {options.time_limit:g} s; raise --time-limit"
        )
    return solution


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
    write_page(page(record), output)
    return record


def _with_timeline(record: PlanReport, plan: Plan, directory: Path) -> PlanReport:
    """Simulate a frame, where the folder holds the network and every layer has a rule."""
    if not (directory / NETWORK).is_file() or not (directory / MANIFEST).is_file():
        return with_timeline(record, (), f"not simulated: {directory.name} holds no network")
    try:
        copy, spans = slowest_copy(_project_graph(directory), plan)
    except UserError as error:
        return with_timeline(record, (), f"not simulated: {error}")
    return with_timeline(record, spans, SIMULATED, copy=copy)


def mlperf(
    artifact: Path, options: MlperfOptions, *, inputs: Path | None, samples: int, logs: Path
) -> MlperfReport:
    """Run LoadGen against an artifact; in accuracy mode compare with the whole network.

    Raises:
        UserError: LoadGen or the client is not installed, or the artifact cannot be used.
    """
    frames = None if inputs is None else read_input(inputs)
    whole = _unpartitioned(artifact) if options.accuracy else None
    return run_mlperf(artifact, frames, options, logs, whole_model=whole, sample_count=samples)


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


def calibrate(options: CalibrateOptions) -> Calibration:
    """Correct a cost profile by what builds took and write the new one.

    Raises:
        UserError: A report cannot be read or does not belong to the model.
    """
    part = fpga_part(load_board(options.board).part)
    base = load_profile(options.base)
    builds = []
    for path in options.reports:
        model = options.model or str(built_model(path))
        graph = load_network(model, part=part).graph
        if options.folding is not None:
            graph = folding.apply_folding(graph, read_json(options.folding))
        builds.append((graph, read_report(path)))
    result = calibrate_costs(
        builds,
        base=base,
        part=part,
        name=options.output.stem,
        origin={"source": ", ".join(path.name for path in options.reports), "part": part.name},
    )
    _write(options.output, to_toml(result.profile, base).encode())
    return result


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulateOptions:
    """A request for a simulation of a project folder or a network."""

    what: str
    folding: Path | None
    clock_hz: int
    size_fifos: bool
    fifo_depth: int | None
    trace: Path | None


def simulate(options: SimulateOptions, report: Report) -> SimulationResult:
    """Return what the network does on the board; of a project, its first replica in place.

    Raises:
        UserError: There is no such project or network, or its folding is illegal.
    """
    graph, hops, clock_hz = _simulated(options, report)
    depths = _fifo_depths(graph, hops, options)
    result = simulate_graph(graph, clock_hz=clock_hz, placement=hops, depths=depths)
    if options.trace is not None:
        _write(options.trace, json_bytes(trace_document(result)))
    return result


def _fifo_depths(
    graph: Graph, hops: Mapping[str, tuple[Hop, ...]], options: SimulateOptions
) -> dict[str, int] | None:
    if options.fifo_depth is not None:
        return dict.fromkeys(sized_streams(graph), options.fifo_depth)
    return size_fifos(graph, hops=hops) if options.size_fifos else None


def _simulated(
    options: SimulateOptions, report: Report
) -> tuple[Graph, dict[str, tuple[Hop, ...]], int]:
    directory = Path(options.what)
    if not directory.is_dir():
        graph = load_network(options.what).graph
        if options.folding is not None:
            graph = folding.apply_folding(graph, read_json(options.folding))
        report("simulating")
        return graph, {}, options.clock_hz
    require_project(directory)
    plan = read_plan(read_json(directory / PLAN), str(directory / PLAN))
    graph = folded(_project_graph(directory), plan, 0)
    report("simulating")
    return graph, hops_of(graph, plan, 0), plan.clock_hz
