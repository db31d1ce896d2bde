"""Many plans of one network: what one more board, another mode or another clock would buy."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path

from elasticdf.commands.arguments import (
    add_model,
    add_solver,
    as_argument,
    frames_per_second,
    whole_number,
)
from elasticdf.commands.command import Command, CommandResult
from elasticdf.explore.engine import Engine
from elasticdf.explore.grid import Point, grid, read_clocks, read_modes, read_targets
from elasticdf.explore.result import Exploration, Row
from elasticdf.explore.solve import Answer, Settings
from elasticdf.explore.sweep import PAGE, Sweep, Told, explore
from elasticdf.progress import Report
from elasticdf.table import table

_BAR = 30


def _arguments(parser: ArgumentParser) -> None:
    add_model(parser)
    parser.add_argument(
        "--targets",
        required=True,
        type=as_argument(read_targets),
        metavar="LIST",
        help="targets such as 1..4xu280,u250,2xu50",
    )
    parser.add_argument(
        "--modes",
        type=as_argument(read_modes),
        default="tmp",
        metavar="LIST|all",
        help="of dp, hw, tmp, sw (default tmp)",
    )
    parser.add_argument(
        "--clock",
        type=as_argument(read_clocks),
        default="200MHz",
        metavar="LIST",
        help="150..300MHz (steps of 50 MHz), 150..300MHz:25MHz or 200MHz,250MHz (default 200MHz)",
    )
    parser.add_argument(
        "--fps",
        type=_rates,
        default="max",
        metavar="N|max[,N...]",
        help="frames per second, each a sweep of its own (default max)",
    )
    parser.add_argument(
        "--costs",
        default="calibrated",
        metavar="PROFILE",
        help="finn, corrected, calibrated, or a profile file (default calibrated)",
    )
    add_solver(parser, limits="counted work per point, the same on every machine")
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "--workers",
        type=whole_number,
        metavar="N",
        help="local processes, one per core by default; 0: in this one",
    )
    where.add_argument(
        "--scheduler", metavar="ADDRESS", help="work on a running Dask scheduler instead"
    )
    parser.add_argument(
        "-o",
        "--output",
        required=True,
        type=Path,
        metavar="DIR",
        help="results and page; goes on from what is there",
    )


def _rates(text: str) -> tuple[float | None, ...]:
    return tuple(frames_per_second(part.strip()) for part in text.split(","))


def _run(options: Namespace, report: Report) -> CommandResult:
    report(f"reading {options.model}")
    sweep = Sweep(
        model=options.model,
        points=grid(options.targets, options.modes, options.clock, options.fps),
        output=options.output,
        settings=Settings(
            costs=options.costs,
            solver=options.solver,
            time_limit_seconds=options.time_limit,
            seed=options.seed,
        ),
        engine=Engine(workers=options.workers, scheduler=options.scheduler),
    )
    try:
        result = explore(sweep, _teller(report, quiet=options.quiet))
    except KeyboardInterrupt as stop:
        stop.add_note(f"the same command goes on from what {options.output} holds")
        raise
    return CommandResult(document=result.to_json(), text=_text(result, options.output))


def _teller(report: Report, *, quiet: bool) -> Told:
    """Return a bar for terminals, plain lines for pipes, nothing if quiet."""

    def told(done: int, total: int, point: Point, answer: Answer) -> None:
        words = f"{point.target} {point.mode} {point.clock_hz / 1e6:g} MHz: {answer.outcome}"
        if sys.stderr.isatty():
            full = _BAR * done // total
            report(f"[{'#' * full}{'.' * (_BAR - full)}] {done}/{total}  {words}")
        elif not quiet:
            sys.stderr.write(f"{done}/{total} {words}\n")

    return told


def _text(result: Exploration, output: Path) -> str:
    lines = [table(_COLUMNS, (_cells(row) for row in result.rows))]
    if result.best is not None:
        lines.append(f"fastest: {_name(result.rows[result.best])}")
    if result.knee is not None:
        lines.append(f"knee: {_name(result.rows[result.knee])}; beyond it boards buy less")
    return "\n".join((*lines, f"page: {output / PAGE}"))


_COLUMNS = ("no.", "target", "mode", "MHz", "outcome", "fps", "latency ms", "copies", "fullest")


def _cells(row: Row) -> tuple[object, ...]:
    asked = (row.number, row.point.target, row.point.mode.value, f"{row.point.clock_hz / 1e6:g}")
    if row.frames_per_second is None:
        return (*asked, row.outcome, "", "", "", "")
    return (
        *asked,
        row.outcome,
        f"{row.frames_per_second:.1f}",
        f"{1e3 * (row.latency_seconds or 0):.4g}",
        row.replicas,
        f"{row.fullest or 0:.0%} of {row.fullest_resource}",
    )


def _name(row: Row) -> str:
    return (
        f"{row.point.target}, {row.point.mode}, {row.point.clock_hz / 1e6:g} MHz, "
        f"{row.frames_per_second or 0:.1f} frames per second"
    )


EXPLORE = Command(arguments=_arguments, run=_run)
