"""Rules for Conv and ConvTranspose: padding, sliding window and a matrix or vector unit."""

from __future__ import annotations

import numpy as np

from elasticdf.frontend.diagnose import blocked
from elasticdf.frontend.qonnx.elementwise import Inputs, only_flow
from elasticdf.frontend.qonnx.matrix import (
    biased,
    input_affine,
    matches_to_products,
    matrix_unit,
    quantised_weights,
)
from elasticdf.frontend.qonnx.reading import Op
from elasticdf.frontend.qonnx.sketch import Sketch
from elasticdf.frontend.qonnx.values import Flow, Reals, Scale, Shift, Value, Wholes
from elasticdf.frontend.qonnx.widths import accumulator_range, smallest
from elasticdf.frontend.qonnx.windows import (
    Window,
    check_zero,
    slide,
    stretch,
    transposed_window_of,
    window_of,
)
from elasticdf.ir import DataType


def conv(op: Op, inputs: Inputs, sketch: Sketch) -> Value:
    """Conv: dense or depthwise, strided, padded or dilated."""
    flow = only_flow(op, inputs[:1])
    codes, scale, declared = quantised_weights(op, inputs[1], sketch, output_axis=0)
    codes = _over_image(op, flow, codes)
    group = int(op.attributes.get("group", 1))
    if not _dense_or_depthwise(flow, codes, group):
        raise blocked(
            op.place,
            f"{group} groups over {flow.channels} input and {codes.shape[0]} output channels",
            "use group 1, or a depthwise convolution with as many outputs as inputs",
        )
    window = window_of(op, flow, (codes.shape[2], codes.shape[3]))
    result = _convolved(op, flow, window, codes, declared, sketch)
    return biased(op, result.then(Scale(scale)), inputs[2] if len(inputs) > 2 else None)


def conv_transpose(op: Op, inputs: Inputs, sketch: Sketch) -> Value:
    """ConvTranspose: the pixels apart, then a convolution with the kernels turned by 180 degrees.

    As FINN's InferPixelPaddingDeconv has it.
    """
    flow = only_flow(op, inputs[:1])
    codes, scale, declared = quantised_weights(op, inputs[1], sketch, output_axis=1)
    codes = _over_image(op, flow, codes)
    if op.attributes.get("group", 1) != 1 or codes.shape[0] != flow.channels:
        raise blocked(
            op.place,
            f"{op.attributes.get('group', 1)} groups over {flow.channels} input channels",
            "use group 1",
        )
    turned = np.ascontiguousarray(codes[:, :, ::-1, ::-1].swapaxes(0, 1))
    apart, window = transposed_window_of(op, flow, (codes.shape[2], codes.shape[3]))
    result = _convolved(op, flow, window, turned, declared, sketch, apart=apart)
    return biased(op, result.then(Scale(scale)), inputs[2] if len(inputs) > 2 else None)


def _over_image(op: Op, flow: Flow, codes: Wholes) -> Wholes:
    """Return kernels over height and width; a signal's have width 1."""
    if len(flow.shape) == codes.ndim == 3:
        codes = codes[..., None]
    if codes.ndim != 4:
        raise blocked(
            op.place,
            f"it convolves {list(flow.shape)} with weights of shape {list(codes.shape)}",
            "use a convolution over one or two dimensions",
        )
    return codes


def _dense_or_depthwise(flow: Flow, codes: Wholes, group: int) -> bool:
    if codes.shape[1] * group != flow.channels:
        return False
    return group in (1, flow.channels) and (group == 1 or codes.shape[0] == group)


def _convolved(
    op: Op,
    flow: Flow,
    window: Window,
    codes: Wholes,
    weight_type: DataType,
    sketch: Sketch,
    *,
    apart: tuple[int, int] = (1, 1),
) -> Flow:
    """Add the layers of a convolution; its result still has the weights' unit.

    Args:
        op: For messages.
        flow: The image.
        window: What slides over it, pixels apart already.
        codes: Shape (outputs, inputs, height, width); one input per output if depthwise.
        weight_type: Of the codes.
        sketch: Takes the layers.
        apart: Rows and columns from one pixel to the next, zeros between.
    """
    depthwise = codes.shape[1] == 1 and flow.channels > 1
    gain, offset = input_affine(op, flow, per_channel=depthwise)
    if any(window.padding) or apart != (1, 1):
        check_zero(op, flow)
    flow = stretch(flow, apart, sketch)
    stream = slide(flow, window, depthwise=depthwise, sketch=sketch)
    if depthwise:
        stream = _vector_unit(stream, flow.datatype, codes, weight_type, window.output, sketch)
    else:
        matrix = codes.transpose(2, 3, 1, 0).reshape(-1, codes.shape[0])
        leading = (1, *window.output)
        stream = matrix_unit(stream, flow.datatype, matrix, weight_type, leading, sketch)
    result = Flow(
        stream=stream,
        shape=flow.spread(codes.shape[0], window.output),
        datatype=sketch.tensors[stream].datatype,
    ).then(*matches_to_products(stream, sketch), Scale(gain))
    if not np.any(offset):
        return result
    return result.then(Shift(_offset_sums(codes, offset, flow.channels, depthwise=depthwise)))


def _offset_sums(codes: Wholes, offset: Reals, channels: int, *, depthwise: bool) -> Reals:
    """Return what an offset of the input adds to each output."""
    per_input = np.broadcast_to(offset, (channels,))
    sums = codes.sum(axis=(2, 3))
    result: Reals = sums[:, 0] * per_input if depthwise else sums @ per_input
    return result


def _vector_unit(
    stream: str,
    datatype: DataType,
    codes: Wholes,
    weight_type: DataType,
    output: tuple[int, int],
    sketch: Sketch,
) -> str:
    """Add a VVAU without thresholds; ``codes`` has shape (channels, 1, height, width)."""
    low, high = accumulator_range(codes.reshape(codes.shape[0], -1).T, datatype)
    accumulator = smallest(low, high)
    return sketch.layer(
        "VVAU",
        (stream, sketch.parameter(codes, weight_type)),
        (1, *output, codes.shape[0]),
        accumulator,
        {
            "PE": 1,
            "SIMD": 1,
            "Dim": output,
            "Channels": codes.shape[0],
            "Kernel": codes.shape[2:],
            "inputDataType": datatype.name,
            "weightDataType": weight_type.name,
            "outputDataType": accumulator.name,
            "accDataType": accumulator.name,
            "noActivation": 1,
        },
    )
