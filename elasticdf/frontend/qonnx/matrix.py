"""Rules for MatMul and Gemm, and what convolutions share with them: weights and matrix units.

Refuses weights that are not whole numbers times a scale, and inputs whose scale differs between
the channels one output mixes.
"""

from __future__ import annotations

import numpy as np

from elasticdf.frontend.diagnose import blocked
from elasticdf.frontend.qonnx.elementwise import Inputs, only_flow
from elasticdf.frontend.qonnx.reading import Op
from elasticdf.frontend.qonnx.sketch import Sketch
from elasticdf.frontend.qonnx.values import (
    Constant,
    Flow,
    Reals,
    Scale,
    Shift,
    Step,
    Value,
    Wholes,
    affine,
    narrow,
)
from elasticdf.frontend.qonnx.widths import accumulator_range, fitting, match_range, smallest
from elasticdf.ir import DataType

BINARY = DataType.parse("BINARY")

_LARGEST_WEIGHT = 2**15
"""Weights without a quantiser must be whole and no larger than this to be taken as codes."""


def matmul(op: Op, inputs: Inputs, sketch: Sketch) -> Value:
    """MatMul of a stream with constant weights."""
    return _dense(op, only_flow(op, inputs[:1]), inputs[1], sketch)


def gemm(op: Op, inputs: Inputs, sketch: Sketch) -> Value:
    """Gemm: weights may be transposed; a bias stays pending as a shift."""
    flow, weights = only_flow(op, inputs[:1]), inputs[1]
    if op.attributes.get("transA", 0):
        raise blocked(op.place, "it transposes its stream", "export without transA")
    if op.attributes.get("transB", 0) and isinstance(weights, Constant):
        weights = transposed(weights, (1, 0))
    result = _dense(op, flow, weights, sketch)
    alpha, beta = op.attributes.get("alpha", 1.0), op.attributes.get("beta", 1.0)
    if alpha != 1.0:
        result = result.then(Scale(np.array(float(alpha))))
    return biased(op, result, inputs[2] if len(inputs) > 2 else None, float(beta))


def biased(op: Op, flow: Flow, bias: Value | None, factor: float = 1.0) -> Flow:
    """Return the flow shifted by a constant bias times a factor, if there is one."""
    if bias is None:
        return flow
    if not isinstance(bias, Constant) or bias.values.size not in (1, flow.channels):
        raise blocked(op.place, "its bias is not one constant per output", "use a constant bias")
    values = bias.values.astype(np.float64).reshape(-1) * factor
    return flow.then(Shift(values if values.size > 1 else values.reshape(())))


def transposed(constant: Constant, permutation: tuple[int, ...]) -> Constant:
    """Return a constant with its dimensions permuted, codes and scale too."""
    if constant.codes is None:
        return Constant(plain=constant.values.transpose(permutation))
    rank = constant.codes.ndim
    scale = constant.scale.reshape((1,) * (rank - constant.scale.ndim) + constant.scale.shape)
    return Constant(
        codes=constant.codes.transpose(permutation),
        scale=scale.transpose(permutation),
        datatype=constant.datatype,
    )


def _dense(op: Op, flow: Flow, weights: Value | None, sketch: Sketch) -> Flow:
    codes, scale, declared = quantised_weights(op, weights, sketch, output_axis=1)
    if codes.ndim != 2 or len(flow.shape) != 2 or codes.shape[0] != flow.channels:
        raise blocked(
            op.place,
            f"weights of shape {list(codes.shape)} do not fit an input of {list(flow.shape)}",
            "flatten the input to two dimensions first",
        )
    gain, offset = input_affine(op, flow)
    if flow.order is not None:
        # the network flattened channels first, the stream runs channels last
        codes = codes.reshape(*flow.order, -1).transpose(1, 2, 0, 3).reshape(flow.channels, -1)
    leading = sketch.vector_shape(flow)
    stream = matrix_unit(flow.stream, flow.datatype, codes, declared, leading, sketch)
    result = Flow(
        stream=stream, shape=(1, codes.shape[1]), datatype=sketch.tensors[stream].datatype
    )
    result = result.then(*matches_to_products(stream, sketch), Scale(gain), Scale(scale))
    if np.any(offset):
        per_input = np.broadcast_to(offset, (flow.channels,))
        result = result.then(Shift(scale * (per_input @ codes)))
    return result


