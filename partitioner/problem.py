"""The optimisation problem as a value: items to place, regions to place them in, what it may cost.

It knows regions, items, options and arcs, and nothing of networks or boards; one problem fixes the
frame rate and the number of replicas. It holds and checks structure only: what a placement uses is
computed in `partitioner.verify`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property

import networkx as nx

from elasticdf.errors import InternalError, UserError
from partitioner.plan import CrossingKind

Vector = tuple[int, ...]
"""Amounts of each resource of the problem, in its order."""


PORT_KERNELS = 4
"""Of a network port in use: MAC, network layer, and the ways of all streams to it and from it."""


def exact(limit: float) -> Fraction:
    """Return the decimal number a person wrote: 0.7 is seven tenths, not the float beside it.

    >>> int(10 * exact(0.7))
    7
    """
    return Fraction(str(limit))


@dataclass(frozen=True, slots=True, kw_only=True)
class MeanLimit:
    """The mean of used/capacity over the named resources that a region has may not exceed a limit.

    Attributes:
        resources: Indices into the problem's resources.
        limit: The highest allowed mean.
    """

    resources: tuple[int, ...]
    limit: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Region:
    """A place for items (a die), or a hub (a switch, a host) that only passes streams on.

    Attributes:
        name: For people, for example ``0.SLR1``.
        board: Id of the board; None for a hub.
        die: Name of the die; empty for a hub.
        capacity: What the region has after what its shell takes.
        limits: Highest allowed fraction of each resource.
        mean_limits: Further limits on means.
        part: Name of the FPGA part; an item's option may be made for some parts only.
        memory: Region with the memory controller that a memory port placed here uses; None if the
            board has no memory or the problem does not charge for it.
        memory_charge: Resources this region's memory controller takes as soon as a port uses it.
        memory_ports: Highest number of ports on this region's memory; None without a limit.
    """

    name: str
    board: int | None
    die: str
    capacity: Vector
    limits: tuple[float, ...]
    mean_limits: tuple[MeanLimit, ...] = ()
    part: str = ""
    memory: int | None = None
    memory_charge: Vector = ()
    memory_ports: int | None = None

    @property
    def is_hub(self) -> bool:
        """Whether nothing can be placed here."""
        return self.board is None

    def allowed(self) -> Vector:
        """Return the whole units of each resource that may be used."""
        return tuple(int(c * exact(f)) for c, f in zip(self.capacity, self.limits, strict=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkEnd:
    """One end of a link.

    Attributes:
        region: Index of the region.
        port: Number of the network port, None where there is none.
        charge: Resources taken once as soon as the link carries anything.
        adapter: Resources taken by every stream that passes this end.
        sockets: Highest number of streams, in and out together; None without a limit.
    """

    region: int
    port: int | None = None
    charge: Vector = ()
    adapter: Vector = ()
    sockets: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A connection between two regions, used in both directions, each with its own capacity.

    Attributes:
        kind: What it is made of.
        ends: The two regions.
        cost: Charged once per stream and passage.
        wires: Wires in each direction; None without a limit.
        bits_per_second: Payload in each direction; None without a limit.
    """

    kind: CrossingKind
    ends: tuple[LinkEnd, LinkEnd]
    cost: int
    wires: int | None = None
    bits_per_second: int | None = None

    @property
    def regions(self) -> tuple[int, int]:
        """The indices of the two regions."""
        return self.ends[0].region, self.ends[1].region

    def between(self, first: int, second: int) -> Link:
        """Return the same link between two other regions."""
        near, far = self.ends
        return replace(self, ends=(replace(near, region=first), replace(far, region=second)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One way to build an item.

    Attributes:
        resources: What it takes.
        cycles: Per frame; 0 where it does not matter.
        wires: Width of its output streams, padded to bytes.
        parts: FPGA parts it is made for; empty for all.
        control_ports: Ports the host loads it through; a kernel has one at most.
    """

    resources: Vector
    cycles: int = 0
    wires: int = 0
    parts: tuple[str, ...] = ()
    control_ports: int = 0

    def fits_part(self, part: str) -> bool:
        """Whether it can be built on this part."""
        return not self.parts or part in self.parts


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """Something to place.

    Attributes:
        name: Unique in the problem.
        options: At least one.
        regions: Where it may sit; None for everywhere.
        memory_ports: Streams it exchanges with the host through memory, its weights among them.
    """

    name: str
    options: tuple[Option, ...]
    regions: tuple[int, ...] | None = None
    memory_ports: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Arc:
    """A stream between two items.

    Attributes:
        source: Index of the producing item.
        target: Index of the consuming item.
        bits_per_second: What it puts on a network link at the problem's frame rate, framed.
        wires: Width padded to bytes, or None to take it from the source's option.
        bits_per_frame: Payload of a frame.
        forbidden: Kinds of links it may not use.
    """

    source: int
    target: int
    bits_per_second: int = 0
    wires: int | None = None
    bits_per_frame: int = 0
    forbidden: tuple[CrossingKind, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Problem:
    """Items of one replica, to be placed ``replicas`` times over the regions.

    Attributes:
        name: For people and reports.
        resources: Names of the resources, the order of every `Vector`.
        regions: Places and hubs.
        links: Between regions.
        items: Of one replica, producers first.
        arcs: Of one replica.
        replicas: How often everything is placed.
        together: Groups of items that share a region, in each replica.
        same_board: Groups of items that share a board, in each replica.
        segmented: Whether a replica's items on one board must form one accelerator: streams that
            leave a board never come back to it.
        through_boards: Whether a stream may pass through a board that holds neither of its ends.
        compute_units: Highest number of kernels per board; None without a limit.
    """

    name: str
    resources: tuple[str, ...]
    regions: tuple[Region, ...]
    links: tuple[Link, ...]
    items: tuple[Item, ...]
    arcs: tuple[Arc, ...]
    replicas: int = 1
    together: tuple[tuple[int, ...], ...] = ()
    same_board: tuple[tuple[int, ...], ...] = ()
    segmented: bool = False
    through_boards: bool = False
    compute_units: int | None = None

    def __post_init__(self) -> None:
        _check_sizes(self)
        _check_references(self)

    @cached_property
    def places(self) -> tuple[int, ...]:
        """Indices of the regions that can hold items."""
        return tuple(i for i, region in enumerate(self.regions) if not region.is_hub)

    @cached_property
    def boards(self) -> tuple[int, ...]:
        """Board ids, ascending."""
        return tuple(sorted({b for r in self.regions if (b := r.board) is not None}))

    @cached_property
    def flow(self) -> nx.DiGraph:
        """The items and the arcs between them, by index."""
        graph = nx.DiGraph()
        graph.add_nodes_from(range(len(self.items)))
        graph.add_edges_from((arc.source, arc.target) for arc in self.arcs)
        return graph

    @cached_property
    def order(self) -> tuple[int, ...]:
        """The items, every producer before its consumers; empty if arcs form circles."""
        ordered = nx.is_directed_acyclic_graph(self.flow)
        return tuple(nx.topological_sort(self.flow)) if ordered else ()

    @cached_property
    def longest_path(self) -> tuple[int, ...]:
        """The items on the longest path of arcs; empty if arcs form circles."""
        return tuple(nx.dag_longest_path(self.flow)) if self.order else ()

    @property
    def size(self) -> int:
        """Items times options times regions times replicas, what models grow with."""
        options = sum(len(item.options) for item in self.items)
        return options * len(self.places) * self.replicas

    def regions_of(self, board: int) -> tuple[int, ...]:
        """Return the indices of a board's regions."""
        return tuple(i for i, region in enumerate(self.regions) if region.board == board)

    def board_of(self, region: int) -> int:
        """Return the board of a region that is no hub."""
        board = self.regions[region].board
        if board is None:
            raise InternalError(f"region {self.regions[region].name} is a hub and on no board")
        return board

    def allowed_regions(self, item: int) -> tuple[int, ...]:
        """Return where an item may sit: inside its anchors and where one of its options fits."""
        anchored = self.items[item].regions
        return tuple(
            r
            for r in (self.places if anchored is None else anchored)
            if any(o.fits_part(self.regions[r].part) for o in self.items[item].options)
        )

    def arc_wires(self, arc: Arc, option: int) -> int:
        """Return the width of an arc when its source is built by that option."""
        if arc.wires is not None:
            return arc.wires
        return self.items[arc.source].options[option].wires

    def usable(self, arc: Arc, link: Link) -> bool:
        """Return whether a stream may use that kind of link."""
        return link.kind not in arc.forbidden


def _check_sizes(problem: Problem) -> None:
    width = len(problem.resources)
    for region in problem.regions:
        if len(region.capacity) != width or len(region.limits) != width:
            raise UserError(
                f"problem {problem.name}, region {region.name}: {len(region.capacity)} capacities "
                f"and {len(region.limits)} limits for {width} resources; give one of each"
            )
        if min(region.capacity, default=0) < 0:
            raise UserError(
                f"problem {problem.name}, region {region.name}: negative capacity "
                f"{min(region.capacity)}; reserve less than the region has"
            )
    for item in problem.items:
        if not item.options or any(len(o.resources) != width for o in item.options):
            raise UserError(
                f"problem {problem.name}, item {item.name}: every item needs at least one option, "
                f"each with {width} resources"
            )
    if not problem.items or not problem.places or problem.replicas < 1:
        raise UserError(
            f"problem {problem.name}: {len(problem.items)} items, {len(problem.places)} regions, "
            f"{problem.replicas} replicas; at least one of each is needed"
        )


def _check_references(problem: Problem) -> None:
    items, regions = range(len(problem.items)), range(len(problem.regions))
    ends = [("arc", index, items) for arc in problem.arcs for index in (arc.source, arc.target)]
    ends += [("link", index, regions) for link in problem.links for index in link.regions]
    ends += [("anchor", i, regions) for item in problem.items for i in item.regions or ()]
    ends += [
        ("group", index, items)
        for group in (*problem.together, *problem.same_board)
        for index in group
    ]
    for what, index, allowed in ends:
        if index not in allowed:
            raise UserError(
                f"problem {problem.name}: {what} refers to number {index}, "
                f"but only 0 to {len(allowed) - 1} exist"
            )
