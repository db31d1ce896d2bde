"""What a sub-command is: how it reads its arguments and what it hands back to be printed."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from elasticdf.progress import Report


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandResult:
    """What a command has to say.

    Attributes:
        document: Printed as one JSON document with ``--json``.
        text: Printed otherwise.
        exit_code: 0 done, 2 the user must change something, 3 infeasible, 4 out of time.
    """

    document: Mapping[str, Any]
    text: str
    exit_code: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """What a sub-command of ``elasticdf`` does.

    Attributes:
        arguments: Declares the arguments.
        run: Parses them into an options record, calls one function of `elasticdf.flow`.
    """

    arguments: Callable[[ArgumentParser], None]
    run: Callable[[Namespace, Report], CommandResult]
