"""From a network to a plan and its build project, and from a saved problem to its solution."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from codegen.build_plan import BuildPlan
from codegen.bundle.host import emit_host
from codegen.bundle.loaders import for_loader, target_for
from codegen.deployment import deploy
from codegen.project.emit import ProjectOptions, project, refusals
from elasticdf.costs.profile import load_profile
from elasticdf.documents import json_bytes
from elasticdf.errors import InfeasibleError, TimeLimitError
from elasticdf.files import write_file
from elasticdf.hardware.cluster import AutoTarget, Cluster, parse_target
from elasticdf.networks import Network, load_network, with_external_weights
from elasticdf.options import PartitionOptions, build_options, check_tool, finn_steps, request
from elasticdf.progress import Report, silent
from elasticdf.rundir import (
    DEPLOYMENT,
    MANIFEST,
    NETWORK,
    PLAN,
    Provenance,
    check_output,
    sha256,
    write_project,
)
from partitioner import any_clock, exact, search
from partitioner.clock import Meter, stop_on_interrupt
from partitioner.fifos import fitting
from partitioner.plan import Plan
from partitioner.request import Request
from partitioner.search import Settled
from partitioner.snapshot import load as load_snapshot
from partitioner.snapshot import to_json as snapshot_document
from partitioner.solution import Solution
from partitioner.solver import SolverOptions


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

    Of plans with the highest rate any is taken, whatever its latency.
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
    return search.searched(asked).plan()[0] if plan is None else plan


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
    emission = ProjectOptions(
        link=building.link,
        finn_steps=finn_steps(options.finn_steps),
        fifo_depths=building.finn.fifo_depths,
    )
    network = with_external_weights(
        load_network(options.model, quirks=profile.exactly_finn), options.external_weights
    )
    digest = sha256(network.model)
    check_output(options.output, digest)
    start = time.perf_counter()
    plan = _planned(options, request(options, network.graph, target, report))
    seconds = time.perf_counter() - start
    report("writing the project")
    cluster = _planned_cluster(target, plan)
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


def _planned(options: PartitionOptions, asked: Request) -> Plan:
    """Return the plan; what was solved and why there is none are written where they belong."""
    try:
        with stop_on_interrupt() as stop:
            stoppable = replace(asked.options, stop=stop)
            plan, problem = fitting.plan_with_fifos(replace(asked, options=stoppable))
    except InfeasibleError as error:
        _leave_verdict(options.output, error)
        raise
    if options.snapshot is not None:
        write_file(options.snapshot, json_bytes(snapshot_document(problem)))
    return plan


def _planned_cluster(target: Cluster | AutoTarget, plan: Plan) -> Cluster:
    return target.cluster(len(plan.boards)) if isinstance(target, AutoTarget) else target


def _leave_verdict(folder: Path, error: InfeasibleError) -> None:
    """Write the explanation as plan.json, unless the folder holds a project that could be built."""
    if error.explanation and not (folder / MANIFEST).exists():
        BuildPlan({PLAN: json_bytes(error.explanation)}).write(folder)


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
