"""How much longer a search may take: seconds of wall time, or of counted work.

Work is counted from what is solved and how often the solver looked up, never from a clock. A limit
on it therefore strikes at the same place on every machine, however busy it is: the same request
gives the same answer. A second of it is about a second of one core, give or take a factor of five.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from types import FrameType

from elasticdf.errors import TimeLimitError


class Meter:
    """Counts the work of one request, in nominal seconds."""

    def __init__(self) -> None:
        self._seconds = 0.0

    def add(self, seconds: float) -> None:
        """Count work that was done."""
        self._seconds += seconds

    def read(self) -> float:
        """Return what was counted so far."""
        return self._seconds


class Stop:
    """A wish to end a search with the best answer so far."""

    def __init__(self) -> None:
        self.requested = False


@contextmanager
def stop_on_interrupt() -> Iterator[Stop]:
    """Let the first Ctrl-C ask for the best answer so far; the second ends the program as usual.

    Solvers call back while they run, so they hear of it. Does nothing outside the main thread.

    Raises:
        KeyboardInterrupt: There is no answer yet.
    """
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return

    def handle(number: int, frame: FrameType | None) -> None:
        if stop.requested:
            signal.default_int_handler(number, frame)
        stop.requested = True

    previous = signal.signal(signal.SIGINT, handle)
    try:
        yield stop
    except TimeLimitError:
        if stop.requested:
            raise KeyboardInterrupt from None
        raise
    finally:
        signal.signal(signal.SIGINT, previous)


class Clock:
    """The time left for a search.

    Args:
        seconds: The limit.
        meter: Counts what is limited; None limits wall time.
        stop: Ends all time when requested.
        outer: Leaves no time when it has none left itself, whatever it counts.
    """

    def __init__(
        self,
        seconds: float,
        meter: Meter | None = None,
        stop: Stop | None = None,
        outer: Clock | None = None,
    ) -> None:
        self._seconds = seconds
        self._meter = meter
        self._stop = stop
        self._outer = outer
        self._start = self._now()

    @property
    def stopped(self) -> bool:
        """Whether someone asked for the best answer so far."""
        return self._stop is not None and self._stop.requested

    def _now(self) -> float:
        return monotonic() if self._meter is None else self._meter.read()

    def charge(self, seconds: float) -> None:
        """Count work that no solver call counts; wall time counts by itself."""
        if self._meter is not None:
            self._meter.add(seconds)

    def spent(self) -> float:
        """Return the seconds since the start."""
        return self._now() - self._start

    def left(self) -> float:
        """Return the seconds left, never below 0."""
        if self.stopped or (self._outer is not None and self._outer.left() <= 0):
            return 0.0
        return max(0.0, self._seconds - self.spent())

    def part(self, share: float) -> Clock:
        """Return a clock that ends after a share of the time left."""
        return Clock(self.left() * share, self._meter, self._stop, self._outer)

    def counted(self, seconds: float, meter: Meter) -> Clock:
        """Return a clock of counted work that ends with this one at the latest."""
        return Clock(seconds, meter, self._stop, self)
