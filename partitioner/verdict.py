"""Why a request found no plan, whether that is proven, and what would help.

The conflict is irreducible: limits are dropped one after another as long as what is left is proven
to have no plan, and every limit that stays was shown to be needed by a plan without it. Remedies
are only named after the changed request was solved. All of it ends with the request's time; what
could not be shown in it is said. Refuses to call anything impossible that was only not found.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from math import ceil, floor, inf, log10
from typing import Any, TypeAlias

from elasticdf.errors import ElasticDFError, InfeasibleError, TimeLimitError, UserError
from elasticdf.hardware.cluster import Cluster
from partitioner import explain, instant
from partitioner.bounds import least_controller, pooled_loads, smallest_share
from partitioner.clock import Clock
from partitioner.explain import NOTHING, Explanation, Loosened, number
from partitioner.formulation import Formulation
from partitioner.menu import offered
from partitioner.plan import Mode, PlannedBoard, infeasible_document
from partitioner.problem import LinkEnd, Problem, Vector
from partitioner.request import Objective, Request
from partitioner.solver import Status
from partitioner.space import Found, Space
from partitioner.topology import DEFAULT_LIMITS

Goal: TypeAlias = Callable[[Space], tuple[Found, float] | None]
"""Finds what a space's request asks for."""

_PROOF_SHARE = 0.5
"""Of the time left, for the proof that there is no plan."""

_CONFLICT_SHARE = 0.5
"""Of what is left then, for the conflict; remedies have the rest."""

_RATE_SHARE = 0.5
"""Of that, for the highest rate that is reached."""

_QUESTION_SHARE = 0.25

_QUESTION_SECONDS = 10.0
"""Time for one changed request."""

_MODEL_SIZE = 20_000
"""Items times options times regions times replicas up to which a proof by the model is tried."""

_MOST_COPIES = 1024

_MORE_BOARDS = 3
"""Boards added at most as a remedy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Whether a request has a plan.

    Attributes:
        found: A placement that shows it.
        proven: Whether there is none; never true beside a placement.
    """

    found: Found | None = None
    proven: bool = False


def of(space: Space, goal: Goal) -> ElasticDFError:
    """Return the error that says why there is no plan, and whether that is proven."""
    return _Verdict(space, goal).error()


def at_once(space: Space, goal: Goal) -> InfeasibleError | None:
    """Return the error for a request that is impossible for a reason that needs no solver."""
    message = refused(space, goal)
    return None if message is None else _Verdict(space, goal).infeasible(message)


