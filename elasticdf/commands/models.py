"""What a network costs, layer by layer, and how to learn costs from one's own builds."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any

from elasticdf import flow
from elasticdf.commands.arguments import (
    add_clock_and_costs,
    add_model,
    existing_file,
    frame_rate,
)
from elasticdf.commands.command import Command, CommandResult
from elasticdf.commands.estimate_table import estimate_table
from elasticdf.costs.calibrate import Calibration
from elasticdf.hardware.load import default_board
from elasticdf.options import CalibrateOptions, EstimateOptions
from elasticdf.progress import Report
from elasticdf.records import encode
from elasticdf.table import table


def _estimate_arguments(parser: ArgumentParser) -> None:
    add_model(parser)
    parser.add_argument(
        "--board", default=default_board(), help="whose FPGA part decides (default %(default)s)"
    )
    add_clock_and_costs(parser, costs="calibrated")
    folding = parser.add_mutually_exclusive_group()
    folding.add_argument(
        "--fps", type=frame_rate, metavar="N", help="fold for at least N frames per second"
    )
    folding.add_argument(
        "--folding", type=existing_file, metavar="FILE", help="fold as FINN's folding JSON says"
    )
    folding.add_argument(
        "--as-is", action="store_true", help="keep the graph's own folding (the default)"
    )


def _estimate(options: Namespace, report: Report) -> CommandResult:
    result = flow.estimate(
        EstimateOptions(
            model=options.model,
            board=options.board,
            clock_hz=options.clock,
            costs=options.costs,
            frames_per_second=options.fps,
            folding=options.folding,
            as_is=options.as_is,
        ),
        report,
    )
    return CommandResult(document=result.to_json(), text=estimate_table(result))


def _calibrate_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "reports",
        nargs="+",
        type=existing_file,
        metavar="REPORT",
        help="FINN's post_synth_resources.json, or Vivado's hierarchical utilisation",
    )
    parser.add_argument(
        "-o", "--output", required=True, type=Path, metavar="FILE", help="the new cost profile"
    )
    parser.add_argument(
        "--model", metavar="MODEL", help="what was built (default: the model FINN left beside it)"
    )
    parser.add_argument(
        "--folding", type=existing_file, metavar="FILE", help="FINN's folding JSON of that build"
    )
    parser.add_argument(
        "--board", default=default_board(), help="whose part it was built for (default %(default)s)"
    )
    parser.add_argument(
        "--base",
        default="calibrated",
        metavar="PROFILE",
        help="the profile to correct (default %(default)s)",
    )


def _calibrate(options: Namespace, report: Report) -> CommandResult:
    report("fitting")
    result = flow.calibrate(
        CalibrateOptions(
            reports=tuple(options.reports),
            output=options.output,
            model=options.model,
            folding=options.folding,
            board=options.board,
            base=options.base,
        )
    )
    rows = [
        (entry.op_type, entry.resource, entry.layers, entry.before, entry.after)
        for entry in result.residuals
    ]
    text = table(("layers of", "resource", "count", "error before", "after"), rows)
    notes = "".join(f"\nnote: {note}" for note in result.notes)
    return CommandResult(
        document=_calibration_document(result), text=f"{text}{notes}\nwrote {options.output}"
    )


def _calibration_document(result: Calibration) -> dict[str, Any]:
    return {
        "schema": "elasticdf.calibration/1",
        "profile": result.profile.name,
        "residuals": [encode(entry) for entry in result.residuals],
        "notes": list(result.notes),
    }


ESTIMATE = Command(arguments=_estimate_arguments, run=_estimate)
CALIBRATE = Command(arguments=_calibrate_arguments, run=_calibrate)
