"""A first placement without any solver: lay all replicas one after another along the regions.

Filling each region as far as it goes is optimal for a fixed order of regions (what fits keeps
fitting when items are left out), so this finds dense placements in milliseconds. Copies that fit
into one region are put there whole first (`partitioner.packing.whole`). It does not minimise
crossings and proves nothing; whatever it returns is verified by the caller.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from math import ceil

import numpy as np

from partitioner.clock import Clock
from partitioner.control_ports import with_fewer_control_ports
from partitioner.packing.chain import Choice, Loads, Room, longest_prefix, pack
from partitioner.packing.whole import (
    controller_at,
    copies_per_region,
    kernels_are_scarce,
    share_out,
    without_control_ports,
)
from partitioner.plan import CrossingKind
from partitioner.problem import Link, Problem, Vector
from partitioner.routes import RouteTable, assign_routes
from partitioner.solution import Placement
from partitioner.verify import violations

_MOST_SPILLED = 0.15
"""Share of the chain that may be left over after all regions were filled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """An order of regions to fill.

    Attributes:
        regions: Region indices.
        joined: Whether a replica may go on from one board to the next.
        streams: Adapters every network port keeps room for.
        patience: Share of a region's items it gives up to be left by fewer streams.
        turning: Whether every second replica is laid from its end to its start, so that dies hold
            other mixtures of layers.
    """

    regions: tuple[int, ...]
    joined: bool
    turning: bool
    streams: int
    patience: float = 0.0


def construct(problem: Problem, clock: Clock, *, patience: float = 0.0) -> Placement | None:
    """Return a valid placement, or None if none was found in time.

    Args:
        problem: What to place.
        clock: Time left.
        patience: Share of its items a region gives up to be left by fewer streams.

    Tidy placements (every region holds whole replicas or one stretch of the chain) are tried in
    every order before any is allowed to spill what is left over into gaps.
    """
    if kernels_are_scarce(problem):
        placement = _construct(without_control_ports(problem), clock, patience)
        if placement is not None and not violations(problem, placement):
            return placement
    return _construct(problem, clock, patience)


def _construct(problem: Problem, clock: Clock, patience: float) -> Placement | None:
    table = RouteTable(problem=problem)
    whole = copies_per_region(problem)
    for spill in (False, True):
        for order in orders(problem):
            for first in (whole, {}) if any(whole.values()) else ({},):
                if clock.left() <= 0:
                    return None
                filling = _Filling(problem, replace(order, patience=patience), clock)
                placement = _along(filling, table, first, spill=spill)
                if placement is not None and violations(problem, placement):
                    placement = with_fewer_control_ports(problem, placement)
                if placement is not None and not violations(problem, placement):
                    return placement
    return None


def orders(problem: Problem) -> Iterator[Order]:
    """Yield orders worth trying: board by board, whole replicas first."""
    for start_far in (True, False):
        forward = tuple(
            region
            for position, board in enumerate(problem.boards)
            for region in _dies(problem, board, inwards=start_far == (position == 0))
        )
        for turning in (False, True) if problem.replicas > 1 else (False,):
            yield Order(regions=forward, joined=False, turning=turning, streams=0)
            if _may_span(problem):
                for streams in sorted({2, 2 * _CutLoads(problem).most_streams}):
                    yield Order(regions=forward, joined=True, turning=turning, streams=streams)


def _may_span(problem: Problem) -> bool:
    return len(problem.boards) > 1 and any(
        link.kind is not CrossingKind.DIE
        and any(link.kind not in arc.forbidden for arc in problem.arcs)
        for link in problem.links
    )


def _dies(problem: Problem, board: int, *, inwards: bool) -> tuple[int, ...]:
    """Return a board's regions in a row, towards its network port or away from it."""
    regions = problem.regions_of(board)
    ports = [
        end.region
        for link in problem.links
        if link.kind is not CrossingKind.DIE
        for end in link.ends
        if end.region in regions
    ]
    towards_end = not ports or regions.index(ports[0]) * 2 >= len(regions) - 1
    return regions if inwards == towards_end else regions[::-1]


def _along(
    filling: _Filling, table: RouteTable, whole: Mapping[int, int], *, spill: bool
) -> Placement | None:
    problem, order = filling.problem, filling.order
    laid = filling.put_whole(whole)
    size = len(problem.items)
    for replica in range(laid, problem.replicas):
        once = range(replica * size, (replica + 1) * size)
        filling.chain += reversed(once) if order.turning and (replica - laid) % 2 else once
    if not filling.run() and not (spill and filling.spill()):
        return None
    regions, options = filling.places()
    _bring_back(problem, regions, options)
    routes = assign_routes(table, regions, options)
    if routes is None:
        return None
    return Placement(regions=tuple(regions), options=tuple(options), routes=routes)


