"""From a cluster to regions and links: every die a region, every switch and host a hub.

Decides what a mode may use: network cables and switches, or the host's copies. Resources that only
some plans need (network ports, memory controllers, link adapters) become charges of link ends and
regions, so that the optimisation pays for them only where they are used.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from elasticdf.errors import UserError
from elasticdf.hardware.board import Board
from elasticdf.hardware.cluster import Cluster, PortId
from elasticdf.hardware.framing import usable_wire_rate
from elasticdf.ir import RESOURCE_NAMES, Resources
from partitioner.plan import CrossingKind, Mode
from partitioner.problem import Link, LinkEnd, MeanLimit, Region, Vector

DIE_COST = 1
BOARD_COST = 10
"""What a crossing costs, as in the published partitioner."""

DEFAULT_LIMITS: Mapping[str, float] = MappingProxyType(
    {"lut": 0.70, "ff": 0.50, "bram18": 0.80, "uram": 0.80, "dsp": 0.80, "mean": 0.70}
)
"""Highest allowed fractions, the published partitioner's defaults; ``mean`` is over the memories
and DSPs a die has."""

_MEAN_OF = tuple(RESOURCE_NAMES.index(name) for name in ("bram18", "uram", "dsp"))

LINK_ADAPTER = Resources(lut=2_000, ff=4_000, bram18=16)
"""One end of one stream on the network: packet assembly and a buffer of 256 beats of 64 bytes,
which is 8 BRAM36 wide; logic estimated with room to spare."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Topology:
    """The regions and links of a cluster in one mode.

    Attributes:
        regions: Dies in board order, then hubs.
        links: Between them.
        compute_units: Highest number of kernels per board.
    """

    regions: tuple[Region, ...]
    links: tuple[Link, ...]
    compute_units: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Highest allowed fraction of each resource.

    Attributes:
        fractions: By resource name, and ``mean``.
    """

    fractions: Mapping[str, float] = field(default_factory=lambda: DEFAULT_LIMITS)

    @staticmethod
    def with_changes(changes: Mapping[str, float]) -> Limits:
        """Return the defaults with some fractions changed.

        Raises:
            UserError: An unknown resource, or a fraction outside 0 to 1.
        """
        for name, fraction in changes.items():
            if name not in DEFAULT_LIMITS:
                raise UserError(
                    f"limit on {name!r}: known are {', '.join(DEFAULT_LIMITS)}; choose one of them"
                )
            if not 0 < fraction <= 1:
                raise UserError(f"limit {name}={fraction} is not above 0 and at most 1; change it")
        return Limits(fractions=MappingProxyType({**DEFAULT_LIMITS, **changes}))


def vector(resources: Resources) -> Vector:
    """Return resources in the order of `RESOURCE_NAMES`; unknown flip-flops count as 0."""
    return tuple(amount or 0 for _, amount in resources.items())


def build(cluster: Cluster, mode: Mode, limits: Limits, *, clock_hz: int) -> Topology:
    """Return what a mode can use of a cluster.

    Args:
        cluster: Boards and their connections.
        mode: Decides between network, host copies and neither.
        limits: Allowed fractions.
        clock_hz: Of the kernels; the network layer runs at the same clock.
    """
    regions: list[Region] = []
    first: dict[int, int] = {}
    for number, board in enumerate(cluster.boards):
        first[number] = len(regions)
        regions += _dies(number, board, limits, offset=len(regions))
    links = [
        link
        for number, board in enumerate(cluster.boards)
        for link in _boundaries(board, first[number])
    ]
    if mode in (Mode.HARDWARE, Mode.TRANSPARENT):
        links += _network(cluster, first, regions, clock_hz)
    if mode is Mode.SOFTWARE and len(cluster.boards) > 1:
        links += _host_copies(cluster, first, regions)
    return Topology(
        regions=tuple(regions),
        links=tuple(links),
        compute_units=min(board.max_compute_units for board in cluster.boards),
    )


def _dies(number: int, board: Board, limits: Limits, *, offset: int) -> list[Region]:
    fractions = limits.fractions
    controllers = sorted(board.controllers, key=lambda c: (c.resources.lut, board.die_index(c.die)))
    home = controllers[0] if controllers else None
    return [
        Region(
            name=f"{number}.{die.name}",
            board=number,
            die=die.name,
            capacity=vector(die.capacity),
            limits=tuple(fractions[name] for name in RESOURCE_NAMES),
            mean_limits=(MeanLimit(resources=_MEAN_OF, limit=fractions["mean"]),),
            part=board.part,
            memory=None if home is None else offset + board.die_index(home.die),
            memory_charge=(
                vector(home.resources) if home is not None and home.die == die.name else ()
            ),
            memory_ports=(
                len(home.banks) * board.max_interfaces_per_bank
                if home is not None and home.die == die.name
                else None
            ),
        )
        for die in board.dies
    ]


def _boundaries(board: Board, offset: int) -> list[Link]:
    """Each direction gets half the wires: they are shared, and streams need a few back as well."""
    return [
        Link(
            kind=CrossingKind.DIE,
            ends=(
                LinkEnd(region=offset + board.die_index(boundary.dies[0])),
                LinkEnd(region=offset + board.die_index(boundary.dies[1])),
            ),
            cost=DIE_COST,
            wires=boundary.sll_wires // 2,
        )
        for boundary in board.boundaries
    ]


def _network(
    cluster: Cluster, first: Mapping[int, int], regions: list[Region], clock_hz: int
) -> list[Link]:
    links = [
        Link(
            kind=CrossingKind.BOARD,
            ends=(_port(cluster, first, cable.ends[0]), _port(cluster, first, cable.ends[1])),
            cost=BOARD_COST,
            bits_per_second=usable_wire_rate(cable.rate_bits_per_second, clock_hz),
        )
        for cable in cluster.cables
    ]
    for number, switch in enumerate(cluster.switches):
        hub = _hub(regions, f"switch{number}")
        links += [
            Link(
                kind=CrossingKind.BOARD,
                ends=(_port(cluster, first, port), LinkEnd(region=hub)),
                cost=BOARD_COST // 2,
                bits_per_second=usable_wire_rate(switch.rate_bits_per_second, clock_hz),
            )
            for port in switch.ports
        ]
    return links


def _port(cluster: Cluster, first: Mapping[int, int], port: PortId) -> LinkEnd:
    board = cluster.boards[port[0]]
    record = board.port(port[1])
    return LinkEnd(
        region=first[port[0]] + board.die_index(record.die),
        port=port[1],
        charge=vector(record.resources),
        adapter=vector(LINK_ADAPTER),
        sockets=record.sockets,
    )


def _host_copies(cluster: Cluster, first: Mapping[int, int], regions: list[Region]) -> list[Link]:
    """A star around the host; a frame goes down from one board and up to the next."""
    hub = _hub(regions, "host")
    links = []
    for number, board in enumerate(cluster.boards):
        home = regions[first[number]].memory
        host = board.host_link
        links.append(
            Link(
                kind=CrossingKind.HOST,
                ends=(
                    LinkEnd(region=first[number] if home is None else home),
                    LinkEnd(region=hub),
                ),
                cost=BOARD_COST // 2,
                bits_per_second=min(host.to_board_bits_per_second, host.from_board_bits_per_second),
            )
        )
    return links


def _hub(regions: list[Region], name: str) -> int:
    width = len(RESOURCE_NAMES)
    regions.append(
        Region(name=name, board=None, die="", capacity=(0,) * width, limits=(0.0,) * width)
    )
    return len(regions) - 1
