"""Rules for quantisers: thresholds in the layer that feeds them, or a layer of their own.

A quantiser on real values ends the host's part instead and starts the accelerator.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from elasticdf.errors import InternalError
from elasticdf.frontend.diagnose import blocked
from elasticdf.frontend.qonnx.elementwise import Inputs, in_stream_order, vector
from elasticdf.frontend.qonnx.host import Quantiser
from elasticdf.frontend.qonnx.reading import Op
from elasticdf.frontend.qonnx.sketch import Sketch
from elasticdf.frontend.qonnx.thresholds import (
    ROUNDING_MODES,
    Bounds,
    Thresholds,
    pull_back,
    rounding_bounds,
)
from elasticdf.frontend.qonnx.values import (
    Constant,
    Divide,
    Flow,
    Host,
    Reals,
    Scale,
    Shift,
    Step,
    Value,
)
from elasticdf.frontend.qonnx.widths import fitting
from elasticdf.ir import DataType, Layer

_MAX_ACTIVATION_BITS = 8
"""More thresholds than a code of this width needs fit no FPGA layer."""


def quantiser_of(op: Op, inputs: Inputs) -> tuple[Quantiser, DataType, str]:
    """Return a Quant node's arithmetic, the type of its codes and its rounding mode.

    Raises:
        UserError: Computed parameters, negative scale, odd bit width or rounding mode.
    """
    if not all(isinstance(value, Constant) for value in inputs[1:]):
        raise blocked(
            op.place,
            "its scale, zero point or bit width is computed, not constant",
            "export the network in evaluation mode with fixed scales",
        )
    scale, zero, bits = (v.values for v in inputs[1:4] if isinstance(v, Constant))
    width = float(bits.reshape(-1)[0]) if bits.size == 1 else np.nan
    if not (width.is_integer() and 1 <= width <= 32):
        raise blocked(
            op.place,
            f"its bit width is {np.array2string(bits)}",
            "use one whole bit width from 1 to 32",
        )
    if not (scale > 0).all() or not np.isfinite(scale).all():
        raise blocked(op.place, "its scale is not positive", "train or export the network again")
    if (zero != np.round(zero)).any():
        raise blocked(op.place, "its zero point is not a whole number", "use zero point 0")
    mode = str(op.attributes.get("rounding_mode", "ROUND")).upper()
    if mode not in ROUNDING_MODES:
        raise blocked(
            op.place,
            f"its rounding mode is {mode!r}",
            f"use one of {', '.join(ROUNDING_MODES)}",
        )
    signed, narrow = bool(op.attributes.get("signed", 1)), bool(op.attributes.get("narrow", 0))
    quantiser = _integer_quantiser(int(width), signed, narrow, scale, zero)
    if quantiser.low == quantiser.high:
        raise blocked(op.place, "its range is the single code 0", "use more bits, or narrow 0")
    return quantiser, _datatype(width, signed), mode


def _datatype(width: float, signed: bool) -> DataType:
    if width == 1:
        return DataType.parse("BIPOLAR" if signed else "BINARY")
    return DataType.parse(f"{'' if signed else 'U'}INT{int(width)}")


def _integer_quantiser(
    width: int, signed: bool, narrow: bool, scale: NDArray[Any], zero: NDArray[Any]
) -> Quantiser:
    # ranges as in qonnx's int_quant; one signed bit is read as a sign there
    low = -(2 ** (width - 1)) + int(narrow) if signed else 0
    high = 2 ** (width - 1) - 1 if signed else 2**width - 1 - int(narrow)
    return Quantiser(
        scale=scale.astype(np.float32),
        zero_point=zero.astype(np.float32),
        low=low,
        high=high,
        bipolar=signed and width == 1,
    )


def quant(op: Op, inputs: Inputs, sketch: Sketch) -> Value:
    """Quant on a stream or on the host's real values."""
    quantiser, datatype, mode = quantiser_of(op, inputs)
    return quantised(op, inputs[0], quantiser, datatype, mode, sketch)


def quantised(
    op: Op, value: Value | None, quantiser: Quantiser, datatype: DataType, mode: str, sketch: Sketch
) -> Flow:
    """Return the stream of a quantiser's codes, worth what the quantiser says.

    Raises:
        UserError: No hardware does it: too many codes, or nothing whole to compare.
    """
    if quantiser.bipolar:
        return _sign(op, value, quantiser, sketch)
    if isinstance(value, Host):
        return _enter(op, value, replace(quantiser, rounding=mode), datatype, sketch)
    flow = _flow(op, value)
    if datatype.bits > _MAX_ACTIVATION_BITS:
        raise blocked(
            op.place,
            f"activations of {datatype.bits} bits need {2**datatype.bits - 1} thresholds",
            f"quantise activations to at most {_MAX_ACTIVATION_BITS} bits",
        )
    before, after = _around(op, flow, quantiser)
    bounds = _bounds(quantiser, mode)
    return _threshold(op, flow.then(*before), bounds, quantiser.low, datatype, sketch).then(*after)


