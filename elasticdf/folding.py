"""How much hardware each layer gets: legal foldings, FINN's choice, and the Pareto front.

A folding is a set of attribute changes (PE, SIMD, parallel_window). `fold_for_cycles` is FINN's own
heuristic; `options` offers, per layer, everything worth considering for a cycle target. Options of
different layers are independent: any combination is legal in FINN. Where FINN demands equal
parallelism (a depthwise window generator and the VVAU or Pool it feeds) the pair's folding is fixed
here, and its options differ in implementation variants only. Different stream widths elsewhere are
bridged by width converters, which FINN inserts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from math import log1p, prod
from typing import Any

from elasticdf.costs.estimate import estimate
from elasticdf.costs.profile import CostProfile
from elasticdf.errors import InfeasibleError, UserError
from elasticdf.ir import RESOURCE_NAMES, AttributeValue, Graph, Layer, Resources
from elasticdf.layers import attributes_of, check_attribute, kind_of
from elasticdf.layers.kind import Attributes, FpgaPart
from elasticdf.layers.memory import divisors

FINN_WEIGHT_STREAM_BITS = 36
"""FINN's ``mvau_wwidth_max``: widest weight stream of one PE its heuristic accepts."""

MAX_STREAM_BITS = 8191
"""Widest word Vitis HLS handles (``AP_INT_MAX_W``); wider HLS layers cannot be built."""

WIDEST_LANES = 4
"""Foldings with more lanes than this times the fewest that meet a target are not considered.

They compute more than needed all the way; only a memory's shape could speak for them.
"""

