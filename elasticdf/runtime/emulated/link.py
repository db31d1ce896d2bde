"""What the two ends of an emulated link have in common.

The protocol is that of the adapters in ``codegen/link_rtl`` (``docs/link.md``): numbered packets,
credits, and resynchronisation at the next frame after a loss.
"""

from __future__ import annotations

import ctypes
import mmap
from collections.abc import Callable
from typing import TypeAlias

from elasticdf.artifact.deployment import Deployment

SendPackets: TypeAlias = Callable[[int, memoryview, int], None]
"""Row, packets without gaps, size of each but the last."""

Prefix: TypeAlias = Callable[[int], bytes | None]
"""The wire header of a row's packets, or None where the network layer would drop them."""


class LinkCounters(ctypes.Structure):
    """What an adapter's readable registers hold; board and host see the same memory."""

    packets: int
    frames: int
    lost_frames: int
    duplicates: int
    damaged: int
    _fields_ = (
        ("packets", ctypes.c_uint64),
        ("frames", ctypes.c_uint64),
        ("lost_frames", ctypes.c_uint64),
        ("duplicates", ctypes.c_uint64),
        ("damaged", ctypes.c_uint64),
    )


LinkEnd = tuple[int, bool]
"""Id of the network stream, and whether it is the sending end."""


def counter_pages(deployment: Deployment, board: int) -> int:
    """Return the bytes of memory that `counters_in` needs, in whole pages."""
    size = len(_ends(deployment, board)) * ctypes.sizeof(LinkCounters)
    return max(1, -(-size // mmap.PAGESIZE)) * mmap.PAGESIZE


def counters_in(
    memory: mmap.mmap, deployment: Deployment, board: int
) -> dict[LinkEnd, LinkCounters]:
    """Return the counters of every link end on a board, in memory that the host maps too."""
    size = ctypes.sizeof(LinkCounters)
    return {
        end: LinkCounters.from_buffer(memory, at * size)
        for at, end in enumerate(_ends(deployment, board))
    }


def _ends(deployment: Deployment, board: int) -> tuple[LinkEnd, ...]:
    return tuple(
        (link.id, sending)
        for link in deployment.links
        for sending, there in ((True, link.source_board), (False, link.target_board))
        if there == board
    )
