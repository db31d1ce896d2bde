"""network.json: how a board's network ports are brought up, registers by argument name.

Offsets moved between releases of VNx, so none stand here: whoever writes the registers resolves the
names in the binary's own metadata. The order is what the original set-up and VNx's samples do.
"""

from __future__ import annotations

from typing import Any

from codegen.board_view import BoardView
from elasticdf.artifact.deployment import NetworkPort
from elasticdf.artifact.network_registers import mac_kernel, network_unit
from elasticdf.documents import json_bytes
from elasticdf.records import encode

NETWORK_SCHEMA = "elasticdf.network/1"

REGISTERS = {
    "mac": "mac_address",
    "ip": "ip_address",
    "gateway": "gateway",
    "mask": "ip_mask",
    "sockets": "udp_number_sockets",
    "their_ip": "udp_theirIP_offset",
    "their_port": "udp_theirPort_offset",
    "my_port": "udp_myPort_offset",
    "valid": "udp_valid_offset",
    "arp_discovery": "arp_discovery",
    "arp_ip": "arp_ip_addr_offset",
    "arp_mac": "arp_mac_addr_offset",
    "arp_valid": "arp_valid_offset",
}
"""What each value is written to: argument names of the network layer."""

BRING_UP = (
    {"step": "load", "who": "every board", "settle_ms": 0},
    {"step": "rsfec", "who": "every port", "settle_ms": 100},
    {"step": "wait_aligned", "who": "every port", "settle_ms": 0, "timeout_ms": 10_000},
    {"step": "address", "who": "every port", "settle_ms": 0},
    {"step": "sockets", "who": "every port", "settle_ms": 0},
    {"step": "arp_table", "who": "every port", "settle_ms": 0},
    {"step": "arp_discovery", "who": "last board first", "settle_ms": 1000},
    {"step": "start", "who": "last board first", "settle_ms": 0},
)
"""Each step is done on all boards before the next begins. Status registers latch: read them twice.
The settle times are cautious, not measured."""


def network_document(view: BoardView) -> dict[str, Any]:
    """Return the content of a board's network.json; without ports it says so."""
    return {
        "schema": NETWORK_SCHEMA,
        "board": view.deployed.id,
        "registers": REGISTERS,
        "bring_up": list(BRING_UP),
        "ports": [_port(port) for port in view.ports],
    }


def network_json(view: BoardView) -> bytes:
    """Return `network_document` as bytes."""
    return json_bytes(network_document(view))


def _port(port: NetworkPort) -> dict[str, Any]:
    document: dict[str, Any] = {
        "qsfp": port.qsfp,
        "mac_kernel": mac_kernel(port.qsfp),
        "network_kernel": f"networklayer:{network_unit(port.qsfp)}",
    }
    return {**document, **encode(port), "arp": [{"ip": ip, "mac": mac} for ip, mac in port.arp]}
