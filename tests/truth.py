"""Where the reference material lies, if this checkout stands beside it."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SHARED: Path | None = ROOT.parent / "shared" if (ROOT.parent / "shared/truth").is_dir() else None

ABSENT = "the reference networks and compiler results are not beside this checkout"
needs_shared = pytest.mark.skipif(SHARED is None, reason=ABSENT)


def shared(path: str) -> Path:
    """Return a file of the reference material; call only under `needs_shared`."""
    assert SHARED is not None, "guarded by needs_shared"
    return SHARED / path
