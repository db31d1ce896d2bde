"""How busy layers, dies and links are: sums and shares of what a plan says.

Refuses to compute anything the plan decides.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from elasticdf.costs.profile import Band, load_profile
from elasticdf.errors import UserError
from elasticdf.ir import RESOURCE_NAMES
from partitioner.plan import Assignment, LinkLoad, Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerLoad:
    """How busy a layer is.

    Attributes:
        number: Position in the network, from 0; what a layer is called where its name has no room.
        name: Of the layer.
        cycles: Per frame, of its slowest copy.
        slack_cycles: Left until it would set the pace; 0 for the bottleneck.
    """

    number: int
    name: str
    cycles: int
    slack_cycles: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Fullness:
    """How full a die is in one resource.

    Attributes:
        board: Id.
        die: Name.
        resource: Name.
        layers: What the layers take.
        other: What adapters, network and memory controllers take.
        available: On the die, the shell's share already taken off.
        fraction: Used of available.
        limit: Highest allowed fraction.
        low: Used if the cost profile is as far too high as it may be, or None if it has no band.
        high: The same the other way.
    """

    board: int
    die: str
    resource: str
    layers: int
    other: int
    available: int
    fraction: float
    limit: float
    low: int | None
    high: int | None

    @property
    def used(self) -> int:
        """Everything that is taken."""
        return self.layers + self.other


def link_share(link: LinkLoad) -> float:
    """Return which part of a link's capacity is used."""
    capacity = link.capacity_bits_per_second
    return link.load_bits_per_second / capacity if capacity > 0 else 0.0


def layer_loads(plan: Plan) -> tuple[LayerLoad, ...]:
    """Return every layer once, in network order."""
    slowest: dict[str, int] = {}
    for assignment in plan.assignments:
        slowest[assignment.layer] = max(slowest.get(assignment.layer, 0), assignment.cycles)
    return tuple(
        LayerLoad(
            number=number,
            name=name,
            cycles=cycles,
            slack_cycles=max(0, plan.interval_cycles - cycles),
        )
        for number, (name, cycles) in enumerate(slowest.items())
    )


def die_fullness(plan: Plan) -> tuple[Fullness, ...]:
    """Return every row of the plan's utilisation, in its order."""
    taken: dict[tuple[int, str, str], int] = defaultdict(int)
    for assignment in plan.assignments:
        for name, amount in _amounts(assignment).items():
            taken[assignment.board, assignment.die, name] += amount
    band = _band(plan.costs)
    rows = []
    for entry in plan.utilisation:
        layers = min(taken[entry.board, entry.die, entry.resource], entry.used)
        factors: tuple[float, float] | None = getattr(band, entry.resource, None)
        other = entry.used - layers
        rows.append(
            Fullness(
                board=entry.board,
                die=entry.die,
                resource=entry.resource,
                layers=layers,
                other=other,
                available=entry.available,
                fraction=entry.used / entry.available if entry.available else 0.0,
                limit=entry.limit,
                low=None if factors is None else other + round(layers * factors[0]),
                high=None if factors is None else other + round(layers * factors[1]),
            )
        )
    return tuple(rows)


def _amounts(assignment: Assignment) -> dict[str, int]:
    found = {name: getattr(assignment.resources, name) for name in RESOURCE_NAMES}
    return {name: amount or 0 for name, amount in found.items()}


def _band(costs: str) -> Band | None:
    """Return the band of a profile; a profile file of another machine is not here any more."""
    try:
        coefficients = load_profile(costs).coefficients
    except UserError:
        return None
    return None if coefficients is None else coefficients.band
