"""The lowest latency: foldings picked by a linear model, placed, simulated, and picked again.

The model's bound holds for every placement of so many copies; what it picks is simulated alone for
the exact bound of that pick, then placed and simulated in place. Picks that were tried are
excluded, so on a small network the search ends with a proof. Where the model is large it is solved
without its integers, and gives up room until a pick finds a place. The same model with the room of
every region also picks for layers that stay where they are. Refuses to trade latency for anything
but a frame rate it is given.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from math import inf

import numpy as np

from elasticdf.simulation import frame_latency
from elasticdf.simulation.curve import least_latency
from partitioner import answer
from partitioner.bounds import least_controller, pooled_loads
from partitioner.choices import Choices
from partitioner.clock import Clock
from partitioner.in_place import loads_in_place, rebuilt
from partitioner.latency.wavefront import Pick, Wavefront
from partitioner.menu import Key, Menu, key_of, menu
from partitioner.packing.chain import Loads
from partitioner.plan import Mode
from partitioner.problem import Problem
from partitioner.solver import Answer, Status, minimise
from partitioner.space import Found, Space

_SECONDS_PER_CYCLE = 1e-7
"""Nominal work of simulating a frame, by its latency."""

_SHARE_OF_TIME = 0.7
"""Of the time left, for finding foldings; the rest is for the crossings of what was found."""

_WHOLE_SIZE = 400
"""Foldings of all layers up to which the model is solved with its integers."""

_MODEL_SECONDS = 20.0
"""Time for one model."""

_MOST_PICKS = 150
"""Picks tried on a small network."""

_MOST_IDLE = 25
"""Picks in a row that bring nothing before the search ends without a proof."""

_ROOMS = (1.0, 0.95, 0.9, 0.85, 0.8, 0.75, 0.7, 0.6, 0.5)
"""Shares of all regions' room that a pick may take, until one finds a place."""

_ROOMS_IN_PLACE = (1.0, 1.05, 1.1, 1.2)
"""The same of every region's room, until there is a pick for layers that stay where they are."""

_SAME_RATE = Fraction(1, 10_000)
"""Rates that differ by no larger part are the same: layers reach few intervals exactly."""

_TIE_SHARE = 0.5
"""Of the time left, for finding a lower latency at the same frame rate."""

_TIE_SECONDS = 3.0
"""Most of it: counted work, for the same plan on every machine."""


def quickest(space: Space, replicas: int, slowest: int) -> Found | None:
    """Return the placement with the lowest latency found, with the proven limit on it.

    Args:
        space: A request on a cluster.
        replicas: Copies.
        slowest: Index of the longest target an interval may have.

    Returns:
        None if nothing was found.
    """
    even = _even(space, replicas, slowest)
    if even is None:
        return None
    latency = latency_cycles(space, even)
    search = _Search(space, even, latency, space.clock.part(_SHARE_OF_TIME), slowest)
    search.run()
    return replace(search.best, least_latency=min(search.bound, search.latency))


def sooner(space: Space, found: Found) -> Found:
    """Return the placement with the lowest latency found among those of a frame rate.

    As many copies may have the interval, or fewer a shorter one, or more a longer one; where none
    gives exactly the rate, one that falls short by next to nothing.

    Args:
        space: A request on a cluster.
        found: A placement of that rate, returned unless another is quicker.
    """
    if space.request.as_is or space.clock.left() <= 0:
        return found
    space = space.counted(min(_TIE_SECONDS, _TIE_SHARE * space.clock.left()))
    best, latency = found, latency_cycles(space, found)
    tried: set[int] = set()
    cycles = Fraction(found.interval_cycles, found.replicas)
    for replicas, target in of_the_rate(space.table.targets, space.replica_numbers(), cycles):
        if replicas in tried or space.clock.left() <= 0:
            continue
        start = found if replicas == found.replicas else space.place(target, replicas)
        if start is None or space.clock.left() <= 0:
            continue
        tried.add(replicas)
        first = latency if start is found else latency_cycles(space, start)
        search = _Search(space, start, min(first, latency), space.clock, target)
        if first < latency:
            best, latency = start, first
        search.run()
        if search.latency < latency:
            best, latency = search.best, search.latency
    return best


