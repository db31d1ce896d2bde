"""What is known of a tensor while a network is drawn: its grid, its step, its expected levels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.grid import Integers, Reals, largest_level


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Grid:
    """A quantiser's levels.

    Attributes:
        bits: Width of a level; 1 is bipolar.
        signed: Whether levels below zero exist.
        narrow: Whether a signed grid leaves out its most negative level.
    """

    bits: int
    signed: bool = False
    narrow: bool = True

    @property
    def low(self) -> int:
        """The smallest level."""
        return -self.high - (not self.narrow) if self.signed else 0

    @property
    def high(self) -> int:
        """The largest level."""
        return largest_level(self.bits) if self.signed else 2**self.bits - 1


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Signal:
    """A tensor whose values are levels times a step.

    Attributes:
        tensor: Handle within the drawing.
        shape: Channels second, batch first.
        step: One value, or one per channel.
        low: The smallest level.
        odds: Expected share of each level from ``low`` upwards, shape [channels, levels]; one row
            if all channels are alike.
    """

    tensor: str
    shape: tuple[int, ...]
    step: Reals
    low: int
    odds: Reals

    @property
    def levels(self) -> Integers:
        """Every level."""
        return self.low + np.arange(self.odds.shape[1])

    @property
    def bits(self) -> int:
        """Width of an unsigned level."""
        return int(self.levels[-1]).bit_length()

    @property
    def mean(self) -> Reals:
        """Expected level of each row of ``odds``."""
        return self.odds @ self.levels

    @property
    def variance(self) -> Reals:
        """Variance of the level of each row of ``odds``."""
        return self.odds @ self.levels**2 - self.mean**2


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sums:
    """A tensor of weighted sums, one channel per row of weights.

    Attributes:
        tensor: Handle within the drawing.
        shape: Channels second, batch first.
        step: Value of one unit of a sum; one value, or one per channel.
        centre: Expected sum of each channel.
        spread: Standard deviation of each channel's sum.
    """

    tensor: str
    shape: tuple[int, ...]
    step: Reals
    centre: Reals
    spread: Reals
