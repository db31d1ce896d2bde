"""From a network to a plan and a build project, and from a saved problem to its solution."""

from __future__ import annotations

import shutil
import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path

from elasticdf import flow
from elasticdf.artifact.manifest import Loader
from elasticdf.commands.arguments import (
    add_clock_and_costs,
    add_loader,
    add_model,
    add_solver,
    anchor,
    existing_file,
    frames_per_second,
    limit,
    loader_of,
    replicas,
    together,
)
from elasticdf.commands.command import Command, CommandResult
from elasticdf.errors import InfeasibleError
from elasticdf.options import PartitionOptions
from elasticdf.progress import Report
from elasticdf.report.floorplan import floorplan
from partitioner.fifos import charges
from partitioner.plan import Mode, Outcome
from partitioner.solution import Solution
from partitioner.solver import SolverOptions


def _partition_arguments(parser: ArgumentParser) -> None:
    add_model(parser)
    parser.add_argument(
        "--target",
        required=True,
        help="u250, 2xu280, 2xu280+1xu50, autoxu280 (as few as meet --fps), or a cluster file",
    )
    parser.add_argument(
        "-o", "--output", required=True, type=Path, metavar="DIR", help="the project folder"
    )
    parser.add_argument(
        "--mode",
        choices=[mode.value for mode in Mode],
        default=Mode.TRANSPARENT.value,
        help="dp: whole copies per board; tmp: copies over links, start and end on one board; "
        "hw: over links, start and end anywhere; sw: the host copies between boards (default tmp)",
    )
    rate = parser.add_mutually_exclusive_group()
    rate.add_argument(
        "--fps",
        type=frames_per_second,
        default=None,
        metavar="N|max",
        help="at least N frames per second at the least cost, or the most (default max)",
    )
    rate.add_argument(
        "--as-is", action="store_true", help="keep the folding that the graph carries"
    )
    parser.add_argument(
        "--replicas",
        type=replicas,
        default=None,
        metavar="N|auto",
        help="how many copies of the network (default auto)",
    )
    parser.add_argument(
        "--folding",
        type=existing_file,
        metavar="FILE",
        help="keep the folding that FINN's folding JSON gives",
    )
    add_clock_and_costs(parser, costs="calibrated")
    parser.add_argument(
        "--anchor",
        type=anchor,
        action="append",
        default=[],
        metavar="LAYER=BOARD[.DIE]",
        help="put a layer on board 0, 1, ... or on its die, as in MVAU_hls_0=1.SLR0; repeatable",
    )
    parser.add_argument(
        "--together",
        type=together,
        action="append",
        default=[],
        metavar="LAYER,LAYER",
        help="keep layers on one die; repeatable",
    )
    parser.add_argument(
        "--linear-cuts", action="store_true", help="cut only where the network is one chain"
    )
    parser.add_argument(
        "--no-variants", action="store_true", help="leave the implementation of every layer to FINN"
    )
    parser.add_argument(
        "--external-weights",
        action="append",
        default=[],
        metavar="LAYER",
        help="take the layer's weights with every request, as an int8 array; repeatable",
    )
    parser.add_argument(
        "--limit",
        type=limit,
        action="append",
        default=[],
        metavar="RESOURCE=FRACTION",
        help="use at most this part of every die, above 0 to 1; RESOURCE: lut, ff, bram18, uram, "
        "dsp, or mean of the last three; repeatable (default: the board's)",
    )
    parser.add_argument(
        "--objective",
        choices=("throughput", "latency"),
        default="throughput",
        help="what comes first (default throughput)",
    )
    add_solver(parser)
    parser.add_argument("--snapshot", type=Path, metavar="FILE", help="save the problem as JSON")
    parser.add_argument(
        "--finn-steps", type=existing_file, metavar="FILE", help="Python file with FINN build steps"
    )
    add_loader(parser, Loader.ELASTICDF)
    parser.add_argument(
        "--tool",
        metavar="RELEASE",
        help="Vitis release to link with, such as 2022.2; decides the shells "
        "(default: the newest that a board has a shell for)",
    )
    parser.add_argument(
        "--build-options",
        type=existing_file,
        metavar="FILE",
        help="TOML file: addresses, error correction, clocks, v++ and FIFO choices",
    )


def _partition(options: Namespace, report: Report) -> CommandResult:
    request = PartitionOptions(
        model=options.model,
        target=options.target,
        output=options.output,
        mode=Mode(options.mode),
        frames_per_second=options.fps,
        as_is=options.as_is,
        replicas=options.replicas,
        folding=options.folding,
        clock_hz=options.clock,
        costs=options.costs,
        anchors=tuple(options.anchor),
        together=tuple(options.together),
        linear_cuts=options.linear_cuts,
        variants=not options.no_variants,
        limits=tuple(options.limit),
        objective=options.objective,
        solver=options.solver,
        time_limit_seconds=options.time_limit,
        seed=options.seed,
        snapshot=options.snapshot,
        finn_steps=options.finn_steps,
        tool=options.tool,
        build_options=options.build_options,
        loader=loader_of(options) or Loader.ELASTICDF,
        external_weights=tuple(options.external_weights),
    )
    result = flow.partition(request, report)
    text = _summary(result)
    if sys.stdout.isatty():
        text = f"{floorplan(result.plan, shutil.get_terminal_size().columns)}\n{text}"
    return CommandResult(document=result.to_json(), text=text)


def _summary(result: flow.Partitioned) -> str:
    """Return what a person wants to know first."""
    plan = result.plan
    proof, crossings = plan.certificate.throughput, plan.certificate.crossing_cost
    lines = [
        f"{plan.network}: {plan.frames_per_second:.1f} frames per second, "
        f"{_counted(plan.replicas, 'replica')} on {_counted(len(plan.boards), 'board')}, "
        f"mode {plan.mode}, {plan.clock_hz / 1e6:.0f} MHz",
        f"{plan.certificate.outcome}: at most {proof.bound:.1f} frames per second are possible "
        f"(gap {proof.gap:.1%}), crossings cost {crossings.value:g} (at least {crossings.bound:g})",
        f"planned in {result.seconds:.1f} s with {plan.certificate.solver}",
        *charges.to_text(plan),
        *(f"assumed: {note}" for note in plan.notes),
        *(f"for emulation only: {reason}" for reason in result.refusals),
        f"project in {result.directory}",
    ]
    return "\n".join(lines)


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _solve_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "snapshot",
        type=existing_file,
        metavar="SNAPSHOT",
        help="what `partition --snapshot` saved, or a partition-instance/1 file",
    )
    add_solver(parser)


def _solve(options: Namespace, report: Report) -> CommandResult:
    report(f"solving {options.snapshot.name}")
    solver = SolverOptions(solver=options.solver, time_limit=options.time_limit, seed=options.seed)
    solution = flow.solve(options.snapshot, solver)
    infeasible = solution.outcome is Outcome.INFEASIBLE
    return CommandResult(
        document=solution.to_json(),
        text=_words(solution),
        exit_code=InfeasibleError.exit_code if infeasible else 0,
    )


def _words(solution: Solution) -> str:
    if solution.cost is None:
        return f"infeasible, proven in {solution.seconds:.1f} s with {solution.solver}"
    return (
        f"{solution.outcome}: crossings cost {solution.cost.value:g}, "
        f"at least {solution.cost.bound:g} (gap {solution.cost.gap:.1%}), "
        f"{solution.seconds:.1f} s with {solution.solver}"
    )


PARTITION = Command(arguments=_partition_arguments, run=_partition)
SOLVE = Command(arguments=_solve_arguments, run=_solve)