def refused(space: Space, goal: Goal) -> str | None:
    """Return a reason for which a request is impossible and that needs no solver, None without."""
    verdict = _Verdict(space, goal)
    target = verdict.slowest
    choices = space.table.at(space.table.targets[target])
    if target >= space.fastest and choices is not None:
        replicas = _needed(space, space.fastest)
        problem = space.problem(choices, space.table.targets[target], replicas)
        if replicas <= _kernel_room(space) and instant.cramped(problem) is None:
            return None  # the usual case, at the price of one interval's choices
    return verdict.obvious()


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
    easiest = _loosest(space, slowest, _needed(space, fastest))
    if _refused(space, easiest, clock):
        return Decision(proven=True)
    rungs = {slowest} if _paced(space) else {slowest, (slowest + fastest) // 2, fastest}
    for rung in sorted(rungs, reverse=True):
        found = space.place(rung, _needed(space, rung))
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


def _needed(space: Space, target: int) -> int:
    """Return the fewest copies that do at a target; more of them only need more."""
    request = space.request
    if request.replicas is not None or request.fps is None:
        return request.replicas or 1
    return max(1, ceil(request.fps * space.table.targets[target] / request.clock_hz - 1e-9))


def _refused(space: Space, problem: Problem, clock: Clock) -> bool:
    """Return whether counting, or a model without its integers, proves that nothing fits."""
    return (
        problem.replicas > min(_MOST_COPIES, _kernel_room(space))
        or instant.cramped(problem) is not None
        or _room(space, problem) < problem.replicas
        or _has_none(space, problem, clock, relaxed=True)
    )


def _kernel_room(space: Space) -> int:
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
    """Return the problem with every folding up to a target to choose from, at its interval."""
    choices = offered(space.table, space.fastest, target)
    return space.problem(choices, space.table.targets[target], replicas)


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
    seconds = min(_QUESTION_SECONDS, clock.left())
    if problem.size > _MODEL_SIZE or seconds <= 0:
        return False
    answer = Formulation(problem).model.solve(
        space.request.options, seconds=seconds, relaxed=relaxed
    )
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


@dataclass(slots=True)
class _Verdict:
    """The verdict on a request.

    Attributes:
        space: The request on its cluster.
        goal: Finds the best answer of a request.
    """

    space: Space
    goal: Goal
    _request: Request = field(init=False)

    def __post_init__(self) -> None:
        self._request = replace(
            self.space.request,
            objective=Objective.THROUGHPUT,
            progress=None,
            memory=self.space.request.memory or {},
        )

    def error(self) -> ElasticDFError:
        clock = self.space.clock
        message = self.obvious() if clock.left() > 0 else None
        if message is None and not self._proven(clock.part(_PROOF_SHARE)):
            return TimeLimitError(
                f"no plan was found in {clock.spent():.0f} s, nor a proof that there is none; "
                "raise --time-limit or give more room"
            )
        return self.infeasible(message)

    def _proven(self, clock: Clock) -> bool:
        return clock.left() > 0 and decide(self.space, clock).proven

    def infeasible(self, message: str | None) -> InfeasibleError:
        """Return the error with everything that can be said in the time left."""
        conflict, irreducible = self._conflict(self.space.clock.part(_CONFLICT_SHARE))
        cause = Explanation(
            message=message or explain.sentence(self._request, conflict),
            conflict=conflict,
            irreducible=irreducible,
        )
        shortfall, changes = self._help(conflict)
        cause = replace(cause, shortfall=shortfall, remedies=changes)
        advice = f"; what helps: {'; or '.join(changes)}" if changes else ""
        return InfeasibleError(cause.message + advice, explanation=self._document(cause))

    @property
    def slowest(self) -> int:
        """The longest target that could do, an index; below the fastest if none does."""
        request, targets = self._request, self.space.table.targets
        if request.fps is None:
            return len(targets) - 1
        copies = request.replicas or max(1, _kernel_room(self.space))
        return bisect_right(targets, copies * request.clock_hz / request.fps) - 1

    def obvious(self) -> str | None:
        """Return a reason that needs no solver: a rate no folding reaches, layers no die holds."""
        space, request, room = self.space, self._request, _kernel_room(self.space)
        fastest, most = space.table.targets[space.fastest], request.replicas or max(1, room)
        if request.fps is not None and most * request.clock_hz / fastest < request.fps:
            reached = number(_rounded_down(most * request.clock_hz / fastest))
            return (
                f"{number(request.fps)} frames per second are out of reach: the slowest layer "
                f"needs {fastest} cycles per frame however it is folded, "
                f"and {_times(most, 'copy', 'copies')} make {reached} at most"
            )
        if (request.replicas or 1) > room:
            return (
                f"{_times(request.replicas or 1, 'copy needs', 'copies need')} a kernel and two "
                f"memory movers each; the boards and their memories have room for {room}"
            )
        problem = self._easiest()
        found = instant.cramped(problem)
        return None if found is None else instant.described(problem, found)

    def _easiest(self) -> Problem:
        """Return a problem that is easier to place than any that would do."""
        slowest = max(self.slowest, self.space.fastest)
        return _loosest(self.space, slowest, _needed(self.space, self.space.fastest))

    def _decide(self, request: Request, without: Loosened, clock: Clock) -> Decision:
        if clock.left() <= 0:
            return Decision()
        changed = explain.dropped(request, without)
        space = self._space(changed, clock, without)
        return Decision() if space is None else decide(space, clock)

    def _space(self, request: Request, clock: Clock, without: Loosened = NOTHING) -> Space | None:
        """Return the space of a changed request; None if it makes no sense."""
        cluster = request.target if isinstance(request.target, Cluster) else self.space.cluster
        try:
            return Space.of(request, cluster, clock, without)
        except UserError:
            return None

    def _conflict(self, clock: Clock) -> tuple[tuple[str, ...], bool]:
        """Return limits that cannot hold together, and whether none is shown to be superfluous."""
        gone: dict[str, float] = {}
        kept: list[str] = []
        shown = True
        names = [*explain.PLAIN_LIMITS, *explain.wishes(self._request)]
        unlikely = dict.fromkeys(names[:8], inf)
        if self._decide(self._request, unlikely, _question(clock)).proven:
            gone, names = unlikely, names[8:]
        for name in names:
            decision = self._decide(self._request, {**gone, name: inf}, _question(clock))
            if decision.proven:
                gone[name] = inf
            else:
                kept.append(name)
                shown = shown and decision.found is not None
        return tuple(kept), shown

    def _help(
        self, conflict: tuple[str, ...]
    ) -> tuple[tuple[Mapping[str, Any], ...], tuple[str, ...]]:
        """Return what is missing and the changes that were solved and work."""
        short = list(self._obvious_shortfall())
        changes: list[str] = []
        if self._request.fps is not None and isinstance(self._request.target, Cluster):
            for rate in self._best_rate():
                changes.append(f"lower the rate: --fps {number(rate)}")
                short.append(_too_fast(self._request.fps, rate))
        changes += self._more_boards()
        changes += [text for text, r in explain.fewer_wishes(self._request) if self._works(r)]
        for name in conflict:
            if name.startswith("capacity["):
                resource = name[len("capacity[") : -1]
                raised = self._least_limit(resource)
                changes += [explain.with_limit(self._request, resource, h)[0] for h in raised]
                short += self._lacking(resource, raised)
            elif name in explain.PLAIN_LIMITS:
                short += self._least_factor(name)
        changes += [f"ask for fewer copies: --replicas {n}" for n in self._most_replicas()]
        return tuple(short), tuple(changes)

    def _works(self, request: Request, without: Loosened = NOTHING) -> bool:
        clock = _question(self.space.clock)
        return self._decide(request, without, clock).found is not None

    def _more_boards(self) -> tuple[str, ...]:
        for count in range(1, _MORE_BOARDS + 1):
            change = explain.more_boards(self._request, count)
            if change is not None and self._works(change[1]):
                return (change[0],)
        return ()

    def _obvious_shortfall(self) -> tuple[Mapping[str, Any], ...]:
        problem = self._easiest()
        found = instant.cramped(problem)
        return () if found is None else instant.shortfall(problem, found)

    def _least_limit(self, resource: str) -> list[int]:
        """Return the least raise of a limit that works, in hundredths; empty if none does."""
        now = {**DEFAULT_LIMITS, **self._request.limits}[resource]
        low, high = int(now * 100 + 1e-9), 100
        if low >= high or not self._works(explain.with_limit(self._request, resource, high)[1]):
            return []
        while high - low > 1:
            middle = (low + high) // 2
            works = self._works(explain.with_limit(self._request, resource, middle)[1])
            low, high = (low, middle) if works else (middle, high)
        return [high]

    def _lacking(self, resource: str, hundredths: list[int]) -> Iterator[Mapping[str, Any]]:
        """Yield what lacks of a resource: of all dies together, or for packing them tighter."""
        problem = self._easiest()
        now = {**DEFAULT_LIMITS, **self._request.limits}[resource]
        entry: dict[str, Any] = {"resource": resource, "limit": now}
        if hundredths:
            entry["limit_enough"] = hundredths[0] / 100
        if resource in problem.resources:
            r = problem.resources.index(resource)
            least = sum(min(o.resources[r] for o in item.options) for item in problem.items)
            dies = [problem.regions[p] for p in problem.places]
            allowed = sum(die.allowed()[r] for die in dies)
            needed = least * problem.replicas
            tighter = sum(
                int(die.capacity[r] * (h / 100 - now)) for die in dies for h in hundredths
            )
            entry |= {"needed_at_least": needed, "allowed": allowed}
            entry |= {"short": max(needed - allowed, 0) or tighter}
        if hundredths or entry.get("short"):
            yield entry

    def _least_factor(self, name: str) -> Iterator[Mapping[str, Any]]:
        """Yield by how much a limit of the boards would have to be larger, within 5 %."""
        low, high = 1.0, 1.25
        while not self._works(self._request, {name: high}):
            low, high = high, high * 2
            if high > 100 or self.space.clock.left() <= 0:
                return
        while high / low > 1.05 and self.space.clock.left() > 0:
            middle = (low * high) ** 0.5
            works = self._works(self._request, {name: middle})
            low, high = (low, middle) if works else (middle, high)
        allowed = _amount(self._easiest(), name)
        needed = ceil(allowed * high - 1e-9)
        yield {"limit": name, "allowed": allowed, "enough": needed, "short": needed - allowed}

    def _best_rate(self) -> list[float]:
        """Return a rate that is reached, close to the highest, with few digits."""
        clock = self.space.clock.part(_RATE_SHARE)
        space = self._space(replace(self._request, fps=None), clock)
        best = None if space is None else self.goal(space)
        if best is None:
            return []
        rate = _rounded_down(best[0].rate() * self._request.clock_hz)
        return [rate] if self._works(replace(self._request, fps=rate)) else []

    def _most_replicas(self) -> list[int]:
        """Return how many copies there is room for, where more were asked for."""
        low, high = 0, self._request.replicas or 1
        while high - low > 1:
            middle = (low + high) // 2
            works = self._works(replace(self._request, replicas=middle))
            low, high = (middle, high) if works else (low, middle)
        return [low] if low else []

    def _document(self, cause: Explanation) -> dict[str, object]:
        request, cluster = self._request, self.space.cluster
        return infeasible_document(
            network=request.graph.name,
            mode=request.mode,
            clock_hz=request.clock_hz,
            cluster=cluster.name,
            boards=tuple(
                PlannedBoard(id=i, board=b.name, dies=tuple(d.name for d in b.dies))
                for i, b in enumerate(cluster.boards)
            ),
            certificate={
                "seconds": 0.0,
                "solver": request.options.label,
                "seed": request.options.seed,
            },
            explanation=cause.to_json(),
        )


def _times(count: int, one: str, many: str) -> str:
    return f"{count} {one if count == 1 else many}"


def _too_fast(asked: float, reachable: float) -> dict[str, Any]:
    return {"frames_per_second": asked, "reachable": reachable, "short": asked - reachable}


def _question(clock: Clock) -> Clock:
    """Return the clock of one changed request; a hard one must leave time for others."""
    return clock.part(min(_QUESTION_SHARE, _QUESTION_SECONDS / max(clock.left(), 1e-9)))


def _rounded_down(rate: float) -> float:
    """Return a rate with four digits, rounded down.

    >>> _rounded_down(3985.97), _rounded_down(0.123456)
    (3985.0, 0.1234)
    """
    unit = 10.0 ** (int(log10(rate)) - 3 - (rate < 1)) if rate > 0 else 1.0
    return round(int(rate / unit + 1e-9) * unit, 12)


def _amount(problem: Problem, name: str) -> int:
    """Return the least value of a limit of the boards."""
    ends = [end for link in problem.links for end in link.ends]
    values: dict[str, list[int | None]] = {
        "kernels": [problem.compute_units],
        "memory_ports": [region.memory_ports for region in problem.regions],
        "sockets": [end.sockets for end in ends],
        "wires": [link.wires for link in problem.links],
        "links": [link.bits_per_second for link in problem.links],
    }
    return min((value for value in values[name] if value is not None), default=0)
