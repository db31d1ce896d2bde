"""What the board will do: interval, latency, FIFO depths, deadlock."""

from __future__ import annotations

import logging
from argparse import ArgumentParser, Namespace
from pathlib import Path

from elasticdf import flow
from elasticdf.commands.arguments import (
    add_clock,
    existing_file,
    positive_number,
)
from elasticdf.commands.command import Command, CommandResult
from elasticdf.errors import UserError
from elasticdf.options import SimulateOptions
from elasticdf.progress import Report
from elasticdf.simulation import SimulationResult
from elasticdf.table import table
from elasticdf.units import format_seconds

_BUSIEST = 5
_DEADLOCK = 2
_LOG = logging.getLogger(__name__)


def _arguments(parser: ArgumentParser) -> None:
    parser.add_argument("what", metavar="DIR|MODEL", help="a project folder, or a network")
    parser.add_argument(
        "--folding", type=existing_file, metavar="FILE", help="FINN's JSON, of MODEL"
    )
    add_clock(parser, ", for MODEL; a project has its own")
    sizes = parser.add_mutually_exclusive_group()
    sizes.add_argument(
        "--size-fifos",
        action="store_true",
        help="find the least FIFO depths first, then simulate with them",
    )
    sizes.add_argument(
        "--fifo-depth",
        type=positive_number,
        metavar="N",
        help="make every FIFO N words deep",
    )
    parser.add_argument(
        "--trace", type=Path, metavar="FILE", help="write what happens as a Chrome/Perfetto trace"
    )


def _run(options: Namespace, report: Report) -> CommandResult:
    if Path(options.what).is_dir() and options.folding is not None:
        raise UserError("--folding belongs to a network; a project folder has its own folding")
    report("simulating")
    result = flow.simulate(
        SimulateOptions(
            what=options.what,
            folding=options.folding,
            clock_hz=options.clock,
            size_fifos=options.size_fifos,
            fifo_depth=options.fifo_depth,
            trace=options.trace,
        ),
        report,
    )
    if not result.live:
        _LOG.error("elasticdf: %s", _deadlock(result))
    return CommandResult(
        document=result.to_json(), text=_text(result), exit_code=0 if result.live else _DEADLOCK
    )


def _deadlock(result: SimulationResult) -> str:
    full = sorted({wait.stream for wait in result.deadlock if wait.why == "full" and wait.stream})
    return (
        f"network {result.network} deadlocks: {len(result.deadlock)} processes wait for each other "
        f"in a circle; make {' or '.join(full) or 'the window buffers'} deeper, "
        "or let --size-fifos find depths"
    )


def _text(result: SimulationResult) -> str:
    if not result.live:
        return "\n".join(str(wait) for wait in result.deadlock)
    busiest = sorted(result.layers, key=lambda layer: -layer.busy)[:_BUSIEST]
    rows = [(a.layer, round(a.busy), round(a.starved), round(a.stalled)) for a in busiest]
    links = [
        (link.name, link.tensor, link.packets, link.burst, f"{link.load:.0%}")
        for link in result.links
    ]
    parts = [
        f"{result.network}: a frame every {float(result.interval_cycles):.0f} cycles, "
        f"{result.frames_per_second:.1f} frames per second",
        f"latency {result.latency_cycles} cycles ({format_seconds(result.latency_seconds)}) empty, "
        f"{result.loaded_latency_cycles} under load; no deadlock",
        table(("busiest layers", "busy", "starved", "stalled"), rows),
    ]
    if links:
        parts.append(table(("link", "stream", "packets", "burst", "load"), links))
    return "\n".join(parts)


SIMULATE = Command(arguments=_arguments, run=_run)
