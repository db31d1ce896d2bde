"""How deep the FIFOs of a plan's replicas are, simulated where everything sits.

Replicas that run alike are sized once; the less time is left, the less is spent on shallow FIFOs.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from math import ceil

from elasticdf.costs.streams import ADAPTERS
from elasticdf.errors import UserError
from elasticdf.ir import Graph
from elasticdf.simulation import (
    STEADY_FRAMES,
    Hop,
    SimulationResult,
    events_per_frame,
    fifo_attributes,
    least_depths,
    simulate,
)
from partitioner.clock import Clock
from partitioner.placed import folded, hops_of, net_of
from partitioner.plan import Plan

SHALLOW = 2
"""Words of the least FIFO that FINN builds; a plan names only deeper ones."""

_EFFORT = 60_000_000
"""Events spent on making the FIFOs of a plan shallower."""

_EVENTS_PER_SECOND = 60_000_000
"""How many are simulated in a second of one core; measured for ResNet-50 on two at once."""

_SIDE_BY_SIDE = 2
"""Replicas that differ and are sized at once; each takes its memory."""

_FRAMES = 4
"""Frames of every trial."""

_LEAST_FRAMES = 2
_STARTING_RUNS = 4
"""Trials before any FIFO is made shallower."""

_CHECKING_RUNS = 2
"""Trials that tell whether known depths do."""

_MOST_EVENTS = 160_000_000
"""Of a trial: each takes 16 bytes while FIFOs have no limit."""

_COMFORTABLE_EVENTS = 80_000_000
"""The same for a trial of more than the least frames."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sized:
    """Replicas that run alike over the same links, with their FIFOs.

    Attributes:
        replicas: Which they are.
        graph: As it is built.
        settings: FINN's FIFO depths, attributes by layer.
        result: What the simulation finds with them.
    """

    replicas: list[int]
    graph: Graph
    settings: Mapping[str, Mapping[str, tuple[int, ...]]]
    result: SimulationResult


def sized_groups(graph: Graph, plan: Plan, clock: Clock) -> tuple[Sized, ...]:
    """Return the FIFOs of all replicas; those that run alike are sized once.

    The first differs from the others by little, so its depths are tried for them if time is left
    to size them anew where they do not do. The less time is left, the less is spent on making
    FIFOs shallow.

    Raises:
        UserError: Something cannot be simulated.
    """
    alike: dict[str, dict[tuple[str, ...], list[int]]] = defaultdict(lambda: defaultdict(list))
    for replica in range(plan.replicas):
        net = net_of(graph, plan, replica)
        alike[net.signature][net.links].append(replica)
    jobs = [_Job.of(graph, plan, next(iter(places.values()))[0]) for places in alike.values()]
    effort = _affordable(max(job.events for job in jobs), len(jobs), clock.left())
    with ThreadPoolExecutor(_SIDE_BY_SIDE) as pool:  # the compiled simulation leaves others run
        known = jobs[0].depths(effort) if effort.in_turn else None
        depths = [
            pool.submit(job.depths, effort, known) if job is not jobs[0] or known is None else None
            for job in jobs
        ]
        found = [
            pool.submit(job.sized, known if own is None else own.result(), plan.clock_hz)
            for job, own in zip(jobs, depths, strict=True)
        ]
        return tuple(
            replace(sized, replicas=replicas, result=sized.result.with_link_names(names))
            for places, sized in zip(
                alike.values(), (future.result() for future in found), strict=True
            )
            for names, replicas in places.items()
        )


