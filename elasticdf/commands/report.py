"""A page to look at, from a project folder."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from elasticdf import flow
from elasticdf.commands.command import Command, CommandResult
from elasticdf.progress import Report


def _arguments(parser: ArgumentParser) -> None:
    parser.add_argument("directory", type=Path, metavar="DIR", help="the project folder")
    parser.add_argument(
        "-o", "--output", type=Path, metavar="FILE", help="the page (default DIR/report.html)"
    )


def _run(options: Namespace, report: Report) -> CommandResult:
    output = options.output or options.directory / "report.html"
    drawn = flow.report(options.directory, output, report)
    return CommandResult(document=drawn.to_json(), text=str(output))


REPORT = Command(arguments=_arguments, run=_run)
