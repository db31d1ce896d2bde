"""FINN's own folding heuristic, SetFolding, step by step.

Source of the rules: ``set_folding.py``. Nothing here is better than FINN; that is the point.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import prod

from elasticdf.errors import UserError
from elasticdf.folding.coupling import cycles_with, window_folding, window_of
from elasticdf.frontend.stream_adapters import without_adapters
from elasticdf.ir import Graph, Layer
from elasticdf.layers import kind_of
from elasticdf.layers.kind import Attributes
from elasticdf.layers.memory import divisors

FINN_WEIGHT_STREAM_BITS = 36
"""FINN's ``mvau_wwidth_max``: widest weight stream of one PE its heuristic accepts."""


def fold_for_cycles(
    graph: Graph,
    cycles: int,
    *,
    weight_stream_bits: int = FINN_WEIGHT_STREAM_BITS,
    two_pass: bool = True,
) -> Graph:
    """Return the graph folded as FINN's SetFolding does, without FIFOs and width converters.

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
    folded = _one_pass(without_adapters(graph), cycles, weight_stream_bits)
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
                    changes[window.name] = window_folding(window, layer.with_attributes(chosen))
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


def _first_below(layer: Layer, name: str, total: int, target: int) -> Attributes:
    """Return the least parallelism with cycles below the target, else the largest."""
    for parallel in divisors(total):
        if cycles_with(layer, {name: parallel}) < target:
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
        met = cycles_with(layer, {"PE": 1, "SIMD": candidate}) < target
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
    missed = chosen["PE"] == channels and cycles_with(layer, chosen) > target
    if layer.family == "VVAU" and missed:
        taps = prod(layer.integers("Kernel"))
        chosen |= _first_below(layer.with_attributes(chosen), "SIMD", taps, target)
    return chosen


def _fold_window(layer: Layer, target: int) -> Attributes:
    channels = layer.integer("IFMChannels")
    base: Attributes = {"parallel_window": 0} if layer.op_type.endswith("_rtl") else {}
    chosen = {**base, **_first_below(layer.with_attributes(base), "SIMD", channels, target)}
    missed = cycles_with(layer, chosen) > target
    if base and chosen["SIMD"] == channels and missed:
        chosen["parallel_window"] = 1
    return chosen


def _changed(graph: Graph, changes: Mapping[str, Attributes]) -> Graph:
    return graph.with_layers(
        layer.with_attributes(changes[layer.name]) if layer.name in changes else layer
        for layer in graph
    )
