"""What each layer may be built as for a cycle target, and which targets there are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from math import prod
from typing import Any

from elasticdf.costs.estimate import estimate
from elasticdf.costs.profile import CostProfile
from elasticdf.costs.streams import ADAPTERS, StreamCosts, join_buffers
from elasticdf.errors import InfeasibleError, UserError
from elasticdf.folding.coupling import coupled, cycles_with, pair_foldings
from elasticdf.folding.front import LayerOption, pareto_front, thinned
from elasticdf.ir import AttributeValue, Graph, Layer
from elasticdf.layers import kind_of
from elasticdf.layers.kind import Attributes, FpgaPart

MAX_STREAM_BITS = 8191
"""Widest word Vitis HLS handles (``AP_INT_MAX_W``); wider HLS layers cannot be built."""

WIDEST_LANES = 4
"""Foldings with more lanes than this times the fewest that meet a target are not considered.

They compute more than needed all the way; only a memory's shape could speak for them.
"""

MAX_OPTIONS = 12
"""Options kept per layer; the optimiser's model grows with their number."""


def options(
    graph: Graph,
    *,
    cycles: int | None,
    profile: CostProfile,
    part: FpgaPart,
    variants: bool = True,
    limit: int = MAX_OPTIONS,
    memory: dict[object, Any] | None = None,
    fifo_bits: Mapping[str, tuple[int, ...]] | None = None,
) -> dict[str, tuple[LayerOption, ...]]:
    """Return what each layer may be built as, so that a frame takes at most ``cycles``.

    The options of a layer are its Pareto front over legal foldings and variants, thinned to
    ``limit``: the cheapest in each resource stay, then those that differ most. They are ordered by
    (LUT, FF, BRAM18, URAM, DSP). Any combination of options of different layers is legal.

    Except in profile ``finn``, an option's resources include the FIFO and width converter at each
    of its inputs (`elasticdf.costs.streams`), unless the graph has such layers of its own.

    Args:
        graph: Specialised.
        cycles: Most cycles a frame may take in any layer; None keeps the folding as it is.
        profile: Of the resources.
        part: They are estimated for.
        variants: Whether implementation variants are offered beside the layer's own.
        limit: Most options per layer.
        memory: What was estimated in earlier calls, to be handed from call to call.
        fifo_bits: Bits each input of a layer must store, by layer; where it says nothing, what
            joins must store by the geometry of their windows.

    Raises:
        InfeasibleError: A layer cannot be that fast.
        UserError: The graph has width converters or FIFOs, but is to be folded anew.
    """
    if cycles is not None:
        _refuse_adapters(graph)
    memory = {} if memory is None else memory
    fixed = {} if cycles is None else _coupled_foldings(graph, cycles)
    streams = _stream_costs(graph, profile, part)
    buffers = {**join_buffers(graph), **(fifo_bits or {})}
    cache: dict[object, tuple[LayerOption, ...]] = {}
    result: dict[str, tuple[LayerOption, ...]] = {}
    for layer in graph:
        same = (layer.op_type, tuple(_priced(layer)))
        foldings = _candidate_foldings(layer, cycles, fixed.get(layer.name), same, memory)
        stored = buffers.get(layer.name, ())
        key = (same, repr(foldings), layer.integers("inFIFODepths"), stored)
        if key not in cache:
            candidates = []
            for folding in foldings:
                built = (same, repr(folding), profile.name, part, variants)
                if built not in memory:
                    memory[built] = _candidates(layer, (folding,), profile, part, variants=variants)
                candidates += memory[built]
            if streams is not None:
                candidates = [
                    _with_streams(option, layer, streams, stored) for option in candidates
                ]
            cache[key] = thinned(pareto_front(candidates), limit)
        result[layer.name] = cache[key]
    return result


def _refuse_adapters(graph: Graph) -> None:
    adapters = [layer.name for layer in graph if layer.family in ADAPTERS]
    if adapters:
        raise UserError(
            f"network {graph.name} already has FIFOs and width converters ({adapters[0]} and "
            f"{len(adapters) - 1} more), which belong to its folding; keep the folding (--as-is) "
            "or give the model from before they were inserted"
        )


def _stream_costs(graph: Graph, profile: CostProfile, part: FpgaPart) -> StreamCosts | None:
    has_adapters = any(layer.family in ADAPTERS for layer in graph)
    if profile.exactly_finn or has_adapters:
        return None
    return StreamCosts(profile=profile, part=part)


def _with_streams(
    option: LayerOption, layer: Layer, streams: StreamCosts, stored: tuple[int, ...]
) -> LayerOption:
    before = streams.before(option.input_bits, layer.integers("inFIFODepths"), stored)
    return replace(option, resources=option.resources + before)


_UNPRICED = frozenset(
    (
        "cycles_estimate",
        "slr",
        "partition_id",
        "device_id",
        "mem_port",
        "inFIFODepths",
        "outFIFODepths",
    )
)
"""Attributes that change neither cycles nor resources."""


