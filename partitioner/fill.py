"""A first placement without any solver: lay all replicas one after another along the regions.

Filling each region as far as it goes is optimal for a fixed order of regions (what fits keeps
fitting when items are left out), so this finds dense placements in milliseconds. It does not
minimise crossings and proves nothing; whatever it returns is verified by the caller.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from partitioner.packing import Choice, Room, longest_prefix, pack
from partitioner.plan import CrossingKind
from partitioner.problem import Item, Link, Problem, Vector
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
        turning: Whether every second replica is laid from its end to its start, so that dies hold
            other mixtures of layers.
    """

    regions: tuple[int, ...]
    joined: bool
    turning: bool
    streams: int


def construct(problem: Problem) -> Placement | None:
    """Return a valid placement, or None if none was found.

    Tidy placements (every region holds one stretch of the chain) are tried in every order before
    any is allowed to spill what is left over into gaps.
    """
    table = RouteTable(problem=problem)
    for spill in (False, True):
        for order in orders(problem):
            placement = _along(problem, table, order, spill=spill)
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


def _along(problem: Problem, table: RouteTable, order: Order, *, spill: bool) -> Placement | None:
    once = tuple(range(len(problem.items)))
    chain: list[int] = []
    for replica in range(problem.replicas):
        chain += once[::-1] if order.turning and replica % 2 else once
    filling = _Filling(problem, order)
    laid = filling.run(chain)
    if len(laid[0]) < len(chain) and not (spill and filling.spill()):
        return None
    positions = [p // len(once) * len(once) + item for p, item in enumerate(chain)]
    regions, options = ([0] * len(chain), [0] * len(chain))
    for position, region, option in zip(positions, *laid, strict=True):
        regions[position], options[position] = region, option
    _bring_back(problem, regions, options)
    routes = assign_routes(table, regions, options)
    if routes is None:
        return None
    return Placement(regions=tuple(regions), options=tuple(options), routes=routes)


class _Filling:
    """One pass over an order of regions."""

    def __init__(self, problem: Problem, order: Order) -> None:
        self._problem = problem
        self._order = order
        self._cuts = _CutLoads(problem)
        self._size = len(problem.items)
        self._chain: Sequence[int] = ()
        self._regions: list[int] = []
        self._options: list[int] = []

    def run(self, chain: Sequence[int]) -> tuple[list[int], list[int]]:
        problem, self._chain = self._problem, chain
        items = tuple(problem.items[i] for i in chain)
        for position, region in enumerate(self._order.regions):
            done = len(self._regions)
            if done == len(chain):
                break
            following = (
                self._order.regions[position + 1]
                if position + 1 < len(self._order.regions)
                else None
            )
            count, choice = self._fill(items[done:], region, following)
            self._regions += [region] * count
            self._options += [int(v) for v in choice]
            if not self._order.joined and following is not None:
                self._leave(region, following)
        return self._regions, self._options

    def spill(self) -> bool:
        """Put what is left over into gaps, near where its producer sits; return whether it fits.

        Every region is packed anew with the item added, so gaps in single resources are found.
        """
        chain = self._chain
        left = range(len(self._regions), len(chain))
        if len(left) > _MOST_SPILLED * len(chain):
            return False
        held: dict[int, list[int]] = {region: [] for region in self._order.regions}
        for position, region in enumerate(self._regions):
            held[region].append(position)
        for position in left:
            place = self._gap(held, position)
            if place is None:
                return False
            region, choice = place
            held[region].append(position)
            self._regions.append(region)
            self._options.append(0)
            for other, option in zip(held[region], choice, strict=True):
                self._options[other] = int(option)
        return True

    def _gap(self, held: dict[int, list[int]], position: int) -> tuple[int, Choice] | None:
        last = self._regions[-1] if self._regions else self._order.regions[0]
        board = self._problem.regions[last].board
        starts = position % self._size == 0
        near = sorted(held, key=lambda region: (abs(region - last), region))
        for region in near:
            same = self._problem.regions[region].board == board
            if not (same or starts or self._order.joined):
                continue
            items = tuple(self._problem.items[self._chain[p]] for p in [*held[region], position])
            room = Room(region=region, reserved=self._reserve(region))
            choice = pack(room.loads(self._problem, items))
            if choice is not None:
                return region, choice
        return None

    def _leave(self, region: int, following: int) -> None:
        """Forget the replica that was begun if the next region is on another board."""
        if self._problem.regions[region].board != self._problem.regions[following].board:
            whole = len(self._regions) // self._size * self._size
            del self._regions[whole:], self._options[whole:]

    def _fill(
        self, items: tuple[Item, ...], region: int, following: int | None
    ) -> tuple[int, Choice]:
        room = Room(region=region, reserved=self._reserve(region))
        loads = room.loads(self._problem, items)
        count, choice = longest_prefix(loads)
        done = len(self._regions)
        while count and done + count < self._size * self._problem.replicas:
            if self._legal(done + count, region, following):
                break
            count -= 1
        if count < len(choice):
            again = pack(loads[:count])
            choice = choice[:count] if again is None else again
        return count, choice

    def _legal(self, position: int, region: int, following: int | None) -> bool:
        """Whether the chain may be cut before this position when the next region comes."""
        if position % self._size == 0:
            return True
        item = max(self._chain[position - 1], self._chain[position])
        if following is None:
            return False
        here, there = self._problem.regions[region], self._problem.regions[following]
        if here.board != there.board and not self._order.joined:
            return True  # what was begun on this board is taken back
        return self._cuts.fits(item, _joint(self._problem, region, following))

    def _reserve(self, region: int) -> Vector:
        """Return what the region must keep for its controller and, if joined, its ports."""
        problem = self._problem
        reserved = np.zeros(len(problem.resources), dtype=np.int64)
        charge = problem.regions[region].memory_charge
        if charge and any(r.memory == region for r in problem.regions):
            reserved += np.array(charge)
        if self._order.joined:
            for link in problem.links:
                for end in link.ends:
                    if end.region == region and end.charge:
                        reserved += np.array(end.charge)
                        if end.adapter:
                            reserved += self._order.streams * np.array(end.adapter)
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

    def fits(self, item: int, links: tuple[Link, ...]) -> bool:
        """Return whether a cut before this item respects the limits of the links it uses."""
        return bool(links) and all(
            (link.wires is None or self._wires[item] <= link.wires)
            and (link.bits_per_second is None or self._bits[item] <= link.bits_per_second)
            and all(e.sockets is None or self._streams[item] <= e.sockets for e in link.ends)
            for link in links
        )
