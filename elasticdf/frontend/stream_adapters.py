"""Inserts width converters and FIFOs between layers, where and as FINN does.

Sources of the rules: ``insert_dwc.py``, ``insert_fifo.py``. Layers are renumbered afterwards.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from elasticdf.costs.streams import ADAPTERS
from elasticdf.errors import UserError
from elasticdf.frontend.specialise import numbered, width_converter_flavour
from elasticdf.ir import AttributeValue, Graph, Layer, Stream, Tensor
from elasticdf.layers import kind_of, with_defaults
from elasticdf.layers.streaming_fifo import split_depths

_SHALLOW = 2
"""HLS streams hold this many words themselves."""


@dataclass(frozen=True, slots=True)
class _Insertion:
    """A layer to be put into a stream: type and attributes, and its place among the layers."""

    op_type: str
    attributes: dict[str, AttributeValue]
    stream: Stream


def without_adapters(graph: Graph) -> Graph:
    """Return the graph without its width converters and FIFOs; their shape follows from folding."""
    adapters = [layer for layer in graph if layer.family in ADAPTERS]
    if not adapters:
        return graph
    source: dict[str, str] = {}
    for layer in adapters:
        source[layer.outputs[0]] = source.get(layer.inputs[0], layer.inputs[0])
    # The graph's outputs keep their names: whoever fed the last adapter now gives the output.
    final = {source[name]: name for name in graph.outputs if name in source}
    return replace(
        graph,
        layers=tuple(
            replace(
                layer,
                inputs=tuple(source.get(name, name) for name in layer.inputs),
                outputs=tuple(final.get(name, name) for name in layer.outputs),
            )
            for layer in graph
            if layer.family not in ADAPTERS
        ),
        notes=(
            *graph.notes,
            f"{len(adapters)} FIFOs and width converters of the file are left out",
        ),
    )


def insert_width_converters(graph: Graph) -> Graph:
    """Return the graph with a converter wherever neighbours disagree on elements per transfer."""
    found = [
        insertion for stream in graph.arcs if (insertion := _converter(graph, stream)) is not None
    ]
    return _insert(graph, found)


def insert_fifos(
    graph: Graph,
    *,
    shallow: bool = False,
    deepest_rtl: int | None = None,
    ram_style: Literal["auto", "block", "distributed", "ultra"] = "auto",
) -> Graph:
    """Return the graph with FIFOs of the depths its layers ask for, at both ends too.

    Args:
        graph: With width converters.
        shallow: Whether FIFOs of up to two words are created.
        deepest_rtl: FIFOs deeper than this become AMD's; None for never. Not at the graph's ends.
        ram_style: Of AMD's FIFOs.
    """
    found = []
    for stream in graph.streams:
        depth = _depth(graph, stream)
        if depth <= _SHALLOW and not shallow:
            continue
        if "StreamingFIFO" in (_family(graph, stream.source), _family(graph, stream.target)):
            continue
        inner = stream.source is not None and stream.target is not None
        vivado = inner and deepest_rtl is not None and depth > deepest_rtl
        found.append(_fifo(graph, stream, depth, "vivado" if vivado else "rtl", ram_style))
    inserted = _insert(graph, found)
    # FINN specialises what it inserted and thereby moves it to the front before it sorts.
    return inserted.with_layers(numbered(_by_level(inserted, adapters_first=True)))


def _family(graph: Graph, name: str | None) -> str | None:
    return None if name is None else graph.layer(name).family


def _depth(graph: Graph, stream: Stream) -> int:
    """Return the larger of what the producer and the consumer ask for."""
    depths = [0]
    if stream.source is not None:
        depths.append(_entry(graph.layer(stream.source), "outFIFODepths", stream.source_port))
    if stream.target is not None:
        depths.append(_entry(graph.layer(stream.target), "inFIFODepths", stream.target_port))
    return max(depths)


def _entry(layer: Layer, name: str, port: int) -> int:
    depths = layer.integers(name)
    return depths[port] if port < len(depths) else _SHALLOW


def _bits_out(graph: Graph, stream: Stream) -> int:
    """Return the width at the producing end of a stream (at the graph's input, the consumer's)."""
    if stream.source is None:
        return _bits_in(graph, stream)
    layer = graph.layer(stream.source)
    return kind_of(layer).ports(layer).output_bits[stream.source_port]


def _bits_in(graph: Graph, stream: Stream) -> int:
    layer = graph.layer(str(stream.target))
    return kind_of(layer).ports(layer).input_bits[stream.target_port]


def _converter(graph: Graph, stream: Stream) -> _Insertion | None:
    if "StreamingDataWidthConverter" in (
        _family(graph, stream.source),
        _family(graph, stream.target),
    ):
        return None
    before, after = _bits_out(graph, stream), _bits_in(graph, stream)
    if before == after:
        return None
    tensor = graph.tensors[stream.tensor]
    attributes: dict[str, AttributeValue] = {
        "shape": tensor.shape,
        "inWidth": before,
        "outWidth": after,
        "dataType": tensor.datatype.name,
    }
    probe = Layer(name="", op_type="StreamingDataWidthConverter", attributes=attributes)
    op_type = f"StreamingDataWidthConverter_{width_converter_flavour(probe)}"
    return _Insertion(op_type, attributes, stream)


def folded_shape(tensor: Tensor, bits: int) -> tuple[int, ...]:
    """Return FINN's folded shape of a stream of that width.

    Raises:
        UserError: The width is not a whole number of the tensor's elements.
    """
    elements, rest = divmod(bits, tensor.datatype.bits)
    if rest or not elements or tensor.shape[-1] % elements:
        raise UserError(
            f"tensor {tensor.name} of {tensor.shape[-1]} channels of {tensor.datatype} cannot be "
            f"streamed {bits} bits at a time; its annotation and its layers disagree"
        )
    return (*tensor.shape[:-1], tensor.shape[-1] // elements, elements)


def _fifo(graph: Graph, stream: Stream, depth: int, style: str, ram_style: str) -> _Insertion:
    tensor = graph.tensors[stream.tensor]
    attributes: dict[str, AttributeValue] = {
        "depth": depth,
        "folded_shape": folded_shape(tensor, _bits_out(graph, stream)),
        "normal_shape": tensor.shape,
        "dataType": tensor.datatype.name,
        "impl_style": style,
        "ram_style": ram_style,
    }
    return _Insertion("StreamingFIFO_rtl", attributes, stream)


def _insert(graph: Graph, insertions: list[_Insertion]) -> Graph:
    """Put each new layer into its stream; the new tensor is on the side away from the graph's end.

    A layer's insertions come right after it, its last output first, as FINN leaves them.
    """
    tensors = dict(graph.tensors)
    renamed_inputs: dict[tuple[str, str], str] = {}
    renamed_outputs: dict[str, str] = {}
    after: dict[str | None, list[Layer]] = {}
    last_first = sorted(insertions, key=lambda insertion: -insertion.stream.source_port)
    for number, insertion in enumerate(last_first):
        stream = insertion.stream
        old = tensors[stream.tensor]
        fresh = _fresh_name(tensors, f"{stream.tensor}_{insertion.op_type}_{number}")
        tensors[fresh] = replace(old, name=fresh)
        source, result = stream.tensor, fresh
        if stream.target is None:
            renamed_outputs[stream.tensor] = fresh
            source, result = fresh, stream.tensor
        else:
            renamed_inputs[(stream.target, stream.tensor)] = fresh
        after.setdefault(stream.source, []).append(
            with_defaults(
                Layer(
                    name=fresh,
                    op_type=insertion.op_type,
                    attributes=insertion.attributes,
                    inputs=(source,),
                    outputs=(result,),
                )
            )
        )
    layers = list(after.get(None, ()))
    for layer in graph:
        layers.append(_rewire(layer, renamed_inputs, renamed_outputs))
        layers.extend(after.get(layer.name, ()))
    return replace(graph, layers=numbered(layers), tensors=tensors)


def _by_level(layers: Iterable[Layer], *, adapters_first: bool) -> list[Layer]:
    """Sort by the longest way from the graph's inputs, as qonnx's SortGraph does."""
    tensor_level: dict[str, int] = {}
    keyed: list[tuple[int, bool, int, Layer]] = []
    for index, layer in enumerate(layers):
        level = 1 + max((tensor_level.get(tensor, -1) for tensor in layer.inputs), default=-1)
        tensor_level.update(dict.fromkeys(layer.outputs, level))
        keyed.append((level, adapters_first and layer.family not in ADAPTERS, index, layer))
    return [entry[-1] for entry in sorted(keyed, key=lambda entry: entry[:-1])]


def split_deep_fifos(graph: Graph, *, deepest_rtl: int = 256, deepest_vivado: int = 32768) -> Graph:
    """Return the graph with FIFOs split into powers of two where they exceed ``deepest_rtl``.

    See `elasticdf.layers.streaming_fifo.split_depths`.
    """
    tensors = dict(graph.tensors)
    layers: list[Layer] = []
    for layer in graph:
        if layer.family != "StreamingFIFO":
            layers.append(layer)
            continue
        depths = split_depths(layer.integer("depth"), deepest_rtl, deepest_vivado)
        between = [_fresh_name(tensors, f"{layer.outputs[0]}_part{i}") for i in range(len(depths))]
        ends = (layer.inputs[0], *between[:-1], layer.outputs[0])
        for i, depth in enumerate(depths):
            tensors[ends[i + 1]] = replace(tensors[layer.outputs[0]], name=ends[i + 1])
            style = "vivado" if depth > deepest_rtl else "rtl"
            part = layer.with_attributes({"depth": depth, "impl_style": style})
            layers.append(
                replace(part, name=f"{layer.name}_{i}", inputs=(ends[i],), outputs=(ends[i + 1],))
            )
    return replace(graph, layers=numbered(_by_level(layers, adapters_first=False)), tensors=tensors)


def _rewire(layer: Layer, inputs: dict[tuple[str, str], str], outputs: dict[str, str]) -> Layer:
    return replace(
        layer,
        inputs=tuple(inputs.get((layer.name, name), name) for name in layer.inputs),
        outputs=tuple(outputs.get(name, name) for name in layer.outputs),
    )


def _fresh_name(taken: dict[str, Tensor], wish: str) -> str:
    return wish if wish not in taken else _fresh_name(taken, wish + "_")