def _bounds(quantiser: Quantiser, mode: str) -> Bounds:
    """Return the bounds of a quantiser's codes on real values divided and shifted already."""
    zero = 0
    if quantiser.rounds_first and quantiser.zero_point.size:
        zero = int(quantiser.zero_point.reshape(-1)[0])
    bounds = rounding_bounds(quantiser.low - zero, quantiser.high - zero, mode)
    return replace(bounds, values=bounds.values + zero)


def bipolar_quant(op: Op, inputs: Inputs, sketch: Sketch) -> Value:
    """BipolarQuant: the sign, zero counting as positive."""
    scale = inputs[1]
    if not isinstance(scale, Constant):
        raise blocked(op.place, "its scale is computed, not constant", "export with fixed scales")
    if not (scale.values > 0).all():
        raise blocked(op.place, "its scale is not positive", "train or export the network again")
    quantiser = Quantiser(
        scale=scale.values.astype(np.float32),
        zero_point=np.zeros((), np.float32),
        low=-1,
        high=1,
        bipolar=True,
    )
    return _sign(op, inputs[0], quantiser, sketch)


def _sign(op: Op, value: Value | None, quantiser: Quantiser, sketch: Sketch) -> Flow:
    datatype = DataType.parse("BIPOLAR")
    if isinstance(value, Host):
        return _enter(op, value, quantiser, datatype, sketch)
    flow = _flow(op, value)
    before, after = _around(op, flow, quantiser)
    bounds = Bounds(values=np.zeros((1, 1)), reached=np.ones(1, dtype=bool))
    return _threshold(op, flow.then(*before), bounds, 0, datatype, sketch).then(*after)


def multi_threshold(op: Op, inputs: Inputs, sketch: Sketch) -> Value:
    """MultiThreshold, FINN's own quantiser."""
    flow, table = _flow(op, inputs[0]), inputs[1]
    if not isinstance(table, Constant):
        raise blocked(op.place, "its thresholds are computed", "use constant thresholds")
    scale = float(op.attributes.get("out_scale", 1.0))
    bias = float(op.attributes.get("out_bias", 0.0))
    datatype = DataType.parse(str(op.attributes.get("out_dtype", "")))
    values = table.values.astype(np.float64)
    if values.ndim != 2 or values.shape[0] not in (1, flow.channels) or not datatype.is_integer:
        raise blocked(
            op.place,
            f"thresholds of shape {list(values.shape)} and output type {datatype} do not fit "
            f"{flow.channels} channels",
            "export the network again",
        )
    if values.shape[0] > 1:
        values = np.stack([in_stream_order(flow, column) for column in values.T], axis=1)
    bounds = Bounds(values=values, reached=np.ones(values.shape[1], dtype=bool))
    if datatype.name == "BIPOLAR":
        result = _threshold(op, flow, bounds, 0, datatype, sketch)
        if (scale, bias) == (2.0, -1.0):
            return result
        halved = (Shift(np.array(1.0)), Scale(np.array(scale / 2)), Shift(np.array(bias)))
        return result.then(*halved)
    if scale == 1.0 and bias.is_integer():
        return _threshold(op, flow, bounds, int(bias), datatype, sketch)
    counted = DataType.smallest_for(0, values.shape[1])
    result = _threshold(op, flow, bounds, 0, counted, sketch)
    return result.then(Scale(np.array(scale)), Shift(np.array(bias)))


def _flow(op: Op, value: Value | None) -> Flow:
    if isinstance(value, Flow) and not value.normalised:
        return value
    raise blocked(
        op.place, "its input is not an integer stream", "quantise what comes before it as well"
    )


def _around(op: Op, flow: Flow, quantiser: Quantiser) -> tuple[tuple[Step, ...], tuple[Step, ...]]:
    """Return the steps from real value to code and back."""
    scale = vector(op, flow, Constant(plain=quantiser.scale))
    zero = vector(op, flow, Constant(plain=quantiser.zero_point))
    if not zero.any():
        return (Divide(scale),), (Scale(scale),)
    return (Divide(scale), Shift(zero)), (Shift(-zero), Scale(scale))


def _enter(op: Op, host: Host, quantiser: Quantiser, datatype: DataType, sketch: Sketch) -> Flow:
    """End the host's part: its codes are the accelerator's input stream."""
    shape = sketch.enter(op, host, quantiser)
    flow = Flow(stream=sketch.input_stream(shape, datatype), shape=host.shape, datatype=datatype)
    _, after = _around(op, flow, quantiser)
    if sketch.eight_bit_image(host, datatype):
        flow = _from_image(flow, quantiser.low, datatype, sketch)
    return flow.then(*after)


