"""One problem, its cheapest placement and the proof: walks where regions form a tree, else all.

Every placement of a pipeline traces a walk, so walks are tried by rising cost: the first that works
is optimal, and the cheapest that cannot be refused is a lower bound. Refuses to hand out anything
the independent verifier does not accept.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import pairwise
from math import ceil, inf

from partitioner.best import Best
from partitioner.bounds import least_crossing_cost
from partitioner.clock import Clock
from partitioner.counting.census import Census
from partitioner.formulation import Formulation
from partitioner.packing.fill import construct
from partitioner.plan import Outcome
from partitioner.problem import Problem
from partitioner.routes import RouteTable, assign_routes
from partitioner.solution import Placement, Solution, proof_from_below
from partitioner.solver import SolverOptions, Status, minimise
from partitioner.verify import violations
from partitioner.walks.nest import Nest, parse
from partitioner.walks.several import several
from partitioner.walks.tree import Ground, Walk

_GENERAL_SIZE = 1_500
"""Items times regions times options times replicas up to which the general model is tried."""

_MOST_WALKS = 3_000
"""Walks tried for one pipeline: unlike the time limit, the same on every machine."""

_COUNTED_SIZE = 20_000
"""Items times regions times options up to which copies are counted."""

_TINY_SIZE = 200
"""Size up to which the general model is the quickest way to the proof."""

_PATIENCE = (0.1, 0.2, 0.3)
"""Shares of its items a region gives up so that a cut misses skipping streams."""

_SMALL_CHAIN = 500
"""Items from which that is worth its time: walks do better where they can be searched."""

_WALK_SHARE = 0.7
"""Part of the time that walks of several replicas get while there is no placement at all."""

_SECONDS_PER_ITEM = 2e-5
"""Nominal work of laying one item along a walk."""

_QUICK_WALKS = 200
"""Walks tried without side costs to get a first answer."""


def solve(problem: Problem, options: SolverOptions, *, first: Placement | None = None) -> Solution:
    """Return the cheapest placement found, with its certificate.

    Args:
        problem: What to solve.
        options: Solver, time limit, seed.
        first: A placement to begin with.
    """
    clock = options.clock()
    best = Best(problem)
    best.offer(first)
    if best.placement is None:
        best.offer(construct(problem, clock))
    if not best.closed and len(problem.arcs) >= len(problem.items) > _SMALL_CHAIN:
        for patience in _PATIENCE:
            best.offer(construct(problem, clock, patience=patience))
    if problem.size <= _TINY_SIZE:
        _general(best, options, clock)
        return _solution(best, options, clock)
    sure = best.placement is not None or problem.replicas == 1
    _by_walks(best, options, clock if sure else clock.part(_WALK_SHARE))
    if not best.closed:
        _general(best, options, clock)
    if not best.closed and (problem.replicas > 1 or best.placement is None):
        _counted(best, options, clock)
    return _solution(best, options, clock)


def solve_by_walks(problem: Problem, options: SolverOptions) -> Solution:
    """Return what walks alone find and prove; `solve` adds the general model where that helps."""
    clock, best = options.clock(), Best(problem)
    best.offer(construct(problem, clock))
    _by_walks(best, options, clock)
    return _solution(best, options, clock)


def _by_walks(best: Best, options: SolverOptions, clock: Clock) -> None:
    problem = best.problem
    ground = Ground(problem=problem)
    if len(ground.backbone) == len(problem.items) > 1:
        best.raise_bound(problem.replicas * least_crossing_cost(problem))
    if not ground.is_tree or len(ground.backbone) < 2 or ground.least_weight is None:
        return
    best.raise_bound(problem.replicas * ground.least_weight)
    if problem.replicas == 1:
        _Pipeline(ground, best, options, clock).run()
    elif not best.closed:
        several(ground, best, options, clock)


def _solution(best: Best, options: SolverOptions, clock: Clock) -> Solution:
    if best.placement is None:
        outcome = Outcome.INFEASIBLE if best.bound == inf else None
    else:
        outcome = Outcome.OPTIMAL if best.closed else Outcome.FEASIBLE
    return Solution(
        outcome=outcome,
        placement=best.placement,
        cost=None if best.placement is None else proof_from_below(best.cost, best.bound),
        seconds=clock.spent(),
        solver=options.label,
        seed=options.seed,
    )


def _general(best: Best, options: SolverOptions, clock: Clock) -> None:
    """Solve the general model where it is small enough to hope for."""
    problem = best.problem
    if problem.size > _GENERAL_SIZE:
        return
    formulation = Formulation(problem)
    answer = formulation.solve(options, clock.left())
    if answer.status is Status.INFEASIBLE:
        if best.placement is None:
            best.bound = inf
        return
    if answer.values is not None:
        best.offer(formulation.placement(answer))
    best.raise_bound(ceil(answer.bound - 1e-6) if answer.bound > -inf else 0)


def _counted(best: Best, options: SolverOptions, clock: Clock) -> None:
    """Count the copies of all replicas at once, beginning with the cheapest placement."""
    problem = best.problem
    if problem.size > _COUNTED_SIZE * problem.replicas or clock.left() <= 0:
        return
    census = Census(problem, charged=True)
    if best.placement is not None:
        census.begin_with(best.placement)
    answer = minimise(census.model, options, seconds=clock.left())
    best.offer(census.placement(answer))
    best.raise_bound(ceil(answer.bound - 1e-6) if answer.bound > -inf else 0)


@dataclass(slots=True)
class _Pipeline:
    """The search over walks for one replica."""

    ground: Ground
    best: Best
    options: SolverOptions
    clock: Clock
    _seen: int = 0
    _fixed: Problem = field(init=False)
    _exact: bool = field(init=False)

    def __post_init__(self) -> None:
        problem = self.ground.problem
        self._fixed = _with_options(problem, self.best.placement)
        charged = any(any(e.charge) or any(e.adapter) for k in problem.links for e in k.ends)
        charged = charged or any(any(r.memory_charge) for r in problem.regions)
        main = set(pairwise(self.ground.backbone))
        chain = len(main) == len(problem.items) - 1 == len(problem.arcs)
        single = all(len(item.options) == 1 for item in problem.items)
        free = all(k.wires is None and k.bits_per_second is None for k in problem.links)
        self._exact = single and chain and not charged and (free or self._loads_never_bind())

    def _loads_never_bind(self) -> bool:
        """Whether a link could carry every stream of the pipeline at once, there and back."""
        problem = self.ground.problem
        wires = sum(problem.arc_wires(arc, 0) for arc in problem.arcs)
        bits = sum(arc.bits_per_second for arc in problem.arcs)
        return all(
            (k.wires is None or wires <= k.wires)
            and (k.bits_per_second is None or bits <= k.bits_per_second)
            for k in problem.links
        )

    def run(self) -> None:
        least = self.ground.least_weight
        if least is None:
            return
        self._first_answer()
        side_arcs = len(self.ground.problem.arcs) > len(self.ground.backbone) - 1
        total, proven = least, True
        # Heavier walks pass some link three times; the walk model may want them, cuts do not.
        heaviest = 2 * sum(link.cost for link in self.ground.problem.links)
        while total < min(self.best.cost, heaviest + 1) and not self._spent():
            for weight in range(least, total + 1) if side_arcs else (total,):
                proven &= self._try(weight, total - weight) and self._exact
                if self.best.cost <= total or self._spent():
                    break
            if proven and self.best.cost > total:
                self.best.raise_bound(total + 1)
            total += 1

    def _first_answer(self) -> None:
        """Find some placement along a light walk, without side costs."""
        for tried, walk in enumerate(self.ground.lean_walks()):
            heavy = self.ground.weight(walk) >= self.best.cost
            if heavy or tried >= _QUICK_WALKS or self.clock.left() <= 0:
                return
            if self.ground.canonical((walk,)) and self.best.offer(self._nested(walk, 0)):
                return

    def _spent(self) -> bool:
        return self._seen > _MOST_WALKS or self.clock.left() <= 0

    def _walks(self, weight: int) -> Iterator[Walk]:
        for walk in self.ground.walks(weight):
            self._seen += 1
            if self._spent():
                return
            if self.ground.canonical((walk,)):
                yield walk

    def _try(self, weight: int, extra: int) -> bool:
        """Try every walk of a weight; return whether all that failed are proven to fail."""
        proven = True
        for walk in self._walks(weight):
            placement = self._nested(walk, extra)
            if self.best.offer(placement) and self.best.cost <= weight + extra:
                return proven
            if placement is None:
                proven &= parse(self.ground, walk) is not None
            elif violations(self.ground.problem, placement):
                proven = False  # cut elsewhere along the walk it may hold
        return proven and not self._spent()

    def _nested(self, walk: Walk, extra: int) -> Placement | None:
        visit = parse(self.ground, walk)
        if visit is None:
            return None
        self.clock.charge(_SECONDS_PER_ITEM * len(self._fixed.items))
        ends = {self.ground.backbone[0], self.ground.backbone[-1]}
        closed = any(ends <= set(group) for group in self._fixed.together)
        pieces = Nest(self._fixed, visit, closed).cover(extra)
        if pieces is None:
            return None
        size = len(self._fixed.items)
        starts = [start for start, _ in pieces] + [size]
        regions = [
            region
            for (start, region), end in zip(pieces, starts[1:], strict=True)
            for _ in range(end - start)
        ]
        options = self.best.placement.options if self.best.placement is not None else (0,) * size
        if all(len(item.options) == 1 for item in self.ground.problem.items):
            options = (0,) * size
        routes = assign_routes(RouteTable(problem=self.ground.problem), regions, options)
        if routes is None:
            return None
        return Placement(regions=tuple(regions), options=options, routes=routes)


def _with_options(problem: Problem, placement: Placement | None) -> Problem:
    """Return the problem with each item's option as placed, or its first."""
    return replace(
        problem,
        items=tuple(
            replace(item, options=(item.options[placement.options[j] if placement else 0],))
            for j, item in enumerate(problem.items)
        ),
    )
