"""The highest throughput: which number of replicas at which interval, and what is beyond reach.

For every number of replicas the pooled bound says below which interval nothing can fit. Placements
made without a solver come first; whatever could still beat them is then asked for one by one, and
either placed or proven impossible. Refuses to wait for either beyond the time limit.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from partitioner.packing.whole import copies_per_region, kernels_are_scarce, without_control_ports
from partitioner.space import Found, Space

_BOUND_ATTEMPTS = 8
"""Numbers of replicas tried at their bound before any is searched."""

_QUICK_SHARE = 0.35
"""Part of the time limit in which placements are made without a solver."""

_CROSSING_SHARE = 0.25
"""Part of the time limit that is kept for fewer crossings."""

_CLOSE = 1e-9


def highest(space: Space) -> tuple[Found, float] | None:
    """Return the fastest placement found and the proven limit on frames per cycle."""
    candidates = space.candidates()
    search = _Search(space=space, low=dict(candidates), order=[n for n, _ in candidates])
    search.at_once()
    if search.best is None:
        return None  # more replicas only need more
    search.quickly()
    search.thoroughly()
    return search.best, max(search.limit(), search.best.rate())


@dataclass(slots=True, kw_only=True)
class _Search:
    """The best so far, and for each number of replicas the first interval not ruled out.

    Attributes:
        space: What is asked.
        low: Index of that interval by number of replicas.
        order: Numbers of replicas, those with the highest bound first.
        best: The fastest placement so far.
        _quick: The space with the time for placements without a solver.
        _thorough: The space without the time for fewer crossings.
    """

    space: Space
    low: dict[int, int]
    order: list[int]
    best: Found | None = None
    _quick: Space = field(init=False)
    _thorough: Space = field(init=False)

    def __post_init__(self) -> None:
        self._quick = replace(self.space, clock=self.space.clock.part(_QUICK_SHARE))
        most = 1 - _CROSSING_SHARE
        self._thorough = replace(self.space, clock=self.space.clock.part(most))

    def limit(self) -> float:
        """Return the frames per cycle that are not ruled out."""
        return max((self._bound(replicas) for replicas in self.low), default=0.0)

    def _bound(self, replicas: int) -> float:
        targets, low = self.space.table.targets, self.low[replicas]
        return replicas / targets[low] if low < len(targets) else 0.0

    def _offer(self, found: Found | None) -> bool:
        """Keep a placement if it is the fastest; return whether it is."""
        rate = 0.0 if self.best is None else self.best.rate()
        if found is None or found.rate() <= rate * (1 + _CLOSE):
            return False
        self.best = found
        if self.space.request.progress is not None:
            hertz = found.rate() * self.space.request.clock_hz
            self.space.request.progress(
                f"{hertz:.1f} frames per second with {found.replicas} replicas"
            )
        return True

    def _hopeful(self, replicas: int) -> bool:
        rate = 0.0 if self.best is None else self.best.rate()
        return self._bound(replicas) > rate * (1 + _CLOSE)

    def _slowest_better(self, replicas: int) -> int:
        """Return the longest interval at which so many replicas beat the best."""
        targets = self.space.table.targets
        if self.best is None:
            return len(targets) - 1
        high = bisect_left(targets, replicas / self.best.rate()) - 1
        while high >= 0 and replicas / targets[high] <= self.best.rate() * (1 + _CLOSE):
            high -= 1
        return high

    def at_once(self) -> None:
        """Find some placement, the sooner the better: whole copies in regions, or at a bound."""
        slowest = len(self.space.table.targets) - 1
        spare = self._thorough.place(slowest, self.space.replica_numbers()[0])
        self._whole_copies(self._thorough, sorted(set(self.low.values())))
        for replicas in self.order[:_BOUND_ATTEMPTS]:
            if self._offer(self._quick.place(self.low[replicas], replicas)):
                break
        self._whole_copies(self._quick, range(slowest + 1))
        if self.best is None and self.order:
            self._quickest(self._thorough, min(self.order))
        if self.best is None:
            self._offer(spare)
        if self.best is None and self.order:
            fewest = self.space.replica_numbers()[0]
            found = self._quick.place_within(self.low.get(fewest, 0), slowest, fewest)
            self._offer(found or self._thorough.examine(slowest, fewest).found)

    def _whole_copies(self, space: Space, among: Iterable[int]) -> None:
        """Try the target at which most frames pass through copies that cross nothing."""
        targets = space.table.targets
        asked = space.replica_numbers()
        rates = [(self._most_replicas(t) / targets[t], t) for t in among]
        best, chosen = 0.0 if self.best is None else self.best.rate(), None
        for bound, target in sorted(rates, key=lambda pair: (-pair[0], pair[1])):
            if bound <= best * (1 + _CLOSE) or space.clock.left() <= 0:
                break
            choices = space.table.at(targets[target])
            if choices is None:
                continue
            most = round(bound * targets[target])
            problem = space.problem(choices, targets[target], most)
            if kernels_are_scarce(problem):
                problem = without_control_ports(problem)
            replicas = min(sum(copies_per_region(problem).values()), most)
            if replicas >= asked[0] and replicas / targets[target] > best:
                best, chosen = replicas / targets[target], (target, replicas)
        if chosen is not None:
            self._offer(space.place(*chosen))

    def _most_replicas(self, target: int) -> int:
        """Return how many replicas are not ruled out at a target, for which no choices are made."""
        return max((replicas for replicas, low in self.low.items() if low <= target), default=0)

    def quickly(self) -> None:
        """Improve the best by placements that need no solver."""
        for replicas in self.order:
            if self._quick.clock.left() <= 0:
                return
            if self._hopeful(replicas):
                self._quickest(self._quick, replicas)

    def _quickest(self, space: Space, replicas: int) -> None:
        """Look for the fastest placement of that many replicas that beats the best.

        Good intervals are close to the bound, so steps from it grow before they are bisected.
        """
        low, high = self.low[replicas], self._slowest_better(replicas)
        if high < low or not self._offer(space.place(high, replicas)):
            return
        step = 1
        while low < high and space.clock.left() > 0:
            probe = min(low + step - 1, high - 1)
            if self._offer(space.place(probe, replicas)):
                high = probe
                break
            low, step = probe + 1, step * 2
        while low < high and space.clock.left() > 0:
            middle = (low + high) // 2
            placed = self._offer(space.place(middle, replicas))
            low, high = (low, middle) if placed else (middle + 1, high)

    def thoroughly(self) -> None:
        """Place or refute, with a solver, whatever could still beat the best.

        The slowest interval that beats the best comes first, for what it refuses is settled at all
        shorter ones. Where it is placed, the shorter ones are bisected.
        """
        begin: dict[int, int] = {}
        while self._thorough.clock.left() > 0:
            hopeful = [n for n in self.order if self._hopeful(n) and self._unsettled(n, begin)]
            if not hopeful:
                return
            replicas = max(hopeful, key=lambda n: (self._bound(n), -n))
            high = self._slowest_better(replicas)
            low = max(begin.get(replicas, high), self.low[replicas])
            probe = (low + high) // 2
            answer = self._thorough.examine(probe, replicas)
            if answer.found is not None and self._offer(answer.found):
                begin.setdefault(replicas, 0)
            elif answer.impossible:
                self.low[replicas] = probe + 1
            else:
                if probe == high:
                    self._refute(replicas, probe)
                begin[replicas] = probe + 1

    def _unsettled(self, replicas: int, begin: Mapping[int, int]) -> bool:
        return begin.get(replicas, 0) <= self._slowest_better(replicas)

    def _refute(self, replicas: int, high: int) -> None:
        """Raise the first interval not ruled out, where that is proven quickly."""
        low = self.low[replicas]
        while low < high and self._thorough.clock.left() > 0:
            middle = (low + high) // 2
            answer = self._thorough.examine(middle, replicas)
            if answer.found is not None:
                self._offer(answer.found)
                return
            low, high = (middle + 1, high) if answer.impossible else (low, middle)
        self.low[replicas] = low
