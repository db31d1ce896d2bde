"""How deep the FIFOs of a plan's replicas are, simulated where everything sits.

Replicas that run alike are sized once; the less time is left, the less is spent on shallow FIFOs.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from math import ceil

from elasticdf.costs.streams import ADAPTERS
from elasticdf.errors import UserError
from elasticdf.ir import Graph
from elasticdf.simulation import (
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
"""Words that the registers of a stream hold: no FIFO is needed."""

_EFFORT = 60_000_000
"""Events spent on making the FIFOs of a plan shallower."""

_EVENTS_PER_SECOND = 40_000_000
"""How many are simulated in a second of one core; measured for ResNet-50."""

_SIDE_BY_SIDE = 2
"""Replicas that differ and are sized at once; each takes its memory."""

_FRAMES = 4
"""Frames of every trial."""

_LEAST_FRAMES = 2
_STARTING_RUNS = 8
"""Trials before any FIFO is made shallower, and the last simulation, in trials of two frames."""

_CHECKING_RUNS = 5
"""The same where depths are known."""

_MOST_EVENTS = 80_000_000
"""Of a trial: each takes 16 bytes while FIFOs have no limit."""


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

    The first differs from the others by little, so its depths are tried for them, side by side.
    The less time is left, the less is spent on making them shallow.

    Raises:
        UserError: Something cannot be simulated.
    """
    alike: dict[str, dict[tuple[str, ...], list[int]]] = defaultdict(lambda: defaultdict(list))
    for replica in range(plan.replicas):
        net = net_of(graph, plan, replica)
        alike[net.signature][net.links].append(replica)
    jobs = [_Job.of(graph, plan, next(iter(places.values()))[0]) for places in alike.values()]
    rounds = ceil((len(jobs) - 1) / _SIDE_BY_SIDE)
    per_run = clock.left() / (_STARTING_RUNS + rounds * _CHECKING_RUNS)
    first = jobs[0].depths(_STARTING_RUNS * per_run)

    def sized(job: _Job) -> Sized:
        depths = first if job is jobs[0] else job.depths(_CHECKING_RUNS * per_run, known=first)
        return job.sized(depths, plan.clock_hz)

    with ThreadPoolExecutor(_SIDE_BY_SIDE) as pool:  # the compiled simulation leaves others run
        return tuple(
            replace(found, replicas=replicas, result=found.result.with_link_names(names))
            for places, found in zip(alike.values(), pool.map(sized, jobs), strict=True)
            for names, replicas in places.items()
        )


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

    def depths(
        self, seconds: float, known: Mapping[str, int] | None = None
    ) -> dict[str, int] | None:
        """Return depths by stream; None if the graph has FIFOs of its own.

        Args:
            seconds: Time left for that and for simulating once.
            known: Those of another replica, taken where they do.

        Raises:
            UserError: There is not enough time, or memory.
        """
        if any(layer.family in ADAPTERS for layer in self.graph):
            return None
        events = events_per_frame(self.graph, self.hops)
        runs = _STARTING_RUNS if known is None else _CHECKING_RUNS
        frames, effort = _affordable(events, seconds, runs)
        least = least_depths(
            self.graph,
            hops=self.hops,
            effort=effort,
            frames=frames,
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


def _affordable(events: int, seconds: float, runs: int) -> tuple[int, int]:
    """Return frames per trial, and events to spend on shallower FIFOs, that time is left for.

    Args:
        events: Of a frame.
        seconds: For everything.
        runs: Trials before any FIFO is made shallower, and what simulating once costs of them.

    Raises:
        UserError: There is no time for any sizing, or no memory.
    """
    if _LEAST_FRAMES * events > _MOST_EVENTS:
        raise UserError("a frame has too many transfers to size them by simulation")
    budget = int(seconds * _EVENTS_PER_SECOND)
    frames = min(_FRAMES, _MOST_EVENTS // events, budget // (runs * events))
    if frames < _LEAST_FRAMES:
        raise UserError("too little of the time limit is left to size them; raise --time-limit")
    left = budget - runs * frames * events
    if left >= _EFFORT:
        return frames, _EFFORT
    # Rounded down to a power of 2 of trials, so that a few seconds more or less change nothing.
    trials = left // (frames * events)
    return frames, (1 << trials.bit_length() >> 1) * frames * events
