"""First-fit allocation of pages in a memory bank."""

from __future__ import annotations

import threading
from bisect import insort

from elasticdf.errors import InternalError
from elasticdf.runtime.board import PAGE_BYTES


class BankAllocator:
    """Hands out page-aligned ranges of ``size`` bytes, numbered from 0."""

    def __init__(self, size: int) -> None:
        self._free: list[tuple[int, int]] = [(0, size)] if size else []
        self._used: dict[int, int] = {}
        self._lock = threading.Lock()

    def take(self, size: int) -> int | None:
        """Return the offset of a free range, or None if there is none."""
        wanted = max(PAGE_BYTES, -(-size // PAGE_BYTES) * PAGE_BYTES)
        with self._lock:
            for place, (start, room) in enumerate(self._free):
                if room >= wanted:
                    self._free[place : place + 1] = (
                        [(start + wanted, room - wanted)] if room > wanted else []
                    )
                    self._used[start] = wanted
                    return start
        return None

    def give_back(self, start: int) -> None:
        """Free a range and join it with its neighbours.

        Raises:
            InternalError: The range is not in use.
        """
        with self._lock:
            if start not in self._used:
                raise InternalError(f"memory at {start:#x} is freed twice")
            insort(self._free, (start, self._used.pop(start)))
            joined: list[tuple[int, int]] = []
            for begin, room in self._free:
                if joined and sum(joined[-1]) == begin:
                    joined[-1] = (joined[-1][0], joined[-1][1] + room)
                else:
                    joined.append((begin, room))
            self._free = joined
