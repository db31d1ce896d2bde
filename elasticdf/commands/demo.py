"""The main job on a real network, with nothing to decide."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from elasticdf.commands.command import Command, CommandResult
from elasticdf.demonstration import demonstrate
from elasticdf.progress import Report


def _arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        default=Path("build/demo"),
        metavar="DIR",
        help="for both projects (default %(default)s)",
    )


def _demo(options: Namespace, report: Report) -> CommandResult:
    shown = demonstrate(options.output, report)
    plans = {"fastest": shown.fastest.plan.to_json(), "cut": shown.cut.plan.to_json()}
    return CommandResult(document=plans, text=shown.to_text())


DEMO = Command(arguments=_arguments, run=_demo)
