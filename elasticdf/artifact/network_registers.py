"""Register offsets of the 100G MAC and of VNx's network layer, by the names in the binary's XML.

The offsets moved between releases of VNx, so whoever talks to the hardware takes them from the
binary's own metadata; these tables are for what we emulate and for what the original loader writes.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

NETWORK_LAYER = "networklayer"

CURRENT = MappingProxyType(
    {
        "mac_address": 0x0010,
        "ip_address": 0x0018,
        "gateway": 0x001C,
        "ip_mask": 0x0020,
        "eth_in_packets": 0x0410,
        "eth_out_packets": 0x04B8,
        "udp_in_packets": 0x04D0,
        "udp_out_packets": 0x0500,
        "debug_reset_counters": 0x05F0,
        "udp_number_sockets": 0x0810,
        "udp_theirIP_offset": 0x0820,
        "udp_theirPort_offset": 0x08A0,
        "udp_myPort_offset": 0x0920,
        "udp_valid_offset": 0x09A0,
        "arp_discovery": 0x1010,
        "arp_valid_offset": 0x1100,
        "arp_ip_addr_offset": 0x1400,
        "arp_mac_addr_offset": 0x1800,
    }
)
"""VNx today, 16 socket rows."""

ORIGINAL = MappingProxyType(
    {
        "mac_address": 0x0080,
        "ip_address": 0x0088,
        "udp_theirIP_offset": 0x2010,
        "udp_theirPort_offset": 0x2090,
        "udp_myPort_offset": 0x2110,
        "udp_valid_offset": 0x2190,
        "udp_number_sockets": 0x2210,
        "arp_mac_addr_offset": 0x4800,
        "arp_ip_addr_offset": 0x5000,
        "arp_valid_offset": 0x5400,
        "arp_discovery": 0x5500,
    }
)
"""VNx of 2020, the only offsets that the original loader writes."""

RELEASES: Mapping[str, Mapping[str, int]] = MappingProxyType(
    {"current": CURRENT, "original": ORIGINAL}
)

MAC = MappingProxyType(
    {
        "gt_reset": 0x0000,
        "reset": 0x0004,
        "mode": 0x0008,
        "conf_tx": 0x000C,
        "conf_rx": 0x0014,
        "core_mode": 0x0020,
        "version": 0x0024,
        "gt_loopback": 0x0090,
        "stat_tx_status": 0x0200,
        "stat_rx_status": 0x0204,
        "stat_pm_tick": 0x02B0,
        "rsfec_config_ind_corr": 0x1000,
        "rsfec_config_enable": 0x107C,
    }
)
"""The MAC kernel ``cmac_<port>``."""


def mac_kernel(port: int) -> str:
    """Return the kernel (and compute unit) name of the MAC at a network port.

    >>> mac_kernel(1)
    'cmac_1'
    """
    return f"cmac_{port}"


def network_unit(port: int) -> str:
    """Return the compute unit name of the network layer at a port.

    >>> network_unit(0)
    'networklayer_0'
    """
    return f"{NETWORK_LAYER}_{port}"
