"""Runs the command line in this process, as a user would see it."""

from __future__ import annotations

import contextlib
import io
import json
from dataclasses import dataclass
from typing import Any

from elasticdf.cli import main


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """What a command left: exit code and both outputs."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        """The JSON document on standard output; nothing else may be there."""
        document = json.loads(self.out)
        assert isinstance(document, dict)
        return document


def elasticdf(*arguments: object) -> Ran:
    """Run one command."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main([str(argument) for argument in arguments])
    return Ran(code=code, out=out.getvalue(), err=err.getvalue())
