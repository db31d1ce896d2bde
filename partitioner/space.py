"""A request on one cluster: its problems, bounds and placements at any interval.

Refuses answers that the independent verifier does not accept.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice

from elasticdf.hardware.cluster import Cluster
from partitioner import explain, lower, topology
from partitioner.choices import Choices, ChoiceTable
from partitioner.clock import Clock, Meter
from partitioner.counting.apart import Held, hold
from partitioner.counting.boardwise import Copies, place_boardwise
from partitioner.counting.census import Census
from partitioner.explain import NOTHING, Loosened
from partitioner.formulation import Formulation
from partitioner.packing.fill import construct
from partitioner.plan import Mode
from partitioner.problem import Problem
from partitioner.request import Request
from partitioner.room import MOST_REPLICAS, Room, room_of
from partitioner.solution import Placement
from partitioner.solver import Status
from partitioner.verify import violations

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

_CENSUS_SIZE = 40_000
"""Items times options times regions up to which copies are counted by a model."""

_BOUND_SHARE = 0.25
"""Part of the time left in which the pooled bound is found for every number of replicas."""

_EXAMINE_SECONDS = 15.0
"""Time for one such question."""

_MOST_TARGETS = 16
"""Of those at which a placement may be, how many are tried."""

_BOARDWISE_SHARE = 0.7
"""Part of the time left in which boards are tried before dies."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A verified placement at an interval.

    Attributes:
        problem: What it solves.
        placement: Where everything sits.
        choices: Per layer, what the options mean.
        interval_cycles: Cycles between two frames of the slowest replica.
        replicas: Copies.
        least_latency: Cycles that no latency of as many copies undercuts, where that was asked for.
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """What became of a number of replicas at a target: neither if time ran out."""

    found: Found | None = None
    impossible: bool = False


