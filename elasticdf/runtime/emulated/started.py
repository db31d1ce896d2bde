"""A start of a compute unit on an emulated board, as the host waits for it."""

from __future__ import annotations

from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError

from elasticdf.runtime.failures import BoardError


class EmulatedRun:
    """A start of a compute unit; completed by the reader thread."""

    def __init__(self) -> None:
        self._end: Future[None] = Future()

    def wait(self, seconds: float) -> bool:
        """Return whether it ended, waiting at most so long."""
        try:
            self._end.result(seconds)
        except FutureTimeoutError:
            return False
        return True

    def finish(self, error: BoardError | None) -> None:
        """Mark it as ended."""
        if error is None:
            self._end.set_result(None)
        else:
            self._end.set_exception(error)