MAX_OPTIONS = 12
"""Options kept per layer; the optimiser's model grows with their number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerOption:
    """One way to build a layer.

    Attributes:
        attributes: Changes to the layer's attributes; empty means the layer as it is.
        cycles: Cycles per frame.
        resources: What the limits are held against (the profile's upper estimate).
        input_bits: Bits per transfer of each stream input, unpadded.
        output_bits: The same for each output.
    """

    attributes: Mapping[str, AttributeValue] = field(default_factory=dict)
    cycles: int
    resources: Resources
    input_bits: tuple[int, ...]
    output_bits: tuple[int, ...]


# --- FINN's heuristic ----------------------------------------------------------------------------


def fold_for_cycles(
    graph: Graph,
    cycles: int,
    *,
    weight_stream_bits: int = FINN_WEIGHT_STREAM_BITS,
    two_pass: bool = True,
) -> Graph:
    """Return the graph folded as FINN's SetFolding does.

    Args:
        graph: Specialised (``_hls``/``_rtl`` op types).
        cycles: Target cycles per frame; FINN stops at the first folding strictly below it.
        weight_stream_bits: FINN's ``mvau_wwidth_max``.
        two_pass: Whether to fold again for the slowest layer's cycles if the target is missed.

    Raises:
        UserError: The target is not positive, or a depthwise layer lacks its window generator.
    """
    if cycles < 1:
        raise UserError(f"a target of {cycles} cycles per frame is impossible; give 1 or more")
    folded = _one_pass(graph, cycles, weight_stream_bits)
    slowest = max((kind_of(layer).cycles(layer) for layer in folded), default=0)
    if two_pass and slowest > cycles:
        folded = _one_pass(folded, slowest, weight_stream_bits)
    return annotate_cycles(folded)


def annotate_cycles(graph: Graph) -> Graph:
    """Return the graph with each layer's ``cycles_estimate`` set."""
    return graph.with_layers(
        layer.with_attributes({"cycles_estimate": kind_of(layer).cycles(layer)}) for layer in graph
    )


def _one_pass(graph: Graph, target: int, weight_stream_bits: int) -> Graph:
    changes: dict[str, Attributes] = {}
    for layer in graph:
        match layer.family:
            case "MVAU":
                bits = _original_weight_bits(graph, layer)
                changes[layer.name] = _fold_mvau(layer, target, weight_stream_bits // bits)
            case "VVAU" | "Pool":
                chosen = _fold_depthwise(layer, target)
                changes[layer.name] = chosen
                window = window_of(graph, layer)
                if window is not None:
                    changes[window.name] = _window_folding(window, layer.with_attributes(chosen))
            case "ConvolutionInputGenerator":
                if not layer.integer("depthwise"):
                    changes[layer.name] = _fold_window(layer, target)
            case _ if layer.op_type in _ONE_DIMENSIONAL:
                name, total = _ONE_DIMENSIONAL[layer.op_type]
                changes[layer.name] = _first_below(layer, name, layer.integer(total), target)
    return _changed(graph, changes)


_ONE_DIMENSIONAL: Mapping[str, tuple[str, str]] = {
    "AddStreams_hls": ("PE", "NumChannels"),
    "ChannelwiseOp_hls": ("PE", "NumChannels"),
    "DuplicateStreams_hls": ("PE", "NumChannels"),
    "GlobalAccPool_hls": ("PE", "NumChannels"),
    "Thresholding_hls": ("PE", "NumChannels"),
    "Thresholding_rtl": ("PE", "NumChannels"),
    "LabelSelect_hls": ("PE", "Labels"),
    "DownSampler_hls": ("SIMD", "NumChannels"),
    "FMPadding_hls": ("SIMD", "NumChannels"),
    "FMPadding_Pixel_hls": ("SIMD", "NumChannels"),
}
"""What FINN folds by one attribute: the attribute and what it must divide.

FINN's table lacks ``FMPadding_rtl``, which therefore keeps the SIMD it was created with.
"""


def _cycles_with(layer: Layer, changes: Attributes) -> int:
    changed = layer.with_attributes(changes)
    return kind_of(changed).cycles(changed)


def _first_below(layer: Layer, name: str, total: int, target: int) -> Attributes:
    """Return the least parallelism with cycles below the target, else the largest."""
    for parallel in divisors(total):
        if _cycles_with(layer, {name: parallel}) < target:
            break
    return {name: parallel}


def _original_weight_bits(graph: Graph, layer: Layer) -> int:
    """Return the weights' bits before FINN minimised them.

    FINN folds before it minimises bit widths, and leaves the tensor's own annotation alone.
    """
    parameters = graph.parameters(layer)
    if parameters and parameters[0].datatype.is_integer:
        return parameters[0].datatype.bits
    return layer.datatype("weightDataType").bits


def _fold_mvau(layer: Layer, target: int, most_simd: int) -> Attributes:
    """Widen SIMD while the weight stream of a PE stays narrow, then PE."""
    simd = 1
    for candidate in divisors(layer.integer("MW")):
        met = _cycles_with(layer, {"PE": 1, "SIMD": candidate}) < target
        if met or candidate <= most_simd:
            simd = candidate
        if met or candidate > most_simd:
            break
    unfolded = layer.with_attributes({"SIMD": simd})
    return {"SIMD": simd, **_first_below(unfolded, "PE", layer.integer("MH"), target)}


def _fold_depthwise(layer: Layer, target: int) -> Attributes:
    channels = layer.integer("Channels")
    base: Attributes = {"SIMD": 1} if layer.family == "VVAU" else {}
    chosen = {**base, **_first_below(layer.with_attributes(base), "PE", channels, target)}
    missed = chosen["PE"] == channels and _cycles_with(layer, chosen) > target
    if layer.family == "VVAU" and missed:
        taps = prod(layer.integers("Kernel"))
        chosen |= _first_below(layer.with_attributes(chosen), "SIMD", taps, target)
    return chosen


def _fold_window(layer: Layer, target: int) -> Attributes:
    channels = layer.integer("IFMChannels")
    base: Attributes = {"parallel_window": 0} if layer.op_type.endswith("_rtl") else {}
    chosen = {**base, **_first_below(layer.with_attributes(base), "SIMD", channels, target)}
    missed = _cycles_with(layer, chosen) > target
    if base and chosen["SIMD"] == channels and missed:
        chosen["parallel_window"] = 1
    return chosen


def window_of(graph: Graph, layer: Layer) -> Layer | None:
    """Return the depthwise window generator that feeds a VVAU or Pool, if there is one.

    Raises:
        UserError: The layer needs one (its kernel is larger than 1x1) and has none.
    """
    producers = [graph.layer(name) for name in graph.predecessors(layer.name)]
    if producers and producers[0].family == "ConvolutionInputGenerator":
        return producers[0]
    kernel = layer.integers("Kernel" if layer.family == "VVAU" else "KernelSize")
    if prod(kernel) != 1:
        raise UserError(
            f"layer {layer.name} ({layer.op_type}) with a kernel of {kernel} is not fed by a "
            "ConvolutionInputGenerator directly; remove what stands between them (fold before "
            "FIFOs are inserted)"
        )
    return None


def _window_folding(window: Layer, consumer: Layer) -> Attributes:
    """Return the folding a depthwise window generator must have for its consumer's."""
    folding: Attributes = {"SIMD": consumer.integer("PE")}
    if not window.op_type.endswith("_rtl"):
        return folding
    wide = consumer.family == "VVAU" and consumer.integer("SIMD") > 1
    return {**folding, "parallel_window": int(wide)}


def _changed(graph: Graph, changes: Mapping[str, Attributes]) -> Graph:
    return graph.with_layers(
        layer.with_attributes(changes[layer.name]) if layer.name in changes else layer
        for layer in graph
    )


# --- FINN's folding files ------------------------------------------------------------------------

_FOLDING_ATTRIBUTES = (
    "PE",
    "SIMD",
    "parallel_window",
    "ram_style",
    "resType",
    "mem_mode",
    "runtime_writeable_weights",
    "depth_trigger_uram",
    "depth_trigger_bram",
    "depth",
    "impl_style",
)
"""What FINN writes into its folding files, in its order; the last two for FIFOs only."""

_INSERTED_LATER = ("StreamingFIFO", "StreamingDataWidthConverter", "IODMA", "TLastMarker")
"""Families FINN adds after folding; its final files name them."""


def folding_document(graph: Graph) -> dict[str, Any]:
    """Return FINN's folding JSON for the graph as it is folded."""
    document: dict[str, Any] = {"Defaults": {}}
    for layer in graph:
        entry = {
            name: layer.attributes[name] for name in _FOLDING_ATTRIBUTES if name in layer.attributes
        }
        if entry:
            document[layer.name] = entry
    return document


def apply_folding(graph: Graph, document: Mapping[str, Any]) -> Graph:
    """Return the graph folded as a FINN folding file says.

    Layers the file does not name stay as they are. Entries for layers FINN inserts later (FIFOs,
    width converters, DMAs) are skipped with a note.

    Args:
        graph: With FINN's layer names.
        document: FINN's folding JSON: ``Defaults`` and one object per layer.

    Raises:
        UserError: The file names unknown layers or attributes, or values that are not legal.
    """
    if not isinstance(document, Mapping):
        raise UserError("the folding file must hold one JSON object: attributes by layer name")
    entries, defaults = _split_document(document)
    notes: list[str] = []
    known = {layer.name for layer in graph}
    for name in entries:
        if name not in known:
            if name.rstrip("0123456789_").removesuffix("_rtl").removesuffix("_hls") in (
                _INSERTED_LATER
            ):
                notes.append(f"folding of {name} is skipped: the network has no such layer yet")
                continue
            raise UserError(
                f"the folding file names layer {name!r}, which network {graph.name} does not have; "
                f"its layers run from {graph.layers[0].name} to {graph.layers[-1].name}"
            )
    layers = [
        _legal(_with_entry(layer, {**defaults(layer), **entries.get(layer.name, {})}))
        for layer in graph
    ]
    folded = replace(graph, layers=tuple(layers), notes=(*graph.notes, *notes))
    check_couplings(folded)
    return folded


def _split_document(
    document: Mapping[str, Any],
) -> tuple[dict[str, Mapping[str, Any]], Callable[[Layer], dict[str, Any]]]:
    """Return the entries by layer and a function giving each layer's defaults."""
    entries: dict[str, Mapping[str, Any]] = {}
    for name, entry in document.items():
        if not isinstance(entry, Mapping):
            raise UserError(
                f"the folding file's entry {name!r} is {entry!r}; it must be an object of "
                'attributes, such as {"PE": 2, "SIMD": 4}'
            )
        if name != "Defaults":
            entries[name] = entry
    rules: dict[str, tuple[Any, Any]] = {}
    for attribute, rule in document.get("Defaults", {}).items():
        if not _is_rule(rule):
            raise UserError(
                f"the folding file's default for {attribute} is {rule!r}; it must be a value and "
                'the op types it is for, such as ["block", ["MVAU_hls"]] or ["block", "all"]'
            )
        rules[attribute] = (rule[0], rule[1])

    def defaults(layer: Layer) -> dict[str, Any]:
        # FINN compares names, so the list ["all"] matches nothing (error F10); only "all" does.
        return {
            attribute: value
            for attribute, (value, types) in rules.items()
            if (types == "all" and attribute in attributes_of(layer))
            or (not isinstance(types, str) and layer.op_type in types)
        }

    return entries, defaults


def _is_rule(rule: object) -> bool:
    """Tell whether a default is a value and the op types it is for."""
    if not isinstance(rule, (list, tuple)) or len(rule) != 2:
        return False
    types = rule[1]
    return types == "all" or (
        isinstance(types, (list, tuple)) and all(isinstance(item, str) for item in types)
    )


def _with_entry(layer: Layer, entry: Mapping[str, Any]) -> Layer:
    declared = attributes_of(layer)
    changes: dict[str, AttributeValue] = {}
    for name, value in entry.items():
        attribute = declared.get(name)
        if attribute is None:
            raise UserError(
                f"folding of layer {layer.name} ({layer.op_type}): there is no attribute {name!r}; "
                f"it has {', '.join(sorted(declared))}"
            )
        changes[name] = tuple(value) if isinstance(value, list) else value
        check_attribute(layer, name, attribute, changes[name])
    return layer.with_attributes(changes)


def _legal(layer: Layer) -> Layer:
    """Return the layer if its folding divides its dimensions."""
    kind_of(layer).cycles(layer)
    kind_of(layer).ports(layer)
    return layer


def check_couplings(graph: Graph) -> None:
    """Check that depthwise window generators are folded like their consumers.

    Raises:
        UserError: A window generator's SIMD differs from its consumer's PE.
    """
    for window, consumer in coupled(graph):
        simd, pe = graph.layer(window).integer("SIMD"), graph.layer(consumer).integer("PE")
        if simd != pe:
            raise UserError(
                f"layer {window}: SIMD={simd} differs from PE={pe} of {consumer}, which it feeds; "
                "depthwise windows need both equal"
            )


def coupled(graph: Graph) -> tuple[tuple[str, str], ...]:
    """Return the pairs (depthwise window generator, its consumer) whose folding FINN ties."""
    return tuple(
        (stream.source, stream.target)
        for stream in graph.arcs
        if stream.source is not None
        and stream.target is not None
        and graph.layer(stream.target).family in ("VVAU", "Pool")
        and graph.layer(stream.source).family == "ConvolutionInputGenerator"
    )


# --- options for a cycle target ------------------------------------------------------------------


def options(
    graph: Graph,
    *,
    cycles: int | None,
    profile: CostProfile,
    part: FpgaPart,
    variants: bool = True,
    limit: int = MAX_OPTIONS,
    memory: dict[object, Any] | None = None,
) -> dict[str, tuple[LayerOption, ...]]:
    """Return what each layer may be built as, so that a frame takes at most ``cycles``.

    The options of a layer are its Pareto front over legal foldings and variants, thinned to
    ``limit``: the cheapest in each resource stay, then those that differ most. They are ordered by
    (LUT, BRAM18, URAM, DSP). Any combination of options of different layers is legal.

    Args:
        graph: Specialised.
        cycles: Most cycles a frame may take in any layer; None keeps the folding as it is.
        profile: Of the resources.
        part: They are estimated for.
        variants: Whether implementation variants are offered beside the layer's own.
        limit: Most options per layer.
        memory: What was estimated in earlier calls, to be handed from call to call.

    Raises:
        InfeasibleError: A layer cannot be that fast.
    """
    memory = {} if memory is None else memory
    fixed = {} if cycles is None else _coupled_foldings(graph, cycles)
    cache: dict[object, tuple[LayerOption, ...]] = {}
    result: dict[str, tuple[LayerOption, ...]] = {}
    for layer in graph:
        same = (layer.op_type, tuple(_priced(layer)))
        foldings = _candidate_foldings(layer, cycles, fixed.get(layer.name), same, memory)
        key = (same, repr(foldings))
        if key not in cache:
            candidates = []
            for folding in foldings:
                built = (same, repr(folding), profile.name, part, variants)
                if built not in memory:
                    memory[built] = _candidates(layer, (folding,), profile, part, variants=variants)
                candidates += memory[built]
            cache[key] = thinned(pareto_front(candidates), limit)
        result[layer.name] = cache[key]
    return result


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
            (folding, _cycles_with(layer, folding)) for folding in kind_of(layer).foldings(layer)
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
        for folding, window_folding, reached in _pair_foldings(window, consumer):
            if reached <= cycles:
                fixed[consumer_name], fixed[window_name] = folding, window_folding
                break
        else:
            least = min(reached for _, _, reached in _pair_foldings(window, consumer))
            raise _too_slow(f"{window_name} with {consumer_name}", cycles, least)
    return fixed


def _pair_foldings(window: Layer, consumer: Layer) -> Iterable[tuple[Attributes, Attributes, int]]:
    """Yield (consumer's folding, window's folding, cycles of the slower), least parallel first."""
    for folding in kind_of(consumer).foldings(consumer):
        window_folding = _window_folding(window, consumer.with_attributes(folding))
        reached = max(_cycles_with(consumer, folding), _cycles_with(window, window_folding))
        yield folding, window_folding, reached


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


def _vector(option: LayerOption) -> tuple[int, ...]:
    """Return the resources as numbers; unknown flip-flops do not tell options apart."""
    return tuple(amount or 0 for _, amount in option.resources.items())


def pareto_front(candidates: Iterable[LayerOption]) -> tuple[LayerOption, ...]:
    """Return the options no other is at least as good as in every resource.

    Of options with equal resources the one with the narrower streams stays, then the earlier.
    """
    best: dict[tuple[int, ...], LayerOption] = {}
    for option in candidates:
        vector = _vector(option)
        if vector not in best or _stream_bits(option) < _stream_bits(best[vector]):
            best[vector] = option
    front: list[tuple[int, ...]] = []
    for vector in sorted(best):
        if not any(all(a <= b for a, b in zip(kept, vector, strict=True)) for kept in front):
            front.append(vector)
    return tuple(best[vector] for vector in front)


def _stream_bits(option: LayerOption) -> int:
    return sum(option.input_bits) + sum(option.output_bits)


def thinned(front: tuple[LayerOption, ...], limit: int) -> tuple[LayerOption, ...]:
    """Return at most ``limit`` options: the cheapest per resource, then the most different.

    The difference of two options is the sum over resources of the distance of the logarithms.
    """
    if len(front) <= limit:
        return front
    vectors = [tuple(log1p(amount) for amount in _vector(option)) for option in front]
    kept: list[int] = []
    for resource in range(len(RESOURCE_NAMES)):
        cheapest = min(range(len(front)), key=lambda i: (vectors[i][resource], sum(vectors[i])))
        if cheapest not in kept:
            kept.append(cheapest)
    while len(kept) < limit:
        kept.append(
            max(
                (i for i in range(len(front)) if i not in kept),
                key=lambda i: (min(_distance(vectors[i], vectors[k]) for k in kept), -i),
            )
        )
    return tuple(front[i] for i in sorted(kept[:limit]))


def _distance(left: tuple[float, ...], right: tuple[float, ...]) -> float:
    return sum(abs(a - b) for a, b in zip(left, right, strict=True))


# --- what can be reached -------------------------------------------------------------------------


def least_cycles(layer: Layer) -> int:
    """Return the fewest cycles any legal folding of the layer alone reaches."""
    return min(_cycles_with(layer, folding) for folding in kind_of(layer).foldings(layer))


def fastest_cycles(graph: Graph) -> dict[str, int]:
    """Return the fewest cycles per frame of each layer, couplings respected."""
    fastest = {layer.name: least_cycles(layer) for layer in graph}
    for window_name, consumer_name in coupled(graph):
        pair = _pair_foldings(graph.layer(window_name), graph.layer(consumer_name))
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
            reached = _cycles_with(layer, folding)
            if reached > floor:
                found.add(reached)
    return tuple(sorted(found))
