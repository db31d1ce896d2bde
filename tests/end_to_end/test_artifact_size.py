"""A GiB of binaries: packed, examined and installed in little memory."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.packing import measure

MEMORY_LIMIT_MIB = 200


@pytest.mark.slow
def test_a_gibibyte(tmp_path: Path) -> None:
    (once,) = measure(tmp_path, 1)
    assert once.peak_mib < MEMORY_LIMIT_MIB