def can_size_again(groups: Sequence[Sized], seconds: float) -> bool:
    """Tell whether so much time is enough to size replicas much like these."""
    events = max(group.result.events // group.result.frames for group in groups)
    try:
        _affordable(events, len({id(group.graph) for group in groups}), seconds)
    except UserError:
        return False
    return True


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Job:
    """A replica whose FIFOs are to be sized.

    Attributes:
        graph: As it is built.
        hops: On its streams.
    """

    graph: Graph
    hops: Mapping[str, tuple[Hop, ...]]

    @staticmethod
    def of(graph: Graph, plan: Plan, replica: int) -> _Job:
        return _Job(graph=folded(graph, plan, replica), hops=hops_of(graph, plan, replica))

    @property
    def events(self) -> int:
        """Events of a frame that are simulated to size it; none if it has FIFOs of its own."""
        return events_per_frame(self.graph, self.hops) if self._is_free else 0

    @property
    def _is_free(self) -> bool:
        return not any(layer.family in ADAPTERS for layer in self.graph)

    def depths(
        self, effort: _Effort, known: Mapping[str, int] | None = None
    ) -> dict[str, int] | None:
        """Return depths by stream; None if the graph has FIFOs of its own.

        Args:
            effort: What time is left for.
            known: Depths of another replica, taken where they do.

        Raises:
            UserError: It cannot be simulated.
        """
        if not self._is_free:
            return None
        least = least_depths(
            self.graph,
            hops=self.hops,
            effort=effort.events,
            frames=effort.frames,
            same_latency=True,
            known=known,
        )
        return {tensor: max(SHALLOW, depth) for tensor, depth in least.items()}

    def sized(self, depths: dict[str, int] | None, clock_hz: int) -> Sized:
        """Return the FIFOs of these depths, and what the simulation finds with them."""
        settings = {} if depths is None else fifo_attributes(self.graph, depths)
        return Sized(
            replicas=[],
            graph=self.graph,
            settings={
                layer: {name: tuple(values) for name, values in entry.items()}
                for layer, entry in settings.items()
            },
            result=simulate(self.graph, clock_hz=clock_hz, placement=self.hops, depths=depths),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Effort:
    """What is spent on sizing.

    Attributes:
        frames: Of every trial.
        events: Spent on shallower FIFOs, for each replica that differs.
        in_turn: Whether the first is sized before the others, for they may do with its depths.
    """

    frames: int
    events: int
    in_turn: bool = False


def _affordable(events: int, jobs: int, seconds: float) -> _Effort:
    """Return what time is left for.

    Args:
        events: Of a frame; none where nothing is sized.
        jobs: Replicas that differ.
        seconds: For everything.

    Raises:
        UserError: There is no time for any sizing, or no memory.
    """
    if not events:
        return _Effort(frames=_LEAST_FRAMES, events=0)
    if _LEAST_FRAMES * events > _MOST_EVENTS:
        raise UserError("a frame has too many transfers to size them by simulation")
    budget, share = int(seconds * _EVENTS_PER_SECOND), max(1.0, jobs / _SIDE_BY_SIDE)
    most = _FRAMES if _FRAMES * events <= _COMFORTABLE_EVENTS else _LEAST_FRAMES
    if jobs > 1 and budget >= _in_turn(events, jobs, most):
        return _Effort(frames=most, events=_EFFORT, in_turn=True)
    if budget >= share * (_bare(events, most) + _EFFORT):
        return _Effort(frames=most, events=_EFFORT)
    left = int(budget / share) - _bare(events, _LEAST_FRAMES)
    if left < 0:
        raise UserError("too little of the time limit is left to size them; raise --time-limit")
    # Rounded down to a power of 2 of trials, so that a few seconds more or less change nothing.
    trial = _LEAST_FRAMES * events
    trials = min(left, _EFFORT) // trial
    return _Effort(frames=_LEAST_FRAMES, events=(1 << trials.bit_length() >> 1) * trial)


def _bare(events: int, frames: int) -> int:
    """Return the events of sizing and simulating one replica, no FIFO made shallower."""
    return (_STARTING_RUNS * frames + STEADY_FRAMES) * events


def _in_turn(events: int, jobs: int, frames: int) -> float:
    """Return the events of one core in which all are sized, even if no depths do for others."""
    others, share = ceil((jobs - 1) / _SIDE_BY_SIDE), jobs / _SIDE_BY_SIDE
    runs = _STARTING_RUNS + others * (_CHECKING_RUNS + _STARTING_RUNS)
    return runs * frames * events + (1 + others) * _EFFORT + share * STEADY_FRAMES * events
