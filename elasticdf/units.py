"""Parsing and printing of quantities with units: ``200MHz``, ``100Gbps``.

Everything inside the project is an integer in the base unit (Hz, bit/s); text is for people.
"""

from __future__ import annotations

import re
from fractions import Fraction

from elasticdf.errors import UserError

_PREFIXES = {"": 1, "k": 10**3, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
_SLOWEST_CLOCK_HZ, _FASTEST_CLOCK_HZ = 10**6, 10**9
_QUANTITY = re.compile(r"(?P<number>\d+(?:\.\d+)?)\s*(?P<prefix>[kKMGT]?)(?P<unit>[A-Za-z/]*)")


def parse_frequency_hz(text: str) -> int:
    """Return the frequency in Hz.

    Args:
        text: A positive number with a unit, for example ``200MHz`` or ``0.25GHz``.

    Raises:
        UserError: The text is not a frequency, or not a whole number of Hz.

    >>> parse_frequency_hz("200MHz")
    200000000
    """
    return _parse(text, units=("Hz",), example="200MHz", quantity="frequency")


def parse_clock_hz(text: str) -> int:
    """Return the frequency of an accelerator's clock in Hz.

    Raises:
        UserError: The text is not a frequency, or one that no FPGA clock has.
    """
    clock_hz = parse_frequency_hz(text)
    if not _SLOWEST_CLOCK_HZ <= clock_hz <= _FASTEST_CLOCK_HZ:
        raise UserError(f"clock {text!r} is outside 1 MHz to 1 GHz; write it like 200MHz")
    return clock_hz


def parse_rate_bits_per_second(text: str) -> int:
    """Return the rate in bit/s.

    Args:
        text: A positive number with a unit, for example ``100Gbps`` or ``1Gb/s``.

    Raises:
        UserError: The text is not a rate, or not a whole number of bit/s.

    >>> parse_rate_bits_per_second("100Gbps")
    100000000000
    """
    return _parse(text, units=("bps", "b/s"), example="100Gbps", quantity="rate")


def format_si(value: float, unit: str) -> str:
    """Print a quantity with three significant digits and an SI prefix.

    >>> format_si(212_000_000, "Hz")
    '212 MHz'
    """
    for prefix, factor in (("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if abs(value) >= factor:
            return f"{value / factor:.3g} {prefix}{unit}"
    return f"{value:.3g} {unit}"


def format_seconds(value: float) -> str:
    """Print a time with four significant digits.

    >>> format_seconds(3.35e-7), format_seconds(0.012345)
    ('335 ns', '12.35 ms')
    """
    for unit, length in (("s", 1), ("ms", 1e-3), ("us", 1e-6)):
        if value >= length:
            return f"{value / length:.4g} {unit}"
    return f"{value * 1e9:.4g} ns"


def _parse(text: str, *, units: tuple[str, ...], example: str, quantity: str) -> int:
    match = _QUANTITY.fullmatch(text.strip())
    if match is None or match["unit"] not in units:
        raise UserError(f"{quantity} {text!r} is not a number with a unit; write it like {example}")
    value = Fraction(match["number"]) * _PREFIXES[match["prefix"]]
    if value <= 0 or value.denominator != 1:
        raise UserError(
            f"{quantity} {text!r} is not a whole positive number of {units[0]}; "
            f"write it like {example}"
        )
    return int(value)
