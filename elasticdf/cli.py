"""The command line: finds the command, prints its result, turns errors into exit codes.

Exit codes: 0 done, 1 our bug, 2 the user must change something, 3 proven infeasible, 4 stopped by
the time limit without an answer.
"""

from __future__ import annotations

import argparse
import difflib
import json
import logging
import os
import sys
import traceback
from collections.abc import Iterable, Sequence
from typing import Any, NoReturn

from elasticdf import __version__
from elasticdf.commands import COMMANDS, Entry
from elasticdf.commands.command import Command, CommandResult
from elasticdf.errors import ElasticDFError, InfeasibleError, InternalError, UserError
from elasticdf.guard import check_siblings
from elasticdf.interrupt import INTERRUPTED
from elasticdf.progress import Progress

_BUG = 1


class _Parser(argparse.ArgumentParser):
    """Raises instead of printing usage, so that every error is one sentence.

    The parser of a command loads the command when it is first needed.
    """

    def __init__(self, *, entry: Entry | None = None, **settings: Any) -> None:
        super().__init__(**settings)
        self._entry = entry

    def error(self, message: str) -> NoReturn:
        raise UserError(f"{message}; see {self.prog} --help")

    # The base class overloads it by the type of namespace; the command line has one.
    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """Refuse unknown arguments where they stand, so that the command's own help is named."""
        self.declare()
        options, unknown = super().parse_known_args(args, namespace)
        if unknown:
            self.error(f"unrecognized arguments: {' '.join(unknown)}{self._nearest(unknown[0])}")
        return options, unknown

    def declare(self) -> None:
        """Load the command and add its arguments, once."""
        if self._entry is None:
            return
        command, self._entry = self._entry.load(), None
        command.arguments(self)
        self.add_argument("--json", action="store_true", help="print one JSON document")
        loudness = self.add_mutually_exclusive_group()
        loudness.add_argument("-q", "--quiet", action="store_true", help="no progress, no warnings")
        loudness.add_argument("-v", "--verbose", action="store_true", help="say more")
        self.set_defaults(command=command)

    def _check_value(self, action: argparse.Action, value: str) -> None:
        try:
            super()._check_value(action, value)
        except argparse.ArgumentError as error:
            hint = _nearest(value, map(str, action.choices or ()))
            raise argparse.ArgumentError(action, f"{error.message}{hint}") from None

    def _nearest(self, unknown: str) -> str:
        return _nearest(unknown.partition("=")[0], self._option_string_actions)


def _nearest(text: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(text, tuple(known), n=1)
    return f"; did you mean {close[0]}?" if close else ""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    wants_json = "--json" in (sys.argv[1:] if arguments is None else arguments)
    try:
        check_siblings()
        options = _parser().parse_args(arguments)
        logging.basicConfig(level=_log_level(options), format="%(message)s", stream=sys.stderr)
        result = _run(options)
        _print(result, as_json=options.json)
        return result.exit_code
    except KeyboardInterrupt as stop:
        print(f"interrupted{_notes(stop)}", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        _discard_output()
        return 0
    except ElasticDFError as error:
        return _report(error, as_json=wants_json)
    except OSError as error:
        if error.filename is None or isinstance(error, FileNotFoundError):
            return _bug()
        fault = UserError(f"{error.filename}: {error.strerror}; use another path")
        return _report(fault, as_json=wants_json)
    except Exception:  # noqa: BLE001 - the last line of defence must name the bug as ours
        return _bug()


def _bug() -> int:
    traceback.print_exc()
    print("this is a bug in elasticdf; please report it with the lines above", file=sys.stderr)
    return _BUG


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="elasticdf", description="Quantised networks over many FPGAs.")
    parser.add_argument("--version", action="version", version=f"elasticdf {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for entry in COMMANDS:
        commands.add_parser(entry.name, help=entry.summary, description=entry.summary, entry=entry)
    return parser


def _run(options: argparse.Namespace) -> CommandResult:
    progress = Progress(quiet=options.quiet)
    command: Command = options.command
    try:
        return command.run(options, progress)
    finally:
        progress.close()


def _print(result: CommandResult, *, as_json: bool) -> None:
    text = json.dumps(result.document, indent=1, allow_nan=False) if as_json else result.text
    if not text:
        return
    try:
        print(text, flush=True)
    except BrokenPipeError:  # the reader has seen enough; the exit code still counts
        _discard_output()
    except OSError as error:
        _discard_output()
        raise UserError(f"standard output cannot be written: {error.strerror}") from None


def _discard_output() -> None:
    """Let what is still buffered go nowhere, or Python would fail on it once more at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _report(error: ElasticDFError, *, as_json: bool) -> int:
    if isinstance(error, InternalError):
        traceback.print_exception(error)
    if isinstance(error, InfeasibleError) and as_json:
        print(json.dumps(error.explanation, indent=1))
    print(f"elasticdf: {error}{_notes(error)}", file=sys.stderr)
    return error.exit_code


def _notes(error: BaseException) -> str:
    return "".join(f"\n  {note}" for note in getattr(error, "__notes__", ()))


def _log_level(options: argparse.Namespace) -> int:
    if options.quiet:
        return logging.ERROR
    return logging.INFO if options.verbose else logging.WARNING


if __name__ == "__main__":
    sys.exit(main())
