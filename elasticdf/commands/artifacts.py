"""Looking into plans, binaries and artifacts; keeping a local repository of artifacts."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from elasticdf.artifact.inspect import inspect
from elasticdf.artifact.install import install, installed, remove
from elasticdf.artifact.lint import lint
from elasticdf.commands.arguments import add_loader, loader_of
from elasticdf.commands.command import Command, CommandResult
from elasticdf.documents import read_json
from elasticdf.progress import Report
from elasticdf.rundir import PLAN
from partitioner.consistent import read_plan


def _path(parser: ArgumentParser) -> None:
    parser.add_argument(
        "path",
        type=Path,
        metavar="PATH",
        help="a project folder, a plan.json, an xclbin or an artifact",
    )


def _inspect(options: Namespace, report: Report) -> CommandResult:
    del report
    found = inspect(options.path)
    if found.kind == "plan" and "network" in dict(found.facts):  # else it tells why there is none
        path = options.path / PLAN if options.path.is_dir() else options.path
        read_plan(read_json(path), str(path))
    return CommandResult(document=found.to_json(), text=found.to_text())


def _lint_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "artifact", type=Path, metavar="ARTIFACT", help="the artifact's folder, or one above it"
    )
    add_loader(parser, "the one it was packed for")


def _lint(options: Namespace, report: Report) -> CommandResult:
    report("reading")
    findings = lint(options.artifact, loader_of(options))
    return CommandResult(
        document=findings.to_json(),
        text=findings.to_text(),
        exit_code=findings.exit_code,
    )


def _root(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--root", type=Path, required=True, metavar="DIR", help="the local repository"
    )


def _install_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "artifact", type=Path, metavar="ARTIFACT", help="the artifact's folder, or one above it"
    )
    _root(parser)


def _install(options: Namespace, report: Report) -> CommandResult:
    report("installing")
    entry = install(options.artifact, options.root)
    return CommandResult(document=entry.to_json(), text=entry.to_text())


def _list(options: Namespace, report: Report) -> CommandResult:
    del report
    listing = installed(options.root)
    return CommandResult(document=listing.to_json(), text=listing.to_text())


def _remove_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("checksum", metavar="CHECKSUM", help="as `elasticdf list` prints it")
    _root(parser)


def _remove(options: Namespace, report: Report) -> CommandResult:
    del report
    removed = remove(options.checksum, options.root)
    return CommandResult(document=removed.to_json(), text=f"removed {removed.to_text()}")


INSPECT = Command(arguments=_path, run=_inspect)
LINT = Command(arguments=_lint_arguments, run=_lint)
INSTALL = Command(arguments=_install_arguments, run=_install)
LIST = Command(arguments=_root, run=_list)
REMOVE = Command(arguments=_remove_arguments, run=_remove)
