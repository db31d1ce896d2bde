"""The steady state of a run: how far apart results are once the start is over."""

from __future__ import annotations

from fractions import Fraction

from elasticdf.simulation.engine import Times
from elasticdf.simulation.process import Net


def interval_of(net: Net, times: Times) -> Fraction:
    """Return the cycles between two frames at the outputs, averaged over the run's last third.

    A run of one frame has no interval; then it is 0.
    """
    last = times.last[list(net.sinks)].max(axis=0)
    frames = len(last)
    if frames < 2:
        return Fraction(0)
    over = max(1, frames // 3)
    return Fraction(int(last[-1] - last[-1 - over]), over)
