"""Network ports in use: addresses, and socket rows that match at both ends by construction.

A row is made for both ends of a stream at once, so no end can disagree with the other. It carries
data both ways: a stream and one that comes back between the same two ports share it. The last octet
of every address is unique, because the stack's ARP table is indexed by it.
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Iterable
from dataclasses import dataclass

from elasticdf.artifact.deployment import NetworkPort, NetworkStream, Socket, StreamEnd
from elasticdf.errors import UserError
from elasticdf.hardware import Cluster
from elasticdf.hardware.cluster import PortId
from elasticdf.hardware.framing import BEAT_BYTES, MAX_PAYLOAD_BYTES

RECEIVE_BUFFER_BYTES = 48 * 1024
"""What a port holds before it drops: 512 + 256 beats of 64 bytes (VNx's receive FIFOs)."""

_LAST_HOST = 254


@dataclass(frozen=True, slots=True, kw_only=True)
class Addressing:
    """Choices that hold for the whole network.

    Attributes:
        subnet: First three octets of the /24 all ports share; the gateway is its host 1.
        first_host: Last octet of the first port's address; the others follow.
        mac_prefix: First five bytes of every MAC; the sixth is the last octet of the address.
        source_port: UDP port of link 0's sender; the others follow.
        target_port: The same of the receivers.
        rsfec: Whether forward error correction is on; switches and copper cables may ask for it.
    """

    subnet: str = "192.168.10"
    first_host: int = 10
    mac_prefix: str = "00:0a:35:ed:00"
    source_port: int = 60_000
    target_port: int = 50_000
    rsfec: bool = False

    def ip(self, host: int) -> str:
        """Return an address."""
        return f"{self.subnet}.{host}"

    def mac(self, host: int) -> str:
        """Return a MAC that VNx keeps: it overwrites the last byte with the IP's last octet."""
        return f"{self.mac_prefix}:{host:02x}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hop:
    """A stream on its way over one cable or switch.

    Attributes:
        source: Producing kernel and port.
        target: Consuming kernel and port.
        origin: Network port it leaves by.
        destination: Network port it arrives at.
        frame_bytes: Of one frame.
    """

    source: StreamEnd
    target: StreamEnd
    origin: PortId
    destination: PortId
    frame_bytes: int


def connect(hops: Iterable[Hop], cluster: Cluster) -> tuple[NetworkStream, ...]:
    """Give every hop its socket rows and window, a row for the next one that goes the other way.

    Raises:
        UserError: A port has fewer rows than streams.
    """
    listed = tuple(hops)
    rows: Counter[PortId] = Counter()
    half_used: dict[tuple[PortId, PortId], deque[tuple[int, int]]] = defaultdict(deque)
    windows = _windows(listed)
    links = []
    for index, hop in enumerate(listed):
        if half_used[hop.destination, hop.origin]:
            there, here = half_used[hop.destination, hop.origin].popleft()
        else:
            here = _next_row(rows, hop.origin, cluster)
            there = _next_row(rows, hop.destination, cluster)
            half_used[hop.origin, hop.destination].append((here, there))
        links.append(
            NetworkStream(
                id=index,
                source=hop.source,
                target=hop.target,
                source_board=hop.origin[0],
                source_qsfp=hop.origin[1],
                source_row=here,
                target_board=hop.destination[0],
                target_qsfp=hop.destination[1],
                target_row=there,
                window_bytes=windows[index],
            )
        )
    return tuple(links)


def network_ports(
    links: Iterable[NetworkStream], cluster: Cluster, addressing: Addressing
) -> tuple[NetworkPort, ...]:
    """Return the ports that carry something, by board and number."""
    rows: dict[PortId, dict[int, Socket]] = defaultdict(dict)
    peers: dict[PortId, set[PortId]] = defaultdict(set)
    hosts = _hosts(cluster, addressing.first_host)
    for link in links:
        source = (link.source_board, link.source_qsfp)
        target = (link.target_board, link.target_qsfp)
        ends = (
            (source, target, link.source_row, addressing.source_port, addressing.target_port),
            (target, source, link.target_row, addressing.target_port, addressing.source_port),
        )
        for here, there, row, my_base, their_base in ends:
            peers[here].add(there)
            socket = Socket(
                row=row,
                their_ip=addressing.ip(hosts[there]),
                their_port=their_base + link.id,
                my_port=my_base + link.id,
            )
            rows[here].setdefault(row, socket)  # a stream that comes back uses the first one's
    return tuple(
        NetworkPort(
            board=port[0],
            qsfp=port[1],
            die=cluster.boards[port[0]].port(port[1]).die,
            mac=addressing.mac(hosts[port]),
            ip=addressing.ip(hosts[port]),
            gateway=addressing.ip(1),
            mask="255.255.255.0",
            rsfec=addressing.rsfec,
            sockets=tuple(socket for _, socket in sorted(rows[port].items())),
            arp=tuple(
                (addressing.ip(hosts[peer]), addressing.mac(hosts[peer]))
                for peer in sorted(peers[port])
            ),
        )
        for port in sorted(rows)
    )


def _windows(hops: tuple[Hop, ...]) -> list[int]:
    """Share each port's receive buffer among its streams: a packet each, the rest by traffic."""
    streams = Counter(hop.destination for hop in hops)
    traffic: Counter[PortId] = Counter()
    for hop in hops:
        traffic[hop.destination] += hop.frame_bytes
    windows = []
    for hop in hops:
        spare = RECEIVE_BUFFER_BYTES - streams[hop.destination] * MAX_PAYLOAD_BYTES
        share = max(spare, 0) * hop.frame_bytes // max(traffic[hop.destination], 1)
        windows.append((MAX_PAYLOAD_BYTES + share) // BEAT_BYTES * BEAT_BYTES)
    return windows


def _next_row(rows: Counter[PortId], port: PortId, cluster: Cluster) -> int:
    row = rows[port]
    board = cluster.boards[port[0]]
    limit = board.port(port[1]).sockets
    if row >= limit:
        raise UserError(
            f"port {port[1]} of board {port[0]} ({board.name}) has {limit} sockets, more streams "
            "need one; use fewer replicas, or another port or board"
        )
    rows[port] += 1
    return row


def _hosts(cluster: Cluster, first: int) -> dict[PortId, int]:
    """Number all ports of the cluster, used or not, so that addresses do not depend on the plan."""
    ports = [(i, port.number) for i, board in enumerate(cluster.boards) for port in board.ports]
    if first + len(ports) - 1 > _LAST_HOST:
        raise UserError(
            f"target {cluster.name} has {len(ports)} network ports, from host {first} on a /24 has "
            f"room for {_LAST_HOST + 1 - first}; use fewer boards"
        )
    return {port: first + index for index, port in enumerate(ports)}
