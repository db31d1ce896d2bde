"""FINN's hardware-layer graphs -> `Graph`, at every stage of a FINN build.

Before or after specialisation, folding and FIFO insertion; with or without weights. Names, types
and attributes stay FINN's; attributes a file leaves out get FINN's defaults. Nothing is computed
or converted here: ops that are not hardware layers are refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from heapq import heappop, heappush

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from elasticdf.errors import UserError
from elasticdf.ir import AttributeValue, DataType, Graph, Layer, Tensor
from elasticdf.layers import with_defaults

_DOMAIN = "finn.custom_op.fpgadataflow"
_WRAPPER = "StreamingDataflowPartition"
DATATYPE_KEY = "finn_datatype"


def is_finn_graph(model: onnx.ModelProto) -> bool:
    """Tell whether the model holds FINN hardware layers."""
    return any(_is_hardware(node) for node in model.graph.node)


def read(model: onnx.ModelProto, name: str) -> Graph:
    """Return the layer graph of a FINN model.

    Args:
        model: The dataflow part of a FINN build (``dataflow_parent`` graphs are refused).
        name: For the network.

    Raises:
        UserError: The model holds other ops, unknown hardware ops, attributes of the wrong type,
            tensors without shape or cycles.
    """
    nodes = tuple(model.graph.node)
    for node in nodes:
        _require_hardware(node)
    if not nodes:
        raise UserError(f"network {name}: the model has no layers; export it again from FINN")
    layers = [with_defaults(_layer(node, i)) for i, node in enumerate(nodes)]
    _require_one_producer(layers, name)
    layers = _in_order(layers, name)
    return Graph(
        name=name,
        layers=tuple(layers),
        tensors=_tensors(model.graph, layers),
        inputs=_stream_inputs(model.graph, layers),
        outputs=tuple(value.name for value in model.graph.output),
        metadata={prop.key: prop.value for prop in model.metadata_props},
    )


def _is_hardware(node: onnx.NodeProto) -> bool:
    domain = str(node.domain)
    return domain == _DOMAIN or domain.startswith(_DOMAIN + ".")


def _require_hardware(node: onnx.NodeProto) -> None:
    if node.op_type == _WRAPPER:
        raise UserError(
            f"{node.name or node.op_type} stands for a whole dataflow partition; give the model it "
            "names in its attribute 'model' instead of the parent graph"
        )
    if not _is_hardware(node):
        raise UserError(
            f"op {node.name or node.op_type} ({node.op_type}) is not a FINN hardware layer, but "
            "the graph holds hardware layers too; give the dataflow partition alone "
            "(FINN's step_create_dataflow_partition) or the network before conversion"
        )


def _layer(node: onnx.NodeProto, index: int) -> Layer:
    return Layer(
        name=node.name or f"{node.op_type}_{index}",
        op_type=node.op_type,
        attributes=_attributes(node),
        inputs=tuple(name for name in node.input if name),
        outputs=tuple(node.output),
    )


def _attributes(node: onnx.NodeProto) -> dict[str, AttributeValue]:
    """Return the attributes worth keeping: paths of a FINN build and simulation traces are not."""
    kept: dict[str, AttributeValue] = {}
    for attribute in node.attribute:
        value = _value(onnx.helper.get_attribute_value(attribute))
        if value is not None and attribute.name not in _BUILD_PATHS:
            kept[attribute.name] = value
    return kept


_BUILD_PATHS = frozenset(
    (
        "code_gen_dir_ipgen", "code_gen_dir_cppsim", "ipgen_path", "ip_path", "ip_vlnv",
        "executable_path", "exec_mode", "rtlsim_trace", "rtlsim_so", "res_estimate", "res_hls",
        "res_synth", "gen_top_module", "cycles_rtlsim", "output_hook", "io_chrc_in",
        "io_chrc_out", "io_chrc_period", "io_chrc_pads_in", "io_chrc_pads_out", "rtlsim_backend",
    )
)  # fmt: skip


def _value(raw: object) -> AttributeValue | None:
    if isinstance(raw, bytes):
        return raw.decode("utf-8", errors="replace")
    if isinstance(raw, (int, float, str)):
        return raw
    if isinstance(raw, list) and all(isinstance(item, int) for item in raw):
        return tuple(raw)
    if isinstance(raw, list) and all(isinstance(item, bytes) for item in raw):
        return tuple(item.decode("utf-8", errors="replace") for item in raw)
    if isinstance(raw, list) and all(isinstance(item, float) for item in raw):
        return tuple(raw)
    return None


def _require_one_producer(layers: Iterable[Layer], name: str) -> None:
    producer: dict[str, str] = {}
    for layer in layers:
        for tensor in layer.outputs:
            if tensor in producer:
                raise UserError(
                    f"network {name}: tensor {tensor} comes out of both {producer[tensor]} and "
                    f"{layer.name}; give each output its own name"
                )
            producer[tensor] = layer.name


def _in_order(layers: list[Layer], name: str) -> list[Layer]:
    """Sort producers before consumers; otherwise the file's order stays."""
    producer = {tensor: i for i, layer in enumerate(layers) for tensor in layer.outputs}
    consumers: dict[int, list[int]] = {}
    waiting = [0] * len(layers)
    for i, layer in enumerate(layers):
        for tensor in layer.inputs:
            if tensor in producer:
                consumers.setdefault(producer[tensor], []).append(i)
                waiting[i] += 1
    ready = [i for i, count in enumerate(waiting) if count == 0]
    ordered: list[Layer] = []
    while ready:
        i = heappop(ready)
        ordered.append(layers[i])
        for consumer in consumers.get(i, ()):
            waiting[consumer] -= 1
            if waiting[consumer] == 0:
                heappush(ready, consumer)
    if len(ordered) < len(layers):
        stuck = next(layers[i].name for i, count in enumerate(waiting) if count)
        raise UserError(f"network {name}: the layers around {stuck} feed each other in a circle")
    return ordered


