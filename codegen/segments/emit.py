"""Writes segments of the accelerator as ONNX models that compute the same whole numbers.

A segment's model maps its input streams to its output streams, by tensor name, channels last,
batch first and free. Every value is exact whatever the cut, so segments in sequence equal the
whole bit for bit. Refuses stripped graphs: without weights there is nothing to compute.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from codegen.segmentation import all_streams, weight_frame, weight_streams
from codegen.segments.fusion import Convolution, fused_convolutions
from codegen.segments.narrow import narrow
from elasticdf.errors import InternalError, UserError
from elasticdf.frontend.onnx_writer import OnnxWriter
from elasticdf.ir import Graph, Layer
from elasticdf.layers import kind_of
from elasticdf.layers.emulation import element_type
from elasticdf.layers.mvau import has_external_weights


def segment_model(graph: Graph, layers: Sequence[str]) -> bytes:
    """Return the ONNX model of some layers, computed together.

    Inputs are the streams that enter the set (graph inputs, other layers' outputs, and weights that
    come with every frame, shape (outputs, inputs)), outputs those that leave it, in layer order;
    names are the graph's tensor names, elements float32 (or float64 where the data type needs more
    than 24 bits), values whole numbers.

    Args:
        graph: With parameter values.
        layers: Names of the layers of the segment, in any order.

    Raises:
        UserError: A layer is unknown, or a parameter was stripped.
    """
    chosen = {graph.layer(name).name for name in layers}
    members = [layer for layer in graph if layer.name in chosen]
    writer = OnnxWriter()
    inputs, outputs = boundary(graph, chosen)
    known = {name: name for name in inputs}
    fused = fused_convolutions(members, outputs)
    for layer in members:
        if layer.name in fused.absorbed:
            continue
        convolution = fused.by_unit.get(layer.name)
        if convolution is not None:
            known[layer.outputs[0]] = _convolve(graph, convolution, writer, known)
        else:
            known.update(zip(layer.outputs, _emulate(graph, layer, writer, known), strict=True))
    return writer.build(
        graph.name,
        [(name, *_type(graph, name)) for name in inputs],
        [(known[name], name, *_type(graph, name)) for name in outputs],
    )


def board_model(graph: Graph, layers: Sequence[str]) -> bytes:
    """Return the model of some layers as an emulated board runs it: see `narrow`.

    Args:
        graph: With parameter values.
        layers: Names of the layers of the segment, in any order.

    Raises:
        UserError: A layer is unknown, or a parameter was stripped.
    """
    entering, _ = boundary(graph, {graph.layer(name).name for name in layers})
    streams = {name: graph.tensors[name].datatype for name in entering}
    return narrow(segment_model(graph, layers), streams)


def whole_model(graph: Graph) -> bytes:
    """Return the ONNX model of the unpartitioned accelerator, with the network's own weights."""
    own = graph.with_layers(
        layer.with_attributes({"mem_mode": "internal_decoupled"})
        if has_external_weights(layer)
        else layer
        for layer in graph
    )
    return segment_model(own, [layer.name for layer in graph])


def boundary(graph: Graph, chosen: set[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the streams that enter and leave a set of layers, in layer order."""
    entering = dict.fromkeys(
        stream.tensor
        for stream in all_streams(graph)
        if stream.target in chosen and stream.source not in chosen
    )
    leaving = {
        stream.tensor
        for stream in graph.streams
        if stream.source in chosen and stream.target not in chosen
    }
    ordered = (name for layer in graph for name in layer.outputs if name in leaving)
    return tuple(entering), tuple(ordered)


def _type(graph: Graph, name: str) -> tuple[np.dtype[np.generic], tuple[int, ...]]:
    tensor = graph.tensors[name]
    if any(stream.tensor == name for stream in weight_streams(graph)):
        tensor = weight_frame(tensor)
    return element_type(tensor.datatype), tensor.shape


def _emulate(
    graph: Graph, layer: Layer, writer: OnnxWriter, known: dict[str, str]
) -> tuple[str, ...]:
    names = graph.stream_inputs(layer)
    if has_external_weights(layer):
        names = (*names, layer.inputs[1])
    inputs = tuple(known[name] for name in names)
    rule = kind_of(layer).emulate
    if rule is None:
        return inputs
    outputs = rule(layer, writer, inputs, parameters(graph, layer))
    if len(outputs) != len(layer.outputs):
        raise InternalError(f"layer {layer.name}: emulation gives {len(outputs)} outputs")
    return outputs


def _convolve(
    graph: Graph, convolution: Convolution, writer: OnnxWriter, known: dict[str, str]
) -> str:
    unit = graph.layer(convolution.unit)
    return convolution.write(unit, writer, known[convolution.source], parameters(graph, unit))


def parameters(graph: Graph, layer: Layer) -> tuple[NDArray[np.generic], ...]:
    """Return the parameter values of a layer.

    Raises:
        UserError: They were stripped from the graph.
    """
    values = []
    for tensor in graph.parameters(layer):
        if tensor.values is None:
            raise UserError(
                f"layer {layer.name}: parameter {tensor.name} has no values, this graph was "
                "stripped of its weights; emulate from the QONNX network or the full FINN graph"
            )
        values.append(tensor.values)
    return tuple(values)
