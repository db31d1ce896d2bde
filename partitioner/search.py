"""The outer loop: the goal, the number of boards, latency, fewer crossings, the certificate.

How many replicas at which interval is `partitioner.throughput`'s part.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, replace

from elasticdf.errors import (
    TimeLimitError,
    UserError,
)
from elasticdf.hardware.cluster import MAX_BOARDS, AutoTarget, Cluster
from partitioner import answer, exact, throughput
from partitioner.clock import Clock
from partitioner.control_ports import with_fewer_control_ports
from partitioner.infeasible import verdict
from partitioner.latency.quickest import quickest, sooner, with_more_copies
from partitioner.plan import Plan, Proof
from partitioner.problem import Problem
from partitioner.request import Objective, Request
from partitioner.solution import proof_from_above, proof_from_below
from partitioner.space import Found, Space
from partitioner.verify import check

_SEARCH_SHARE = 0.6
"""Of the time left, for finding a frame rate that may not be reachable."""

_CROSSING_SECONDS = 15.0
"""Time spent on fewer crossings once the frame rate is settled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """What a search came to.

    Attributes:
        found: Where everything sits.
        rate_bound: Frames per cycle that no placement exceeds.
        crossing_cost: What is proven about crossings.
    """

    found: Found
    rate_bound: float
    crossing_cost: Proof


@dataclass(frozen=True, slots=True, kw_only=True)
class Searched:
    """What the search for a request's goal came to.

    Attributes:
        space: The request, the boards it takes and the time left.
        found: Where everything sits, before crossings were made few.
        rate_bound: Frames per cycle that no placement exceeds.
    """

    space: Space
    found: Found
    rate_bound: float

    def plan(self) -> tuple[Plan, Problem]:
        """Return the plan with few crossings, and the problem whose solution it is."""
        few = self.settled()
        return self.planned(few), few.found.problem

    def settled(self) -> Settled:
        """Return the placement with few crossings."""
        return settled(self.space, self.found, self.rate_bound)

    def planned(self, few: Settled) -> Plan:
        """Return the plan that such a placement means."""
        return planned(self.space.request, self.space.cluster, few)

    def sooner(self) -> Searched:
        """Return what has the lowest latency found at the highest rate; itself at other goals."""
        request = self.space.request
        if request.fps is not None or request.objective is not Objective.THROUGHPUT:
            return self
        found = sooner(self.space, self.found)
        return self if found is self.found else replace(self, found=found)


def plan(request: Request) -> Plan:
    """Return the best plan for a request.

    Raises:
        UserError: The request contradicts itself.
        InfeasibleError: There is no plan; its explanation is the document for ``plan.json``.
        TimeLimitError: Time ran out before any plan was found.
    """
    return plan_with_problem(request)[0]


def plan_with_problem(request: Request) -> tuple[Plan, Problem]:
    """Return the best plan and the problem whose solution it is, for snapshots.

    Raises:
        UserError: The request contradicts itself.
        InfeasibleError: There is no plan.
        TimeLimitError: Time ran out before any plan was found.
    """
    return searched(request).sooner().plan()


def searched(request: Request) -> Searched:
    """Return what the search for a request's goal comes to.

    Raises:
        UserError: The request contradicts itself.
        InfeasibleError: There is no plan.
        TimeLimitError: Time ran out before any plan was found.
    """
    clock = request.options.clock()
    if isinstance(request.target, AutoTarget):
        space, found, bound = _fewest_boards(request, request.target, clock)
    else:
        space = Space.of(request, request.target, clock)
        found, bound = _required(space)
    return Searched(space=space, found=found, rate_bound=bound)


def _required(space: Space) -> tuple[Found, float]:
    """Return what the request asks for on one cluster, with the limit on frames per cycle.

    Raises:
        InfeasibleError: There is nothing, for the reason given.
        TimeLimitError: Neither a plan nor a reason was found in time.
    """
    impossible = verdict.at_once(space, _goal)
    if impossible is not None:
        raise impossible
    wanted = space.request.fps is not None
    # A rate that is not found must leave time to find out why.
    found = _goal(replace(space, clock=space.clock.part(_SEARCH_SHARE)) if wanted else space)
    if found is None:
        raise verdict.of(space, _goal)
    return found


