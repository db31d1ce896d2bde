"""The whole story in order: every command is one function here, and only here stages meet.

Functions take plain values or a frozen options record, and return records. Refuses to decide
anything: decisions live in the stages.
"""

from __future__ import annotations

import io
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from codegen.build_plan import BuildPlan, write_atomically
from codegen.bundle import pack
from codegen.bundle.emulation import emulation_binary
from codegen.bundle.host import emit_host
from codegen.bundle.loaders import for_loader, target_for
from codegen.deployment import deploy
from codegen.project.emit import ProjectOptions, project, refusals
from codegen.segments.emit import board_model, whole_model
from elasticdf import folding, frontend
from elasticdf.artifact.manifest import Loader
from elasticdf.artifact.opening import open_artifact
from elasticdf.costs.calibrate import Calibration
from elasticdf.costs.calibrate import calibrate as calibrate_costs
from elasticdf.costs.network import NetworkEstimate, estimate_network
from elasticdf.costs.profile import load_profile
from elasticdf.costs.profile_file import to_toml
from elasticdf.costs.reports import built_model, read_report
from elasticdf.errors import InfeasibleError, TimeLimitError, UserError
from elasticdf.frontend.external_weights import weights_of
from elasticdf.hardware.cluster import AutoTarget, Cluster, parse_target
from elasticdf.hardware.load import load_board
from elasticdf.ir import Graph
from elasticdf.layers.kind import fpga_part
from elasticdf.networks import (
    Network,
    fold_by_file,
    load_network,
    project_graph,
    with_external_weights,
)
from elasticdf.options import (
    CalibrateOptions,
    EstimateOptions,
    PackageOptions,
    PartitionOptions,
    SimulateOptions,
    build_options,
    check_tool,
    finn_steps,
    request,
)
from elasticdf.progress import Report, silent
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
    project_deployment,
    project_plan,
    read_json,
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
from partitioner import any_clock, exact, fifos, search
from partitioner.clock import Meter, stop_on_interrupt
from partitioner.latency import SIMULATED
from partitioner.placed import folded, hops_of
from partitioner.plan import Plan
from partitioner.request import Request
from partitioner.search import Settled
from partitioner.snapshot import load as load_snapshot
from partitioner.snapshot import to_json as snapshot_document
from partitioner.solution import Solution
from partitioner.solver import SolverOptions


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
        graph = folding.annotate_cycles(fold_by_file(graph, options.folding))
    elif options.frames_per_second is not None:
        report("folding")
        graph = folding.fold_for_cycles(graph, _cycles_per_frame(options))
    report("estimating")
    return estimate_network(
        graph,
        board=board.name,
        clock_hz=options.clock_hz,
        profile=profile,
        part=part,
    )


def _cycles_per_frame(options: EstimateOptions) -> int:
    rate = options.frames_per_second or 1
    if rate > options.clock_hz:
        raise UserError(
            f"{rate:g} frames per second are more than the {options.clock_hz} cycles that a second "
            "has; ask for fewer, or for a faster --clock"
        )
    return int(options.clock_hz / rate)


@dataclass(frozen=True, slots=True, kw_only=True)
class Partitioned:
    """A plan and where its project is.

    Attributes:
        plan: As it stands in ``plan.json``.
        directory: Of the project.
        seconds: That planning took, which ``plan.json`` leaves out to be the same every time.
        refusals: Why real binaries of some boards cannot be built.
    """

    plan: Plan
    directory: Path
    seconds: float
    refusals: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the plan's document, with the time it took."""
        document = self.plan.to_json()
        document["certificate"]["seconds"] = self.seconds
        return document


def settle_counted(
    options: PartitionOptions, network: Network, memory: dict[object, Any]
) -> Settled | None:
    """Search once for requests that differ in their clock only; see `plan_counted`.

    Returns:
        None where nothing can be shared.

    Raises:
        UserError: The request cannot be understood.
    """
    return any_clock.settle(_counted(options, network, memory))


