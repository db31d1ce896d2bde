"""A network of 2,000 layers over 16 boards on a switch: a verified plan and its gap, in one run.

    python -m bench.many_boards [--boards 16xu280] [--layers 2000] [--seconds 110] [-o SNAPSHOT]

The layers are random but seeded: a chain with a skipping stream around every block of ten, three
ways to build each layer, together about two thirds of what the boards may hold.
"""

from __future__ import annotations

import argparse
import json
import resource
from pathlib import Path
from random import Random
from time import perf_counter

from elasticdf.hardware.cluster import Cluster, parse_target
from partitioner import exact, snapshot, topology
from partitioner.plan import Mode
from partitioner.problem import Arc, Item, Option, Problem, Vector
from partitioner.solver import SolverOptions
from partitioner.verify import check

_CLOCK_HZ = 200_000_000
_FILLED = 0.66
"""Share of all boards' room that the layers' middle options take together."""

_BLOCK = 10
"""Layers a skipping stream passes."""

_WIRES = (8, 16, 32, 64, 128)


def many_boards(boards: str, layers: int, seed: int = 0) -> Problem:
    """Return the problem of placing that many random layers on those boards in mode ``hw``."""
    cluster = parse_target(boards)
    if not isinstance(cluster, Cluster):
        raise SystemExit("--boards needs a number of boards, for example 16xu280")
    regions = topology.build(
        cluster, Mode.HARDWARE, topology.Limits.with_changes({}), clock_hz=_CLOCK_HZ
    )
    dice = Random(seed)
    room = [sum(amounts) for amounts in zip(*(r.allowed() for r in regions.regions), strict=True)]
    mean = [_FILLED * amount / layers for amount in room]
    arcs = [(i, i + 1) for i in range(layers - 1)]
    arcs += [(i, i + _BLOCK - 1) for i in range(0, layers - _BLOCK, _BLOCK)]
    return Problem(
        name=f"{layers} layers on {boards}",
        resources=("lut", "ff", "bram18", "uram", "dsp"),
        regions=regions.regions,
        links=regions.links,
        items=tuple(
            Item(
                name=f"layer{i}",
                options=_options(mean, dice),
                memory_ports=int(i in (0, layers - 1)),
            )
            for i in range(layers)
        ),
        arcs=tuple(
            Arc(source=a, target=b, bits_per_second=dice.randint(10**8, 4 * 10**9)) for a, b in arcs
        ),
        compute_units=regions.compute_units,
    )


def _options(mean: list[float], dice: Random) -> tuple[Option, ...]:
    """Return three ways to build a layer: balanced, with more LUT, with more memory."""
    size = dice.lognormvariate(0.0, 0.8) / 1.377  # of mean 1
    wires = dice.choice(_WIRES)
    shapes = ((1.0, 1.0, 0.6, 0.5, 0.6), (1.4, 1.2, 0.2, 0.2, 0.2), (0.7, 0.8, 0.9, 0.8, 0.9))

    def built(shape: tuple[float, ...]) -> Vector:
        return tuple(int(m * size * s) for m, s in zip(mean, shape, strict=True))

    return tuple(Option(resources=built(shape), wires=wires) for shape in shapes)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--boards", default="16xu280")
    parser.add_argument("--layers", type=int, default=2000)
    parser.add_argument("--seconds", type=float, default=110.0)
    parser.add_argument("-o", "--output", type=Path, help="save the problem for elasticdf solve")
    options = parser.parse_args()
    problem = many_boards(options.boards, options.layers)
    if options.output is not None:
        options.output.write_text(json.dumps(snapshot.to_json(problem)))
    start = perf_counter()
    solution = exact.solve(problem, SolverOptions(time_limit=options.seconds))
    seconds = perf_counter() - start
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    if solution.placement is None or solution.cost is None:
        raise SystemExit(f"{problem.name}: nothing found in {seconds:.0f} s")
    loads = check(problem, solution.placement)
    used = len({problem.regions[r].board for r in solution.placement.regions})
    print("| problem | boards used | crossing cost | bound | gap | seconds | memory |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    print(
        f"| {problem.name} | {used} | {loads.cost} | {solution.cost.bound:g} "
        f"| {solution.cost.gap:.1%} | {seconds:.0f} | {memory:.2f} GiB |"
    )


if __name__ == "__main__":
    main()