@dataclass(slots=True, kw_only=True)
class Space:
    """A request on one cluster: problems, bounds and placements at any interval.

    Attributes:
        request: What is asked.
        cluster: On which boards.
        topology: Their regions in the request's mode.
        table: Choices of the layers.
        clock: Time left.
        without: Limits raised or left out, to find out which of them conflict.
    """

    request: Request
    cluster: Cluster
    topology: topology.Topology
    table: ChoiceTable
    clock: Clock
    without: Loosened = field(default_factory=dict)
    _rooms: dict[int, Room] = field(default_factory=dict)
    _shares: dict[int, Copies] = field(default_factory=dict)

    @staticmethod
    def of(request: Request, cluster: Cluster, clock: Clock, without: Loosened = NOTHING) -> Space:
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

    def counted(self, seconds: float) -> Space:
        """Return the space with so many seconds left, of counted work whatever limits its own.

        They end with its own time at the latest.
        """
        options = self.request.options
        meter = Meter() if options.meter is None else options.meter
        return replace(
            self,
            request=replace(self.request, options=replace(options, meter=meter)),
            clock=self.clock.counted(seconds, meter),
        )

    @property
    def fastest(self) -> int:
        """The first target that every layer can reach with streams and words that can be built."""
        targets = self.table.targets
        return bisect_left(
            range(len(targets)), 1, key=lambda t: int(self.table.at(targets[t]) is not None)
        )

    def problem(
        self, choices: Choices, interval: int, replicas: int, *, lightest: bool = False
    ) -> Problem:
        """Return the problem of placing that many replicas at an interval, as `lower.problem`."""
        problem = lower.problem(
            self.request,
            self.cluster,
            self.topology,
            choices,
            interval_cycles=interval,
            replicas=replicas,
            lightest=lightest,
        )
        return explain.relaxed(problem, self.without)

    def most_replicas(self, target: int) -> int:
        """Return how many replicas at most fit at a target, with all regions poured into one.

        Either every replica sits whole on a board, or some connection between boards is built.
        """
        return self._room(target).most

    def _room(self, target: int) -> Room:
        if target not in self._rooms:
            self.clock.charge(_SECONDS_PER_LAYER * len(self.request.graph.layers))
            interval = self.table.targets[target]
            choices, nothing = self.table.at(interval), (0,) * len(self.cluster.boards)
            self._rooms[target] = (
                Room(whole=nothing, beside_port=nothing)
                if choices is None
                else room_of(
                    self.problem(choices, interval, 1),
                    spanning=self.request.mode is not Mode.DATA_PARALLEL,
                    serving_apart=self.request.mode is Mode.TRANSPARENT,
                )
            )
        return self._rooms[target]

    def place(self, target: int, replicas: int) -> Found | None:
        """Return a placement at that target or faster, None if none was found."""
        choices = self._possible(target, replicas)
        if choices is None:
            return None
        return self.laid(choices, self.table.targets[target], replicas)

    def place_within(self, fastest: int, slowest: int, replicas: int) -> Found | None:
        """Return a placement at one of these targets, None if none was found.

        Where one has none, others may: layers mix resources otherwise there.
        """
        for target in islice(coarse_first(range(fastest, slowest + 1)), _MOST_TARGETS):
            found = self.place(target, replicas) if self.clock.left() > 0 else None
            if found is not None:
                return found
        return None

    def laid(self, choices: Choices, interval: int, replicas: int) -> Found | None:
        """Return a placement of layers built by some of these choices, None if none was found."""
        problem = self.problem(choices, interval, replicas)
        self.clock.charge(_SECONDS_PER_SIZE * problem.size)
        placement = construct(problem, self.clock) or self._search(problem)
        return None if placement is None else self.found(choices, interval, problem, placement)

    def found(self, choices: Choices, asked: int, problem: Problem, placement: Placement) -> Found:
        """Return a valid placement with the interval of its slowest layer.

        Args:
            choices: Per layer.
            asked: The interval of the problem, which is taken where links carry no more.
            problem: What the placement solves.
            placement: Where everything sits.
        """
        size = len(problem.items)
        slowest = max(
            choices[position % size][option].cycles
            for position, option in enumerate(placement.options)
        )
        interval = max(slowest, 1)
        if interval < asked:
            quicker = self.problem(choices, interval, problem.replicas)
            if violations(quicker, placement):
                interval = asked
            else:
                problem = quicker
        return Found(
            problem=problem,
            placement=placement,
            choices=choices,
            interval_cycles=interval,
            replicas=problem.replicas,
        )

    def examine(self, target: int, replicas: int) -> Examined:
        """Place that many replicas at a target or prove that impossible, as time allows."""
        choices = self._possible(target, replicas)
        if choices is None:
            return Examined(impossible=True)
        interval = self.table.targets[target]
        found = self.laid(choices, interval, replicas)
        if found is not None:
            return Examined(found=found)
        problem = self.problem(choices, interval, replicas)
        room = self._room(target)
        apart = room.joined < replicas and len(problem.boards) > 1 and not _anchored(problem)
        held = (
            hold(problem, room.whole, self._hold)
            if apart
            else self._count(problem, room.must_join(replicas))
        )
        if held.placement is None or violations(problem, held.placement):
            return Examined(impossible=held.most < replicas)
        return Examined(found=self.found(choices, interval, problem, held.placement))

    def _hold(self, problem: Problem) -> Held:
        """Return what one board holds of some replicas, as time allows."""
        most = problem.replicas
        for replicas in range(problem.replicas, 0, -1):
            fewer = replace(problem, replicas=replicas)
            placement = construct(fewer, self.clock)
            if placement is not None:
                return Held(most=most, placement=placement, placed=replicas)
            held = self._count(fewer)
            if held.placement is not None:
                return Held(most=most, placement=held.placement, placed=replicas)
            if held.most < replicas == most:
                most = held.most
        return Held(most=most, placement=None, placed=0)

    def _count(self, problem: Problem, joined: tuple[int, ...] = ()) -> Held:
        """Return what models that count copies find and prove of a problem.

        Args:
            problem: What to place.
            joined: Boards that streams surely join to others.
        """
        nothing = Held(most=problem.replicas, placement=None, placed=0)
        if problem.size > _CENSUS_SIZE * problem.replicas or self.clock.left() <= 0:
            return nothing
        if len(problem.boards) > 1:
            clock = self.clock.part(_BOARDWISE_SHARE)
            known = self._shares.get(problem.replicas, {})
            shared = place_boardwise(problem, joined, self.request.options, clock, known=known)
            if shared.impossible:
                return replace(nothing, most=problem.replicas - 1)
            if shared.placement is not None:
                self._shares[problem.replicas] = shared.copies
                return replace(nothing, placement=shared.placement, placed=problem.replicas)
        for counted in (False, True):
            census = Census(problem, counted=counted)
            answer = census.solve(self.request.options, self._share())
            if answer.status is Status.INFEASIBLE:
                return replace(nothing, most=problem.replicas - 1)
            placement = census.placement(answer)
            if placement is None:
                break
            if not violations(problem, placement):
                return replace(nothing, placement=placement, placed=problem.replicas)
        return nothing

    def _share(self) -> float:
        return min(_EXAMINE_SECONDS, self.clock.left() / 3)

    def _possible(self, target: int, replicas: int) -> Choices | None:
        """Return the choices at a target if the pooled bound does not refuse the replicas."""
        choices = self.table.at(self.table.targets[target])
        return None if self.most_replicas(target) < replicas else choices

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
        solved = formulation.solve(request.options, seconds, gap=1.0)
        return None if solved.values is None else formulation.placement(solved)

    def candidates(self) -> list[tuple[int, int]]:
        """Return numbers of replicas with the first target the pooled bound allows, best first.

        A target is an index into the table's targets. Numbers that time does not reach get the
        target of the next smaller number known, for more replicas are never faster.
        """
        targets, clock = self.table.targets, self.clock.part(_BOUND_SHARE)
        lows: dict[int, int] = {}
        for replicas in coarse_first(self.replica_numbers()):
            low = max((lows[n] for n in lows if n < replicas), default=0)
            high = min((lows[n] for n in lows if n > replicas), default=len(targets))
            while low < high and clock.left() > 0:
                middle = (low + high) // 2
                fits = self.most_replicas(middle) >= replicas
                low, high = (low, middle) if fits else (middle + 1, high)
            lows[replicas] = low
        found = [(replicas, low) for replicas, low in lows.items() if low < len(targets)]
        return sorted(found, key=lambda pair: (-pair[0] / targets[pair[1]], pair[0]))

    def replica_numbers(self) -> range:
        """Return the numbers of replicas worth trying.

        Every replica needs a kernel and, for its input and output, two memory movers.
        """
        asked = self.request.replicas
        if asked is not None:
            return range(asked, asked + 1)
        kernels = len(self.cluster.boards) * self.topology.compute_units // 3
        if "kernels" in self.without:
            kernels = MOST_REPLICAS
        slowest = len(self.table.targets) - 1
        return range(1, max(1, min(kernels, self.most_replicas(slowest))) + 1)


def coarse_first(numbers: Sequence[int]) -> Iterator[int]:
    """Yield every number once, each between two that were yielded before.

    >>> list(coarse_first(range(1, 8)))
    [1, 7, 4, 2, 5, 3, 6]
    """
    yield from dict.fromkeys((*numbers[:1], *numbers[-1:]))
    gaps = [(0, len(numbers) - 1)]
    for low, high in gaps:
        middle = (low + high) // 2
        if low < middle < high:
            yield numbers[middle]
            gaps += [(low, middle), (middle, high)]


def _anchored(problem: Problem) -> bool:
    return any(item.regions is not None for item in problem.items)
