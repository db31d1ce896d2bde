"""Arguments that several commands share, and how their texts are read."""

from __future__ import annotations

import re
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from elasticdf.artifact.manifest import Loader
from elasticdf.errors import UserError
from elasticdf.ir import RESOURCE_NAMES
from elasticdf.units import parse_clock_hz

DEFAULT_CLOCK = "200MHz"
MAX_FRAMES_PER_SECOND = 10**9
_PLACE = re.compile(r"(?P<board>[0-9]{1,9})(?:\.(?P<die>.+))?")
_Value = TypeVar("_Value")


def add_model(parser: ArgumentParser) -> None:
    """Add the positional MODEL."""
    parser.add_argument(
        "model",
        metavar="MODEL",
        help="an ONNX file (QONNX, or FINN's hardware-layer graph) or zoo:NAME",
    )


def add_clock(parser: ArgumentParser, also: str = "") -> None:
    """Add --clock."""
    parser.add_argument(
        "--clock",
        type=clock,
        default=clock(DEFAULT_CLOCK),
        metavar="HZ",
        help=f"of the accelerator, with its unit{also} (default {DEFAULT_CLOCK})",
    )


def add_clock_and_costs(parser: ArgumentParser, *, costs: str) -> None:
    """Add --clock and --costs."""
    add_clock(parser)
    parser.add_argument(
        "--costs",
        default=costs,
        metavar="PROFILE",
        help=f"finn, corrected, calibrated, or a profile file (default {costs})",
    )


def add_solver(parser: ArgumentParser, *, limits: str = "wall time for everything") -> None:
    """Add --solver, --time-limit and --seed; the help says what the time limit limits."""
    parser.add_argument(
        "--solver",
        choices=("highs", "cbc"),
        default="highs",
        help="which solver works on the ILP (default highs)",
    )
    parser.add_argument(
        "--time-limit",
        type=positive_seconds,
        default=60.0,
        metavar="SECONDS",
        help=f"of {limits} (default 60)",
    )
    parser.add_argument(
        "--seed",
        type=whole_number,
        default=0,
        metavar="N",
        help="of the solver; the same seed gives the same plan (default 0)",
    )


def add_loader(parser: ArgumentParser, default: str) -> None:
    """Add --loader; the help names what happens without it."""
    parser.add_argument(
        "--loader",
        choices=[loader.value for loader in Loader],
        help=f"who will load the artifact (default {default})",
    )


def loader_of(options: Namespace) -> Loader | None:
    """Return what --loader says, or None."""
    return None if options.loader is None else Loader(options.loader)


def as_argument(read: Callable[[str], _Value]) -> Callable[[str], _Value]:
    """Return the reader with its `UserError` turned into argparse's."""

    def reader(text: str) -> _Value:
        try:
            return read(text)
        except UserError as error:
            raise ArgumentTypeError(str(error)) from error

    return reader


clock = as_argument(parse_clock_hz)


def whole_number(text: str) -> int:
    """Read 0, 1, 2, ..."""
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        raise ArgumentTypeError(f"{text!r} is not a whole number of at most nine digits")
    return int(text)


def positive_number(text: str) -> int:
    """Read 1, 2, ..."""
    value = whole_number(text)
    if value == 0:
        raise ArgumentTypeError("0 is not allowed; give 1 or more")
    return value


def positive_seconds(text: str) -> float:
    """Read a positive number of seconds."""
    value = _number(text)
    if not 0 < value <= 10**6:
        raise ArgumentTypeError(f"{text!r} is not a number of seconds between 0 and 1000000")
    return value


def frames_per_second(text: str) -> float | None:
    """Read a positive frame rate, or ``max`` as None."""
    return None if text == "max" else _frame_rate(text, "a positive number, or max")


def frame_rate(text: str) -> float:
    """Read a positive frame rate."""
    return _frame_rate(text, "a positive number")


def _frame_rate(text: str, allowed: str) -> float:
    value = _number(text)
    if not 0 < value <= MAX_FRAMES_PER_SECOND:
        raise ArgumentTypeError(
            f"{text!r} frames per second is outside 0 to {MAX_FRAMES_PER_SECOND}; give {allowed}"
        )
    return value


def replicas(text: str) -> int | None:
    """Read a positive count, or ``auto`` as None."""
    return None if text == "auto" else positive_number(text)


def anchor(text: str) -> tuple[str, int, str | None]:
    """Read ``LAYER=BOARD[.DIE]`` as (layer, board id, die name or None)."""
    layer, _, place = text.rpartition("=")
    match = _PLACE.fullmatch(place)
    if not layer or match is None:
        raise ArgumentTypeError(
            f"{text!r} is not LAYER=BOARD or LAYER=BOARD.DIE, for example MVAU_hls_0=1.SLR0"
        )
    return layer, int(match["board"]), match["die"]


def together(text: str) -> tuple[str, ...]:
    """Read ``LAYER,LAYER[,...]``."""
    layers = tuple(part.strip() for part in text.split(","))
    if len(set(layers)) < max(2, len(layers)) or not all(layers):
        raise ArgumentTypeError(f"{text!r} does not name two different layers or more; write A,B")
    return layers


def limit(text: str) -> tuple[str, float]:
    """Read ``RESOURCE=FRACTION``; ``mean`` is the mean of BRAM, URAM and DSP."""
    name, _, fraction = text.partition("=")
    allowed = (*RESOURCE_NAMES, "mean")
    if name not in allowed:
        raise ArgumentTypeError(f"{text!r}: {name!r} is none of {', '.join(allowed)}")
    value = _number(fraction)
    if not 0 < value <= 1:
        raise ArgumentTypeError(f"{text!r}: the fraction must be above 0 and at most 1")
    return name, value


def existing_file(text: str) -> Path:
    """Read the path of a file that is there."""
    path = Path(text)
    if not path.is_file():
        raise ArgumentTypeError(f"there is no file {text!r}")
    return path


def _number(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is not a number") from None
    if value != value or value in (float("inf"), float("-inf")):
        raise ArgumentTypeError(f"{text!r} is not a finite number")
    return value
