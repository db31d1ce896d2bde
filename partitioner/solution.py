"""A placement in numbers: a region and an option per item, a route per arc, and a certificate."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from partitioner.plan import Outcome, Proof

SOLUTION_SCHEMA = "elasticdf.solution/1"

Hop = tuple[int, bool]
"""A link's index and whether it is passed from its first end to its second."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """Where every item of every replica sits.

    Attributes:
        regions: Region index of item ``i`` of replica ``r`` at ``r * len(items) + i``.
        options: Option index, in the same order.
        routes: Hops of arc ``a`` of replica ``r`` at ``r * len(arcs) + a``.
    """

    regions: tuple[int, ...]
    options: tuple[int, ...]
    routes: tuple[tuple[Hop, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Solution:
    """A placement, or the proof that there is none, with the certificate on its crossing cost.

    Attributes:
        outcome: What is known; None if time ran out before any answer.
        placement: None if there is none.
        cost: Value and bound of the crossing cost; None if infeasible.
        seconds: Wall time.
        solver: Name and version.
        seed: Random seed given to the solver.
    """

    outcome: Outcome | None
    placement: Placement | None
    cost: Proof | None
    seconds: float
    solver: str
    seed: int

    def timed(self, seconds: float) -> Solution:
        """Return the solution with another wall time."""
        return replace(self, seconds=seconds)

    def to_json(self) -> dict[str, Any]:
        """Return the document that ``elasticdf solve --json`` prints."""
        certificate = {
            "outcome": None if self.outcome is None else self.outcome.value,
            "seconds": round(self.seconds, 3),
            "solver": self.solver,
            "seed": self.seed,
            "crossing_cost": None if self.cost is None else self.cost.to_json(),
        }
        placement = self.placement
        return {
            "schema": SOLUTION_SCHEMA,
            "certificate": certificate,
            "regions": [] if placement is None else list(placement.regions),
            "options": [] if placement is None else list(placement.options),
        }

    def to_text(self) -> str:
        """Return the same for people, in one line."""
        if self.cost is None:
            return f"{self.outcome or 'no answer'} after {self.seconds:.2f} s with {self.solver}"
        return (
            f"{self.outcome}: crossing cost {self.cost.value:g}, at least {self.cost.bound:g} "
            f"(gap {self.cost.gap:.1%}), {self.seconds:.2f} s with {self.solver}"
        )


def proof_from_below(value: float, bound: float) -> Proof:
    """Return the certificate of a cost to be minimised; the gap is relative to the value."""
    bound = min(bound, value)
    return Proof(value=value, bound=bound, gap=(value - bound) / value if value > 0 else 0.0)


def proof_from_above(value: float, bound: float) -> Proof:
    """Return the certificate of a value to be maximised; the gap is relative to the bound."""
    bound = max(bound, value)
    return Proof(value=value, bound=bound, gap=(bound - value) / bound if bound > 0 else 0.0)
