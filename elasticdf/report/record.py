"""What a report says, as one record: the page is drawn from it and ``--json`` prints it.

Read from ``plan.json`` and, where they are there, the manifest and the deployment beside it.
Refuses to compute anything the plan decides; it only adds up, divides and compares.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from elasticdf.costs.profile import Band, load_profile
from elasticdf.errors import UserError
from elasticdf.ir import RESOURCE_NAMES
from elasticdf.records import encode, expect_table
from partitioner.plan import Assignment, LinkLoad, Outcome, Plan

SCHEMA = "elasticdf.report/1"
NEARLY_FULL = 0.9
"""Share of a limit from which on the page calls it binding."""

_MAX_BYTES = 256 * 2**20


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


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamBuffer:
    """A stream between two kernels of a board and the words it can hold."""

    board: int
    source: str
    target: str
    depth: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanReport:
    """Everything the page shows.

    Attributes:
        plan: What was decided; None if the request was infeasible.
        title: The network's name.
        request: Target, mode and clock as texts, for an infeasible request too.
        layers: In network order.
        fullness: Per die and resource.
        binding: What limits the plan, one sentence each.
        explanation: Conflict, shortfall and remedies of an infeasible request, else None.
        buffers: Streams between kernels; empty without a deployment.
        provenance: Versions, options, seed and digests, flat; empty without a manifest.
    """

    plan: Plan | None
    title: str
    request: tuple[tuple[str, str], ...]
    layers: tuple[LayerLoad, ...]
    fullness: tuple[Fullness, ...]
    binding: tuple[str, ...]
    explanation: Mapping[str, Any] | None
    buffers: tuple[StreamBuffer, ...]
    provenance: tuple[tuple[str, str], ...]

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form."""
        document = {name: encode(getattr(self, name)) for name in self.__slots__}
        document["plan"] = None if self.plan is None else self.plan.to_json()
        document["request"] = dict(self.request)
        document["provenance"] = dict(self.provenance)
        return {"schema": SCHEMA, **document}


def read_plan_report(directory: Path) -> PlanReport:
    """Return the report of a run directory.

    Raises:
        UserError: It holds no plan, or a file in it is not what it should be.
    """
    document = _read(directory / "plan.json")
    if document is None:
        raise UserError(
            f"{directory} holds no plan.json; "
            "make one with: elasticdf partition MODEL --target TARGET -o DIR"
        )
    provenance = _provenance(_read(directory / "manifest.json"), directory)
    if _is_infeasible(document):
        return _infeasible(document, provenance)
    plan = Plan.from_json(document, str(directory / "plan.json"))
    return of_plan(
        plan,
        buffers=_buffers(_read(directory / "deployment.json"), directory),
        provenance=provenance,
    )


def of_plan(
    plan: Plan,
    *,
    buffers: tuple[StreamBuffer, ...] = (),
    provenance: tuple[tuple[str, str], ...] = (),
) -> PlanReport:
    """Return the report of a plan."""
    layers = _layer_loads(plan)
    fullness = _fullness(plan)
    return PlanReport(
        plan=plan,
        title=plan.network,
        request=(
            ("target", plan.cluster),
            ("mode", plan.mode.value),
            ("clock", f"{plan.clock_hz / 1e6:g} MHz"),
        ),
        layers=layers,
        fullness=fullness,
        binding=_binding(plan, layers, fullness),
        explanation=None,
        buffers=buffers,
        provenance=provenance,
    )


def link_share(link: LinkLoad) -> float:
    """Return which part of a link's capacity is used."""
    capacity = link.capacity_bits_per_second
    return link.load_bits_per_second / capacity if capacity > 0 else 0.0


def _layer_loads(plan: Plan) -> tuple[LayerLoad, ...]:
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


def _fullness(plan: Plan) -> tuple[Fullness, ...]:
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


def _binding(
    plan: Plan, layers: tuple[LayerLoad, ...], fullness: tuple[Fullness, ...]
) -> tuple[str, ...]:
    bottlenecks = [layer.name for layer in layers if layer.slack_cycles == 0]
    sentences = []
    if bottlenecks:
        others = len(bottlenecks) - 1
        who = f" and {others} more set" if others else " sets"
        sentences.append(
            f"{bottlenecks[0]}{who} the pace: {plan.interval_cycles:,} cycles per frame"
        )
    for row in fullness:
        if row.fraction >= NEARLY_FULL * row.limit:
            sentences.append(
                f"board {row.board} {row.die}: {row.resource} is {row.fraction:.1%} full, "
                f"{row.limit:.0%} are allowed"
            )
    for link in plan.links:
        if link_share(link) >= NEARLY_FULL:
            sentences.append(
                f"the link from board {link.origin[0]} port {link.origin[1]} to board "
                f"{link.destination[0]} port {link.destination[1]} is {link_share(link):.1%} full"
            )
    return tuple(sentences)


def _infeasible(document: Mapping[str, Any], provenance: tuple[tuple[str, str], ...]) -> PlanReport:
    explanation = document.get("explanation")
    cluster = document.get("cluster")
    clock = document.get("clock_hz")
    return PlanReport(
        plan=None,
        title=str(document.get("network", "")),
        request=(
            ("target", str(cluster.get("name") if isinstance(cluster, Mapping) else "")),
            ("mode", str(document.get("mode", ""))),
            ("clock", f"{clock / 1e6:g} MHz" if isinstance(clock, int) else ""),
        ),
        layers=(),
        fullness=(),
        binding=(),
        explanation=explanation if isinstance(explanation, Mapping) else {},
        buffers=(),
        provenance=provenance,
    )


def _is_infeasible(document: Mapping[str, Any]) -> bool:
    certificate = document.get("certificate")
    return (
        isinstance(certificate, Mapping) and certificate.get("outcome") == Outcome.INFEASIBLE.value
    )


def _buffers(deployment: Mapping[str, Any] | None, directory: Path) -> tuple[StreamBuffer, ...]:
    where = str(directory / "deployment.json")
    try:
        return tuple(
            StreamBuffer(
                board=int(entry["board"]),
                source=".".join(map(str, entry["source"])),
                target=".".join(map(str, entry["target"])),
                depth=int(entry["depth"]),
            )
            for entry in (deployment or {}).get("local", ())
        )
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(
            f"{where}: local streams are not as elasticdf writes them; "
            "make the project again with elasticdf partition"
        ) from error


def _provenance(manifest: Mapping[str, Any] | None, directory: Path) -> tuple[tuple[str, str], ...]:
    if manifest is None:
        return ()
    where = str(directory / "manifest.json")
    rows = [("network sha256", str(manifest.get("network_sha256", "")))]
    rows.append(("seed", str(manifest.get("seed", ""))))
    for group, label in (("options", "option"), ("versions", "version"), ("files", "sha256 of")):
        table = expect_table(manifest.get(group, {}), f"{where}, {group}")
        rows += [(f"{label} {name}", _plain(value)) for name, value in table.items()]
    return tuple(rows)


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _read(path: Path) -> Mapping[str, Any] | None:
    """Return the object in a JSON file, or None if there is no such file."""
    if not path.exists():
        return None
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise UserError(f"{path} is larger than {_MAX_BYTES // 2**20} MiB")
        document = json.loads(path.read_text(encoding="utf-8"), parse_constant=_refuse_constant)
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is not JSON: {error}") from error
    return expect_table(document, str(path))


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no number")
