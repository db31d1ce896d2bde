"""How much longer a search may take: seconds of wall time, or of counted work.

Work is counted from what is solved and how often the solver looked up, never from a clock. A limit
on it therefore strikes at the same place on every machine, however busy it is: the same request
gives the same answer. A second of it is about a second of one core, give or take a factor of five.
"""

from __future__ import annotations

from time import monotonic


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


class Clock:
    """The time left for a search.

    Args:
        seconds: The limit.
        meter: Counts what is limited; None limits wall time.
    """

    def __init__(self, seconds: float, meter: Meter | None = None) -> None:
        self._seconds = seconds
        self._meter = meter
        self._start = self._now()

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
        return max(0.0, self._seconds - self.spent())

    def part(self, share: float) -> Clock:
        """Return a clock that ends after a share of the time left."""
        return Clock(self.left() * share, self._meter)