def _priced(layer: Layer) -> Iterable[tuple[str, AttributeValue]]:
    return ((name, value) for name, value in layer.attributes.items() if name not in _UNPRICED)


def _candidate_foldings(
    layer: Layer,
    cycles: int | None,
    fixed: Attributes | None,
    same: object,
    memory: dict[object, Any],
) -> tuple[Attributes, ...]:
    if cycles is None:
        return ({},)
    if fixed is not None:
        return (fixed,)
    if same not in memory:
        memory[same] = tuple(
            (folding, cycles_with(layer, folding)) for folding in kind_of(layer).foldings(layer)
        )
    fast = [folding for folding, reached in memory[same] if reached <= cycles]
    if not fast:
        raise _too_slow(layer.name, cycles, least_cycles(layer))
    fewest = min(_lanes(folding) for folding in fast)
    return tuple(folding for folding in fast if _lanes(folding) <= WIDEST_LANES * fewest)


def _lanes(folding: Attributes) -> int:
    """Return how many operations of a kind the folding does at once."""
    parallel = (folding.get(name, 1) for name in ("PE", "SIMD"))
    return prod(number for number in parallel if isinstance(number, int))


def _too_slow(name: str, cycles: int, least: int) -> InfeasibleError:
    return InfeasibleError(
        f"layer {name} needs at least {least} cycles per frame however it is folded, "
        f"{cycles} are asked for; lower the frame rate or raise the clock",
        explanation={
            "conflict": [f"cycles[{name}]"],
            "shortfall": [{"layer": name, "cycles": least, "target_cycles": cycles}],
            "remedies": [],
        },
    )


def _coupled_foldings(graph: Graph, cycles: int) -> dict[str, Attributes]:
    """Return the least parallel legal folding of each coupled pair that meets the target."""
    fixed: dict[str, Attributes] = {}
    for window_name, consumer_name in coupled(graph):
        window, consumer = graph.layer(window_name), graph.layer(consumer_name)
        for folding, follows, reached in pair_foldings(window, consumer):
            if reached <= cycles:
                fixed[consumer_name], fixed[window_name] = folding, follows
                break
        else:
            least = min(reached for _, _, reached in pair_foldings(window, consumer))
            raise _too_slow(f"{window_name} with {consumer_name}", cycles, least)
    return fixed


def _candidates(
    layer: Layer,
    foldings: Iterable[Attributes],
    profile: CostProfile,
    part: FpgaPart,
    *,
    variants: bool,
) -> list[LayerOption]:
    kind = kind_of(layer)
    found = []
    for folding in foldings:
        folded = layer.with_attributes(folding)
        ports = kind.ports(folded)
        if _too_wide(folded, ports.input_bits + ports.output_bits):
            continue
        for variant in kind.variants(folded, part) if variants else ({},):
            built = folded.with_attributes(variant)
            cost = estimate(built, profile, part)
            found.append(
                LayerOption(
                    attributes={**folding, **variant},
                    cycles=cost.cycles,
                    resources=cost.high,
                    input_bits=ports.input_bits,
                    output_bits=ports.output_bits,
                )
            )
    return found


def _too_wide(layer: Layer, stream_bits: tuple[int, ...]) -> bool:
    """Tell whether Vitis HLS could not handle the layer's words."""
    if not layer.op_type.endswith("_hls"):
        return False
    parameters = 0
    if layer.family in ("MVAU", "VVAU", "Thresholding"):
        lanes = layer.integer("PE") * layer.integer("SIMD", 1) * layer.integer("numSteps", 1)
        parameters = lanes * layer.datatype("weightDataType").bits
    return max(parameters, *stream_bits) > MAX_STREAM_BITS


def least_cycles(layer: Layer) -> int:
    """Return the fewest cycles any legal folding of the layer alone reaches."""
    return min(cycles_with(layer, folding) for folding in kind_of(layer).foldings(layer))


def fastest_cycles(graph: Graph) -> dict[str, int]:
    """Return the fewest cycles per frame of each layer, couplings respected."""
    fastest = {layer.name: least_cycles(layer) for layer in graph}
    for window_name, consumer_name in coupled(graph):
        pair = pair_foldings(graph.layer(window_name), graph.layer(consumer_name))
        fastest[window_name] = fastest[consumer_name] = min(reached for _, _, reached in pair)
    return fastest


def cycle_targets(graph: Graph) -> tuple[int, ...]:
    """Return every interval worth asking `options` for, ascending.

    Between two of them no layer has another legal folding, so nothing changes.
    """
    floor = max(fastest_cycles(graph).values(), default=1)
    found = {max(1, floor)}
    for layer in graph:
        for folding in kind_of(layer).foldings(layer):
            reached = cycles_with(layer, folding)
            if reached > floor:
                found.add(reached)
    return tuple(sorted(found))
