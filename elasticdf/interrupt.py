"""Ctrl-C amid imports, which Python would answer with a traceback of what it was importing."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from threading import current_thread, main_thread
from types import FrameType

INTERRUPTED = 130
"""Exit code of a command that Ctrl-C ended without an answer, as shells have it."""


@contextmanager
def leaving() -> Iterator[None]:
    """Let Ctrl-C end the program at once; for imports, while nothing is opened or written."""
    heard = signal.getsignal(signal.SIGINT)
    # Any other handler means that the shell said to ignore Ctrl-C, or that a caller hears it.
    if heard is not signal.default_int_handler or current_thread() is not main_thread():
        yield
        return
    signal.signal(signal.SIGINT, _leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, heard)


def _leave(number: int, frame: FrameType | None) -> None:
    del number, frame
    os.write(2, b"interrupted\n")
    os._exit(INTERRUPTED)
