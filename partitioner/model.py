"""A mixed-integer linear model under construction, its names and numbers in our words.

Knows no solver. Values that a solver hands out pass `Model.checked`, which rounds, checks the
rounding and checks every row.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import inf

_ROUNDING = 1e-5
_ROW_TOLERANCE = 1e-5

Terms = Mapping[int, float]
"""Coefficients by variable index."""


@dataclass(slots=True, kw_only=True)
class Variable:
    """A variable: its limits, and whether it must be whole."""

    name: str
    low: float
    high: float
    integer: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """``low <= sum of terms <= high``."""

    name: str
    terms: Terms
    low: float
    high: float


@dataclass(slots=True)
class Model:
    """A mixed-integer linear model to be minimised.

    Attributes:
        name: What it decides.
        variables: In order of their indices.
        rows: What must hold.
        objective: Coefficients by variable; some may be 0.
        first: A solution for the solver to begin with, one value per variable.
    """

    name: str
    variables: list[Variable] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    objective: dict[int, float] = field(default_factory=dict)
    first: Sequence[float] | None = None

    def binary(self, name: str) -> int:
        """Add a variable that is 0 or 1 and return its index."""
        return self._variable(name, 0, 1, integer=True)

    def whole(self, name: str, most: int) -> int:
        """Add a variable that is a whole number from 0 to ``most`` and return its index."""
        return self._variable(name, 0, most, integer=True)

    def continuous(self, name: str, low: float = 0.0, high: float = inf) -> int:
        """Add a real variable and return its index."""
        return self._variable(name, low, high, integer=False)

    def _variable(self, name: str, low: float, high: float, *, integer: bool) -> int:
        self.variables.append(Variable(name=name, low=low, high=high, integer=integer))
        return len(self.variables) - 1

    def fix(self, variable: int, value: float) -> None:
        """Fix a variable."""
        self.variables[variable].low = self.variables[variable].high = value

    def at_most(self, name: str, terms: Terms, most: float) -> None:
        """Add the row ``sum of terms <= most``."""
        self.rows.append(Row(name=name, terms=terms, low=-inf, high=most))

    def equal(self, name: str, terms: Terms, value: float) -> None:
        """Add the row ``sum of terms == value``."""
        self.rows.append(Row(name=name, terms=terms, low=value, high=value))

    def charge(self, terms: Terms, weight: float = 1.0) -> None:
        """Add terms to the objective."""
        for variable, coefficient in terms.items():
            self.objective[variable] = self.objective.get(variable, 0.0) + weight * coefficient

    @property
    def objective_terms(self) -> dict[int, float]:
        """The coefficients of the objective that are not 0."""
        return {index: value for index, value in self.objective.items() if value}

    @property
    def has_integers(self) -> bool:
        """Whether any variable must be whole."""
        return any(variable.integer for variable in self.variables)

    @property
    def coefficients(self) -> int:
        """How many there are in all rows and the objective; at least 1."""
        return max(1, len(self.objective) + sum(len(row.terms) for row in self.rows))

    def checked(self, values: Sequence[float], *, relaxed: bool) -> tuple[float, ...] | None:
        """Return the values with integers made whole, or None if they are no solution.

        Solvers that run out of time may hand out values of a relaxation; those are no solution.
        """
        result = list(values)
        for index, (variable, value) in enumerate(zip(self.variables, values, strict=True)):
            if variable.integer and not relaxed:
                result[index] = round(value)
                if abs(result[index] - value) > _ROUNDING:
                    return None
        return tuple(result) if self._holds(result) else None

    def _holds(self, values: Sequence[float]) -> bool:
        for row in self.rows:
            total = sum(values[i] * c for i, c in row.terms.items())
            scale = _ROW_TOLERANCE * max(1.0, max(map(abs, row.terms.values()), default=1.0))
            if total > row.high + scale or total < row.low - scale:
                return False
        return True

    def value_of(self, values: Sequence[float]) -> float:
        """Return the objective of some values."""
        return sum(values[i] * c for i, c in self.objective.items())
