"""The outer loop: how many replicas, at which interval, on how many boards.

For every number of replicas the pooled bound says below which interval nothing can fit; bisection
between that and what is already reached finds the fastest placement. Refuses answers that the
independent verifier does not accept.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field
from math import floor

from elasticdf.errors import InfeasibleError, TimeLimitError, UserError
from elasticdf.hardware.cluster import AutoTarget, Cluster
from partitioner import answer, lower, topology
from partitioner.bounds import pooled_loads, smallest_share
from partitioner.choices import Choices, ChoiceTable
from partitioner.fill import construct
from partitioner.plan import Mode, Plan
from partitioner.problem import Problem
from partitioner.request import Request
from partitioner.solution import Placement, proof_from_above, proof_from_below
from partitioner.solver import Clock
from partitioner.verify import check

_MOST_REPLICAS = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A verified placement at an interval."""

    problem: Problem
    placement: Placement
    choices: Choices
    interval_cycles: int
    replicas: int

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
    """

    request: Request
    cluster: Cluster
    topology: topology.Topology
    table: ChoiceTable
    clock: Clock
    _shares: dict[int, float] = field(default_factory=dict)

    @staticmethod
    def of(request: Request, cluster: Cluster, clock: Clock) -> Space:
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
        )

    def problem(self, choices: Choices, interval: int, replicas: int) -> Problem:
        """Return the problem of placing that many replicas at that interval."""
        return lower.problem(
            self.request,
            self.cluster,
            self.topology,
            choices,
            interval_cycles=interval,
            replicas=replicas,
        )

    def share(self, target: int) -> float:
        """Return a lower bound on the share of the cluster one replica takes; above 1: nothing."""
        if target not in self._shares:
            interval = self.table.targets[target]
            choices = self.table.at(interval)
            self._shares[target] = (
                2.0
                if choices is None
                else smallest_share(pooled_loads(self.problem(choices, interval, 1)))
            )
        return self._shares[target]

    def most_replicas(self, target: int) -> int:
        """Return how many replicas at most fit at a target, by the pooled bound."""
        share = self.share(target)
        return _MOST_REPLICAS if share <= 0 else min(_MOST_REPLICAS, floor(1 / share + 1e-9))

    def place(self, target: int, replicas: int) -> Found | None:
        """Return a placement at that target or faster, None if none was found."""
        interval = self.table.targets[target]
        choices = self.table.at(interval)
        if choices is None or self.most_replicas(target) < replicas:
            return None
        problem = self.problem(choices, interval, replicas)
        placement = construct(problem)
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


def plan(request: Request) -> Plan:
    """Return the best plan for a request.

    Raises:
        UserError: The request contradicts itself.
        InfeasibleError: There is no plan.
        TimeLimitError: Time ran out before any plan was found.
    """
    if isinstance(request.target, AutoTarget):
        return _fewest_boards(request, request.target)
    clock = Clock(request.options.time_limit)
    space = Space.of(request, request.target, clock)
    found, bound = _fastest(space)
    return _assemble(space, found, bound)


def _assemble(space: Space, found: Found, rate_bound: float) -> Plan:
    """Return the plan with its certificate."""
    request = space.request
    cost = check(found.problem, found.placement).cost
    return answer.assemble(
        request,
        space.cluster,
        found.problem,
        found.placement,
        found.choices,
        interval_cycles=found.interval_cycles,
        certificate=answer.certificate(
            solver=request.options.label,
            seed=request.options.seed,
            throughput=proof_from_above(
                found.rate() * request.clock_hz, rate_bound * request.clock_hz
            ),
            crossing_cost=proof_from_below(cost, 0.0),
        ),
    )


def _fewest_boards(request: Request, target: AutoTarget) -> Plan:
    raise UserError(f"target auto{target.board.name} {request.fps}")


def _fastest(space: Space) -> tuple[Found, float]:
    """Return the fastest placement found and the proven limit on frames per cycle."""
    best: Found | None = None
    limit = 0.0
    for replicas, low in _candidates(space):
        bound = replicas / space.table.targets[low]
        limit = max(limit, bound)
        if best is not None and bound <= best.rate():
            continue
        found = _fastest_with(space, replicas, low, best)
        if found is not None:
            best = found
            _tell(space, best)
        if space.clock.left() <= 0:
            break
    if best is None and space.clock.left() <= 0:
        raise TimeLimitError(
            f"no plan was found in {space.clock.spent():.0f} s; raise --time-limit"
        )
    if best is None:
        raise InfeasibleError("no placement exists under these limits")
    return best, max(limit, best.rate())


def _tell(space: Space, found: Found) -> None:
    if space.request.progress is not None:
        rate = found.rate() * space.request.clock_hz
        space.request.progress(f"{rate:.1f} frames per second with {found.replicas} replicas")


def _candidates(space: Space) -> list[tuple[int, int]]:
    """Return numbers of replicas with the first target the pooled bound allows, best first.

    A target is an index into the table's targets.
    """
    request, targets = space.request, space.table.targets
    most = min(space.most_replicas(len(targets) - 1), _kernel_limit(space))
    numbers = range(1, most + 1) if request.replicas is None else (request.replicas,)
    found = []
    low = 0
    for replicas in numbers:
        low = bisect_left(
            range(len(targets)), 1, lo=low, key=lambda t: int(space.most_replicas(t) >= replicas)
        )
        if low < len(targets):
            found.append((replicas, low))
    return sorted(found, key=lambda pair: (-pair[0] / targets[pair[1]], pair[0]))


def _kernel_limit(space: Space) -> int:
    """Every replica needs a kernel and, for its input and output, two memory movers."""
    return max(1, len(space.cluster.boards) * space.topology.compute_units // 3)


def _fastest_with(space: Space, replicas: int, low: int, best: Found | None) -> Found | None:
    """Return the fastest placement of that many replicas that beats the best, if any.

    Good targets are close to the bound ``low``, so steps from it grow before they are bisected.
    """
    targets = space.table.targets
    high = len(targets) - 1
    if best is not None:
        high = bisect_left(targets, replicas / best.rate()) - 1
        if high < low or space.place(high, replicas) is None:
            return None
    found: Found | None = None
    step = 1
    while found is None and low <= high and space.clock.left() > 0:
        probe = min(low + step - 1, high)
        found = space.place(probe, replicas)
        low, step, high = (low, step, probe) if found else (probe + 1, step * 2, high)
    while low < high and space.clock.left() > 0:
        middle = (low + high) // 2
        attempt = space.place(middle, replicas)
        found, low, high = (attempt, low, middle) if attempt else (found, middle + 1, high)
    return found
