"""Refuses to run when another distribution's package hides one of ours.

The top-level names are generic (``models``, ``codegen``), so an unrelated package of that name on
the path would be imported in silence. Called first by the command line and by the tests.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from elasticdf.errors import UserError

SIBLINGS = ("partitioner", "codegen", "models")


def check_siblings() -> None:
    """Check that our top-level packages resolve to the folders beside this one.

    Raises:
        UserError: One of them is missing or comes from elsewhere.
    """
    home = Path(__file__).resolve().parent.parent
    for name in SIBLINGS:
        spec = find_spec(name)
        found = Path(spec.origin).resolve().parent if spec is not None and spec.origin else None
        if found != home / name:
            raise UserError(
                f"Python package {name!r} resolves to {found or 'nothing'}, not to {home / name}; "
                "another distribution uses the same name: run elasticdf in its own environment"
            )