def of_the_rate(
    targets: Sequence[int], numbers: Iterable[int], cycles: Fraction
) -> Iterator[tuple[int, int]]:
    """Yield (copies, index of their interval among the targets) of a rate, fewest copies first.

    Of as many copies what gives it exactly comes first, then what almost does.

    Args:
        targets: Intervals that layers reach, ascending.
        numbers: Of copies.
        cycles: Between two frames of all copies together.

    >>> list(of_the_rate((50178, 100352, 100355), (1, 2, 4), Fraction(100352, 4)))
    [(2, 0), (4, 1), (4, 2)]
    """
    for replicas in numbers:
        interval = replicas * cycles
        first = bisect_left(targets, interval)
        last = bisect_right(targets, interval / (1 - _SAME_RATE)) - 1
        for target in dict.fromkeys((first, last) if first <= last else ()):
            if target == last or targets[target] == interval:
                yield replicas, target


def with_more_copies(space: Space, found: Found) -> Found:
    """Return the placement with as many more copies as keep its latency and find a place."""
    latency, choices = latency_cycles(space, found), found.choices
    low, high = found.replicas, space.replica_numbers()[-1] + 1
    step = found.replicas
    while high - low > 1 and space.clock.left() > 0:
        middle = min(low + step, high - 1)
        more = space.laid(choices, found.interval_cycles, middle)
        if more is not None and latency_cycles(space, more) <= latency:
            found, low, step = replace(more, least_latency=found.least_latency), middle, 2 * step
        else:
            high, step = middle, max(1, (middle - low) // 2)
    return found


def latency_cycles(space: Space, found: Found) -> int:
    """Return the latency of a placement in cycles."""
    return answer.latency_cycles(space.request, space.cluster, found)


def _even(space: Space, replicas: int, slowest: int) -> Found | None:
    """Return the placement with all layers as fast as one interval allows."""
    found = space.place(slowest, replicas)
    low, high = space.fastest, slowest
    while found is not None and low < high and space.clock.left() > 0:
        middle = (low + high) // 2
        attempt = space.place(middle, replicas)
        found, low, high = (attempt, low, middle) if attempt else (found, middle + 1, high)
    return found


@dataclass(slots=True)
class _Search:
    """The search for better foldings than one interval's.

    Attributes:
        space: A request on a cluster.
        best: The placement with the lowest latency so far.
        latency: To be undercut, in cycles: that of the best, or less.
        clock: Time left.
        slowest: Index of the longest target an interval may have.
        bound: Cycles no placement undercuts, as far as that is known.
    """

    space: Space
    best: Found
    latency: int
    clock: Clock
    slowest: int
    bound: float = 0.0
    _menu: Menu = field(init=False)
    _loads: Loads = field(init=False)
    _tried: dict[Pick, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        targets = self.space.table.targets
        last = max(t for t in range(self.slowest + 1) if t == 0 or targets[t] <= self.latency)
        self._menu = menu(self.space.table, self.space.fastest, max(last, self.space.fastest))
        self._loads = self._pooled()

    def run(self) -> None:
        """Improve the best and raise the bound until time or picks run out."""
        self._speed_up()
        sitting = self.best
        if self._is_small:
            self._try_all()
        for room in _ROOMS:
            if self.clock.left() <= 0 or self._closed or self._try(room):
                break
        if self.best is not sitting:
            self._speed_up()

    @property
    def _is_small(self) -> bool:
        return self._menu.size <= _WHOLE_SIZE

    def _speed_up(self) -> None:
        """Pick for the layers of the best where they sit, and take of the pick what finds room."""
        loads = loads_in_place(self._offering(self._choices()), self.best)
        for room in _ROOMS_IN_PLACE:
            if self.clock.left() <= 0 or self._closed:
                return
            model, answer = self._solve(loads, room, relaxed=not self._is_small)
            if answer.values is not None:
                pick = model.pick(answer)
                if not self._lay(pick):
                    self._approach(pick)
                return

    def _approach(self, pick: Pick) -> None:
        """Move foldings towards a pick, what saves most cycles first, as far as room allows."""
        found, choices = self.best, self._built()
        now = [max(choice.cycles for choice in row) for row in choices]
        picked = [row[f].cycles for row, f in zip(self._menu.folds, pick, strict=True)]
        for group in sorted(self._menu.groups, key=lambda g: sum(picked[j] - now[j] for j in g)):
            steps = [
                folds
                for folds in self._menu.between(group, pick)
                if sum(self._menu.folds[j][f].cycles - now[j] for j, f in folds.items()) < 0
            ]
            low, high = 0, len(steps)
            while low < high and self.clock.left() > 0:
                middle = (low + high) // 2 if low else 0  # the pick itself first
                changed = self._menu.changed(choices, steps[middle])
                attempt = rebuilt(self.space, found, changed, found.interval_cycles)
                if attempt is None:
                    low = middle + 1
                else:
                    found, choices, high = attempt, changed, middle
        self._offer(found)

    def _built(self) -> Choices:
        """Return every choice of the foldings that copies of each layer of the best have."""
        size, placement = len(self._menu.folds), self.best.placement
        used: list[set[Key]] = [set() for _ in range(size)]
        for position, option in enumerate(placement.options):
            layer = position % size
            used[layer].add(key_of(self.best.choices[layer][option]))
        return tuple(
            tuple(choice for choice in row if key_of(choice) in keys)
            for row, keys in zip(self.best.choices, used, strict=True)
        )

    @property
    def _closed(self) -> bool:
        return self.bound >= self.latency

    def _try_all(self) -> None:
        """Try the model's picks by rising bound until no other can be better."""
        idle = 0
        for _ in range(_MOST_PICKS):
            before = self.latency
            model, answer = self._solve(self._loads, 1 / self.best.replicas, relaxed=False)
            if answer.status is Status.INFEASIBLE:
                self.bound = self._excluded
                return
            self.bound = max(self.bound, min(self._excluded, self._lower(model, answer)))
            if answer.values is None or self._lower(model, answer) >= self.latency:
                return
            self._lay(model.pick(answer))
            idle = idle + 1 if self.latency == before else 0
            if self.clock.left() <= 0 or idle >= _MOST_IDLE:
                return

    def _try(self, room: float) -> bool:
        """Try the pick of the model without its integers; return whether it found a place."""
        model, answer = self._solve(self._loads, room / self.best.replicas, relaxed=True)
        if room == 1.0:
            self.bound = max(self.bound, self._lower(model, answer))
        if answer.values is None:
            return False
        pick = model.pick(answer)
        return pick not in self._tried and self._lay(pick)

    @property
    def _excluded(self) -> float:
        """The least latency that a pick which was tried may have in its best place."""
        return min(self._tried.values(), default=inf)

    def _lower(self, model: Wavefront, answer: Answer) -> float:
        return model.cycles(answer.bound) - 1e-3 if answer.bound > 0 else 0.0

    def _solve(self, loads: Loads, room: float, *, relaxed: bool) -> tuple[Wavefront, Answer]:
        model = Wavefront(
            menu=self._menu,
            loads=loads,
            room=room,
            unit=max(self.latency / 1000, 1.0),
            taken=() if relaxed else tuple(self._tried),
        )
        seconds = min(_MODEL_SECONDS, self.clock.left())
        options = self.space.request.options
        return model, minimise(model.model, options, seconds=seconds, relaxed=relaxed)

    def _lay(self, pick: Pick) -> bool:
        """Place a pick and keep it if it is the best; return whether it found a place."""
        folds = [row[f] for row, f in zip(self._menu.folds, pick, strict=True)]
        graph = self._menu.graph
        built = graph.with_layers(
            layer.with_attributes(fold.choices[0].attributes)
            for layer, fold in zip(graph.layers, folds, strict=True)
        )
        self._tried[pick] = least_latency(built)
        if self._tried[pick] >= self.latency:
            return False
        self._tried[pick] = frame_latency(built)
        self.clock.charge(_SECONDS_PER_CYCLE * self._tried[pick])
        if self._tried[pick] >= self.latency:
            return False
        interval = max(fold.cycles for fold in folds)
        choices = tuple(fold.choices for fold in folds)
        found = rebuilt(self.space, self.best, choices, interval) or self.space.laid(
            choices, interval, self.best.replicas
        )
        if found is None:
            return False
        self._offer(found)
        return True

    def _offer(self, found: Found) -> None:
        latency = latency_cycles(self.space, found)
        if latency < self.latency:
            self.best, self.latency = found, latency

    def _pooled(self) -> Loads:
        """Return each choice's share of every limit of all regions, or of the one whole board."""
        choices = self._choices()
        problem = self._offering(choices)
        regions = self._regions(problem)
        loads = pooled_loads(problem, regions, taken=least_controller(problem, regions))
        most = max(len(row) for row in choices)
        blocks = [loads[:, start : start + most] for start in range(0, loads.shape[1], most)]
        return np.asarray(np.min(blocks, axis=0))

    def _choices(self) -> Choices:
        """Return every choice of the menu."""
        return tuple(
            tuple(choice for fold in row for choice in fold.choices) for row in self._menu.folds
        )

    def _offering(self, choices: Choices) -> Problem:
        interval = max(choice.cycles for row in choices for choice in row)
        return self.space.problem(choices, interval, self.best.replicas)

    def _regions(self, problem: Problem) -> tuple[int, ...]:
        boards = self.space.cluster.boards
        whole = self.space.request.mode is Mode.DATA_PARALLEL and self.best.replicas == 1
        if not whole or len({board.name for board in boards}) > 1:
            return problem.places
        return problem.regions_of(0)
