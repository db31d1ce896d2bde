"""How full the streams of a run without limits became: depths that would not have changed it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from elasticdf.simulation.engine import Times
from elasticdf.simulation.process import Net


def fullest(net: Net, times: Times) -> NDArray[np.int64]:
    """Return the depth each channel needs for the run to go exactly as it went; at least 1.

    Args:
        net: With channels without limits, so that every transfer is still recorded.
        times: Of its run.
    """
    found = np.ones(len(net.channels), np.int64)
    for i, channel in enumerate(net.channels):
        start, length = times.rings[i]
        pattern = net.processes[channel.source].pattern
        put = times.put[start : start + min(length, times.written[i])]
        taken = times.taken[start : start + min(length, times.read[i])]
        waiting = _held(put, taken) - pattern.slots
        found[i] = max(1, waiting)
    return found


def _held(put: NDArray[np.int64], taken: NDArray[np.int64]) -> int:
    """Return the most transfers at once; one taken in a cycle frees its place in the next."""
    if not len(put):
        return 0
    before = np.searchsorted(taken, put, side="left")
    return int((np.arange(1, len(put) + 1) - before).max())
