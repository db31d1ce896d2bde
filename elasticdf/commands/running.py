"""Running an artifact: once, as a server, under MLPerf LoadGen."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from elasticdf import flow
from elasticdf.commands.arguments import existing_file, positive_number, positive_seconds
from elasticdf.commands.command import Command, CommandResult
from elasticdf.progress import Report


def _run_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("artifact", type=Path, metavar="ARTIFACT")
    parser.add_argument(
        "--input",
        required=True,
        type=Path,
        metavar="IN",
        help="a .npy array in the network's own terms, or a folder of images",
    )
    parser.add_argument("--output", type=Path, metavar="OUT.npy")
    parser.add_argument(
        "--check", action="store_true", help="compare with the whole network, bit for bit"
    )


def _run(options: Namespace, report: Report) -> CommandResult:
    result = flow.run(
        options.artifact,
        inputs=options.input,
        output=options.output,
        check=options.check,
        report=report,
    )
    return CommandResult(document=result.to_json(), text=result.to_text())


def _serve_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("artifact", type=Path, nargs="+", metavar="ARTIFACT")
    parser.add_argument("--root", type=Path, metavar="DIR", help="socket DIR/run/coral.sock")


def _serve(options: Namespace, report: Report) -> CommandResult:
    report("starting the boards")
    served = flow.serve(tuple(options.artifact), options.root)
    return CommandResult(document=served.to_json(), text=served.to_text())


def _mlperf_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("artifact", type=Path, metavar="ARTIFACT")
    parser.add_argument(
        "--scenario",
        required=True,
        choices=("SingleStream", "MultiStream", "Offline", "Server"),
    )
    parser.add_argument("--accuracy", action="store_true", help="accuracy mode")
    parser.add_argument("--duration", type=positive_seconds, default=10.0, metavar="SECONDS")
    parser.add_argument("--qps", type=positive_seconds, metavar="N", help="expected or target rate")
    parser.add_argument("--samples", type=positive_number, default=64, metavar="N")
    parser.add_argument("--inputs", type=existing_file, metavar="IN.npy", help="default: generated")
    parser.add_argument("-o", "--output", type=Path, metavar="DIR", help="folder for the logs")


def _mlperf(options: Namespace, report: Report) -> CommandResult:
    report(f"LoadGen, {options.scenario}")
    result = flow.mlperf(
        options.artifact,
        scenario=options.scenario,
        accuracy=options.accuracy,
        duration_seconds=options.duration,
        queries_per_second=options.qps,
        samples=options.samples,
        inputs=options.inputs,
        output=options.output,
    )
    return CommandResult(document=result.to_json(), text=result.to_text())


RUN = Command(
    name="run",
    summary="run an artifact on emulated boards",
    arguments=_run_arguments,
    run=_run,
)
SERVE = Command(
    name="serve",
    summary="serve artifacts to the orchestrator's own client",
    arguments=_serve_arguments,
    run=_serve,
)
MLPERF = Command(
    name="mlperf",
    summary="MLPerf LoadGen against an artifact",
    arguments=_mlperf_arguments,
    run=_mlperf,
)