def _goal(space: Space) -> tuple[Found, float] | None:
    """Return the fastest placement, or the cheapest that reaches the request's frame rate.

    Where latency counts first, the one with the lowest latency instead.
    """
    if space.request.objective is Objective.LATENCY:
        return _soonest(space)
    if space.request.fps is None:
        return throughput.highest(space)
    found = _cheapest(space, space.request.fps)
    return None if found is None else (found, found.rate())


def _soonest(space: Space) -> tuple[Found, float] | None:
    """Return the placement with the lowest latency, with as many copies as that leaves room for."""
    request, targets = space.request, space.table.targets
    if request.fps is not None:
        for replicas in space.replica_numbers():
            slowest = bisect_right(targets, replicas * request.clock_hz / request.fps) - 1
            found = quickest(space, replicas, slowest) if slowest >= space.fastest else None
            if found is not None:
                return found, found.rate()
        return None
    found = quickest(space, request.replicas or 1, len(targets) - 1)
    if found is None:
        return None
    if request.replicas is None:
        found = with_more_copies(space, found)
    limits = (replicas / targets[low] for replicas, low in space.candidates())
    return found, max(limits, default=found.rate())


def _cheapest(space: Space, fps: float) -> Found | None:
    """Return the placement with fewest crossings, then least logic, that reaches a frame rate."""
    targets, best = space.table.targets, None
    key: tuple[float, int] | None = None
    longest = {
        replicas: bisect_right(targets, replicas * space.request.clock_hz / fps) - 1
        for replicas in space.replica_numbers()
    }
    for replicas, target in longest.items():
        if best is not None and space.clock.left() <= 0:
            break
        found = space.place(target, replicas) if target >= 0 else None
        if found is None:
            continue
        loads = check(found.problem, found.placement)
        cost = float(loads.cost), sum(used[0] for used in loads.resources)
        if key is None or cost < key:
            best, key = found, cost
    fewest = min(longest)
    if best is not None or longest[fewest] < 0:
        return best
    found = space.place_within(space.fastest, longest[fewest], fewest)
    return found or space.examine(longest[fewest], fewest).found


def _fewest_boards(
    request: Request, target: AutoTarget, clock: Clock
) -> tuple[Space, Found, float]:
    """Return the plan with the fewest boards that reaches the request's frame rate."""
    if request.fps is None:
        raise UserError(
            f"target autox{target.board.name} takes the fewest boards that reach a frame rate; "
            "say which with --fps"
        )
    impossible = verdict.at_once(Space.of(request, target.cluster(MAX_BOARDS), clock), _goal)
    if impossible is not None:
        raise impossible
    for count in range(1, MAX_BOARDS + 1):
        last = Space.of(request, target.cluster(count), clock)
        if clock.left() <= 0:
            raise TimeLimitError(
                f"fewer than {count} boards {target.board.name} do not seem to reach "
                f"{request.fps:g} frames per second, and time ran out; raise --time-limit"
            )
        found = _goal(last)
        if found is not None:
            return last, *found
    raise TimeLimitError(
        f"up to {MAX_BOARDS} boards {target.board.name} were tried and none reached "
        f"{request.fps:g} frames per second; lower --fps or let the mode be dp"
    )


def settled(space: Space, found: Found, rate_bound: float) -> Settled:
    """Return a placement with crossings made as few as time allows."""
    seconds = max(0.5, min(_CROSSING_SECONDS, space.clock.left()))
    solution = exact.solve(
        found.problem, replace(space.request.options, time_limit=seconds), first=found.placement
    )
    placement = with_fewer_control_ports(found.problem, solution.placement or found.placement)
    cost = check(found.problem, placement).cost
    return Settled(
        found=replace(found, placement=placement),
        rate_bound=rate_bound,
        crossing_cost=solution.cost or proof_from_below(cost, 0.0),
    )


def planned(request: Request, cluster: Cluster, settled: Settled) -> Plan:
    """Return the plan that a search came to, with its certificate."""
    clock_hz = request.clock_hz
    return answer.assemble(
        request,
        cluster,
        settled.found,
        throughput=proof_from_above(settled.found.rate() * clock_hz, settled.rate_bound * clock_hz),
        crossing_cost=settled.crossing_cost,
    )
