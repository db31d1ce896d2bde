"""What stays on the host: real-valued operators before the first quantiser, and the way back.

Models written here use standard operators only, with a free batch. The arithmetic of a quantiser
is the reference executor's, in single precision and in its order.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from elasticdf.frontend.diagnose import blocked
from elasticdf.frontend.onnx_writer import IR_VERSION, OPSET, OnnxWriter
from elasticdf.frontend.qonnx.reading import Network, Op
from elasticdf.frontend.qonnx.values import (
    Clip,
    Constant,
    Divide,
    Host,
    Scale,
    Shift,
    Step,
    Tail,
    Value,
)
from elasticdf.ir import HostModel, Tensor
from elasticdf.layers.emulation import element_type

FLOAT = np.dtype(np.float32)
_INT = np.dtype(np.int64)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Quantiser:
    """The arithmetic that turns real values into codes.

    Attributes:
        scale: Value of one code, broadcastable to the tensor.
        zero_point: Added to the code.
        low: Smallest code.
        high: Largest code.
        rounding: A mode of `ROUNDING`.
        bipolar: Whether the code is the sign, as -1 and +1.
        rounds_first: Whether the zero point is added to what is rounded already.
    """

    scale: NDArray[np.float32]
    zero_point: NDArray[np.float32]
    low: int
    high: int
    rounding: str = "HALF_EVEN"
    bipolar: bool = False
    rounds_first: bool = False


class HostPart:
    """Operators on real values before the accelerator, kept as the network wrote them."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._nodes: list[onnx.NodeProto] = []
        self._constants: dict[str, NDArray[np.generic]] = {}

    def run(self, op: Op, inputs: tuple[Value | None, ...]) -> Host:
        """Keep an operator for the host and return its output.

        Raises:
            UserError: It is not a standard operator or does not fit its inputs.
        """
        names = [self._name(name, value) for name, value in zip(op.inputs, inputs, strict=True)]
        samples = {
            value.name: np.zeros(value.shape, np.float32)
            for value in inputs
            if isinstance(value, Host)
        }
        attributes = dict(op.attributes)
        node = helper.make_node(op.type, names, list(op.outputs[:1]), **attributes)
        constants = {name: self._constants[name] for name in names if name in self._constants}
        try:
            shape = _output_shape(node, {**constants, **samples}, self._network.opset)
        except Exception as error:  # noqa: BLE001 - the runtime raises whatever it likes
            raise blocked(
                op.place,
                f"the host cannot compute it either ({type(error).__name__})",
                "quantise its input, or export standard ONNX operators",
            ) from None
        self._nodes.append(_batch_free(node, shape, self._constants))
        return Host(name=op.outputs[0], shape=tuple(shape))

    def _name(self, name: str, value: Value | None) -> str:
        if isinstance(value, Host):
            return value.name
        if isinstance(value, Constant):
            values = value.values
            self._constants[name] = values.astype(np.float32) if values.dtype == float else values
        return name

    def prologue(
        self,
        source: Host,
        quantiser: Quantiser,
        shape: tuple[int, ...],
        *,
        factor: float = 1.0,
        offset: float = 0.0,
    ) -> HostModel:
        """Return the host model that ends in the accelerator's input stream.

        Args:
            source: The host tensor that enters the accelerator.
            quantiser: How its values become codes.
            shape: Of the input stream, channels last.
            factor: Stream value of one code.
            offset: Stream value of code 0.
        """
        writer = OnnxWriter()
        # operators of the network may leave another type than its input has
        tensor = writer.node("Cast", ("x",), to=onnx.TensorProto.FLOAT) if self._nodes else "x"
        tensor = quantise(writer, tensor, quantiser)
        if factor != 1.0:
            tensor = writer.node("Mul", (tensor, writer.number(factor)))
        if offset != 0.0:
            tensor = writer.node("Add", (tensor, writer.number(offset)))
        if len(source.shape) > 2:
            last = (0, *range(2, len(source.shape)), 1)
            tensor = writer.node("Transpose", (tensor,), perm=last)
        tensor = writer.reshape(tensor, shape)
        tail = writer.build(
            "prologue", [("x", FLOAT, source.shape)], [(tensor, "codes", FLOAT, shape)]
        )
        if not self._nodes or source.name == self._network.input:
            return HostModel(model=tail, input="x", output="codes")
        return HostModel(
            model=self._joined(onnx.load_from_string(tail), source),
            input=self._network.input,
            output="elasticdf.codes",
        )

    def _joined(self, tail: onnx.ModelProto, source: Host) -> bytes:
        """Return the kept operators followed by the tail model."""
        shape = ["N", *self._network.input_shape[1:]]
        graph = helper.make_graph(
            self._nodes,
            "prologue",
            [helper.make_tensor_value_info(self._network.input, onnx.TensorProto.FLOAT, shape)],
            [helper.make_tensor_value_info(source.name, onnx.TensorProto.FLOAT, None)],
            initializer=[numpy_helper.from_array(v, k) for k, v in self._constants.items()],
        )
        head = self._current(graph)
        return bytes(_append(head, tail, {"x": source.name}).SerializeToString(deterministic=True))

    def _current(self, graph: onnx.GraphProto) -> onnx.ModelProto:
        """Return kept operators as a model, raised to the version written here if older."""
        opset = self._network.opset
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
        model.ir_version = IR_VERSION
        if opset < OPSET:
            model = onnx.version_converter.convert_version(model, OPSET)
        return model

    def epilogue(self, tail: Tail, stream: Tensor) -> HostModel:
        """Return the host model from the output stream through the kept operators.

        Args:
            tail: The network's output.
            stream: The accelerator's output, channels last.
        """
        flow, first = tail.flow, self._nodes[0].input[0]
        ending = real_epilogue(flow.steps, flow.shape, flow.normalised, stream)
        graph = helper.make_graph(
            self._nodes,
            "epilogue",
            [helper.make_tensor_value_info(first, onnx.TensorProto.FLOAT, ["N", *flow.shape[1:]])],
            [
                helper.make_tensor_value_info(
                    tail.host.name, onnx.TensorProto.FLOAT, ["N", *tail.host.shape[1:]]
                )
            ],
            initializer=[numpy_helper.from_array(v, k) for k, v in self._constants.items()],
        )
        model = _append(
            onnx.load_from_string(ending.model), self._current(graph), {first: "output"}
        )
        return HostModel(
            model=bytes(model.SerializeToString(deterministic=True)),
            input=ending.input,
            output=model.graph.output[0].name,
        )


