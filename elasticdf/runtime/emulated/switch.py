"""What joins the network ports of emulated boards."""

from __future__ import annotations

import threading
from typing import Any, Protocol

from elasticdf.runtime.failures import BoardError


class Plugged(Protocol):
    """A board, as far as the switch knows it."""

    @property
    def failure(self) -> BoardError | None:
        """Why the board cannot go on, or None."""
        ...

    def call(self, operation: str, **values: Any) -> Any:
        """Send the board's process a message and return the answer."""
        ...


class Switch:
    """Joins the network ports of emulated boards: every end can reach every other."""

    def __init__(self) -> None:
        self._ends: dict[Plugged, tuple[int, ...]] = {}
        self._lock = threading.Lock()

    def plug(self, board: Plugged, ends: tuple[int, ...]) -> None:
        """Replace a board's cable ends and tell every board."""
        with self._lock:
            self._ends[board] = ends
            everyone = [end for others in self._ends.values() for end in others]
            for other, own in self._ends.items():
                if own and other.failure is None:
                    try:
                        other.call("plug", peers=everyone)
                    except BoardError:
                        if other is board or other.failure is None:
                            raise  # else it died meanwhile, and is told when it is started again

    def unplug(self, board: Plugged) -> None:
        """Forget a board."""
        with self._lock:
            self._ends.pop(board, None)
