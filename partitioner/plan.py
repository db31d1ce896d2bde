"""The answer in domain words: what sits where, what crosses, how good it is.

A `Plan` is what every later stage reads (emission, packaging, runtime, report) and what
``plan.json`` holds. It says nothing about how it was found beyond its certificate.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeAlias

from elasticdf.ir import AttributeValue, Resources

PLAN_SCHEMA = "elasticdf.plan/1"

Place: TypeAlias = tuple[int, str]
"""A board id and the name of one of its dies."""


class Mode(StrEnum):
    """How a network is spread over boards."""

    DATA_PARALLEL = "dp"
    HARDWARE = "hw"
    TRANSPARENT = "tmp"
    SOFTWARE = "sw"


class Outcome(StrEnum):
    """What is known of an answer."""

    OPTIMAL = "optimal"
    FEASIBLE = "feasible"
    INFEASIBLE = "infeasible"


class CrossingKind(StrEnum):
    """What a stream between two regions runs over."""

    DIE = "die"
    BOARD = "board"
    HOST = "host"


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """A value, the proven limit on it, and the relative distance between the two."""

    value: float
    bound: float
    gap: float

    def to_json(self) -> dict[str, float]:
        """Return the JSON form."""
        return {"value": self.value, "bound": self.bound, "gap": self.gap}


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """How good a plan is proven to be.

    Attributes:
        outcome: Optimal only if both proofs are closed.
        seconds: Wall time of the search.
        solver: Name and version.
        seed: Random seed given to the solver.
        throughput: Frames per second of the whole system; the bound is from above.
        crossing_cost: Sum over crossings (die 1, board 10); the bound is from below.
    """

    outcome: Outcome
    seconds: float
    solver: str
    seed: int
    throughput: Proof
    crossing_cost: Proof

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "outcome": self.outcome.value,
            "seconds": self.seconds,
            "solver": self.solver,
            "seed": self.seed,
            "throughput": self.throughput.to_json(),
            "crossing_cost": self.crossing_cost.to_json(),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """One layer of one replica: where it sits and how it is built.

    Attributes:
        replica: Counted from 0.
        layer: Name in the graph.
        board: Board id in the cluster.
        die: Name of the die, for example ``SLR1``.
        attributes: The chosen folding and variant, FINN's names and values.
        cycles: Cycles per frame with them.
        resources: What the layer takes, under the cost profile of the plan.
    """

    replica: int
    layer: str
    board: int
    die: str
    attributes: Mapping[str, AttributeValue]
    cycles: int
    resources: Resources


@dataclass(frozen=True, slots=True, kw_only=True)
class Crossing:
    """A stream between two regions.

    Attributes:
        replica: Counted from 0.
        source: Producing layer.
        target: Consuming layer.
        kind: Between dies, over a network link, or through the host.
        origin: Place of the producer.
        destination: Place of the consumer.
        route: Every place passed through, origin and destination included.
        bits_per_frame: Payload of one frame.
        wires: Byte-padded stream width.
    """

    replica: int
    source: str
    target: str
    kind: CrossingKind
    origin: Place
    destination: Place
    route: tuple[Place, ...]
    bits_per_frame: int
    wires: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Utilisation:
    """How full one die is in one resource; ``limit`` is the highest allowed fraction."""

    board: int
    die: str
    resource: str
    used: int
    available: int
    limit: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkLoad:
    """What one direction of a network link carries; ends are (board id, port number)."""

    origin: tuple[int, int]
    destination: tuple[int, int]
    load_bits_per_second: float
    capacity_bits_per_second: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedBoard:
    """A board of the cluster as the plan sees it: ``board`` is the name of its data file."""

    id: int
    board: str
    dies: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A placed and folded network; see the fields for units.

    Attributes:
        network: Name of the graph.
        mode: How it is spread over boards.
        clock_hz: Of the accelerator kernels.
        replicas: Copies of the whole pipeline.
        interval_cycles: Cycles between two frames of the slowest replica.
        frames_per_second: Of all replicas together.
        latency_seconds: First input to last output of one frame.
        cluster: Name of the cluster.
        boards: In board order.
        links: Loads, one entry per direction that carries something.
        certificate: How good this is proven to be.
        assignments: One per replica and layer, in that order.
        crossings: Streams between regions, in layer order per replica.
        utilisation: Per die and resource.
        costs: Name of the cost profile.
        notes: Assumptions, one sentence each.
        extra: Further keys of plan.json (JSON values), such as simulation results.
    """

    network: str
    mode: Mode
    clock_hz: int
    replicas: int
    interval_cycles: int
    frames_per_second: float
    latency_seconds: float
    cluster: str
    boards: tuple[PlannedBoard, ...]
    links: tuple[LinkLoad, ...]
    certificate: Certificate
    assignments: tuple[Assignment, ...]
    crossings: tuple[Crossing, ...]
    utilisation: tuple[Utilisation, ...]
    costs: str
    notes: tuple[str, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)

    def place_of(self, replica: int, layer: str) -> Place:
        """Return the board id and die of a layer of a replica."""
        return next(
            (a.board, a.die) for a in self.assignments if (a.replica, a.layer) == (replica, layer)
        )
