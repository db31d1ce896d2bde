"""Running an artifact: once, as a server, under MLPerf LoadGen."""

from __future__ import annotations

import logging
import os
from argparse import ArgumentParser, Namespace
from pathlib import Path

from elasticdf import flow
from elasticdf.commands.arguments import positive_number, positive_seconds
from elasticdf.commands.command import Command, CommandResult
from elasticdf.progress import Report
from elasticdf.runtime.coral.server import ServeReport, serve
from elasticdf.runtime.mlperf.benchmark import MlperfOptions, Scenario

log = logging.getLogger(__name__)
_ARTIFACT = "what `elasticdf package` wrote: its folder, or one above it"


def _run_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("artifact", type=Path, metavar="ARTIFACT", help=_ARTIFACT)
    parser.add_argument(
        "--input",
        required=True,
        type=Path,
        metavar="IN",
        help="a .npy array in the network's own terms, or a folder of images",
    )
    parser.add_argument(
        "--output", type=Path, metavar="OUT.npy", help="where the answers go (default: nowhere)"
    )
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
    parser.add_argument("artifact", type=Path, nargs="+", metavar="ARTIFACT", help=_ARTIFACT)
    parser.add_argument(
        "--root",
        type=Path,
        default=Path(os.environ.get("INACCEL", "/var/lib/inaccel")),
        metavar="DIR",
        help="the socket is DIR/run/coral.sock; clients set INACCEL=DIR "
        "(default $INACCEL or /var/lib/inaccel)",
    )


def _serve(options: Namespace, report: Report) -> CommandResult:
    report("starting the boards")
    served: list[ServeReport] = []

    def ready(answering: ServeReport) -> None:
        report(f"serving {', '.join(answering.accelerators)} on {answering.socket}")
        log.info("serving on %s", answering.socket)
        served.append(answering)

    serve(tuple(options.artifact), options.root, ready)
    return CommandResult(document=served[0].to_json(), text="stopped")


def _mlperf_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("artifact", type=Path, metavar="ARTIFACT", help=_ARTIFACT)
    parser.add_argument(
        "--scenario", required=True, choices=[s.value for s in Scenario], help="how LoadGen asks"
    )
    parser.add_argument(
        "--accuracy", action="store_true", help="check every sample once instead of measuring time"
    )
    parser.add_argument(
        "--duration",
        type=positive_seconds,
        default=10.0,
        metavar="SECONDS",
        help="run at least this long (default 10)",
    )
    parser.add_argument(
        "--queries",
        type=positive_number,
        default=100,
        metavar="N",
        help="ask at least N times (default 100)",
    )
    parser.add_argument(
        "--qps",
        type=positive_seconds,
        metavar="N",
        help="samples per second LoadGen expects (default: measured first)",
    )
    parser.add_argument(
        "--latency",
        type=positive_seconds,
        default=0.1,
        metavar="SECONDS",
        help="of an answer, which Server must keep (default 0.1)",
    )
    parser.add_argument(
        "--samples",
        type=positive_number,
        default=64,
        metavar="N",
        help="how many to generate (default 64)",
    )
    parser.add_argument(
        "--inputs",
        type=Path,
        metavar="IN",
        help="the samples: a .npy array or a folder of images (default: generated)",
    )
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        default=Path("mlperf"),
        metavar="DIR",
        help="for LoadGen's logs (default %(default)s)",
    )


def _mlperf(options: Namespace, report: Report) -> CommandResult:
    report(f"LoadGen, {options.scenario}")
    result = flow.mlperf(
        options.artifact,
        MlperfOptions(
            scenario=Scenario(options.scenario),
            accuracy=options.accuracy,
            seconds=options.duration,
            queries=options.queries,
            expected_fps=options.qps,
            latency_seconds=options.latency,
        ),
        inputs=options.inputs,
        samples=options.samples,
        logs=options.output,
    )
    lines = [f"{name}: {value}" for name, value in result.summary]
    if result.exact is not None:
        lines.append(
            f"{result.exact} of {result.answers} answers equal the whole network bit for bit"
        )
    return CommandResult(
        document=result.to_json(), text="\n".join((*lines, f"logs: {result.logs}"))
    )


RUN = Command(arguments=_run_arguments, run=_run)
SERVE = Command(arguments=_serve_arguments, run=_serve)
MLPERF = Command(arguments=_mlperf_arguments, run=_mlperf)
