"""What the two ends of an emulated link have in common.

The protocol is that of the adapters in ``codegen/link_rtl`` (``docs/link.md``): numbered packets,
credits, and resynchronisation at the next frame after a loss.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

SendPackets: TypeAlias = Callable[[int, memoryview, int], None]
"""Row, packets without gaps, size of each but the last."""

Prefix: TypeAlias = Callable[[int], bytes | None]
"""The wire header of a row's packets, or None where the network layer would drop them."""


@dataclass(slots=True, kw_only=True)
class LinkCounters:
    """What an adapter's readable registers hold."""

    packets: int = 0
    frames: int = 0
    lost_frames: int = 0
    duplicates: int = 0
    damaged: int = 0
