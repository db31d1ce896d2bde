"""The cheapest placement of a search so far, and what is proven; refuses what does not verify."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

from partitioner.problem import Problem
from partitioner.solution import Placement
from partitioner.verify import measure, violations


@dataclass(slots=True)
class Best:
    """The cheapest valid placement so far, and what is proven.

    Attributes:
        problem: What is solved.
        placement: None while there is none.
        cost: Of the placement.
        bound: No placement costs less; infinite if there is none at all.
    """

    problem: Problem
    placement: Placement | None = None
    cost: float = inf
    bound: float = 0.0

    def offer(self, placement: Placement | None) -> bool:
        """Take a placement if it is valid and cheaper; return whether it was taken."""
        if placement is None or violations(self.problem, placement):
            return False
        cost = measure(self.problem, placement).cost
        if cost >= self.cost:
            return False
        self.placement, self.cost = placement, cost
        return True

    def raise_bound(self, bound: float) -> None:
        """Note that no placement costs less."""
        self.bound = max(self.bound, min(bound, self.cost))

    @property
    def closed(self) -> bool:
        """Whether the cheapest placement is proven to be that."""
        return self.cost <= self.bound