class _Filling:
    """One pass over an order of regions.

    Positions count the items of all replicas, replica by replica, as in `Placement`.
    """

    def __init__(self, problem: Problem, order: Order, clock: Clock) -> None:
        self.problem = problem
        self.order = order
        self._clock = clock
        self._cuts = _CutLoads(problem)
        self._size = len(problem.items)
        self._held: dict[int, list[int]] = {region: [] for region in order.regions}
        self._choice: dict[int, Choice] = {}
        self._laid = 0
        self._last = order.regions[0]
        self._refused: set[tuple[int, int]] = set()
        self.chain: list[int] = []

    def put_whole(self, whole: Mapping[int, int]) -> int:
        """Put whole replicas into regions, as many as there are to place; return how many."""
        first = 0
        for region, replicas in share_out(self.problem.replicas, whole).items():
            for count in range(replicas, 0, -1):  # ports may leave room for fewer
                positions = list(range(first * self._size, (first + count) * self._size))
                choice = pack(self._loads(region, positions))
                if choice is not None:
                    self._held[region], self._choice[region] = positions, choice
                    first += count
                    break
        return first

    def places(self) -> tuple[list[int], list[int]]:
        """Return the region and the option of every position."""
        regions = [0] * (self._size * self.problem.replicas)
        options = list(regions)
        for region, positions in self._held.items():
            choice = self._choice.get(region, ())
            for position, option in zip(positions, choice, strict=True):
                regions[position], options[position] = region, int(option)
        return regions, options

    def run(self) -> bool:
        """Lay the chain along the regions; return whether all of it found a place."""
        for region, following in zip_longest(self.order.regions, self.order.regions[1:]):
            if self._laid == len(self.chain) or self._clock.left() <= 0:
                break
            self._fill(region, following)
            if not self.order.joined and following is not None:
                self._leave(region, following)
        return self._laid == len(self.chain)

    def spill(self) -> bool:
        """Put what is left over into gaps, near where its producer sits; return whether it fits.

        Every region is packed anew with the item added, so gaps in single resources are found.
        """
        if len(self.chain) - self._laid > _MOST_SPILLED * len(self.chain):
            return False
        while self._laid < len(self.chain):
            place = self._gap(self.chain[self._laid])
            if place is None or self._clock.left() <= 0:
                return False
            region, self._choice[region] = place
            self._held[region].append(self.chain[self._laid])
            self._last = region
            self._laid += 1
        return True

    def _gap(self, position: int) -> tuple[int, Choice] | None:
        board = self.problem.regions[self._last].board
        item = position % self._size
        near = sorted(self._held, key=lambda region: (abs(region - self._last), region))
        for region in near:
            same = self.problem.regions[region].board == board
            if not (same or item == 0 or self.order.joined) or (region, item) in self._refused:
                continue
            choice = pack(self._loads(region, [*self._held[region], position]))
            if choice is not None:
                return region, choice
            self._refused.add((region, item))  # regions only get fuller
        return None

    def _loads(self, region: int, positions: Sequence[int]) -> Loads:
        items = tuple(self.problem.items[p % self._size] for p in positions)
        return Room(region=region, reserved=self._reserve(region)).loads(self.problem, items)

    def _leave(self, region: int, following: int) -> None:
        """Forget the replica that was begun if the next region is on another board."""
        if self.problem.regions[region].board == self.problem.regions[following].board:
            return
        begun = self._laid % self._size
        self._laid -= begun
        lost = set(self.chain[self._laid : self._laid + begun])
        for other, positions in self._held.items():
            if lost.intersection(positions):
                kept = [i for i, p in enumerate(positions) if p not in lost]
                self._choice[other] = self._choice[other][kept]
                self._held[other] = [positions[i] for i in kept]

    def _fill(self, region: int, following: int | None) -> None:
        held = self._held[region]
        positions = [*held, *self.chain[self._laid :]]
        loads = self._loads(region, positions)
        count, choice = longest_prefix(loads)
        while count > len(held) and self._laid + count - len(held) < len(self.chain):
            if self._legal(self._laid + count - len(held), region, following):
                break
            count -= 1
        if count <= len(held):
            return
        count = self._left_by_fewer(count, len(held), region, following)
        if count < len(choice):
            again = pack(loads[:count])
            choice = choice[:count] if again is None else again
        self._held[region], self._choice[region] = positions[:count], choice
        self._laid += count - len(held)
        self._last = region

    def _left_by_fewer(self, count: int, held: int, region: int, following: int | None) -> int:
        """Return the number of items up to ``count`` after which the fewest streams are cut."""
        end = self._laid + count - held
        if not self.order.patience or end >= len(self.chain):
            return count
        least = max(held + 1, ceil(count * (1 - self.order.patience)))
        legal = [
            number
            for number in range(count, least - 1, -1)
            if self._legal(self._laid + number - held, region, following)
        ]
        return min(legal, key=lambda n: self._streams_cut(self._laid + n - held), default=count)

    def _streams_cut(self, cut: int) -> int:
        """Return how many streams a cut of the chain before this position parts."""
        if cut % self._size == 0:
            return 0
        return self._cuts.streams(max(self.chain[cut - 1], self.chain[cut]) % self._size)

    def _legal(self, cut: int, region: int, following: int | None) -> bool:
        """Whether the chain may be cut before this position when the next region comes."""
        if cut % self._size == 0:
            return True
        item = max(self.chain[cut - 1], self.chain[cut]) % self._size
        if following is None:
            return False
        here, there = self.problem.regions[region], self.problem.regions[following]
        if here.board != there.board and not self.order.joined:
            return True  # what was begun on this board is taken back
        return self._cuts.fits(item, _joint(self.problem, region, following))

    def _reserve(self, region: int) -> Vector:
        """Return what the region must keep for its controller and, if joined, its ports."""
        problem = self.problem
        reserved = np.array(controller_at(problem, region), dtype=np.int64)
        if self.order.joined:
            for link in problem.links:
                for end in link.ends:
                    if end.region == region and end.charge:
                        reserved += np.array(end.charge)
                        if end.adapter:
                            reserved += self.order.streams * np.array(end.adapter)
                        for item in _returning(problem):
                            reserved += np.array(_cheapest(problem, item, region)[1])
        return tuple(int(amount) for amount in reserved)


