"""Ours beside the published formulation on the same instances, in one run.

The published model has a binary per stream and ordered pair of regions and minimises crossings; it
is written here anew from its description and solved by CBC and by HiGHS.

    python -m bench.partition [INSTANCE.json ...] [--published-seconds 120] [--seconds 60]

Without instances it makes two of its own: 40 and 60 layers on two boards, the ends on one die.
"""

from __future__ import annotations

import argparse
from math import inf
from pathlib import Path
from random import Random
from time import perf_counter

from elasticdf.hardware.load import load_board
from partitioner import exact, snapshot
from partitioner.model import Model
from partitioner.problem import Problem
from partitioner.routes import RouteTable
from partitioner.solver import Answer, SolverOptions, minimise
from partitioner.topology import BOARD_COST


def published(problem: Problem) -> Model:
    """Return the published model: x[item, region, option] and y[arc, from, to]."""
    model = Model(f"published {problem.name}")
    table = RouteTable(problem=problem)
    places, size = problem.places, len(problem.items)
    use: dict[tuple[int, int], dict[int, float]] = {}
    hops: dict[tuple[tuple[int, bool], str], dict[int, float]] = {}
    for replica in range(problem.replicas):
        sits = {
            (j, r): model.binary(f"x[{replica * size + j},{r}]")
            for j in range(size)
            for r in places
        }
        for j, item in enumerate(problem.items):
            model.equal(f"once[{replica},{j}]", {sits[j, r]: 1.0 for r in places}, 1.0)
            for r in places:
                for k, amount in enumerate(item.options[0].resources):
                    use.setdefault((r, k), {})[sits[j, r]] = float(amount)
        for group in problem.together:
            for r in places:
                model.equal(
                    f"together[{replica},{r}]",
                    {sits[group[0], r]: 1.0, sits[group[-1], r]: -1.0},
                    0.0,
                )
        _route(model, table, sits, hops)
    _limits(model, problem, use, hops)
    return model


def _route(
    model: Model,
    table: RouteTable,
    sits: dict[tuple[int, int], int],
    hops: dict[tuple[tuple[int, bool], str], dict[int, float]],
) -> None:
    """Add the binaries per arc and ordered pair of regions of one replica."""
    places = table.problem.places
    for a, arc in enumerate(table.problem.arcs):
        moves = {(r, s): model.binary(f"y[{a},{r},{s}]") for r in places for s in places}
        for r in places:
            leaving = {moves[r, s]: 1.0 for s in places}
            entering = {moves[s, r]: 1.0 for s in places}
            model.equal(f"from[{a},{r}]", {**leaving, sits[arc.source, r]: -1.0}, 0.0)
            model.equal(f"to[{a},{r}]", {**entering, sits[arc.target, r]: -1.0}, 0.0)
        for (r, s), index in moves.items():
            route = table.between(r, s)[0]
            model.charge({index: float(table.cost(route))})
            for hop in route:
                hops.setdefault((hop, "wires"), {})[index] = float(arc.wires or 0)
                hops.setdefault((hop, "bits"), {})[index] = arc.bits_per_second / 1e6


def _limits(
    model: Model,
    problem: Problem,
    use: dict[tuple[int, int], dict[int, float]],
    hops: dict[tuple[tuple[int, bool], str], dict[int, float]],
) -> None:
    for (r, k), row in use.items():
        model.at_most(f"capacity[{r},{k}]", row, float(problem.regions[r].allowed()[k]))
    for r in problem.places:
        region = problem.regions[r]
        for mean in region.mean_limits:
            present = [k for k in mean.resources if region.capacity[k]]
            row: dict[int, float] = {}
            for k in present:
                for index, amount in use[r, k].items():
                    row[index] = row.get(index, 0.0) + amount / region.capacity[k]
            model.at_most(f"mean[{r}]", row, mean.limit * len(present))
    for (hop, kind), row in hops.items():
        link = problem.links[hop[0]]
        if kind == "wires" and link.wires is not None:
            model.at_most(f"wires[{hop}]", row, float(link.wires))
        if kind == "bits" and link.bits_per_second is not None:
            model.at_most(f"bits[{hop}]", row, link.bits_per_second / 1e6)


def own_instance(layers: int, seed: int = 1) -> Problem:
    """Return a seeded chain of layers on two boards that are three quarters full."""
    dice = Random(seed)
    board = load_board("u280")
    dies = [die.capacity for die in board.dies] * 2
    names = ("lut", "bram18", "uram", "dsp")
    limits = (0.7, 0.8, 0.8, 0.8)
    mean = [
        0.72 * limit * sum(getattr(die, name) for die in dies) / layers
        for name, limit in zip(names, limits, strict=True)
    ]
    size, first = len(dies), board.die_index(board.ports[0].die)
    links = [
        {"between": [k, k + 1], "cost": 1, "sll_wires": 11_520}
        for k in range(size - 1)
        if k + 1 != size // 2
    ]
    cable = [first, size // 2 + first]
    links.append({"between": cable, "cost": BOARD_COST, "bits_per_second": 10**11})
    return snapshot.from_json(
        {
            "schema": "partition-instance/1",
            "name": f"own-2-boards-{layers}",
            "resources": list(names),
            "regions": [
                {
                    "board": k // (size // 2),
                    "die": k % (size // 2),
                    "capacity": [getattr(die, name) for name in names],
                    "limit": list(limits),
                }
                for k, die in enumerate(dies)
            ],
            "links": links,
            "items": [
                {"options": [[int(m * dice.uniform(0.3, 1.7)) for m in mean]]}
                for _ in range(layers)
            ],
            "arcs": [
                {"from": a, "to": a + 1, "wires": 64, "bits_per_second": 10**9}
                for a in range(layers - 1)
            ],
            "together": [[0, layers - 1]],
        },
        "own instance",
    )


def _timed(problem: Problem, solver: str, seconds: float) -> tuple[float, Answer]:
    start = perf_counter()
    answer = minimise(published(problem), SolverOptions(solver=solver, time_limit=seconds))
    return perf_counter() - start, answer


def _show(value: float) -> str:
    return "-" if abs(value) == inf else f"{value:g}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("instances", nargs="*", type=Path)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--published-seconds", type=float, default=120.0)
    parser.add_argument("--solvers", nargs="*", default=["cbc", "highs"])
    options = parser.parse_args()
    print(f"board crossings cost {BOARD_COST}; times in seconds on this machine, one after another")
    print("| instance | solver | seconds | objective | bound | ours is faster by |")
    print("|---|---|---|---|---|---|")
    problems = [snapshot.load(path) for path in options.instances]
    for problem in problems or [own_instance(layers) for layers in (40, 60)]:
        start = perf_counter()
        ours = exact.solve(problem, SolverOptions(time_limit=options.seconds))
        own = perf_counter() - start
        cost = ours.cost
        value, bound = (inf, -inf) if cost is None else (cost.value, cost.bound)
        print(
            f"| {problem.name} | ours | {own:.2f} | {_show(value)} | {_show(bound)} | 1 |",
            flush=True,
        )
        for solver in options.solvers:
            seconds, answer = _timed(problem, solver, options.published_seconds)
            shown = f"{_show(answer.objective)} | {_show(round(answer.bound, 2))}"
            ratio = f"{seconds / own:.1f}"
            line = f"| {problem.name} | published, {solver} | {seconds:.2f} | {shown} | {ratio} |"
            print(line, flush=True)


if __name__ == "__main__":
    main()
