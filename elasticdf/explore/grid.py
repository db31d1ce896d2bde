"""From a few short texts to the points of a sweep, in one order and each once.

Refuses sweeps larger than anyone waits for; what a point means is `elasticdf.flow`'s business.
"""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass, replace

from elasticdf.errors import UserError
from elasticdf.hardware.cluster import MAX_BOARDS, AutoTarget, parse_target
from elasticdf.units import parse_clock_hz, parse_frequency_hz
from partitioner.plan import Mode

MOST_POINTS = 10_000
_CLOCK_STEP = "50MHz"
_COUNTS = re.compile(r"(?P<low>\d{1,4})\.\.(?P<high>\d{1,4})x(?P<board>.+)", re.DOTALL)
_CLOCKS = re.compile(
    r"(?P<low>[\d.]+)(?P<low_unit>[kKMG]?Hz)?\.\.(?P<high>[\d.]+)(?P<unit>[kKMG]?Hz)"
    r"(?::(?P<step>[\d.]+[kKMG]?Hz))?"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """What is asked of one plan.

    Attributes:
        target: As ``partition --target`` takes it.
        mode: How the network is spread.
        clock_hz: Of the accelerator.
        frames_per_second: At least that many, or None for as many as possible.
    """

    target: str
    mode: Mode
    clock_hz: int
    frames_per_second: float | None

    @property
    def at_any_clock(self) -> Point:
        """The same for all points that differ in their clock only."""
        return replace(self, clock_hz=1)


def grid(
    targets: tuple[str, ...],
    modes: tuple[Mode, ...],
    clocks: tuple[int, ...],
    rates: tuple[float | None, ...],
) -> tuple[Point, ...]:
    """Return every combination once, in the order given.

    Raises:
        UserError: There are too many.
    """
    count = len(targets) * len(modes) * len(clocks) * len(rates)
    if count > MOST_POINTS:
        raise UserError(f"{count} points are asked for, at most {MOST_POINTS}; sweep less at once")
    points = (
        Point(target=target, mode=mode, clock_hz=clock, frames_per_second=rate)
        for target, mode, clock, rate in itertools.product(targets, modes, clocks, rates)
    )
    return tuple(dict.fromkeys(points))


def read_targets(text: str) -> tuple[str, ...]:
    """Return the targets of ``1..4xu280,u250,2xu50``.

    Raises:
        UserError: One of them names nothing.
    """
    targets = tuple(target for part in _parts(text) for target in _counted(part))
    for target in targets:
        if isinstance(parse_target(target), AutoTarget):
            raise UserError(f"target {target!r}: a sweep counts boards itself; write 1..4xBOARD")
    return targets


def read_modes(text: str) -> tuple[Mode, ...]:
    """Return the modes of ``dp,tmp``, or every one for ``all``.

    Raises:
        UserError: One of them is none.
    """
    if text == "all":
        return tuple(Mode)
    known = {mode.value: mode for mode in Mode}
    for part in _parts(text):
        if part not in known:
            raise UserError(f"mode {part!r:.60} is none of {', '.join(known)}, all")
    return tuple(known[part] for part in _parts(text))


def read_clocks(text: str) -> tuple[int, ...]:
    """Return the clocks of ``150..300MHz``, ``150..300MHz:75MHz`` or ``200MHz,250MHz``, in Hz.

    Raises:
        UserError: A part is no frequency, or a range is empty.
    """
    return tuple(clock for part in _parts(text) for clock in _clock_range(part))


def _clock_range(text: str) -> tuple[int, ...]:
    match = _CLOCKS.fullmatch(text)
    if match is None:
        return (parse_clock_hz(text),)
    low = parse_clock_hz(match["low"] + (match["low_unit"] or match["unit"]))
    high = parse_clock_hz(match["high"] + match["unit"])
    step = parse_frequency_hz(match["step"] or _CLOCK_STEP)
    if low > high:
        raise UserError(f"clock range {text!r:.60} is empty; write the lower clock first")
    if (high - low) // step >= MOST_POINTS:
        raise UserError(
            f"clock range {text!r:.60} has more than {MOST_POINTS} steps; widen the step"
        )
    return tuple(range(low, high + 1, step))


def _counted(text: str) -> tuple[str, ...]:
    match = _COUNTS.fullmatch(text)
    if match is None:
        return (text,)
    low, high = int(match["low"]), int(match["high"])
    if not 1 <= low <= high <= MAX_BOARDS:
        raise UserError(f"target {text!r:.60}: counts go from 1 to {MAX_BOARDS}, the smaller first")
    return tuple(f"{count}x{match['board']}" for count in range(low, high + 1))


def _parts(text: str) -> tuple[str, ...]:
    parts = tuple(part.strip() for part in text.split(","))
    if not all(parts):
        raise UserError(f"{text!r:.60} has an empty entry; write A,B,C")
    return parts