def _returning(problem: Problem) -> tuple[int, ...]:
    """Return the items that must be on the board of their replica's first item."""
    return tuple(sorted({item for group in problem.same_board for item in group if item}))


def _cheapest(problem: Problem, item: int, region: int) -> tuple[int, Vector]:
    """Return the option of an item that takes least of a region's fullest resource."""
    most = problem.regions[region].allowed()
    options = problem.items[item].options
    index = min(
        range(len(options)),
        key=lambda v: (
            not options[v].fits_part(problem.regions[region].part),
            max(a / max(m, 1e-9) for a, m in zip(options[v].resources, most, strict=True)),
        ),
    )
    return index, options[index].resources


def _bring_back(problem: Problem, regions: list[int], options: list[int]) -> None:
    """Put the returning items of replicas that span boards beside the port of their first board."""
    size = len(problem.items)
    ports = {
        problem.regions[end.region].board: end.region
        for link in problem.links
        for end in link.ends
        if any(end.charge)
    }
    for replica in range(problem.replicas):
        for group in problem.same_board:
            board = problem.regions[regions[replica * size + min(group)]].board
            for item in group:
                position = replica * size + item
                if problem.regions[regions[position]].board != board and board in ports:
                    regions[position] = ports[board]
                    options[position] = _cheapest(problem, item, ports[board])[0]


def _joint(problem: Problem, here: int, there: int) -> tuple[Link, ...]:
    """Return the links that a stream between neighbouring stops may be limited by."""
    table = RouteTable(problem=problem)
    routes = table.between(here, there)
    return tuple(problem.links[link] for link, _ in routes[0]) if routes else ()


class _CutLoads:
    """What crosses when the chain is cut before each item."""

    def __init__(self, problem: Problem) -> None:
        size = len(problem.items) + 1
        self._wires = [0] * size
        self._bits = [0] * size
        self._streams = [0] * size
        for arc in problem.arcs:
            widest = max(
                problem.arc_wires(arc, v) for v in range(len(problem.items[arc.source].options))
            )
            low, high = sorted((arc.source, arc.target))
            for item in range(low + 1, high + 1):
                self._wires[item] += widest
                self._bits[item] += arc.bits_per_second
                self._streams[item] += 1

    @property
    def most_streams(self) -> int:
        """The most streams that any cut parts; at least 1."""
        return max(1, *self._streams)

    def streams(self, item: int) -> int:
        """Return how many streams a cut before this item parts."""
        return self._streams[item]

    def fits(self, item: int, links: tuple[Link, ...]) -> bool:
        """Return whether a cut before this item respects the limits of the links it uses."""
        return bool(links) and all(
            (link.wires is None or self._wires[item] <= link.wires)
            and (link.bits_per_second is None or self._bits[item] <= link.bits_per_second)
            and all(e.sockets is None or self._streams[item] <= e.sockets for e in link.ends)
            for link in links
        )