def _append(
    head: onnx.ModelProto, tail: onnx.ModelProto, joins: Mapping[str, str]
) -> onnx.ModelProto:
    """Return the head with the tail behind it; tail tensors get a prefix of their own.

    Args:
        head: Runs first.
        tail: Runs behind it; its version of the operators may be newer, then it counts.
        joins: Tensors of the head by the tail's inputs they feed.
    """

    def name(tensor: str) -> str:
        return joins.get(tensor, f"elasticdf.{tensor}") if tensor else ""

    for node in tail.graph.node:
        node.input[:] = [name(item) for item in node.input]
        node.output[:] = [name(item) for item in node.output]
    for tensor in tail.graph.initializer:
        tensor.name = name(tensor.name)
    head.graph.node.extend(tail.graph.node)
    head.graph.initializer.extend(tail.graph.initializer)
    del head.graph.output[:]
    head.graph.output.extend(tail.graph.output)
    for output in head.graph.output:
        output.name = name(output.name)
    version = max(model.opset_import[0].version for model in (head, tail))
    head.opset_import[0].version = version
    return head


def _output_shape(
    node: onnx.NodeProto, feeds: Mapping[str, NDArray[np.generic]], opset: int
) -> tuple[int, ...]:
    """Return the shape of a node's first output, found by running it where it will run."""
    graph = _single(node, feeds)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    model.ir_version = IR_VERSION
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return tuple(session.run(None, dict(feeds))[0].shape)


def _single(node: onnx.NodeProto, feeds: Mapping[str, NDArray[np.generic]]) -> onnx.GraphProto:
    return helper.make_graph(
        [node],
        "one",
        [
            helper.make_tensor_value_info(k, helper.np_dtype_to_tensor_dtype(v.dtype), v.shape)
            for k, v in feeds.items()
        ],
        [helper.make_value_info(name, onnx.TypeProto()) for name in node.output],
    )


def run_node(
    node: onnx.NodeProto, feeds: Mapping[str, NDArray[np.generic]], opset: int
) -> list[NDArray[Any]]:
    """Return the outputs of one standard operator."""
    graph = _single(node, feeds)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    return list(ReferenceEvaluator(model).run(None, dict(feeds)))


def _batch_free(
    node: onnx.NodeProto, shape: tuple[int, ...], constants: dict[str, NDArray[np.generic]]
) -> onnx.NodeProto:
    """Return the node without a fixed batch: a Reshape to batch 1 gets a free first dimension."""
    if node.op_type != "Reshape" or len(node.input) < 2 or node.input[1] not in constants:
        return node
    target = f"{node.output[0]}.shape"
    constants[target] = np.array((-1, *shape[1:]), dtype=np.int64)
    return helper.make_node("Reshape", [node.input[0], target], list(node.output))


