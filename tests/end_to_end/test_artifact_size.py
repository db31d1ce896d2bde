"""A GiB of binaries: packed, examined and installed in little memory and at the disk's pace."""

from __future__ import annotations

import statistics
from pathlib import Path

import pytest

from bench.packing import measure

MEMORY_LIMIT_MIB = 200


@pytest.mark.slow
def test_a_gibibyte(tmp_path: Path) -> None:
    rounds = list(measure(tmp_path, 5))
    assert max(one.peak_mib for one in rounds) < MEMORY_LIMIT_MIB
    assert statistics.median(one.ratio for one in rounds) <= 2, rounds
