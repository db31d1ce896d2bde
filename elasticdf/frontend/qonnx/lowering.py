"""Runs a network on symbolic values and leaves a layer graph behind.

`RULES` is the whole vocabulary: one function per operator. Where a rule cannot go on it says which
operator blocks and why; nothing is guessed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TypeAlias

import numpy as np

from elasticdf.errors import InternalError, UserError
from elasticdf.frontend.diagnose import blocked, unknown_operator
from elasticdf.frontend.qonnx import (
    convolution,
    elementwise,
    joining,
    labels,
    matrix,
    pooling,
    qcdq,
    quantisers,
    shapes,
    truncation,
)
from elasticdf.frontend.qonnx.constants import fold
from elasticdf.frontend.qonnx.layout import channels_second, on_turned
from elasticdf.frontend.qonnx.reading import Network, Op
from elasticdf.frontend.qonnx.signatures import check
from elasticdf.frontend.qonnx.sketch import Sketch
from elasticdf.frontend.qonnx.values import Average, Constant, Flow, Host, Tail, Turned, Value
from elasticdf.ir import DataType

Rule: TypeAlias = Callable[[Op, tuple[Value | None, ...], Sketch], "Value | tuple[Value, ...]"]

RULES: Mapping[str, Rule] = {
    "Add": elementwise.add,
    "ArgMax": labels.arg_max,
    "AveragePool": pooling.average_pool,
    "BatchNormalization": elementwise.batch_normalisation,
    "BipolarQuant": quantisers.bipolar_quant,
    "Cast": elementwise.cast,
    "Clip": elementwise.clip,
    "Concat": joining.concat,
    "Conv": convolution.conv,
    "ConvTranspose": convolution.conv_transpose,
    "DequantizeLinear": qcdq.dequantize_linear,
    "Div": elementwise.divide,
    "Dropout": elementwise.identity,
    "Flatten": shapes.reshape,
    "Gemm": matrix.gemm,
    "GlobalAveragePool": pooling.global_average_pool,
    "GlobalMaxPool": pooling.global_max_pool,
    "Identity": elementwise.identity,
    "IntQuant": quantisers.quant,
    "LogSoftmax": labels.softmax,
    "MatMul": matrix.matmul,
    "MaxPool": pooling.max_pool,
    "Mul": elementwise.multiply,
    "MultiThreshold": quantisers.multi_threshold,
    "Neg": elementwise.negate,
    "Pad": joining.pad,
    "Quant": quantisers.quant,
    "QuantizeLinear": qcdq.quantize_linear,
    "ReduceMean": pooling.reduce_mean,
    "Relu": elementwise.relu,
    "Reshape": shapes.reshape,
    "Resize": joining.resize,
    "Softmax": labels.softmax,
    "Squeeze": shapes.squeeze,
    "Sub": elementwise.subtract,
    "TopK": labels.top_k,
    "Transpose": shapes.transpose,
    "Trunc": truncation.trunc,
    "Unsqueeze": shapes.unsqueeze,
    "Upsample": joining.resize,
}
"""What becomes of each operator on streams."""

NOT_QUANTISED = (
    "the network is not quantised: no Quant, BipolarQuant or MultiThreshold node leads to its "
    "output; train it quantised (Brevitas, QKeras) and export QONNX"
)

_QUANTISERS = ("Quant", "IntQuant", "BipolarQuant", "MultiThreshold", "QuantizeLinear")
_DOMAINS = ("", "ai.onnx", "qonnx.custom_op.general", "finn.custom_op.general", "onnx.brevitas")
"""Where the operators above are defined; Brevitas and older FINN wrote QONNX under their names."""

_HOST_ONLY = (
    *(
        "Abs",
        "DepthToSpace",
        "Elu",
        "Erf",
        "Exp",
        "Gather",
        "HardSigmoid",
        "InstanceNormalization",
        "LRN",
    ),
    *("LayerNormalization", "LeakyRelu", "Log", "Max", "Min", "Pow", "Reciprocal", "Selu", "Shape"),
    *("Sigmoid", "Slice", "Softplus", "Sqrt", "Tanh"),
)
"""What the host computes before the first quantiser, and behind the last layer."""

_COMPUTE = (*_QUANTISERS, "MatMul", "Gemm", "Conv", "ConvTranspose")
"""What cannot follow an operator that only the host computes."""

_KEEPS_AVERAGE = ("Mul", "Div", "Trunc", "Reshape", "Flatten", "Squeeze", "Identity", "Dropout")


def lower(network: Network, *, quirks: bool = False) -> tuple[Sketch, Value]:
    """Return the layers of a network and the value of its output.

    Raises:
        UserError: An operator cannot become hardware.
    """
    _refuse_unknown(network)
    for op in network.ops:
        check(op, network.opset)
    network = channels_second(network)
    sketch = Sketch(network, quirks=quirks)
    values: dict[str, Value] = {
        name: Constant(plain=array) for name, array in network.constants.items()
    }
    uses = network.uses()
    values[network.input] = _entry(network, sketch)
    for op in network.ops:
        inputs = tuple(values[name] if name else None for name in op.inputs)
        results = _run(op, inputs, sketch)
        if any(uses[name] for name in op.outputs[len(results) :]):
            raise blocked(
                op.place, "more than its first output is used", "use its first output only"
            )
        for name, value in zip(op.outputs, results, strict=False):
            values[name] = _marked(value, shared=uses[name] > 1)
    if isinstance(values.get(network.output), Host):
        raise UserError(NOT_QUANTISED)
    if network.output not in values:
        raise UserError(
            f"nothing produces the network's output {network.output!r}; export it again"
        )
    return sketch, values[network.output]


def _marked(value: Value, *, shared: bool) -> Value:
    if shared and isinstance(value, Turned):
        return replace(value, flow=replace(value.flow, shared=True))
    return replace(value, shared=True) if shared and isinstance(value, Flow) else value


def _run(op: Op, inputs: tuple[Value | None, ...], sketch: Sketch) -> tuple[Value, ...]:
    streams = [value for value in inputs if value is not None and not isinstance(value, Constant)]
    if not streams:
        return fold(op, inputs, sketch.network.opset)
    if op.type == "Shape":
        return (Constant(plain=np.array(_shape(streams[0]), dtype=np.int64)),)
    tail = next((value for value in streams if isinstance(value, Tail)), None)
    if tail is not None or (op.type in _HOST_ONLY and isinstance(streams[0], Flow)):
        return (_behind(op, inputs, sketch),)
    on_host = all(isinstance(value, Host) for value in streams)
    if on_host and op.type not in _QUANTISERS:
        weighted = op.type in ("Conv", "MatMul", "Gemm") and matrix.has_codes(inputs[1])
        if not weighted or not sketch.take_image(streams[0]):
            return (sketch.host.run(op, inputs),)
        inputs = tuple(sketch.image if value is streams[0] else value for value in inputs)
    if op.type not in _KEEPS_AVERAGE:
        inputs = tuple(
            pooling.settle(op, value, sketch) if isinstance(value, Average) else value
            for value in inputs
        )
    if any(isinstance(value, Turned) for value in inputs):
        return (on_turned(op, inputs, sketch, RULES[op.type]),)
    result = RULES[op.type](op, inputs, sketch)
    return result if isinstance(result, tuple) else (result,)


def _behind(op: Op, inputs: tuple[Value | None, ...], sketch: Sketch) -> Tail:
    """Keep an operator for the host behind the accelerator; all its streams must be one."""
    flows = {id(v.flow if isinstance(v, Tail) else v) for v in inputs if isinstance(v, Tail | Flow)}
    tails = [_tail(name, v) for name, v in zip(op.inputs, inputs, strict=True) if _streams(v)]
    if len(flows) != 1 or len(tails) != sum(map(_streams, inputs)):
        raise blocked(
            op.place,
            "the host would have to join several streams behind the accelerator",
            "let the network end in one",
        )
    known = iter(tails)
    operands = tuple(next(known).host if _streams(value) else value for value in inputs)
    return Tail(flow=tails[0].flow, host=sketch.after.run(op, operands))


def _streams(value: Value | None) -> bool:
    return value is not None and not isinstance(value, Constant)


def _tail(name: str, value: Value | None) -> Tail:
    if isinstance(value, Tail):
        return value
    if not isinstance(value, Flow):
        raise InternalError(f"tensor {name} is no stream")
    return Tail(flow=value, host=Host(name=name, shape=value.shape))


def _shape(value: Value) -> tuple[int, ...]:
    if isinstance(value, Host | Flow):
        return value.shape
    if isinstance(value, Tail):
        return value.host.shape
    raise InternalError(f"the shape of {value!r} was asked for")


def _refuse_unknown(network: Network) -> None:
    """Refuse operators without a rule; before the first quantiser the host knows some more."""
    streaming = {network.input} if network.input in network.datatypes else set()
    known = {"", *network.constants}
    tails: dict[str, Op] = {}
    unknown: list[Op] = []
    for op in network.ops:
        if known.issuperset(op.inputs) or op.type == "Shape":
            known.update(op.outputs)
            continue
        touched = not streaming.isdisjoint(op.inputs)
        if touched or op.type in _QUANTISERS:
            streaming.update(op.outputs)
        first = next((tails[name] for name in op.inputs if name in tails), None)
        foreign = op.domain not in _DOMAINS or op.type not in (*RULES, *_HOST_ONLY)
        if foreign:
            unknown.append(op)
        if first is not None and op.type in _COMPUTE:
            unknown.append(first)
        elif first or foreign or (touched and op.type in _HOST_ONLY):
            tails.update(dict.fromkeys(op.outputs, first or op))
    if not streaming:
        raise UserError(NOT_QUANTISED)
    if unknown:
        earliest = min(unknown, key=lambda op: op.place.index)
        others = sorted({op.type for op in unknown} - {earliest.type})
        raise unknown_operator(earliest.place, tuple(others))


def _entry(network: Network, sketch: Sketch) -> Value:
    """Return the network's input: an annotated integer stream, or real values on the host."""
    declared = network.datatypes.get(network.input)
    if declared is None or not DataType.parse(declared).is_integer:
        return Host(name=network.input, shape=network.input_shape)
    datatype = DataType.parse(declared)
    return sketch.enter_codes(Host(name=network.input, shape=network.input_shape), datatype)