def plan_counted(
    options: PartitionOptions,
    network: Network,
    memory: dict[object, Any],
    settled: Settled | None = None,
) -> Plan:
    """Decide folding and placement of a network that was read; nothing is written.

    The time limit counts work, not wall time, so the answer is the same on every machine.

    Args:
        options: What is asked.
        network: As read; the same object for requests that share a memory.
        memory: Choices found by earlier requests.
        settled: What `settle_counted` found for this request at any clock. It is taken where the
            links carry it.

    Raises:
        UserError: The request cannot be understood.
        InfeasibleError: Proven impossible.
        TimeLimitError: No answer in time.
    """
    asked = _counted(options, network, memory)
    plan = None if settled is None else any_clock.plan(asked, settled)
    return search.plan(asked) if plan is None else plan


def _counted(options: PartitionOptions, network: Network, memory: dict[object, Any]) -> Request:
    asked = request(options, network.graph, parse_target(options.target), silent)
    return replace(asked, memory=memory, options=replace(asked.options, meter=Meter()))


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
    check_tool(target, options.tool)
    building = build_options(options.build_options)
    steps = finn_steps(options.finn_steps)
    network = with_external_weights(
        load_network(options.model, quirks=profile.exactly_finn), options.external_weights
    )
    digest = sha256(network.model)
    check_output(options.output, digest)
    asked = request(options, network.graph, target, report)
    start = time.perf_counter()
    try:
        with stop_on_interrupt() as stop:
            stoppable = replace(asked.options, stop=stop)
            plan, problem = fifos.plan_with_fifos(replace(asked, options=stoppable))
    except InfeasibleError as error:
        _leave_verdict(options.output, error)
        raise
    seconds = time.perf_counter() - start
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
        seconds=seconds,
        refusals=refusals(network.graph, plan, cluster, deployment),
    )


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
        UserError: The folder is no project or was edited, or its network lacks weights.
    """
    deployment = project_deployment(directory)
    report(f"reading {deployment.network}")
    graph = project_graph(directory)
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


def _write(path: Path, content: bytes) -> None:
    try:
        write_atomically(path, content)
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror}") from error


def package(options: PackageOptions) -> pack.Packaged:
    """Pack the binaries of a project.

    Raises:
        UserError: The folder is no built project, or the loader cannot do what the plan needs.
    """
    project_deployment(options.directory)
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
    weights = _own_weights(artifact)
    outputs, ran = run_artifact(
        artifact,
        frames,
        whole_model=whole,
        weights=weights,
        progress=lambda done, total: report(f"frame {done} of {total}"),
    )
    if output is not None:
        _save(output, outputs)
    return ran


def _unpartitioned(artifact: Path) -> bytes:
    """The network beside the archive, lowered again and whole; nothing of the binaries is used."""
    return whole_model(_network_of(artifact, "--check compares with"))


def _own_weights(artifact: Path) -> dict[str, NDArray[np.int8]]:
    """The network's own weights of layers that take theirs with every request."""
    manifest = open_artifact(artifact).manifest
    streams = manifest.deployment.host if manifest else ()
    layers = sorted({stream.weights for stream in streams if stream.weights is not None})
    if not layers:
        return {}
    graph = _network_of(artifact, f"the weights of {layers[0]} come from")
    return {layer: weights_of(graph, layer) for layer in layers}


def _network_of(artifact: Path, purpose: str) -> Graph:
    opened = open_artifact(artifact)
    path = opened.folder / NETWORK
    manifest = opened.manifest
    found = sha256(path.read_bytes()) if path.is_file() else None
    if manifest is None or found is None or found != manifest.network_sha256:
        raise UserError(
            f"{opened.folder} does not hold the {NETWORK} it was made from, which {purpose}; "
            "package it again from its project"
        )
    return frontend.load(path, name=manifest.deployment.network)


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
        copy, spans = slowest_copy(project_graph(directory), plan)
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
    return run_mlperf(
        artifact,
        frames,
        options,
        logs,
        whole_model=whole,
        sample_count=samples,
        weights=_own_weights(artifact),
    )


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
        graph = fold_by_file(load_network(model, part=part).graph, options.folding)
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
        graph = fold_by_file(load_network(options.what).graph, options.folding)
        report("simulating")
        return graph, {}, options.clock_hz
    plan = project_plan(directory)
    graph = folded(project_graph(directory), plan, 0)
    report("simulating")
    return graph, hops_of(graph, plan, 0), plan.clock_hz
