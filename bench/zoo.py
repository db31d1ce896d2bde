"""Every reference network on a few targets: a verified plan, or the reason why there is none.

Run as ``python bench/zoo.py [SECONDS]``; prints the table of docs/results.md.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import models
from elasticdf import flow
from elasticdf.errors import InfeasibleError, TimeLimitError
from elasticdf.progress import silent
from partitioner.plan import Mode, Plan

TARGETS = ("u250", "2xu280", "2xu50")
SECONDS = 30.0


def row(network: str, target: str, seconds: float, folder: Path) -> tuple[str, ...]:
    """Return one line: frames per second, replicas, gaps, seconds; or why there is no plan."""
    options = flow.PartitionOptions(
        model=f"{flow.ZOO}{network}",
        target=target,
        output=folder / f"{network}-{target}",
        mode=Mode.TRANSPARENT,
        time_limit_seconds=seconds,
    )
    started = time.monotonic()
    try:
        plan = flow.partition(options, silent).plan
    except InfeasibleError as error:
        return (network, target, f"infeasible: {error}", "", "", "", "", "")
    except TimeLimitError:
        return (network, target, "no answer in time", "", "", "", "", "")
    return (network, target, *figures(plan), f"{time.monotonic() - started:.0f}")


def figures(plan: Plan) -> tuple[str, ...]:
    """Return the headline figures of a plan as text."""
    certificate = plan.certificate
    boards = len({assignment.board for assignment in plan.assignments})
    return (
        f"{plan.frames_per_second:.0f}",
        str(plan.replicas),
        str(boards),
        f"{certificate.throughput.gap:.1%}",
        f"{certificate.crossing_cost.value:g} (>= {certificate.crossing_cost.bound:g})",
    )


def main() -> None:
    """Print the table as Markdown."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else SECONDS
    print("| network | target | frames/s | replicas | boards used | gap | crossings | seconds |")
    print("|---|---|---:|---:|---:|---:|---:|---:|")
    with tempfile.TemporaryDirectory() as folder:
        for network in models.ZOO:
            for target in TARGETS:
                print(f"| {' | '.join(row(network, target, seconds, Path(folder)))} |", flush=True)


if __name__ == "__main__":
    main()
