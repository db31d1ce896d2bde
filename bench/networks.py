"""The real networks on the targets that were asked for: rate, replicas, gap, seconds.

python bench/networks.py [--networks zoo:mobilenetv1-w4a4 ...] [--targets u250 2xu280 ...]
"""

from __future__ import annotations

import argparse
from time import perf_counter

from elasticdf.errors import ElasticDFError
from elasticdf.hardware.cluster import parse_target
from elasticdf.ir import Graph
from elasticdf.networks import load_network
from partitioner.plan import Mode
from partitioner.request import Request
from partitioner.search import plan
from partitioner.solver import SolverOptions

NETWORKS = ("zoo:mobilenetv1-w4a4", "zoo:resnet50-w1a2")
TARGETS = ("u250", "u280", "2xu280", "4xu280", "2xu50", "2xu280+1xu50")


def row(graph: Graph, target: str, mode: Mode, seconds: float) -> str:
    """Return one line of the table."""
    request = Request(
        graph=graph,
        target=parse_target(target),
        mode=mode,
        costs="calibrated",
        options=SolverOptions(time_limit=seconds),
    )
    start = perf_counter()
    try:
        found = plan(request)
    except ElasticDFError as error:
        return f"| {graph.name} | {target} | {error} | | | | {perf_counter() - start:.1f} |"
    proof = found.certificate.throughput
    crossings = found.certificate.crossing_cost
    return (
        f"| {graph.name} | {target} | {found.frames_per_second:.1f} | {found.replicas} | "
        f"{proof.gap:.1%} | {crossings.value:g} (at least {crossings.bound:g}) | "
        f"{perf_counter() - start:.1f} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--networks", nargs="+", default=list(NETWORKS))
    parser.add_argument("--targets", nargs="+", default=list(TARGETS))
    parser.add_argument("--mode", type=Mode, choices=list(Mode), default=Mode.HARDWARE)
    parser.add_argument("--seconds", type=float, default=60.0)
    options = parser.parse_args()
    print("| network | target | frames per second | replicas | gap | crossing cost | seconds |")
    print("|---|---|---|---|---|---|---|")
    for name in options.networks:
        graph = load_network(name).graph
        for target in options.targets:
            print(row(graph, target, options.mode, options.seconds), flush=True)


if __name__ == "__main__":
    main()
