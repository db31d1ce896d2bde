"""The answer in domain words: what sits where, what crosses, how good it is.

A `Plan` is what every later stage reads (emission, packaging, runtime, report) and what
``plan.json`` holds. It says nothing about how it was found beyond its certificate.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeAlias

from elasticdf.errors import UserError
from elasticdf.ir import RESOURCE_NAMES, AttributeValue, Resources
from elasticdf.records import decode, encode, expect_table, refuse_unknown

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
        return {"value": float(self.value), "bound": float(self.bound), "gap": float(self.gap)}


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
        latency: Seconds of one frame, the bound from below; None unless it was to be the lowest.
    """

    outcome: Outcome
    seconds: float
    solver: str
    seed: int
    throughput: Proof
    crossing_cost: Proof
    latency: Proof | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form."""
        latency = {} if self.latency is None else {"latency": self.latency.to_json()}
        return {
            "outcome": self.outcome.value,
            "seconds": self.seconds,
            "solver": self.solver,
            "seed": self.seed,
            "throughput": self.throughput.to_json(),
            "crossing_cost": self.crossing_cost.to_json(),
            **latency,
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

    @property
    def digest(self) -> str:
        """SHA-256 of what is placed, hexadecimal, whatever the search for it was like."""
        placed = (
            self.network,
            self.mode,
            self.clock_hz,
            self.boards,
            self.assignments,
            self.crossings,
        )
        return hashlib.sha256(json.dumps(encode(placed), sort_keys=True).encode()).hexdigest()

    def place_of(self, replica: int, layer: str) -> Place:
        """Return the board id and die of a layer of a replica."""
        return next(
            (a.board, a.die) for a in self.assignments if (a.replica, a.layer) == (replica, layer)
        )

    def to_json(self) -> dict[str, Any]:
        """Return the document of ``plan.json``; `extra` is merged into it."""
        return {
            "schema": PLAN_SCHEMA,
            "network": self.network,
            "mode": self.mode.value,
            "clock_hz": self.clock_hz,
            "replicas": self.replicas,
            "frames_per_second": self.frames_per_second,
            "interval_cycles": self.interval_cycles,
            "latency_seconds": self.latency_seconds,
            "costs": self.costs,
            "cluster": {
                "name": self.cluster,
                "boards": encode(self.boards),
                "links": [_worded(link) for link in self.links],
            },
            "certificate": self.certificate.to_json(),
            "assignments": [
                {**encode(a), "resources": a.resources.to_json()} for a in self.assignments
            ],
            "crossings": [_worded(crossing) for crossing in self.crossings],
            "utilisation": encode(self.utilisation),
            "links": [_worded(link) for link in self.links],
            "notes": list(self.notes),
            **encode(self.extra),
        }

    @staticmethod
    def from_json(document: Any, where: str = "plan.json") -> Plan:
        """Inverse of `to_json`; keys that are not the plan's own become `extra`.

        Args:
            document: What the JSON parser gave.
            where: Name of the file, for messages.

        Raises:
            UserError: A key is missing or of the wrong type, or the document says infeasible.
        """
        table = expect_table(document, where)
        if table.get("schema") != PLAN_SCHEMA:
            raise UserError(
                f"{where}: schema is {table.get('schema')!r}, {PLAN_SCHEMA!r} is needed; "
                "make the plan with elasticdf partition"
            )
        if expect_table(table.get("certificate"), f"{where}, certificate").get("outcome") == (
            Outcome.INFEASIBLE
        ):
            raise UserError(
                f"{where} says that the request was infeasible; there is nothing to build, "
                "see its explanation"
            )
        cluster = expect_table(table.get("cluster"), f"{where}, cluster")
        refuse_unknown(cluster, ("name", "boards", "links"), f"{where}, cluster")
        flat = {
            **{key: table[key] for key in _PLAIN_KEYS if key in table},
            "cluster": cluster.get("name"),
            "boards": cluster.get("boards"),
            "links": [_renamed(link, where) for link in _list(table, "links", where)],
            "crossings": [_renamed(c, where) for c in _list(table, "crossings", where)],
            "assignments": [],
        }
        plain = decode(_Plain, flat, where)
        assignments = tuple(
            _assignment(entry, f"{where}, assignments[{i}]")
            for i, entry in enumerate(_list(table, "assignments", where))
        )
        return Plan(
            **{name: getattr(plain, name) for name in _PLAIN_FIELDS},
            assignments=assignments,
            extra={key: table[key] for key in table if key not in _OWN_KEYS},
        )


def infeasible_document(
    *,
    network: str,
    mode: Mode,
    clock_hz: int,
    cluster: str,
    boards: tuple[PlannedBoard, ...],
    certificate: Mapping[str, Any],
    explanation: Mapping[str, Any],
) -> dict[str, Any]:
    """Return ``plan.json`` of a request that has no answer: a plan without assignments.

    Args:
        network: Name of the graph.
        mode: That was asked for.
        clock_hz: That was asked for.
        cluster: Name of the target.
        boards: Its boards.
        certificate: Solver, seed and seconds; the outcome is added, here and in the document.
        explanation: Conflict, shortfall and remedies.
    """
    return {
        "schema": PLAN_SCHEMA,
        "outcome": Outcome.INFEASIBLE.value,
        "network": network,
        "mode": mode.value,
        "clock_hz": clock_hz,
        "replicas": 0,
        "cluster": {"name": cluster, "boards": encode(boards), "links": []},
        "certificate": {**certificate, "outcome": Outcome.INFEASIBLE.value},
        "assignments": [],
        "crossings": [],
        "utilisation": [],
        "links": [],
        "explanation": encode(explanation),
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plain:
    """The keys of ``plan.json`` that `elasticdf.records` can read; attributes are freer."""

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
    crossings: tuple[Crossing, ...]
    utilisation: tuple[Utilisation, ...]
    costs: str
    assignments: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


_PLAIN_FIELDS = tuple(name for name in _Plain.__slots__ if name != "assignments")
_PLAIN_KEYS = tuple(
    name for name in _PLAIN_FIELDS if name not in ("cluster", "boards", "links", "crossings")
)
_OWN_KEYS = ("schema", "cluster", "assignments", "links", "crossings", *_PLAIN_KEYS)


def _list(table: Mapping[str, Any], key: str, where: str) -> list[Any]:
    value = table.get(key)
    if not isinstance(value, list):
        raise UserError(f"{where}: key {key!r} is {value!r:.60}, a list is needed")
    return value


def _worded(record: Crossing | LinkLoad) -> dict[str, Any]:
    return {_WORDS.get(key, key): value for key, value in encode(record).items()}


_WORDS = {"origin": "from", "destination": "to"}
"""Our field names and those of ``plan.json`` (``from`` is no name in Python)."""


def _renamed(entry: Any, where: str) -> dict[str, Any]:
    back = {word: name for name, word in _WORDS.items()}
    return {back.get(key, key): value for key, value in expect_table(entry, where).items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class _PlainAssignment:
    replica: int
    layer: str
    board: int
    die: str
    cycles: int


def _assignment(entry: Any, where: str) -> Assignment:
    table = expect_table(entry, where)
    free = ("attributes", "resources")
    plain = decode(_PlainAssignment, {key: table[key] for key in table if key not in free}, where)
    resources = expect_table(table.get("resources"), f"{where}, resources")
    refuse_unknown(resources, RESOURCE_NAMES, f"{where}, resources")
    for name in RESOURCE_NAMES:
        amount = resources.get(name)
        unknown = name == "ff" and name in resources and amount is None
        if not (isinstance(amount, int) or unknown):
            raise UserError(f"{where}, resources, {name} is {amount!r}, a whole number is needed")
    attributes = expect_table(table.get("attributes"), f"{where}, attributes")
    return Assignment(
        replica=plain.replica,
        layer=plain.layer,
        board=plain.board,
        die=plain.die,
        cycles=plain.cycles,
        attributes={
            key: tuple(value) if isinstance(value, list) else value
            for key, value in attributes.items()
        },
        resources=Resources.from_json(resources),
    )
