"""Which thread gets a processor: those here wait for one when they wake.

A thread that wakes may push another off its processor, which costs both their caches and makes
whoever waits for a lock of the other wait longer. Client, server and boards on few processors wake
each other thousands of times a second.
"""

from __future__ import annotations

import os
from contextlib import suppress


def wait_for_a_processor() -> None:
    """Let the calling thread, and those it starts, push no other off its processor (Linux).

    An idle processor is taken at once all the same. Nothing happens where a sandbox forbids it.
    """
    with suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
