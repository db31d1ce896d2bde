"""A request on one cluster: its problems, bounds and placements at any interval.

Refuses answers that the independent verifier does not accept.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field
from math import floor

from elasticdf.hardware.cluster import Cluster
from partitioner import explain, lower, topology
from partitioner.bounds import (
    least_connection,
    least_controller,
    pooled_loads,
    smallest_share,
)
from partitioner.choices import Choices, ChoiceTable
from partitioner.clock import Clock
from partitioner.fill import construct
from partitioner.formulation import Formulation
from partitioner.plan import Mode
from partitioner.problem import Problem, Vector
from partitioner.request import Request
from partitioner.solution import Placement

_MOST_REPLICAS = 1024

_SMALL_SIZE = 400
"""Items times options times regions up to which the general model is asked, always."""

_BOUND_SIZE = 6_000
"""The same where anchors or groups bind items."""

_SEARCH_SECONDS = 10.0
"""Time for one such question."""

_SECONDS_PER_SIZE = 5e-5
"""Nominal work of laying out a problem, by its size; measured 10 to 200 microseconds."""

_SECONDS_PER_LAYER = 1e-3
"""Nominal work of finding the choices at a target; measured 0.5 to 2 ms."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A verified placement at an interval.

    Attributes:
        problem: What it solves.
        placement: Where everything sits.
        choices: Per layer, what the options mean.
        interval_cycles: Cycles between two frames of the slowest replica.
        replicas: Copies.
        least_latency: Cycles that no placement's latency undercuts, where that was asked for.
    """

    problem: Problem
    placement: Placement
    choices: Choices
    interval_cycles: int
    replicas: int
    least_latency: float | None = None

    def rate(self) -> float:
        """Return frames per cycle of the whole system."""
        return self.replicas / self.interval_cycles


@dataclass(slots=True, kw_only=True)
class Space:
    """A request on one cluster: problems, bounds and placements at any interval.

    Attributes:
        request: What is asked.
        cluster: On which boards.
        topology: Their regions in the request's mode.
        table: Choices of the layers.
        clock: Time left.
        without: Limits left out, to find out which of them conflict.
    """

    request: Request
    cluster: Cluster
    topology: topology.Topology
    table: ChoiceTable
    clock: Clock
    without: frozenset[str] = frozenset()
    _most: dict[int, int] = field(default_factory=dict)

    @staticmethod
    def of(
        request: Request, cluster: Cluster, clock: Clock, without: frozenset[str] = frozenset()
    ) -> Space:
        """Return the space of a request on a cluster.

        Raises:
            UserError: Anchors or limits make no sense, or the mode needs a network there is none.
        """
        if request.mode in (Mode.HARDWARE, Mode.TRANSPARENT) and len(cluster.boards) > 1:
            cluster.require_network(request.mode)
        regions = topology.build(
            cluster,
            request.mode,
            topology.Limits.with_changes(request.limits),
            clock_hz=request.clock_hz,
        )
        lower.check_names(request, regions)
        return Space(
            request=request,
            cluster=cluster,
            topology=regions,
            table=ChoiceTable.of(request, cluster),
            clock=clock,
            without=without,
        )

    @property
    def fastest(self) -> int:
        """The first target that every layer can reach with streams and words that can be built."""
        targets = self.table.targets
        return bisect_left(
            range(len(targets)), 1, key=lambda t: int(self.table.at(targets[t]) is not None)
        )

    def problem(self, choices: Choices, interval: int, replicas: int) -> Problem:
        """Return the problem of placing that many replicas at that interval."""
        problem = lower.problem(
            self.request,
            self.cluster,
            self.topology,
            choices,
            interval_cycles=interval,
            replicas=replicas,
        )
        return explain.relaxed(problem, self.without)

    def most_replicas(self, target: int) -> int:
        """Return how many replicas at most fit at a target, with all regions poured into one.

        Either every replica sits whole on a board, or some connection between boards is built.
        """
        if target not in self._most:
            self.clock.charge(_SECONDS_PER_LAYER * len(self.request.graph.layers))
            interval = self.table.targets[target]
            choices = self.table.at(interval)
            self._most[target] = (
                0 if choices is None else self._pooled(self.problem(choices, interval, 1))
            )
        return self._most[target]

    def _pooled(self, problem: Problem) -> int:
        whole = sum(_replicas(problem, problem.regions_of(board)) for board in problem.boards)
        if len(problem.boards) == 1 or self.request.mode is Mode.DATA_PARALLEL:
            return whole
        together = _replicas(problem, problem.places)
        joined = _replicas(problem, problem.places, taken=least_connection(problem))
        return max(min(together, whole), joined)

    def place(self, target: int, replicas: int) -> Found | None:
        """Return a placement at that target or faster, None if none was found."""
        interval = self.table.targets[target]
        choices = self.table.at(interval)
        if choices is None or self.most_replicas(target) < replicas:
            return None
        return self.laid(choices, interval, replicas)

    def laid(self, choices: Choices, interval: int, replicas: int) -> Found | None:
        """Return a placement of layers built by some of these choices, None if none was found."""
        problem = self.problem(choices, interval, replicas)
        self.clock.charge(_SECONDS_PER_SIZE * problem.size)
        placement = construct(problem) or self._search(problem)
        if placement is None:
            return None
        size = len(problem.items)
        slowest = max(
            choices[position % size][option].cycles
            for position, option in enumerate(placement.options)
        )
        return Found(
            problem=problem,
            placement=placement,
            choices=choices,
            interval_cycles=max(slowest, 1),
            replicas=replicas,
        )

    def _search(self, problem: Problem) -> Placement | None:
        """Return a placement from the general model where that is small, or wishes bind items.

        Laying items in a row knows nothing of anchors and groups, so it fails often with them.
        """
        request = self.request
        bound = bool(request.anchors or request.together)
        size = problem.size
        if size > (_BOUND_SIZE if bound else _SMALL_SIZE) or self.clock.left() <= 0:
            return None
        formulation = Formulation(problem)
        seconds = min(_SEARCH_SECONDS, self.clock.left())
        solved = formulation.model.solve(request.options, seconds=seconds, gap=1.0)
        return None if solved.values is None else formulation.placement(solved)

    def candidates(self) -> list[tuple[int, int]]:
        """Return numbers of replicas with the first target the pooled bound allows, best first.

        A target is an index into the table's targets.
        """
        targets = self.table.targets
        found = []
        low = 0
        for replicas in self.replica_numbers():
            low = bisect_left(
                range(len(targets)), 1, lo=low, key=lambda t: int(self.most_replicas(t) >= replicas)
            )
            if low < len(targets):
                found.append((replicas, low))
        return sorted(found, key=lambda pair: (-pair[0] / targets[pair[1]], pair[0]))

    def replica_numbers(self) -> range:
        """Return the numbers of replicas worth trying.

        Every replica needs a kernel and, for its input and output, two memory movers.
        """
        asked = self.request.replicas
        if asked is not None:
            return range(asked, asked + 1)
        kernels = len(self.cluster.boards) * self.topology.compute_units // 3
        slowest = len(self.table.targets) - 1
        return range(1, max(1, min(kernels, self.most_replicas(slowest))) + 1)


def _replicas(problem: Problem, regions: tuple[int, ...], *, taken: Vector = ()) -> int:
    """Return how many replicas at most fit into some regions poured into one."""
    controller = least_controller(problem, regions)
    every = tuple(a + b for a, b in zip(controller, taken or (0,) * len(controller), strict=True))
    share = smallest_share(pooled_loads(problem, regions, taken=every))
    return _MOST_REPLICAS if share <= 0 else min(_MOST_REPLICAS, floor(1 / share + 1e-9))
