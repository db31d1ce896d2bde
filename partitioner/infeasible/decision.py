"""Whether a request has a plan, and whether it is proven to have none.

Refuses to call anything impossible that was only not found.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, replace
from math import ceil, floor

from partitioner import explain
from partitioner.bounds import least_controller, pooled_loads, smallest_share
from partitioner.clock import Clock
from partitioner.formulation import Formulation
from partitioner.infeasible import instant
from partitioner.menu import offered
from partitioner.plan import Mode
from partitioner.problem import LinkEnd, Problem, Vector
from partitioner.solver import Status, minimise
from partitioner.space import Found, Space

_MODEL_SECONDS = 10.0
"""Time for one model."""

_MODEL_SIZE = 20_000
"""Items times options times regions times replicas up to which a proof by the model is tried."""

_MOST_COPIES = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Whether a request has a plan.

    Attributes:
        found: A placement that shows it.
        proven: Whether there is none; never true beside a placement.
    """

    found: Found | None = None
    proven: bool = False


def decide(space: Space, clock: Clock) -> Decision:
    """Return whether a request has a plan, for any number of replicas that would do."""
    last = len(space.table.targets) - 1
    if space.request.fps is not None and space.request.replicas is not None:
        interval = space.request.replicas * space.request.clock_hz / space.request.fps
        last = bisect_right(space.table.targets, interval) - 1
    return _settle(space, space.fastest, last, clock)


def _settle(space: Space, fastest: int, slowest: int, clock: Clock) -> Decision:
    """Return whether any of a range of targets has a placement.

    The fewest copies of the range at its longest interval, with all its foldings to choose from,
    are easier to place than any of it; if that does not prove anything, its halves are looked at.
    """
    if slowest < fastest:
        return Decision(proven=True)
    easiest = _loosest(space, slowest, needed(space, fastest))
    if _refused(space, easiest, clock):
        return Decision(proven=True)
    rungs = {slowest} if _paced(space) else {slowest, (slowest + fastest) // 2, fastest}
    for rung in sorted(rungs, reverse=True):
        found = space.place(rung, needed(space, rung))
        if found is not None:
            return Decision(found=found)
        if clock.left() <= 0:
            return Decision()
    if slowest == fastest or not _paced(space):
        return Decision(proven=_has_none(space, easiest, clock, relaxed=False))
    middle = (fastest + slowest) // 2
    upper = _settle(space, middle + 1, slowest, clock)
    if upper.found is not None or clock.left() <= 0:
        return upper if upper.found is not None else Decision()
    lower = _settle(space, fastest, middle, clock)
    return lower if lower.found is not None else Decision(proven=upper.proven and lower.proven)


def _paced(space: Space) -> bool:
    """Whether longer intervals ask for more copies."""
    return space.request.fps is not None and space.request.replicas is None


def needed(space: Space, target: int) -> int:
    """Return the fewest copies that do at a target; more of them only need more."""
    request = space.request
    if request.replicas is not None or request.fps is None:
        return request.replicas or 1
    return max(1, ceil(request.fps * space.table.targets[target] / request.clock_hz - 1e-9))


def _refused(space: Space, problem: Problem, clock: Clock) -> bool:
    """Return whether counting, or a model without its integers, proves that nothing fits."""
    return (
        problem.replicas > min(_MOST_COPIES, kernel_room(space))
        or instant.cramped(problem) is not None
        or _room(space, problem) < problem.replicas
        or _has_none(space, problem, clock, relaxed=True)
    )


def kernel_room(space: Space) -> int:
    """Return how many replicas boards and memories could serve.

    Every replica needs a kernel and, for its input and output, two memory movers.
    """
    per_board = explain.raised(space.topology.compute_units, space.without.get("kernels", 1.0))
    ports = [
        explain.raised(region.memory_ports, space.without.get("memory_ports", 1.0))
        for region in space.topology.regions
        if region.memory_charge or region.memory_ports is not None
    ]
    movers = _MOST_COPIES if not ports or None in ports else sum(p or 0 for p in ports) // 2
    kernels = _MOST_COPIES if per_board is None else len(space.cluster.boards) * per_board // 3
    return min(_MOST_COPIES, kernels, movers)


def _loosest(space: Space, target: int, replicas: int) -> Problem:
    """Return the problem with every folding up to a target to choose from, at its interval.

    Streams weigh the least: the words of a faster folding may take fewer bits to pad.
    """
    choices = offered(space.table, space.fastest, target)
    return space.problem(choices, space.table.targets[target], replicas, lightest=True)


def longest_target(space: Space) -> int:
    """Return the longest target that could do, an index; below the fastest if none does."""
    request, targets = space.request, space.table.targets
    if request.fps is None:
        return len(targets) - 1
    copies = request.replicas or max(1, kernel_room(space))
    return bisect_right(targets, copies * request.clock_hz / request.fps) - 1


def easiest_problem(space: Space) -> Problem:
    """Return a problem that is easier to place than any that would do."""
    return _loosest(space, max(longest_target(space), space.fastest), needed(space, space.fastest))


def _room(space: Space, problem: Problem) -> int:
    """Return how many replicas at most fit into all regions poured into one."""
    if space.request.mode is Mode.DATA_PARALLEL:
        return sum(_fits(problem, problem.regions_of(board)) for board in problem.boards)
    return _fits(problem, problem.places)


def _fits(problem: Problem, regions: tuple[int, ...]) -> int:
    share = smallest_share(pooled_loads(problem, regions, taken=least_controller(problem, regions)))
    return _MOST_COPIES if share <= 0 else min(_MOST_COPIES, floor(1 / share + 1e-9))


def _has_none(space: Space, problem: Problem, clock: Clock, *, relaxed: bool) -> bool:
    """Return whether the general model proves that a problem has no placement."""
    if problem.size > _MODEL_SIZE and relaxed:
        problem = _poured(problem)
    seconds = min(_MODEL_SECONDS, clock.left())
    if problem.size > _MODEL_SIZE or seconds <= 0:
        return False
    formulation, options = Formulation(problem), space.request.options
    if relaxed:
        answer = minimise(formulation.model, options, seconds=seconds, relaxed=True)
    else:
        answer = formulation.solve(options, seconds)
    return answer.status is Status.INFEASIBLE


def _poured(problem: Problem) -> Problem:
    """Return all replicas as one that takes as much as all of them.

    Where fractions of items are allowed, what many equal replicas could do together this one could.
    What counts streams or kernels is left out.
    """
    times = problem.replicas
    return replace(
        problem,
        replicas=1,
        compute_units=None,
        regions=tuple(replace(region, memory_ports=None) for region in problem.regions),
        links=tuple(
            replace(
                link,
                ends=(_widened(link.ends[0], times), _widened(link.ends[1], times)),
            )
            for link in problem.links
        ),
        items=tuple(
            replace(
                item,
                options=tuple(
                    replace(o, resources=_multiple(o.resources, times), wires=o.wires * times)
                    for o in item.options
                ),
            )
            for item in problem.items
        ),
        arcs=tuple(
            replace(
                arc,
                bits_per_second=arc.bits_per_second * times,
                wires=None if arc.wires is None else arc.wires * times,
            )
            for arc in problem.arcs
        ),
    )


def _multiple(vector: Vector, times: int) -> Vector:
    return tuple(amount * times for amount in vector)


def _widened(end: LinkEnd, times: int) -> LinkEnd:
    return replace(end, adapter=_multiple(end.adapter, times), sockets=None)