def quantise(writer: OnnxWriter, tensor: str, quantiser: Quantiser) -> str:
    """Add the arithmetic of a quantiser and return the tensor of codes (float32)."""
    if (quantiser.scale != 1).any():
        tensor = writer.node("Div", (tensor, writer.constant(quantiser.scale)))
    if quantiser.rounds_first:
        tensor = _rounded(writer, tensor, quantiser.rounding)
    if quantiser.zero_point.any():
        tensor = writer.node("Add", (tensor, writer.constant(quantiser.zero_point)))
    if quantiser.bipolar:
        zero = writer.number(0)
        positive = writer.node("GreaterOrEqual", (tensor, zero))
        plus, minus = writer.number(1), writer.number(-1)
        return writer.node("Where", (positive, plus, minus))
    low = writer.number(quantiser.low)
    high = writer.number(quantiser.high)
    tensor = writer.node("Clip", (tensor, low, high))
    return _rounded(writer, tensor, quantiser.rounding)


ROUNDING: Mapping[str, tuple[str, float | None]] = {
    "ROUND": ("Round", None),
    "HALF_EVEN": ("Round", None),
    "CEIL": ("Ceil", None),
    "FLOOR": ("Floor", None),
    "UP": ("Ceil", 0.0),
    "DOWN": ("Floor", 0.0),
    "HALF_UP": ("Floor", 0.5),
    "HALF_DOWN": ("Ceil", -0.5),
}
"""How ONNX operators round in QONNX's modes.

The operator, and what is added to the magnitude before it; None where it takes signed values.
"""


def _rounded(writer: OnnxWriter, tensor: str, mode: str) -> str:
    operator, added = ROUNDING[mode]
    if added is None:
        return writer.node(operator, (tensor,))
    magnitude = writer.node("Abs", (tensor,))
    if added:
        magnitude = writer.node("Add", (magnitude, writer.number(added)))
    sign = writer.node("Sign", (tensor,))
    return writer.node("Mul", (sign, writer.node(operator, (magnitude,))))


def real_epilogue(
    steps: tuple[Step, ...], shape: tuple[int, ...], softmax: str, stream: Tensor
) -> HostModel:
    """Return the host model from the output stream to the network's own real-valued output.

    Args:
        steps: Real-valued steps still pending on the stream's whole numbers.
        shape: Of the network's output; channels second.
        softmax: Operator over the channels that follows; empty for none.
        stream: The accelerator's output, channels last.
    """
    writer, element = OnnxWriter(), element_type(stream.datatype)
    tensor = "stream"
    for step in steps:
        tensor = _step(writer, tensor, step, element)
    tensor = writer.node("Cast", (tensor,), to=onnx.TensorProto.FLOAT)
    if len(stream.shape) == 4:
        tensor = writer.node("Transpose", (tensor,), perm=[0, 3, 1, 2])
    tensor = writer.reshape(tensor, shape)
    if softmax:
        tensor = writer.node(softmax, (tensor,), axis=1)
    return _ending(writer, tensor, stream, FLOAT, shape)


def label_epilogue(shape: tuple[int, ...], stream: Tensor) -> HostModel:
    """Return the host model from a stream of labels to int64 labels of that shape."""
    writer = OnnxWriter()
    tensor = writer.node("Cast", ("stream",), to=onnx.TensorProto.INT64)
    return _ending(writer, writer.reshape(tensor, shape), stream, _INT, shape)


def _ending(
    writer: OnnxWriter,
    tensor: str,
    stream: Tensor,
    result: np.dtype[np.generic],
    shape: tuple[int, ...],
) -> HostModel:
    model = writer.build(
        "epilogue",
        [("stream", element_type(stream.datatype), stream.shape)],
        [(tensor, "output", result, shape)],
    )
    return HostModel(model=model, input="stream", output="output")


def _step(writer: OnnxWriter, tensor: str, step: Step, element: np.dtype[np.generic]) -> str:
    """Add a step in the stream's element type, which holds its whole numbers exactly."""
    match step:
        case Scale(factor):
            return writer.node("Mul", (tensor, writer.constant(factor.astype(element))))
        case Divide(divisor):
            return writer.node("Div", (tensor, writer.constant(divisor.astype(element))))
        case Shift(term):
            return writer.node("Add", (tensor, writer.constant(term.astype(element))))
        case Clip(low, high):
            bounds = (writer.constant(np.array(end, element)) for end in (low, high))
            return writer.node("Clip", (tensor, *bounds))
