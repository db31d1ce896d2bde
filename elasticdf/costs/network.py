"""What a whole network costs: per layer, in total, its bottleneck, throughput and latency.

Estimates only; nothing is folded or changed here. The JSON form is the one of ``estimate --json``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from elasticdf.costs.estimate import LayerEstimate, estimate
from elasticdf.costs.profile import CostProfile
from elasticdf.ir import AttributeValue, Graph, Layer, Resources
from elasticdf.layers import kind_of
from elasticdf.layers.kind import Attributes, FpgaPart, LayerPorts

ESTIMATE_SCHEMA = "elasticdf.estimate/1"
_NEXT_BOTTLENECKS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """An implementation of a layer at its folding."""

    attributes: Mapping[str, AttributeValue]
    resources: Resources


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerReport:
    """One layer's line of the estimate.

    Attributes:
        layer: As it is folded.
        cost: Under the profile.
        ports: Stream widths.
        predecessors: Names of the layers that feed it.
        successors: Names of the layers it feeds.
        variants: Other ways to build it at this folding.
    """

    layer: Layer
    cost: LayerEstimate
    ports: LayerPorts
    predecessors: tuple[str, ...]
    successors: tuple[str, ...]
    variants: tuple[Variant, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "name": self.layer.name,
            "op_type": self.layer.op_type,
            "cycles": self.cost.cycles,
            "resources": self.cost.resources.to_json(),
            "resources_low": self.cost.low.to_json(),
            "resources_high": self.cost.high.to_json(),
            "assumed": list(self.cost.assumed),
            "attributes": _plain(self.layer.attributes),
            "input_bits": self.ports.input_bits[0] if self.ports.input_bits else 0,
            "output_bits": self.ports.output_bits[0] if self.ports.output_bits else 0,
            "stream_input_bits": list(self.ports.input_bits),
            "stream_output_bits": list(self.ports.output_bits),
            "output_values": self.ports.output_values,
            "predecessors": list(self.predecessors),
            "successors": list(self.successors),
            "variants": [
                {"attributes": _plain(v.attributes), "resources": v.resources.to_json()}
                for v in self.variants
            ],
        }


def _plain(attributes: Mapping[str, AttributeValue]) -> dict[str, Any]:
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in attributes.items()
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkEstimate:
    """The estimate of a folded network.

    Attributes:
        network: Its name.
        board: Name of the board it is estimated for.
        clock_hz: Of the accelerator.
        costs: Name of the cost profile.
        layers: In graph order.
        latency_cycles: Longest path of summed cycles, without overlap, as FINN counts it.
        warnings: What the numbers leave out, one sentence each.
    """

    network: str
    board: str
    clock_hz: int
    costs: str
    layers: tuple[LayerReport, ...]
    latency_cycles: int
    warnings: tuple[str, ...]

    @property
    def bottlenecks(self) -> tuple[LayerReport, ...]:
        """The slowest layer and the next three."""
        ranked = sorted(self.layers, key=lambda report: -report.cost.cycles)
        return tuple(ranked[: 1 + _NEXT_BOTTLENECKS])

    @property
    def interval_cycles(self) -> int:
        """Cycles between two frames."""
        return max((report.cost.cycles for report in self.layers), default=0)

    @property
    def frames_per_second(self) -> float:
        """Frames per second at the clock; 0 if no layer has a cycle count."""
        return self.clock_hz / self.interval_cycles if self.interval_cycles else 0.0

    @property
    def totals(self) -> Resources:
        """The sum over all layers."""
        return Resources.total(report.cost.resources for report in self.layers)

    def to_json(self) -> dict[str, Any]:
        """Return the document of ``estimate --json``."""
        return {
            "schema": ESTIMATE_SCHEMA,
            "network": self.network,
            "board": self.board,
            "clock_hz": self.clock_hz,
            "costs": self.costs,
            "layers": [report.to_json() for report in self.layers],
            "totals": self.totals.to_json(),
            "totals_high": Resources.total(r.cost.high for r in self.layers).to_json(),
            "bottleneck": self.bottlenecks[0].layer.name if self.layers else "",
            "next_bottlenecks": [report.layer.name for report in self.bottlenecks[1:]],
            "interval_cycles": self.interval_cycles,
            "frames_per_second": self.frames_per_second,
            "latency_cycles": self.latency_cycles,
            "warnings": list(self.warnings),
        }


def estimate_network(
    graph: Graph,
    *,
    board: str,
    clock_hz: int,
    profile: CostProfile,
    part: FpgaPart,
    variants: bool = True,
) -> NetworkEstimate:
    """Return the cost of a graph as it is folded.

    Args:
        graph: Specialised and folded.
        board: Its name, for the document.
        clock_hz: Of the accelerator.
        profile: Of the resources.
        part: They are estimated for.
        variants: Whether each layer's other implementations are priced too.

    Raises:
        UserError: A layer's folding is illegal.
    """
    sources: dict[str, list[str]] = {layer.name: [] for layer in graph}
    targets: dict[str, list[str]] = {layer.name: [] for layer in graph}
    for stream in graph.arcs:
        if stream.source is not None and stream.target is not None:
            sources[stream.target].append(stream.source)
            targets[stream.source].append(stream.target)
    reports = tuple(
        LayerReport(
            layer=layer,
            cost=estimate(layer, profile, part),
            ports=kind_of(layer).ports(layer),
            predecessors=tuple(sources[layer.name]),
            successors=tuple(targets[layer.name]),
            variants=_variants(layer, profile, part) if variants else (),
        )
        for layer in graph
    )
    return NetworkEstimate(
        network=graph.name,
        board=board,
        clock_hz=clock_hz,
        costs=profile.name,
        layers=reports,
        latency_cycles=_longest_path(reports),
        warnings=_warnings(reports),
    )


def _variants(layer: Layer, profile: CostProfile, part: FpgaPart) -> tuple[Variant, ...]:
    """Return the variants; in profile ``finn`` exactly those of the published partitioner."""
    kind = kind_of(layer)
    choices: tuple[Attributes, ...] = (
        kind.published_variants if profile.exactly_finn else kind.variants(layer, part)
    )
    return tuple(
        Variant(
            attributes=choice,
            resources=estimate(layer.with_attributes(choice), profile, part).resources,
        )
        for choice in choices
    )


def _longest_path(reports: tuple[LayerReport, ...]) -> int:
    """Return the largest sum of cycles over a path (FINN's ``critical_path_cycles``)."""
    reached: dict[str, int] = {}
    for report in reports:
        before = max((reached[name] for name in report.predecessors), default=0)
        reached[report.layer.name] = before + report.cost.cycles
    return max(reached.values(), default=0)


def _warnings(reports: tuple[LayerReport, ...]) -> tuple[str, ...]:
    free = [r.layer.name for r in reports if not any(v for _, v in r.cost.resources.items())]
    unknown = [r.layer.name for r in reports if r.cost.resources.ff is None]
    warnings = []
    if free:
        warnings.append(
            f"{_listed(free)} cost nothing in this profile, which is not true; "
            "use --costs calibrated"
        )
    if unknown:
        warnings.append(f"the flip-flops of {_listed(unknown)} are unknown in this profile")
    return tuple(warnings)


def _listed(names: list[str]) -> str:
    """Return the first names and how many more there are.

    >>> _listed(["a", "b", "c", "d", "e"])
    'a, b, c and 2 more layers'
    """
    shown = ", ".join(names[:3])
    return shown if len(names) <= 3 else f"{shown} and {len(names) - 3} more layers"
