"""Progress of long work: one line that rewrites itself on a terminal, nothing in a pipe."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TextIO, TypeAlias

Report: TypeAlias = Callable[[str], None]
"""Told in a few words what is going on now."""

_CLEAR_LINE = "\r\x1b[K"
_SECONDS_BETWEEN = 0.1


class Progress:
    """A `Report` for terminals; call `close` before printing anything else.

    Args:
        stream: Where to write; silent unless it is a terminal.
        quiet: Silent in any case.
    """

    def __init__(self, stream: TextIO | None = None, *, quiet: bool = False) -> None:
        self._stream = stream or sys.stderr
        self._silent = quiet or not self._stream.isatty()
        self._started = time.monotonic()
        self._last = 0.0

    def __call__(self, message: str) -> None:
        """Show what is going on, at most ten times a second."""
        now = time.monotonic()
        if self._silent or now - self._last < _SECONDS_BETWEEN:
            return
        self._last = now
        text = f"{now - self._started:6.1f} s  {message}"[:100]
        self._stream.write(f"{_CLEAR_LINE}{text}")
        self._stream.flush()

    def close(self) -> None:
        """Remove the line."""
        if not self._silent and self._last:
            self._stream.write(_CLEAR_LINE)
            self._stream.flush()
            self._last = 0.0


def silent(message: str) -> None:
    """Report to nobody."""
    del message
