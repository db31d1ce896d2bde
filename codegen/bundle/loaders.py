"""What a loader can set up, and whether a deployment needs more than that.

``elasticdf`` reads the manifest and takes every deployment. ``original`` knows two equal boards,
one cable, one socket, fixed addresses; it sets these itself, so a deployment for it says the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from elasticdf.artifact.deployment import Deployment, NetworkPort, Socket
from elasticdf.artifact.manifest import Loader
from elasticdf.artifact.network_registers import mac_kernel
from elasticdf.errors import UserError
from elasticdf.hardware import AutoTarget, Board, Cluster, parse_target
from partitioner.plan import Mode

ORIGINAL_BOARDS = 2
ORIGINAL_PORT = 1
"""The loader opens the MAC kernel of this network port and no other."""

_ADDRESSES = ("192.168.0.4", "192.168.0.5")
_MACS = ("00:f1:f2:f3:f4:f4", "00:e1:e2:e3:e4:e5")
_UDP_PORTS = (60000, 50000)
_GATEWAY = "192.168.0.1"
_MASK = "255.255.255.0"
_ADVICE = "use --loader elasticdf"
_STREAMS: Mapping[Mode, int] = MappingProxyType({Mode.TRANSPARENT: 2, Mode.HARDWARE: 1})
"""Streams that surely fit one row: what leaves a board in mode ``tmp`` also comes back to it."""


def target_for(text: str, loader: Loader, mode: Mode) -> Cluster | AutoTarget:
    """Return the boards a target names, as far as the loader can use them.

    Args:
        text: As `parse_target` takes it; for ``original``, boards are joined at its port.
        loader: Who will load the artifact.
        mode: Tells whether the boards exchange streams.

    Raises:
        UserError: The target names nothing sensible, or nothing the loader can use.
    """
    if loader is Loader.ELASTICDF:
        return parse_target(text)
    cluster = parse_target(text, port=ORIGINAL_PORT)
    if isinstance(cluster, AutoTarget):
        raise UserError(f"target {text}: the original loader pairs two boards; name them: 2x...")
    kinds = [board.name for board in cluster.boards]
    if len(kinds) != ORIGINAL_BOARDS or len(set(kinds)) > 1:
        raise UserError(
            f"target {text}: the original loader pairs two equal boards, this target has "
            f"{', '.join(kinds)}; name two, or use --loader elasticdf"
        )
    return _with_one_row(cluster, _STREAMS[mode]) if mode in _STREAMS else cluster


def _with_one_row(cluster: Cluster, streams: int) -> Cluster:
    """Return the cluster with nothing but the loader's port on each board, for so many streams."""
    pair = ((0, ORIGINAL_PORT), (1, ORIGINAL_PORT))
    if not any(joined[:2] == pair for joined in cluster.joined_ports):
        raise UserError(
            f"target {cluster.name}: the original loader opens {mac_kernel(ORIGINAL_PORT)} only, "
            f"and nothing joins port {ORIGINAL_PORT} of both boards; join them, use mode dp or sw, "
            "or use --loader elasticdf"
        )
    ends = set(pair)
    return replace(
        cluster,
        boards=tuple(_limited(board, streams) for board in cluster.boards),
        cables=tuple(cable for cable in cluster.cables if ends == set(cable.ends)),
        switches=tuple(replace(s, ports=pair) for s in cluster.switches if ends <= set(s.ports)),
    )


def _limited(board: Board, streams: int) -> Board:
    port = replace(board.port(ORIGINAL_PORT), sockets=streams)
    return replace(board, ports=(port,))


def for_loader(deployment: Deployment, loader: Loader) -> Deployment:
    """Return the deployment as the loader will set it up.

    Raises:
        UserError: It needs what the loader cannot do.
    """
    if loader is Loader.ELASTICDF:
        return deployment
    _refuse_more(deployment)
    order = [board.id for board in deployment.boards]
    ports = tuple(_original_port(port, order.index(port.board)) for port in deployment.ports)
    return replace(deployment, ports=ports)


def _refuse_more(deployment: Deployment) -> None:
    fault = _board_fault(deployment) or _network_fault(deployment)
    if fault:
        raise UserError(f"the original loader {fault}; {_ADVICE}")
    for port in deployment.ports:
        if port.qsfp != ORIGINAL_PORT:
            raise UserError(
                f"the original loader opens {mac_kernel(ORIGINAL_PORT)} only and would skip the "
                f"network without a word, board {port.board} uses network port {port.qsfp}; "
                f"partition with --loader original, or {_ADVICE}"
            )


def _board_fault(deployment: Deployment) -> str | None:
    boards = deployment.boards
    kinds = [(board.board, board.shell_version) for board in boards]
    if len(boards) != ORIGINAL_BOARDS:
        hint = " (more frames, replicas or an --anchor would use the other)" * (len(boards) == 1)
        return f"pairs exactly {ORIGINAL_BOARDS} boards, this plan has {len(boards)}{hint}"
    if kinds[0] != kinds[1]:
        return (
            "pairs equal boards with one shell, this plan has "
            f"{' and '.join(f'{board} with {shell}' for board, shell in kinds)}"
        )
    return None


def _network_fault(deployment: Deployment) -> str | None:
    ports = deployment.ports
    for port in ports:
        rows = [socket.row for socket in port.sockets if socket.valid]
        if rows != [0]:
            return (
                "sets up socket row 0 only, which carries one stream each way, "
                f"board {port.board} needs rows {_listing(rows)}"
            )
        if port.rsfec:
            return f"never switches on RS-FEC, the link of board {port.board} needs it"
    if ports and len(ports) != ORIGINAL_BOARDS:
        return f"sets up one port on each board, this plan uses {len(ports)} port(s)"
    return None


def _listing(rows: list[int]) -> str:
    return ", ".join(str(row) for row in rows) or "none"


def _original_port(port: NetworkPort, position: int) -> NetworkPort:
    other = 1 - position
    socket = Socket(
        row=0,
        their_ip=_ADDRESSES[other],
        their_port=_UDP_PORTS[other],
        my_port=_UDP_PORTS[position],
    )
    return replace(
        port,
        ip=_ADDRESSES[position],
        mac=_MACS[position],
        gateway=_GATEWAY,
        mask=_MASK,
        sockets=(socket,),
        arp=((_ADDRESSES[other], _MACS[other]),),
    )