def _from_image(flow: Flow, low: int, datatype: DataType, sketch: Sketch) -> Flow:
    """Let an image enter as bytes: byte minus offset is the code, a Thresholding subtracts it.

    FINN builds this layer for every network on 8-bit images.
    """
    byte = DataType.parse("UINT8")
    sketch.set_datatype(flow.stream, byte)
    sketch.byte_offset = -low
    steps = np.arange(1.0, datatype.maximum - low + 1)
    values = np.broadcast_to(steps, (flow.channels, steps.size)).copy()
    stream = _standalone(flow, byte, values, low, datatype, sketch)
    return Flow(stream=stream, shape=flow.shape, datatype=datatype)


def _threshold(
    op: Op, flow: Flow, bounds: Bounds, low: int, datatype: DataType, sketch: Sketch
) -> Flow:
    """Turn bounds on the flow's real values into thresholds on its whole numbers."""
    thresholds = pull_back(flow.steps, bounds, flow.channels)
    producer = sketch.producer(flow.stream)
    if producer is not None and _takes_thresholds(producer, flow):
        values = _flip(producer, thresholds, sketch)
        stream = _fuse(producer, values, low, datatype, sketch)
    elif thresholds.falling.any():
        raise blocked(
            op.place,
            "its codes fall while the stream's values rise, on "
            f"{int(thresholds.falling.sum())} of {flow.channels} channels",
            "make the scale in front of it positive, or put it directly behind a Conv or MatMul",
        )
    else:
        stream = _standalone(flow, flow.datatype, thresholds.values, low, datatype, sketch)
    return Flow(stream=stream, shape=flow.shape, datatype=datatype, order=flow.order)


def _takes_thresholds(producer: Layer, flow: Flow) -> bool:
    """Whether the flow is all a unit's sums go to, channel by channel as the unit has them."""
    outputs = producer.attributes.get("MH" if producer.op_type == "MVAU" else "Channels")
    raw = bool(producer.integer("noActivation", 0))
    return raw and not flow.shared and flow.order is None and flow.channels == outputs


def _flip(layer: Layer, thresholds: Thresholds, sketch: Sketch) -> Reals:
    """Negate the weights of the channels whose codes fall with the accumulator.

    Returns the thresholds to go with them: an XNOR unit counts bits, and with all weights of a
    channel inverted it counts ``MW`` minus what it counted before.
    """
    falling = thresholds.falling
    if not falling.any():
        return thresholds.values
    name = layer.inputs[1]
    tensor = sketch.tensors[name]
    if tensor.values is None:
        raise InternalError(f"layer {layer.name}: weights without values")
    weights = tensor.values
    if layer.integer("binaryXnorMode", 0):
        sketch.set_values(name, np.where(falling, 1 - weights, weights), tensor.datatype)
        return thresholds.values + np.where(falling, layer.integer("MW"), 0)[:, None]
    sign = np.where(falling, -1, 1).astype(weights.dtype)
    shaped = sign if layer.op_type == "MVAU" else sign[:, None, None, None]
    negated = weights * shaped
    sketch.set_values(name, negated, fitting(tensor.datatype, negated))
    return thresholds.values


def _fuse(layer: Layer, values: Reals, low: int, datatype: DataType, sketch: Sketch) -> str:
    parameter = sketch.parameter(values, DataType.parse("INT32"))
    changed = layer.with_attributes(
        {"noActivation": 0, "ActVal": low, "outputDataType": datatype.name}
    )
    sketch.replace_layer(
        Layer(
            name=layer.name,
            op_type=layer.op_type,
            attributes=changed.attributes,
            inputs=(*layer.inputs, parameter),
            outputs=layer.outputs,
        )
    )
    sketch.set_datatype(layer.outputs[0], datatype)
    return layer.outputs[0]


def _standalone(
    flow: Flow, source: DataType, values: Reals, low: int, datatype: DataType, sketch: Sketch
) -> str:
    shape = sketch.tensors[flow.stream].shape
    if flow.order is not None or shape[-1] != flow.channels:
        shape = (1, flow.channels)
    return sketch.layer(
        "Thresholding",
        (flow.stream, sketch.parameter(values, DataType.parse("INT32"))),
        shape,
        datatype,
        {
            "NumChannels": flow.channels,
            "PE": 1,
            "numSteps": values.shape[1],
            "inputDataType": source.name,
            "weightDataType": "INT32",
            "outputDataType": datatype.name,
            "numInputVectors": shape[:-1],
            "ActVal": low,
        },
    )
