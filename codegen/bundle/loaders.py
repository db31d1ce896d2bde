"""What a loader can set up, and whether a deployment needs more than that.

``elasticdf`` reads the manifest and takes every deployment. ``original`` knows two equal boards,
one cable, one socket, fixed addresses; it sets these itself, so a deployment for it says the same.
"""

from __future__ import annotations

from dataclasses import replace

from elasticdf.artifact.deployment import Deployment, NetworkPort, Socket
from elasticdf.artifact.manifest import Loader
from elasticdf.artifact.network_registers import mac_kernel
from elasticdf.errors import UserError

ORIGINAL_BOARDS = 2
ORIGINAL_PORT = 1
"""The loader opens the MAC kernel of this network port and no other."""

_ADDRESSES = ("192.168.0.4", "192.168.0.5")
_MACS = ("00:f1:f2:f3:f4:f4", "00:e1:e2:e3:e4:e5")
_UDP_PORTS = (60000, 50000)
_GATEWAY = "192.168.0.1"
_MASK = "255.255.255.0"
_ADVICE = "package with --loader elasticdf"


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
                f"network without a word, board {port.board} uses network port {port.qsfp}; join "
                f"port {ORIGINAL_PORT} of both boards in a cluster file, or {_ADVICE}"
            )


def _board_fault(deployment: Deployment) -> str | None:
    boards = deployment.boards
    kinds = [(board.board, board.shell_version) for board in boards]
    if len(boards) != ORIGINAL_BOARDS:
        return f"pairs exactly {ORIGINAL_BOARDS} boards, this plan has {len(boards)}"
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
