"""Board buffers kept between requests: an array the client did not touch is not copied again.

A client's version number grows with its own writes only, so the server's writes are counted here
too: a buffer is current if both numbers are what they were. Bounded; the longest unused go first.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass
from typing import TypeAlias

from elasticdf.runtime.objects import Buffer

MOST_BYTES = 512 << 20
_MOST_IDENTITIES = 4096

Stamp: TypeAlias = tuple[int, int]
"""The client's version and the server's count of writes."""


class WriteCounter:
    """Counts the server's writes per array."""

    def __init__(self) -> None:
        self._counts: OrderedDict[Hashable, int] = OrderedDict()
        self._base = 0
        self._count = 0
        self._lock = threading.Lock()

    def of(self, identity: Hashable) -> int:
        """Return a number that changes with every write to the array."""
        with self._lock:
            return self._counts.get(identity, self._base)

    def written(self, identity: Hashable) -> int:
        """Note a write; return the new number."""
        with self._lock:
            self._count += 1
            self._counts[identity] = self._count
            self._counts.move_to_end(identity)
            if len(self._counts) > _MOST_IDENTITIES:
                self._counts.clear()  # every array then seems written to, which only costs copies
                self._base = self._count
            return self._counts.get(identity, self._base)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Held:
    buffer: Buffer
    stamp: Stamp | None


class BufferPool:
    """Idle buffers by what they are for; a buffer in use is not in the pool."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most_bytes = most_bytes
        self._idle: OrderedDict[int, tuple[Hashable, _Held]] = OrderedDict()
        self._bytes = 0
        self._next = 0
        self._lock = threading.Lock()

    def take(self, key: Hashable, stamp: Stamp) -> tuple[Buffer, bool] | None:
        """Return an idle buffer for the key and whether its content is current, or None."""
        with self._lock:
            mine = [(number, held) for number, (owner, held) in self._idle.items() if owner == key]
            if not mine:
                return None
            current = [entry for entry in mine if entry[1].stamp == stamp]
            number, held = (current or mine)[0]
            del self._idle[number]
            self._bytes -= held.buffer.size
            return held.buffer, bool(current)

    def give(self, key: Hashable, buffer: Buffer, stamp: Stamp | None) -> None:
        """Put a buffer back; `stamp` is what its content is current with, None for unknown."""
        with self._lock:
            self._idle[self._next] = (key, _Held(buffer=buffer, stamp=stamp))
            self._next += 1
            self._bytes += buffer.size
            released = []
            while self._bytes > self._most_bytes:
                _, (_, held) = self._idle.popitem(last=False)
                self._bytes -= held.buffer.size
                released.append(held.buffer)
        for old in released:
            old.release()

    def clear(self) -> None:
        """Release every idle buffer."""
        with self._lock:
            idle, self._idle, self._bytes = self._idle, OrderedDict(), 0
        for _, held in idle.values():
            held.buffer.release()
