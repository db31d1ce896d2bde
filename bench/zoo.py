"""Every reference network on a few targets: a verified plan, or the reason why there is none.

Run as ``python -m bench.zoo [--seconds 20] [--networks tfc-w1a1 ...] [--targets u250 ...]``; prints
the table of docs/results.md. The limit is on counted work, so that rows do not depend on what else
the machine does; the seconds printed are of one core.
"""

from __future__ import annotations

import argparse
from time import process_time

import models
from elasticdf.errors import InfeasibleError, TimeLimitError
from elasticdf.hardware.cluster import parse_target
from elasticdf.ir import Graph
from elasticdf.networks import ZOO, load_network
from partitioner.clock import Meter
from partitioner.plan import Mode, Plan
from partitioner.request import Request
from partitioner.search import plan
from partitioner.solver import SolverOptions

TARGETS = ("u250", "2xu280", "2xu50")
SECONDS = 20.0


def row(graph: Graph, target: str, mode: Mode, seconds: float) -> tuple[str, ...]:
    """Return one line: frames per second, replicas, gaps, seconds; or why there is no plan."""
    request = Request(
        graph=graph,
        target=parse_target(target),
        mode=mode,
        costs="calibrated",
        options=SolverOptions(time_limit=seconds, meter=Meter()),
    )
    started = process_time()
    try:
        found = plan(request)
    except InfeasibleError as error:
        return (f"infeasible: {error}", "", "", "", "", "")
    except TimeLimitError:
        return ("no answer in time", "", "", "", "", "")
    return (*figures(found), f"{process_time() - started:.0f}")


def figures(found: Plan) -> tuple[str, ...]:
    """Return the headline figures of a plan as text."""
    certificate = found.certificate
    boards = len({assignment.board for assignment in found.assignments})
    return (
        f"{found.frames_per_second:.0f}",
        str(found.replicas),
        str(boards),
        f"{certificate.throughput.gap:.1%}",
        f"{certificate.crossing_cost.value:g} (>= {certificate.crossing_cost.bound:g})",
    )


def main() -> None:
    """Print the table as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=SECONDS)
    parser.add_argument("--networks", nargs="+", default=list(models.ZOO))
    parser.add_argument("--targets", nargs="+", default=list(TARGETS))
    parser.add_argument("--mode", type=Mode, choices=list(Mode), default=Mode.TRANSPARENT)
    options = parser.parse_args()
    print("| network | target | frames/s | replicas | boards used | gap | crossings | seconds |")
    print("|---|---|---:|---:|---:|---:|---:|---:|")
    for network in options.networks:
        graph = load_network(f"{ZOO}{network}").graph
        for target in options.targets:
            found = row(graph, target, options.mode, options.seconds)
            print(f"| {network} | {target} | {' | '.join(found)} |", flush=True)


if __name__ == "__main__":
    main()
