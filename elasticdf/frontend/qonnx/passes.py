"""Finishes a layer graph: binary streams, forks, order, HLS or RTL, bit widths, names.

Each pass takes a graph and returns a graph; `passes` is the order they run in. None changes what
the graph computes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from elasticdf.errors import InternalError
from elasticdf.frontend.qonnx.matrix import BINARY
from elasticdf.frontend.qonnx.values import Reals, Wholes
from elasticdf.frontend.qonnx.widths import accumulator_range, match_range, smallest
from elasticdf.frontend.specialise import specialise
from elasticdf.ir import DataType, Graph, Layer, Tensor
from elasticdf.layers.kind import FpgaPart

_UNITS = ("MVAU", "VVAU")
_CARRIERS = ("ConvolutionInputGenerator", "StreamingMaxPool", "Pool", "DownSampler")
"""Layers whose output values are input values."""

_TYPE_ATTRIBUTES = {
    "StreamingMaxPool": ("dataType",),
    "Pool": ("InputDataType", "OutputDataType"),
    "ConvolutionInputGenerator": ("inputDataType", "outputDataType"),
}


def binarise(graph: Graph) -> Graph:
    """Declare bipolar streams binary where only XNOR units read them, as FINN does.

    The bit on the wire is the same; -1 is 0.
    """
    tensors, layers = dict(graph.tensors), {layer.name: layer for layer in graph.layers}
    sources = [*graph.inputs, *(out for layer in graph for out in layer.outputs)]
    for stream in sources:
        if tensors[stream].datatype.name != "BIPOLAR" or _carried(graph, stream):
            continue
        reached, readers = _spread(graph, stream)
        if not readers or not all(layers[name].integer("binaryXnorMode", 0) for name in readers):
            continue
        for name in reached:
            tensors[name] = replace(tensors[name], datatype=BINARY)
        for layer in graph:
            touched = reached.intersection((*layer.inputs[:1], *layer.outputs))
            if touched:
                layers[layer.name] = _binary(layers[layer.name], reached)
    return replace(graph, tensors=tensors, layers=tuple(layers.values()))


def _carried(graph: Graph, stream: str) -> bool:
    return any(stream in layer.outputs and layer.op_type in _CARRIERS for layer in graph)


def _spread(graph: Graph, stream: str) -> tuple[set[str], list[str]]:
    """Return the streams that carry a stream's values, and the layers that compute with them."""
    reached, readers = {stream}, []
    for layer in graph:
        if reached.intersection(layer.inputs):
            if layer.op_type in _CARRIERS:
                reached.update(layer.outputs)
            else:
                readers.append(layer.name)
    if reached.intersection(graph.outputs):
        return reached, []
    return reached, readers


def _binary(layer: Layer, reached: set[str]) -> Layer:
    names = _TYPE_ATTRIBUTES.get(layer.op_type)
    if names is None:
        names = ("inputDataType",) * bool(reached.intersection(layer.inputs[:1]))
        names += ("outputDataType",) * bool(reached.intersection(layer.outputs))
    return layer.with_attributes(dict.fromkeys(names, BINARY.name))


def settle_widths(graph: Graph, *, quirks: bool) -> Graph:
    """Make thresholds whole and set the narrowest types, as FINN's step_minimize_bit_width."""
    tensors = dict(graph.tensors)
    layers = []
    for layer in graph:
        if layer.family in _UNITS:
            weights = _settle_weights(layer, tensors, quirks=quirks)
            layer = layer.with_attributes({"weightDataType": weights.name})
            if layer.integer("noActivation"):
                layer = _settle_sums(layer, tensors, last=layer.outputs[0] in graph.outputs)
            else:
                layer = _settle_unit(layer, tensors, quirks=quirks)
        elif layer.family == "Thresholding":
            layer = _settle_thresholding(layer, tensors)
        layers.append(layer)
    return replace(graph, tensors=tensors, layers=tuple(layers))


def _settle_weights(layer: Layer, tensors: dict[str, Tensor], *, quirks: bool) -> DataType:
    """Return the weights' type by their values; FINN's even for signs (F1: INT2 for one bit).

    The tensor keeps its own type, as in FINN's files: FINN folds by it before it minimises.
    """
    tensor = tensors[layer.inputs[1]]
    weights = _codes(tensor)
    tensors[tensor.name] = replace(tensor, values=weights.astype(np.int64))
    if tensor.datatype != BINARY and (quirks or tensor.datatype.name != "BIPOLAR"):
        return smallest(weights.min(), weights.max())
    return tensor.datatype


def _settle_sums(layer: Layer, tensors: dict[str, Tensor], *, last: bool) -> Layer:
    """Type the sums a unit without thresholds sends on; the last layer sends whole bytes."""
    output = tensors[layer.outputs[0]]
    datatype = _whole_bytes(output.datatype) if last else output.datatype
    tensors[output.name] = replace(output, datatype=datatype)
    return layer.with_attributes({"accDataType": datatype.name, "outputDataType": datatype.name})


def _settle_unit(layer: Layer, tensors: dict[str, Tensor], *, quirks: bool) -> Layer:
    """Make a unit's thresholds whole and type its accumulator to hold them and every sum."""
    weights = _codes(tensors[layer.inputs[1]])
    if layer.integer("binaryXnorMode", 0):
        low, high = match_range(weights, quirks=quirks)
        reach = (0, layer.integer("MW"))
    else:
        matrix = weights if layer.family == "MVAU" else weights.reshape(len(weights), -1).T
        low, high = reach = accumulator_range(matrix, layer.datatype("inputDataType"))
    parameter = tensors[layer.inputs[2]]
    bounds = _clipped(parameter, reach[0], reach[1] + 1)
    datatype = smallest(min(low, int(bounds.min())), max(high, int(bounds.max())))
    tensors[parameter.name] = replace(parameter, values=bounds, datatype=datatype)
    return layer.with_attributes({"accDataType": datatype.name})