def matrix_unit(
    stream: str,
    datatype: DataType,
    codes: Wholes,
    weight_type: DataType,
    leading: tuple[int, ...],
    sketch: Sketch,
) -> str:
    """Add an MVAU without thresholds; ``codes`` has shape (inputs, outputs).

    Signs times signs are computed as matching bits (XNOR): the caller undoes that in its steps.
    """
    xnor = weight_type.name == datatype.name == "BIPOLAR"
    if xnor:
        codes, weight_type = (codes + 1) // 2, BINARY
        accumulator = smallest(*match_range(codes, quirks=sketch.quirks))
    else:
        accumulator = smallest(*accumulator_range(codes, datatype))
    return sketch.layer(
        "MVAU",
        (stream, sketch.parameter(codes, weight_type)),
        (*leading, codes.shape[1]),
        accumulator,
        {
            "PE": 1,
            "SIMD": 1,
            "MW": codes.shape[0],
            "MH": codes.shape[1],
            "inputDataType": datatype.name,
            "weightDataType": weight_type.name,
            "outputDataType": accumulator.name,
            "accDataType": accumulator.name,
            "binaryXnorMode": int(xnor),
            "noActivation": 1,
            "numInputVectors": leading,
        },
    )


def matches_to_products(stream: str, sketch: Sketch) -> tuple[Step, ...]:
    """Return the steps from an XNOR unit's count of matching bits to its sum of products."""
    unit = sketch.producer(stream)
    if unit is None or not unit.integer("binaryXnorMode", 0):
        return ()
    return (Scale(np.array(2.0)), Shift(np.array(-float(unit.integer("MW")))))


def input_affine(op: Op, flow: Flow, *, per_channel: bool = False) -> tuple[Reals, Reals]:
    """Return gain and offset of the input's values over its whole numbers."""
    found = affine(flow.steps)
    if found is None:
        raise blocked(
            op.place,
            "its input bends (ReLU or Clip) without being quantised",
            "put a Quant node behind the activation",
        )
    gain, offset = found
    if per_channel or gain.ndim == 0:
        return gain, offset
    if np.ptp(gain) > 0:
        raise blocked(
            op.place,
            "the scale of its input differs between channels",
            "quantise its input with one scale per tensor",
        )
    return gain[0].reshape(()), offset


def quantised_weights(
    op: Op, value: Value | None, sketch: Sketch, *, output_axis: int
) -> tuple[Wholes, Reals, DataType]:
    """Return codes, scale (one or one per output) and the declared type of the codes."""
    if not isinstance(value, Constant):
        raise blocked(op.place, "its weights are computed", "use constant weights")
    codes, scale = value.codes, value.scale
    if codes is None:
        codes, known = _plain_weights(op, value), sketch.network.datatypes.get(op.inputs[1])
        return codes, np.array(1.0), fitting(DataType.parse(known) if known else None, codes)
    full = scale.reshape((1,) * (codes.ndim - scale.ndim) + scale.shape)
    if full.size > 1 and full.shape[output_axis] != full.size:
        raise blocked(
            op.place,
            f"the scale of its weights has shape {list(scale.shape)}",
            "use one weight scale per tensor or per output channel",
        )
    return codes, full.reshape(-1 if full.size > 1 else ()), fitting(value.datatype, codes)


def has_codes(value: Value | None) -> bool:
    """Whether weights are quantised, or small whole numbers without a quantiser."""
    if not isinstance(value, Constant) or value.codes is not None:
        return isinstance(value, Constant)
    values = value.values.astype(np.float64)
    whole = (values == np.round(values)) & (np.abs(values) <= _LARGEST_WEIGHT)
    return bool(whole.all())


def _plain_weights(op: Op, value: Constant) -> Wholes:
    """Take weights without a quantiser as codes if they are small whole numbers."""
    if not has_codes(value):
        raise blocked(
            op.place,
            "its weights are real numbers, not quantised ones",
            "train the network quantised (Brevitas, QKeras) and export QONNX",
        )
    return narrow(value.values.astype(np.float64))
