"""Layers whose weights come with every request instead of lying in the accelerator.

FINN's ``mem_mode = external``: the matrix is a stream that a DMA kernel reads from host memory anew
for every frame. So one frame must be one product, and every sum on the way to the output must hold
whatever weights may come. Refuses layers whose surroundings were fitted to the network's own.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from math import prod

import numpy as np
import onnx
from onnx import helper

from elasticdf.errors import UserError
from elasticdf.frontend.finn import DATATYPE_KEY
from elasticdf.frontend.qonnx.widths import accumulator_range, smallest
from elasticdf.ir import AttributeValue, DataType, Graph, Layer, Tensor

WEIGHT_TYPE = "INT8"
"""Of the array that a request brings; it is what a layer's weights must be declared as."""


def external_layers(graph: Graph) -> tuple[str, ...]:
    """Return the layers that take their weights from a stream already."""
    return tuple(
        layer.name
        for layer in graph
        if layer.family in ("MVAU", "VVAU") and layer.attributes.get("mem_mode") == "external"
    )


def with_external_weights(graph: Graph, layers: Sequence[str]) -> Graph:
    """Return the graph with the weights of some layers outside the accelerator.

    Sums behind such a layer get types for any weights of type INT8, as FINN sizes accumulators of
    weights that may change (``minimize_accumulator_width``).

    Args:
        graph: Not folded yet, or folded for good.
        layers: Names.

    Raises:
        UserError: There is no such layer, or it cannot take any weights but its own.
    """
    for name in dict.fromkeys(layers):
        layer = graph.layer(name)
        refusal = _refusal(graph, layer)
        if refusal is not None:
            raise UserError(
                f"layer {name} ({layer.op_type}) cannot take its weights from outside: {refusal}"
            )
        graph = _externalised(graph, layer)
    return graph


def _refusal(graph: Graph, layer: Layer) -> str | None:
    """Return why not, and what can; or None."""
    if layer.family != "MVAU":
        return "it is no MVAU; name a fully connected layer"
    if prod(layer.integers("numInputVectors")) != 1:
        return "it computes several products per frame; name a fully connected layer"
    if not layer.integer("noActivation"):
        return (
            "its thresholds were fitted to its own weights; name a layer without an activation, "
            "such as the last one"
        )
    weights = graph.tensors[layer.inputs[1]].datatype
    if weights.name != WEIGHT_TYPE:
        return f"its weights are of type {weights}; quantise them as {WEIGHT_TYPE}"
    reader = next((r for r in _readers(graph, layer) if not _passes_sums(r)), None)
    if reader is not None:
        return (
            f"{reader.name} ({reader.op_type}) behind it was fitted to its own weights; only sums "
            "that are added to or ranked may follow"
        )
    return None


def _readers(graph: Graph, layer: Layer) -> tuple[Layer, ...]:
    """Return the layers that its sums reach, up to labels or the output."""
    found: list[Layer] = []
    for name in graph.successors(layer.name):
        reader = graph.layer(name)
        found.append(reader)
        if reader.family == "ChannelwiseOp":
            found += _readers(graph, reader)
    return tuple(found)


def _passes_sums(reader: Layer) -> bool:
    adds = reader.family == "ChannelwiseOp" and reader.text("Func") == "add"
    return adds or reader.family == "LabelSelect"


def _externalised(graph: Graph, layer: Layer) -> Graph:
    kind = DataType.parse(WEIGHT_TYPE)
    extremes = np.array([[kind.minimum, kind.maximum]], np.int64)
    low, high = accumulator_range(
        np.repeat(extremes, layer.integer("MW"), axis=0), layer.datatype("inputDataType")
    )
    sums = _sum_type(graph, layer, low, high)
    changes: dict[str, AttributeValue] = {
        "mem_mode": "external",
        "runtime_writeable_weights": 0,
        "weightDataType": WEIGHT_TYPE,
        "accDataType": sums.name,
        "outputDataType": sums.name,
    }
    graph = _with(graph, layer.with_attributes(changes), sums)
    for reader in _readers(graph, layer):
        changes = {"inputDataType": sums.name}
        if reader.family == "ChannelwiseOp":
            added = _values(graph.tensors[reader.inputs[1]])
            low, high = low + int(added.min()), high + int(added.max())
            sums = _sum_type(graph, reader, low, high)
            changes["outputDataType"] = sums.name
            graph = _with(graph, reader.with_attributes(changes), sums)
        else:
            graph = graph.with_layers(_replaced(graph, reader.with_attributes(changes)))
    return graph


def _sum_type(graph: Graph, layer: Layer, low: int, high: int) -> DataType:
    """Return the narrowest type, but of whole bytes where the host reads it, as FINN has it."""
    found = smallest(low, high)
    if layer.outputs[0] not in graph.outputs:
        return found
    return DataType.parse(f"{'' if found.signed else 'U'}INT{(found.bits + 7) // 8 * 8}")


def _with(graph: Graph, layer: Layer, output: DataType) -> Graph:
    tensor = replace(graph.tensors[layer.outputs[0]], datatype=output)
    tensors = {**graph.tensors, tensor.name: tensor}
    return replace(graph, tensors=tensors, layers=tuple(_replaced(graph, layer)))


def _replaced(graph: Graph, layer: Layer) -> Iterable[Layer]:
    return (layer if other.name == layer.name else other for other in graph)


def _values(tensor: Tensor) -> np.ndarray[tuple[int, ...], np.dtype[np.generic]]:
    if tensor.values is None:
        raise UserError(
            f"parameter {tensor.name} has no values, this graph was stripped of its weights; "
            "give the full FINN graph"
        )
    return tensor.values


def restated(model: onnx.ModelProto, before: Graph, after: Graph) -> bytes:
    """Return FINN's own graph with what changed between two layer graphs read from it.

    Args:
        model: FINN's graph.
        before: As read from it.
        after: The same layers with other attributes and types.
    """
    old = {layer.outputs: layer for layer in before}
    new = {layer.outputs: layer for layer in after}
    for node in model.graph.node:
        was, now = old[tuple(node.output)], new[tuple(node.output)]
        changed = {k: v for k, v in now.attributes.items() if was.attributes.get(k) != v}
        kept = [attribute for attribute in node.attribute if attribute.name not in changed]
        del node.attribute[:]
        node.attribute.extend(kept)
        node.attribute.extend(helper.make_attribute(k, v) for k, v in sorted(changed.items()))
    for annotation in model.graph.quantization_annotation:
        name = annotation.tensor_name
        if name in after.tensors and after.tensors[name].datatype != before.tensors[name].datatype:
            for entry in annotation.quant_parameter_tensor_names:
                if entry.key == DATATYPE_KEY:
                    entry.value = after.tensors[name].datatype.name
    return bytes(model.SerializeToString(deterministic=True))


def weights_of(graph: Graph, layer: str) -> np.ndarray[tuple[int, int], np.dtype[np.int8]]:
    """Return the network's own weights of a layer as a request brings them: (outputs, inputs).

    Raises:
        UserError: The graph was stripped of them.
    """
    values = _values(graph.tensors[graph.layer(layer).inputs[1]])
    matrix: np.ndarray[tuple[int, int], np.dtype[np.int8]] = np.ascontiguousarray(
        values.T.astype(np.int8)
    )
    return matrix