def _whole_bytes(datatype: DataType) -> DataType:
    bits = (datatype.bits + 7) // 8 * 8
    return DataType.parse(f"{'' if datatype.signed else 'U'}INT{bits}")


def _settle_thresholding(layer: Layer, tensors: dict[str, Tensor]) -> Layer:
    source = layer.datatype("inputDataType")
    parameter = tensors[layer.inputs[1]]
    bounds = _clipped(parameter, source.minimum, source.maximum + 1)
    datatype = smallest(
        min(source.minimum, int(bounds.min())), max(source.maximum, int(bounds.max()))
    )
    tensors[parameter.name] = replace(parameter, values=bounds, datatype=datatype)
    return layer.with_attributes({"weightDataType": datatype.name})


def _clipped(tensor: Tensor, low: float, high: float) -> Wholes:
    """Return thresholds within what can be reached: ``low`` always holds, ``high`` never does."""
    values: Reals = np.asarray(tensor.values, dtype=np.float64)
    return np.clip(values, low, high).astype(np.int64)


def _codes(tensor: Tensor) -> NDArray[Any]:
    if tensor.values is None:
        raise InternalError(f"parameter {tensor.name} has no values")
    return tensor.values


def fork(graph: Graph) -> Graph:
    """Insert a DuplicateStreams wherever more than one layer reads a stream."""
    uses = Counter(name for layer in graph for name in layer.inputs)
    uses.update(graph.outputs)
    tensors, layers = dict(graph.tensors), list[Layer]()
    copies: dict[str, list[str]] = {}
    for stream in graph.inputs:
        _fork_stream(stream, uses, tensors, copies, layers)
    for layer in graph:
        inputs = tuple(copies[name].pop(0) if copies.get(name) else name for name in layer.inputs)
        layers.append(replace(layer, inputs=inputs))
        for stream in layer.outputs:
            _fork_stream(stream, uses, tensors, copies, layers)
    outputs = tuple(copies[name].pop(0) if copies.get(name) else name for name in graph.outputs)
    return replace(graph, tensors=tensors, layers=tuple(layers), outputs=outputs)


def _fork_stream(
    stream: str,
    uses: Counter[str],
    tensors: dict[str, Tensor],
    copies: dict[str, list[str]],
    layers: list[Layer],
) -> None:
    count = uses[stream]
    if count < 2:
        return
    tensor = tensors[stream]
    outputs = tuple(f"{stream}.{index}" for index in range(count))
    for output in outputs:
        tensors[output] = replace(tensor, name=output)
    copies[stream] = list(outputs)
    layers.append(
        Layer(
            name=f"DuplicateStreams.{stream}",
            op_type="DuplicateStreams",
            attributes={
                "NumChannels": tensor.shape[-1],
                "PE": 1,
                "NumOutputStreams": count,
                "inputDataType": tensor.datatype.name,
                "numInputVectors": tensor.shape[:-1],
                "outFIFODepths": (2,) * count,
            },
            inputs=(stream,),
            outputs=outputs,
        )
    )


def flatten_inputs(graph: Graph) -> Graph:
    """Give an input stream the shape its reader sees; the host flattens."""
    tensors = dict(graph.tensors)
    for layer in graph:
        stream = layer.inputs[0]
        if stream in graph.inputs and layer.op_type in ("MVAU", "Thresholding"):
            width = layer.integer("MW" if layer.op_type == "MVAU" else "NumChannels")
            shape = (*layer.integers("numInputVectors"), width)
            tensors[stream] = replace(tensors[stream], shape=shape)
    return replace(graph, tensors=tensors)


def order(graph: Graph) -> Graph:
    """Sort layers by their distance from the inputs, as qonnx's SortGraph does before naming."""
    level: dict[str, int] = dict.fromkeys(graph.inputs, 0)
    levels: dict[str, int] = {}
    for layer in graph:
        levels[layer.name] = max((level[name] for name in layer.inputs if name in level), default=0)
        level.update(dict.fromkeys(layer.outputs, levels[layer.name] + 1))
    return graph.with_layers(sorted(graph.layers, key=lambda layer: levels[layer.name]))


def name_tensors(graph: Graph) -> Graph:
    """Name every tensor after the layer it belongs to; what no layer uses goes."""
    names = {name: name for name in graph.inputs}
    for layer in graph:
        parameters = (name for name in layer.inputs if name not in names)
        names.update({name: f"{layer.name}_param{i}" for i, name in enumerate(parameters)})
        names.update({name: f"{layer.name}_out{i}" for i, name in enumerate(layer.outputs)})
    return replace(
        graph,
        layers=tuple(
            replace(
                layer,
                inputs=tuple(names[name] for name in layer.inputs),
                outputs=tuple(names[name] for name in layer.outputs),
            )
            for layer in graph
        ),
        tensors={new: replace(graph.tensors[old], name=new) for old, new in names.items()},
        outputs=tuple(names[name] for name in graph.outputs),
    )


def passes(part: FpgaPart, *, quirks: bool) -> tuple[Callable[[Graph], Graph], ...]:
    """Return the way from the layers as drawn to FINN's, specialised and with narrow types.

    FINN chooses between HLS and RTL by the weights' declared types and narrows them afterwards.

    Args:
        part: Decides which layers FINN would write in RTL.
        quirks: Follow FINN's bugs, for those who compare with it.
    """
    return (
        binarise,
        fork,
        flatten_inputs,
        order,
        partial(specialise, part=part),
        partial(settle_widths, quirks=quirks),
        name_tensors,
    )