def _stream_inputs(graph: onnx.GraphProto, layers: Iterable[Layer]) -> tuple[str, ...]:
    """Return the graph inputs that carry data: old files list their parameters there as well."""
    initialised = {tensor.name for tensor in graph.initializer}
    first = {layer.inputs[0] for layer in layers if layer.inputs}
    joins = {
        tensor
        for layer in layers
        if layer.family in ("AddStreams", "StreamingEltwise", "StreamingConcat")
        for tensor in layer.inputs
    }
    return tuple(
        value.name
        for value in graph.input
        if value.name not in initialised and value.name in first | joins
    )


def _tensors(graph: onnx.GraphProto, layers: Iterable[Layer]) -> dict[str, Tensor]:
    shapes = _shapes(graph)
    types = {**_stated_types(layers), **_datatypes(graph)}
    values = {tensor.name: tensor for tensor in graph.initializer}
    tensors: dict[str, Tensor] = {}
    for layer in layers:
        for name in (*layer.inputs, *layer.outputs):
            if name in tensors:
                continue
            if name not in shapes:
                raise UserError(
                    f"layer {layer.name}: tensor {name} has no shape in the model; run FINN's "
                    "InferShapes before saving it"
                )
            if not all(size > 0 for size in shapes[name]):
                raise UserError(
                    f"layer {layer.name}: tensor {name} has the shape {shapes[name]}; every size "
                    "must be a fixed number above 0"
                )
            datatype = DataType.parse(types.get(name, "FLOAT32"))
            tensors[name] = Tensor(
                name=name,
                shape=shapes[name],
                datatype=datatype,
                values=_numbers(values[name], datatype) if name in values else None,
            )
    return tensors


def _stated_types(layers: Iterable[Layer]) -> dict[str, str]:
    """Return what the layers say of their streams; annotations in the file go before it."""
    types: dict[str, str] = {}
    for layer in layers:
        for names, tensors in (
            (("outputDataType", "OutputDataType", "dataType", "EmbeddingType"), layer.outputs),
            (("inputDataType", "InputDataType", "dataType", "InputType"), layer.inputs[:1]),
        ):
            stated = next((layer.attributes[n] for n in names if n in layer.attributes), None)
            if isinstance(stated, str) and stated:
                types |= dict.fromkeys(tensors, stated)
    return types


def _shapes(graph: onnx.GraphProto) -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {}
    for value in (*graph.input, *graph.output, *graph.value_info):
        if value.type.tensor_type.HasField("shape"):
            shapes[value.name] = tuple(d.dim_value for d in value.type.tensor_type.shape.dim)
    for tensor in graph.initializer:
        shapes[tensor.name] = tuple(tensor.dims)
    return shapes


def _datatypes(graph: onnx.GraphProto) -> Mapping[str, str]:
    return {
        annotation.tensor_name: entry.value
        for annotation in graph.quantization_annotation
        for entry in annotation.quant_parameter_tensor_names
        if entry.key == DATATYPE_KEY
    }


def _numbers(tensor: onnx.TensorProto, datatype: DataType) -> NDArray[np.generic]:
    raw: NDArray[np.generic] = numpy_helper.to_array(tensor)
    if datatype.is_integer and np.array_equal(raw, np.rint(raw)):
        return raw.astype(np.int64)
    return raw.astype(np.float64)
