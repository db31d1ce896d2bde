"""What is counted: the bits of FINN's data types, and the resources of FPGAs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from elasticdf.errors import UserError

_INTEGER = re.compile(r"(?P<sign>U?)INT(?P<bits>[1-9]\d?)")


@dataclass(frozen=True, slots=True)
class DataType:
    """A FINN data type, by its canonical name (``UINT4``, ``BIPOLAR``, ...).

    Attributes:
        name: FINN's name.
        bits: Bits per element on a stream.
        minimum: Smallest value (for ``FLOAT32`` the smallest finite one).
        maximum: Largest value.
    """

    name: str
    bits: int
    minimum: float
    maximum: float

    @staticmethod
    @lru_cache(maxsize=256)
    def parse(name: str) -> DataType:
        """Return the type of that name.

        Raises:
            UserError: The name is none of BIPOLAR, BINARY, TERNARY, INTn, UINTn, FLOAT32.
        """
        if name in _NAMED:
            bits, low, high = _NAMED[name]
            return DataType(name, bits, low, high)
        match = _INTEGER.fullmatch(name)
        if match is None or int(match["bits"]) > 64:
            raise UserError(
                f"data type {name!r} is not one of BIPOLAR, BINARY, TERNARY, INT1..INT64, "
                "UINT1..UINT64, FLOAT32; fix the annotation in the model"
            )
        bits = int(match["bits"])
        if match["sign"]:
            return _NAMED_BINARY if bits == 1 else DataType(name, bits, 0, 2**bits - 1)
        return DataType(name, bits, -(2 ** (bits - 1)), 2 ** (bits - 1) - 1)

    @staticmethod
    def smallest_for(minimum: int, maximum: int) -> DataType:
        """Return the narrowest (U)INT type that holds both bounds; BINARY for 0..1.

        >>> DataType.smallest_for(-3, 3).name
        'INT3'
        """
        if minimum >= 0:
            return DataType.parse(f"UINT{max(1, int(maximum).bit_length())}")
        bits = 1 + max(int(-minimum - 1).bit_length(), int(max(maximum, 0)).bit_length())
        return DataType.parse(f"INT{bits}")

    @property
    def signed(self) -> bool:
        """Whether negative values exist."""
        return self.minimum < 0

    @property
    def is_integer(self) -> bool:
        """Whether the values are whole numbers."""
        return self.name != "FLOAT32"

    def __str__(self) -> str:
        return self.name


_NAMED: dict[str, tuple[int, float, float]] = {
    "BIPOLAR": (1, -1, 1),
    "BINARY": (1, 0, 1),
    "TERNARY": (2, -1, 1),
    "FLOAT32": (32, float(np.finfo(np.float32).min), float(np.finfo(np.float32).max)),
}
_NAMED_BINARY = DataType("BINARY", 1, 0, 1)

RESOURCE_NAMES = ("lut", "ff", "bram18", "uram", "dsp")
"""The fields of `Resources`, in the order every table and file uses."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """FPGA resources. ``ff`` is None where no formula is known; unknown stays unknown in sums.

    Attributes:
        lut: Look-up tables.
        ff: Flip-flops, or None.
        bram18: Block RAMs of 18 Kbit (a BRAM36 counts as two).
        uram: UltraRAMs of 288 Kbit.
        dsp: DSP slices.
    """

    lut: int = 0
    ff: int | None = 0
    bram18: int = 0
    uram: int = 0
    dsp: int = 0

    def __add__(self, other: Resources) -> Resources:
        return Resources(
            lut=self.lut + other.lut,
            ff=None if self.ff is None or other.ff is None else self.ff + other.ff,
            bram18=self.bram18 + other.bram18,
            uram=self.uram + other.uram,
            dsp=self.dsp + other.dsp,
        )

    def __mul__(self, times: int) -> Resources:
        return Resources(
            lut=self.lut * times,
            ff=None if self.ff is None else self.ff * times,
            bram18=self.bram18 * times,
            uram=self.uram * times,
            dsp=self.dsp * times,
        )

    def items(self) -> tuple[tuple[str, int | None], ...]:
        """Return (name, amount) in canonical order."""
        return (
            ("lut", self.lut),
            ("ff", self.ff),
            ("bram18", self.bram18),
            ("uram", self.uram),
            ("dsp", self.dsp),
        )

    def to_json(self) -> dict[str, int | None]:
        """Return the JSON form used in every document."""
        return dict(self.items())

    @staticmethod
    def from_json(document: Mapping[str, int | None]) -> Resources:
        """Inverse of `to_json`."""
        return Resources(
            lut=document["lut"] or 0,
            ff=document["ff"],
            bram18=document["bram18"] or 0,
            uram=document["uram"] or 0,
            dsp=document["dsp"] or 0,
        )

    @staticmethod
    def total(parts: Iterable[Resources]) -> Resources:
        """Return the sum; the empty sum is all zero."""
        result = Resources()
        for part in parts:
            result = result + part
        return result
