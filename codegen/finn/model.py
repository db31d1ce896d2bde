"""The network as a FINN hardware-layer graph: the file given, or one written from our own layers.

Whatever comes out can be cut (`codegen.finn.subgraph`). A FINN file keeps all it holds; a graph
made from QONNX is written with FINN's op types, domains, annotations and parameters.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from elasticdf.errors import InternalError
from elasticdf.frontend.finn import is_finn_graph
from elasticdf.ir import Graph, Layer, Tensor
from elasticdf.layers import flavour_of

DOMAIN = "finn.custom_op.fpgadataflow"
_IR_VERSION = 8
_OPSET = 17


def finn_model(graph: Graph, network: onnx.ModelProto) -> onnx.ModelProto:
    """Return the FINN graph of a network.

    Args:
        graph: Its layers.
        network: The ONNX model they were read from.
    """
    return _named(network, graph) if is_finn_graph(network) else write_model(graph)


def write_model(graph: Graph) -> onnx.ModelProto:
    """Return our layers as FINN writes them: nothing but what FINN needs to load them."""
    streams = {name for layer in graph for name in layer.outputs} | set(graph.inputs)
    tensors = [graph.tensors[name] for layer in graph for name in (*layer.inputs, *layer.outputs)]
    unique = {tensor.name: tensor for tensor in tensors}.values()
    ends = {*graph.inputs, *graph.outputs}
    body = helper.make_graph(
        [_node(layer) for layer in graph],
        graph.name,
        [_value_info(graph.tensors[name]) for name in graph.inputs],
        [_value_info(graph.tensors[name]) for name in graph.outputs],
        initializer=[
            numpy_helper.from_array(np.asarray(t.values, dtype=np.float32), t.name)
            for t in unique
            if t.values is not None and t.name not in streams
        ],
        value_info=[_value_info(t) for t in unique if t.name not in ends],
    )
    body.quantization_annotation.extend(_annotation(tensor) for tensor in unique)
    model = helper.make_model(
        body,
        producer_name="elasticdf",
        opset_imports=[
            helper.make_opsetid("", _OPSET),
            *(helper.make_opsetid(domain, 1) for domain in _domains(graph)),
        ],
    )
    model.ir_version = _IR_VERSION
    return model


def _named(model: onnx.ModelProto, graph: Graph) -> onnx.ModelProto:
    """Give nodes without a name the one the graph uses for them."""
    by_outputs = {layer.outputs: layer.name for layer in graph}
    for node in model.graph.node:
        if tuple(node.output) not in by_outputs:
            raise InternalError(f"op {node.name} of the file is not in the layer graph")
        node.name = by_outputs[tuple(node.output)]
    return model


def _domains(graph: Iterable[Layer]) -> list[str]:
    return sorted({_domain(layer) for layer in graph})


def _domain(layer: Layer) -> str:
    flavour = flavour_of(layer)
    return DOMAIN if flavour is None else f"{DOMAIN}.{flavour}"


def _node(layer: Layer) -> onnx.NodeProto:
    attributes = {"backend": "fpgadataflow", **layer.attributes}
    return helper.make_node(
        layer.op_type,
        list(layer.inputs),
        list(layer.outputs),
        name=layer.name,
        domain=_domain(layer),
        **{
            name: list(value) if isinstance(value, tuple) else value
            for name, value in sorted(attributes.items())
            # An empty list has no type in ONNX; FINN reads an absent one as its default.
            if value != ()
        },
    )


def _value_info(tensor: Tensor) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(tensor.name, TensorProto.FLOAT, list(tensor.shape))


def _annotation(tensor: Tensor) -> onnx.TensorAnnotation:
    return onnx.TensorAnnotation(
        tensor_name=tensor.name,
        quant_parameter_tensor_names=[
            onnx.StringStringEntryProto(key="finn_datatype", value=tensor.datatype.name)
        ],
    )
