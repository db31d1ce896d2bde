"""How full the streams of a run without limits became: depths that would not have changed it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from elasticdf.simulation.engine import Times
from elasticdf.simulation.process import Net


def fullest(net: Net, times: Times) -> NDArray[np.int64]:
    """Return the depth each channel needs for the run to go exactly as it went; at least 1.

    Args:
        net: Those of its channels that may be sized have no limit, so that every transfer is
            still recorded; the others count 1.
        times: Of its run.
    """
    found = np.ones(len(net.channels), np.int64)
    for i, channel in enumerate(net.channels):
        if channel.sized:
            put, taken = recorded(times, i)
            inside = net.processes[channel.source].pattern.slots + channel.registers
            found[i] = max(1, held(put, taken) - inside)
    return found


def recorded(times: Times, channel: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return when the last transfers of a channel were put and taken, as its ring holds them."""
    start, length = times.rings[channel]
    put = times.put[start : start + min(length, times.written[channel])]
    taken = times.taken[start : start + min(length, times.read[channel])]
    return put, taken


def _held(put: Any, taken: Any) -> Any:
    """Return the most transfers at once; one taken in a cycle frees its place in the next."""
    most = gone = 0
    for come in range(len(put)):
        while gone < len(taken) and taken[gone] < put[come]:
            gone += 1
        most = max(most, come + 1 - gone)
    return most


held: Callable[[NDArray[np.int64], NDArray[np.int64]], int] = numba.njit(
    "int64(int64[::1], int64[::1])", cache=True, nogil=True
)(_held)
"""`_held`, compiled when this is first imported; both times ascend."""
