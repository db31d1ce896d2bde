"""What a report says, as one record: the page is drawn from it and ``--json`` prints it.

Refuses to compute anything the plan decides; it only adds up, divides and compares.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from elasticdf.errors import UserError
from elasticdf.records import decode, encode, expect_table
from elasticdf.report.limits import advice, binding
from elasticdf.report.loads import Fullness, LayerLoad, die_fullness, layer_loads
from elasticdf.simulation import Span
from partitioner.fifos.charges import FIFOS, Fifo
from partitioner.plan import Plan

SCHEMA = "elasticdf.report/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerTime:
    """When a layer of one copy works on a frame that runs alone.

    Attributes:
        number: Of the layer, as in `LayerLoad`.
        first_cycle: Of its first event, counted from the frame's first input.
        last_cycle: Of its last event.
        board: Where it sits.
        die: The same.
    """

    number: int
    first_cycle: int
    last_cycle: int
    board: int
    die: str


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
        advice: What to try next, one sentence each.
        explanation: Conflict, shortfall and remedies of an infeasible request, else None.
        timeline: When layers work on one frame; empty if it was not simulated.
        timeline_copy: Which copy it is of.
        timeline_note: How it was simulated, or why not.
        fifos: Between layers; empty if the plan leaves their depths to FINN.
        buffers: Streams between kernels; empty without a deployment.
        provenance: Versions, options, seed and digests, flat; empty without a manifest.
    """

    plan: Plan | None
    title: str
    request: tuple[tuple[str, str], ...]
    layers: tuple[LayerLoad, ...] = ()
    fullness: tuple[Fullness, ...] = ()
    binding: tuple[str, ...] = ()
    advice: tuple[str, ...] = ()
    explanation: Mapping[str, Any] | None = None
    timeline: tuple[LayerTime, ...] = ()
    timeline_copy: int = 0
    timeline_note: str = ""
    fifos: tuple[Fifo, ...] = ()
    buffers: tuple[StreamBuffer, ...] = ()
    provenance: tuple[tuple[str, str], ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form."""
        document = {name: encode(getattr(self, name)) for name in self.__slots__}
        document["plan"] = None if self.plan is None else self.plan.to_json()
        document["request"] = dict(self.request)
        document["provenance"] = dict(self.provenance)
        return {"schema": SCHEMA, **document}


def of_plan(
    plan: Plan,
    *,
    model: str = "MODEL",
    buffers: tuple[StreamBuffer, ...] = (),
    provenance: tuple[tuple[str, str], ...] = (),
) -> PlanReport:
    """Return the report of a plan; ``model`` is what it was made of, as a command takes it.

    Raises:
        UserError: What the plan says of its FIFOs is not as elasticdf writes it.
    """
    layers = layer_loads(plan)
    fullness = die_fullness(plan)
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
        binding=binding(plan, layers, fullness),
        advice=advice(plan, model),
        fifos=_fifos(plan),
        buffers=buffers,
        provenance=provenance,
    )


def _fifos(plan: Plan) -> tuple[Fifo, ...]:
    entries = plan.extra.get(FIFOS, ())
    if not isinstance(entries, list | tuple):
        raise UserError(f"plan.json: key 'fifos' is {entries!r:.60}, a list is needed")
    return tuple(_fifo(entry, f"plan.json, fifos[{i}]") for i, entry in enumerate(entries))


def _fifo(entry: Any, where: str) -> Fifo:
    table = expect_table(entry, where)
    return decode(Fifo, {name: table[name] for name in Fifo.__slots__ if name in table}, where)


def with_timeline(
    report: PlanReport, spans: Sequence[Span], note: str, *, copy: int = 0
) -> PlanReport:
    """Return the report with what a simulation of a copy found."""
    chosen = report.plan.assignments if report.plan else ()
    places = {a.layer: a for a in chosen if a.replica == copy}
    numbers = {layer.name: layer.number for layer in report.layers}
    timeline = tuple(
        LayerTime(
            number=numbers[span.layer],
            first_cycle=span.first,
            last_cycle=span.last,
            board=places[span.layer].board,
            die=places[span.layer].die,
        )
        for span in spans
        if span.layer in places
    )
    return replace(report, timeline=timeline, timeline_copy=copy, timeline_note=note)
