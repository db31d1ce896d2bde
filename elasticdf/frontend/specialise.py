"""Chooses the HLS or RTL implementation of each layer, by FINN's rule.

Source of the rule: ``specialize_layers.py``. Names follow FINN too: op type and a counter.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

from elasticdf.errors import UserError
from elasticdf.ir import Graph, Layer
from elasticdf.layers import flavour_of, kind_of, with_defaults
from elasticdf.layers.kind import FpgaPart

_WIDEST_WEIGHT_BITS = 8
_NARROWEST_RTL_BITS = 4
"""Below this FINN prefers HLS unless told otherwise."""


def specialise(graph: Graph, part: FpgaPart, overrides: Mapping[str, str] | None = None) -> Graph:
    """Return the graph with ``_hls`` and ``_rtl`` op types and FINN's layer names.

    Layers that already have a flavour keep it. A wish that cannot be met becomes a note.

    Args:
        graph: At any stage.
        part: Decides which DSPs there are.
        overrides: ``hls`` or ``rtl`` by layer name before specialisation (``MVAU_0``).

    Raises:
        UserError: An override names no layer or no flavour.
    """
    wishes = overrides or {}
    for name, wish in wishes.items():
        graph.layer(name)
        if wish not in ("", "hls", "rtl"):
            raise UserError(f"layer {name}: implementation {wish!r} is neither 'hls' nor 'rtl'")
    notes: list[str] = []
    layers: list[Layer] = []
    for layer in graph:
        wish = wishes.get(layer.name) or layer.text("preferred_impl_style", "")
        flavour = flavour_of(layer) or _flavour(graph, layer, part, wish)
        if wish and flavour != wish:
            notes.append(f"{layer.name}: implementation {wish} is not possible, {flavour} is used")
        layers.append(
            with_defaults(replace(layer, op_type=f"{layer.family}_{flavour}"))
            if flavour_of(layer) is None
            else layer
        )
    return replace(graph, layers=numbered(layers), notes=(*graph.notes, *notes))


def numbered(layers: list[Layer]) -> tuple[Layer, ...]:
    """Return the layers named by op type and a counter, as FINN's GiveUniqueNodeNames does."""
    count: Counter[str] = Counter()
    named: list[Layer] = []
    for layer in layers:
        named.append(replace(layer, name=f"{layer.op_type}_{count[layer.op_type]}"))
        count[layer.op_type] += 1
    return tuple(named)


def _flavour(graph: Graph, layer: Layer, part: FpgaPart, wish: str) -> str:
    kind = kind_of(layer)
    if len(kind.flavours) == 1:
        return kind.flavours[0]
    match layer.family:
        case "MVAU" | "VVAU":
            possible = (
                mvau_rtl_possible(graph, layer, part)
                if layer.family == "MVAU"
                else vvau_rtl_possible(layer, part)
            )
            wanted = wish == "rtl" or (not wish and _wide_enough(layer))
            return "rtl" if wanted and possible else "hls"
        case "StreamingDataWidthConverter":
            return width_converter_flavour(layer) if wish != "hls" else "hls"
        case "ConvolutionInputGenerator":
            return "hls" if wish == "hls" and _window_hls_possible(layer) else "rtl"
    return wish or "rtl"


def width_converter_flavour(layer: Layer) -> str:
    """Return ``rtl`` where one width divides the other, else ``hls``."""
    before, after = layer.integer("inWidth"), layer.integer("outWidth")
    return "rtl" if before % after == 0 or after % before == 0 else "hls"


def _wide_enough(layer: Layer) -> bool:
    return (
        layer.datatype("inputDataType").bits >= _NARROWEST_RTL_BITS
        and layer.datatype("weightDataType").bits >= _NARROWEST_RTL_BITS
    )


def _rtl_types(layer: Layer) -> bool:
    activation, weight = layer.datatype("inputDataType"), layer.datatype("weightDataType")
    return (
        weight.signed
        and weight.bits <= _WIDEST_WEIGHT_BITS
        and (activation.bits <= 8 or (activation.bits == 9 and activation.signed))
    )


def mvau_rtl_possible(graph: Graph, layer: Layer, part: FpgaPart) -> bool:
    """Tell whether FINN's RTL matrix unit can do this layer."""
    if not layer.integer("noActivation") or layer.integer("binaryXnorMode"):
        return False
    if part.series7 and not _narrow_weights(graph, layer):
        return False
    return _rtl_types(layer)


def _narrow_weights(graph: Graph, layer: Layer) -> bool:
    """Tell whether the most negative weight value is unused; DSP48E1 needs that."""
    parameters = graph.parameters(layer)
    if not parameters or parameters[0].values is None:
        return False
    return bool(parameters[0].values.min() > layer.datatype("weightDataType").minimum)


def vvau_rtl_possible(layer: Layer, part: FpgaPart) -> bool:
    """Tell whether FINN's RTL vector unit can do this layer: on Versal only."""
    return bool(layer.integer("noActivation")) and part.dsp58 and _rtl_types(layer)


def _window_hls_possible(layer: Layer) -> bool:
    if layer.integer("dynamic_mode"):
        return False
    if layer.integer("is1D"):
        return True
    square = all(
        len(set(layer.integers(name))) == 1
        for name in ("ConvKernelDim", "IFMDim", "OFMDim", "Stride")
    )
    return square and set(layer.integers("Dilation")) == {1}
