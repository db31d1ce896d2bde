"""Rules for operators that work element by element: they stay pending on the stream.

Two streams added or subtracted become a layer; everything else only lengthens the steps a later
quantiser turns into thresholds.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from onnx import TensorProto

from elasticdf.errors import InternalError, UserError
from elasticdf.frontend.diagnose import blocked
from elasticdf.frontend.qonnx.reading import Op
from elasticdf.frontend.qonnx.sketch import Sketch
from elasticdf.frontend.qonnx.values import (
    Average,
    Clip,
    Constant,
    Divide,
    Flow,
    Quantised,
    Reals,
    Scale,
    Shift,
    Value,
    affine,
)
from elasticdf.ir import AttributeValue, DataType

Inputs = tuple[Value | None, ...]

_REAL_TYPES = (TensorProto.FLOAT, TensorProto.DOUBLE)

_SAME_SCALE = 1e-6
"""Relative difference up to which two scales are taken as one (single precision leaves 6e-8)."""


def multiply(op: Op, inputs: Inputs, sketch: Sketch) -> Value:
    """Mul: a pending scale."""
    flow, constant, _ = _sides(op, inputs)
    if isinstance(flow, Average):
        return replace(flow, factor=flow.factor * _scalar(op, constant))
    return flow.then(Scale(vector(op, flow, constant)))


def divide(op: Op, inputs: Inputs, sketch: Sketch) -> Value:
    """Div by a constant: a pending division."""
    flow, constant, flow_first = _sides(op, inputs)
    if not flow_first:
        raise blocked(op.place, "it divides by a stream", "rewrite it as a multiplication")
    if isinstance(flow, Average):
        return replace(flow, factor=flow.factor / _scalar(op, constant))
    divisor = vector(op, flow, constant)
    if not divisor.all():
        raise blocked(op.place, "it divides by zero", "train or export the network again")
    return flow.then(Divide(divisor))


def add(op: Op, inputs: Inputs, sketch: Sketch) -> Value:
    """Add: of a constant a pending shift, of two streams a layer."""
    first, second = inputs
    if isinstance(first, Flow) and isinstance(second, Flow):
        return _join_streams(op, first, second, sketch, sign=1)
    flow, constant, _ = _sides(op, inputs)
    if isinstance(flow, Average):
        raise _average(op)
    return flow.then(Shift(vector(op, flow, constant)))


def subtract(op: Op, inputs: Inputs, sketch: Sketch) -> Value:
    """Sub: of a constant on either side a pending shift, of two streams a layer."""
    first, second = inputs
    if isinstance(first, Flow) and isinstance(second, Flow):
        return _join_streams(op, first, second, sketch, sign=-1)
    flow, constant, flow_first = _sides(op, inputs)
    if isinstance(flow, Average):
        raise _average(op)
    term = vector(op, flow, constant)
    if flow_first:
        return flow.then(Shift(-term))
    return flow.then(Scale(np.array(-1.0)), Shift(term))


def negate(op: Op, inputs: Inputs, sketch: Sketch) -> Value:
    """Neg."""
    return only_flow(op, inputs).then(Scale(np.array(-1.0)))


def relu(op: Op, inputs: Inputs, sketch: Sketch) -> Value:
    """Relu."""
    return _clipped(only_flow(op, inputs), 0.0, np.inf)


def clip(op: Op, inputs: Inputs, sketch: Sketch) -> Value:
    """Clip with bounds as attributes (opset below 11) or constants; of codes too."""
    bounds = [op.attributes.get("min", -np.inf), op.attributes.get("max", np.inf)]
    for index, value in enumerate(inputs[1:3]):
        if value is None:
            continue
        if not isinstance(value, Constant):
            raise blocked(op.place, "its bounds are computed", "use constant bounds")
        bounds[index] = _scalar(op, value)
    low, high = bounds
    if isinstance(inputs[0], Quantised):
        codes = inputs[0]
        return replace(codes, low=int(max(low, codes.low)), high=int(min(high, codes.high)))
    return _clipped(only_flow(op, inputs[:1]), float(low), float(high))


def _clipped(flow: Flow, low: float, high: float) -> Flow:
    """Return the flow clipped; unchanged if its values lie between the bounds anyway."""
    found = affine(flow.steps)
    if found is not None:
        gain, offset = found
        ends = [gain * end + offset for end in (flow.datatype.minimum, flow.datatype.maximum)]
        if np.min(ends) >= low and np.max(ends) <= high:
            return flow
    return flow.then(Clip(low, high))


def batch_normalisation(op: Op, inputs: Inputs, sketch: Sketch) -> Value:
    """BatchNormalization, with the single-precision coefficients the reference runtime uses."""
    flow = only_flow(op, inputs[:1])
    if not all(isinstance(value, Constant) for value in inputs[1:5]):
        raise blocked(op.place, "its parameters are computed", "export in evaluation mode")
    gamma, beta, mean, variance = (
        value.values.astype(np.float32) for value in inputs[1:5] if isinstance(value, Constant)
    )
    if any(part.shape != (flow.channels,) for part in (gamma, beta, mean, variance)):
        raise blocked(
            op.place,
            f"its parameters do not fit {flow.channels} channels",
            "export the network again",
        )
    spread = variance + np.float32(op.attributes.get("epsilon", 1e-5))
    if (spread <= 0).any():
        raise blocked(op.place, "a variance is negative", "train or export the network again")
    gain = gamma * (np.float32(1) / np.sqrt(spread))
    offset = beta - mean * gain
    return flow.then(
        Scale(in_stream_order(flow, gain.astype(np.float64))),
        Shift(in_stream_order(flow, offset.astype(np.float64))),
    )


def identity(op: Op, inputs: Inputs, sketch: Sketch) -> Value:
    """Identity and Dropout."""
    if inputs[0] is None:
        raise InternalError(f"{op.place}: no input")
    return inputs[0]


def cast(op: Op, inputs: Inputs, sketch: Sketch) -> Value:
    """Cast between real types; whole-number types would drop what is pending."""
    if op.attributes.get("to") not in _REAL_TYPES:
        raise blocked(
            op.place, "it casts to a type that is not real", "quantise with a Quant node instead"
        )
    return only_flow(op, inputs)


def only_flow(op: Op, inputs: Inputs) -> Flow:
    """Return the first input as a stream, or refuse."""
    value = inputs[0] if inputs else None
    if isinstance(value, Flow) and not value.normalised:
        return value
    if isinstance(value, Average):
        raise _average(op)
    raise blocked(
        op.place,
        "its input is not an integer stream",
        "put a Quant node in front of it",
    )


def _sides(op: Op, inputs: Inputs) -> tuple[Flow | Average, Constant, bool]:
    """Return the stream, the constant and whether the stream comes first."""
    first, second = inputs
    match first, second:
        case (Flow() | Average(), Constant()):
            return first, second, True
        case (Constant(), Flow() | Average()):
            return second, first, False
    raise blocked(
        op.place,
        "it joins two tensors that are not a stream and a constant",
        "quantise both branches and add them, or fold the operator into its neighbours",
    )


def _average(op: Op) -> UserError:
    return blocked(
        op.place,
        "it works on an average pooling whose division is still open",
        "follow AveragePool with Mul by the window size and Trunc, as Brevitas exports it",
    )


def _scalar(op: Op, constant: Constant) -> float:
    if constant.values.size != 1:
        raise blocked(op.place, "its constant is not a single number", "use one number")
    return float(constant.values.reshape(-1)[0])


def vector(op: Op, flow: Flow, constant: Constant) -> Reals:
    """Return a constant as one number or one per channel, in the stream's order.

    Raises:
        UserError: It varies over positions of the image.
    """
    values = constant.values.astype(np.float64)
    if values.size == 1:
        return values.reshape(())
    rank = len(flow.shape)
    padded = values.reshape((1,) * (rank - values.ndim) + values.shape)
    if padded.ndim != rank or padded.shape[1] != flow.channels or padded.size != flow.channels:
        raise blocked(
            op.place,
            f"its constant of shape {list(values.shape)} is neither one number nor one per "
            f"channel of {list(flow.shape)}",
            "use a constant per channel",
        )
    return in_stream_order(flow, padded.reshape(-1))


def in_stream_order(flow: Flow, values: Reals) -> Reals:
    """Return values per network channel in the order the stream carries them."""
    if flow.order is None:
        return values
    return values.reshape(flow.order).transpose(1, 2, 0).reshape(-1)


def _join_streams(op: Op, first: Flow, second: Flow, sketch: Sketch, *, sign: int) -> Flow:
    """Add two streams, or subtract the second if the sign is -1; both must have one scale."""
    if first.shape != second.shape or first.order != second.order:
        raise blocked(
            op.place,
            f"it {'adds' if sign > 0 else 'subtracts'} shapes {list(first.shape)} and "
            f"{list(second.shape)}",
            "give both branches the same shape",
        )
    one, other = affine(first.steps), affine(second.steps)
    if one is None or other is None or not np.allclose(one[0], other[0], rtol=_SAME_SCALE, atol=0):
        raise blocked(
            op.place,
            "its two inputs do not have the same scale",
            "quantise both branches with one shared Quant scale",
        )
    left, right = first.datatype, second.datatype
    if sign > 0 and left.signed != right.signed:
        raise blocked(
            op.place,
            f"its two inputs are {left} and {right}",
            "quantise both branches to the same bit width and sign",
        )
    low, high = (right.minimum, right.maximum) if sign > 0 else (-right.maximum, -right.minimum)
    total = DataType.smallest_for(int(left.minimum + low), int(left.maximum + high))
    stream = _join_layer(first, second, total, sketch, sign=sign)
    flow = Flow(stream=stream, shape=first.shape, datatype=total, order=first.order)
    offset = one[1] + sign * other[1]
    flow = flow.then(Scale(np.asarray(one[0])))
    return flow.then(Shift(np.asarray(offset))) if np.any(offset) else flow


def _join_layer(first: Flow, second: Flow, total: DataType, sketch: Sketch, *, sign: int) -> str:
    """Add an AddStreams, or a StreamingEltwise where FINN's AddStreams does not do."""
    shape = sketch.tensors[first.stream].shape
    attributes: dict[str, AttributeValue] = {
        "NumChannels": shape[-1],
        "PE": 1,
        "numInputVectors": shape[:-1],
        "inFIFODepths": (2, 2),
    }
    left, right = first.datatype.name, second.datatype.name
    if sign > 0 and left == right:
        family, types = "AddStreams", {"inputDataType": left}
    else:
        family, types = "StreamingEltwise", {"inputDataType0": left, "inputDataType1": right}
        attributes["eltwiseOp"] = "Add" if sign > 0 else "Sub"
    streams = (first.stream, second.stream)
    return sketch.layer(family, streams, shape, total, {**attributes, **types})
