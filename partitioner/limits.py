"""Rows that every model of a problem shares: what one region can hold."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from partitioner.model import Model
from partitioner.problem import Problem

Row = dict[int, float]

_FULL = 1000.0
"""What a limit counts as in rows that may be strained: rows of equal scale are solved faster."""


def limit_region(
    model: Model,
    problem: Problem,
    region: int,
    amounts: Sequence[Row],
    fixed: Sequence[float] = (),
    strain: int | None = None,
) -> None:
    """Add the rows ``capacity`` per resource and ``mean`` per limit on a mean.

    Args:
        model: Gets the rows.
        problem: Whose region it is.
        region: Its index.
        amounts: Per resource, what variables take of it.
        fixed: Per resource, what is taken in any case.
        strain: Variable that says by which share of it every limit may be exceeded.
    """
    record = problem.regions[region]
    taken = fixed or [0.0] * len(amounts)
    for r, name in enumerate(problem.resources):
        if amounts[r]:
            most = record.allowed()[r] - taken[r]
            _limit(model, f"capacity[{record.name},{name}]", amounts[r], most, strain)
    for number, mean in enumerate(record.mean_limits):
        present = [r for r in mean.resources if record.capacity[r]]
        row: Row = defaultdict(float)
        for r in present:
            for index, value in amounts[r].items():
                row[index] += value / record.capacity[r]
        most_mean = mean.limit * len(present) - sum(taken[r] / record.capacity[r] for r in present)
        if row:
            _limit(model, f"mean[{record.name},{number}]", dict(row), most_mean, strain)


def _limit(model: Model, name: str, row: Row, most: float, strain: int | None) -> None:
    if strain is None or most <= 0:
        model.at_most(name, row, most)
        return
    scaled = {index: value / most * _FULL for index, value in row.items()}
    model.at_most(name, {**scaled, strain: -_FULL}, _FULL)
