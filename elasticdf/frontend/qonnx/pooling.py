"""Rules for pooling: streaming maxima, window maxima, and sums in place of averages."""

from __future__ import annotations

import numpy as np

from elasticdf.frontend.diagnose import blocked
from elasticdf.frontend.qonnx.elementwise import Inputs, only_flow
from elasticdf.frontend.qonnx.reading import Op
from elasticdf.frontend.qonnx.sketch import Sketch
from elasticdf.frontend.qonnx.values import Average, Constant, Divide, Flow, Scale, Value, affine
from elasticdf.frontend.qonnx.widths import smallest
from elasticdf.frontend.qonnx.windows import Window, add_padding, generate, kernel_of, window_of
from elasticdf.ir import DataType


def max_pool(op: Op, inputs: Inputs, sketch: Sketch) -> Value:
    """MaxPool: on codes, since every step behind them must rise."""
    flow = only_flow(op, inputs[:1])
    window = _pool_window(op, flow)
    found = affine(flow.steps)
    if found is None or (found[0] <= 0).any():
        raise blocked(op.place, "its input is not quantised", "put a Quant node in front of it")
    shape = (1, *window.output, flow.channels)
    streaming = window.kernel == window.strides and not any(window.padding)
    if streaming and all(size % k == 0 for size, k in zip(flow.image, window.kernel, strict=True)):
        stream = sketch.layer(
            "StreamingMaxPool",
            (flow.stream,),
            shape,
            flow.datatype,
            {
                "ImgDim": flow.image,
                "PoolDim": window.kernel,
                "NumChannels": flow.channels,
                "PE": 1,
                "CeilMode": 0,
                "dataType": flow.datatype.name,
            },
        )
    else:
        stream = _window_maximum(op, flow, window, sketch)
    return Flow(
        stream=stream,
        shape=flow.spread(flow.channels, window.output),
        datatype=flow.datatype,
        steps=flow.steps,
    )


def _pool_window(op: Op, flow: Flow) -> Window:
    window = window_of(op, flow, kernel_of(op, flow))
    if window.dilations != (1, 1):
        raise blocked(op.place, "it is dilated", "use a pooling window without dilation")
    leftover = any((window.padded[a] - window.kernel[a]) % window.strides[a] for a in (0, 1))
    if op.attributes.get("ceil_mode", 0) and leftover:
        raise blocked(op.place, "it rounds its output size up", "use ceil_mode 0")
    return window


def _window_maximum(op: Op, flow: Flow, window: Window, sketch: Sketch) -> str:
    stream = flow.stream
    if any(window.padding):
        if flow.datatype.signed:
            raise blocked(
                op.place,
                "it pads signed values with zero, which may exceed the true maximum",
                "quantise its input unsigned, or pool without padding",
            )
        stream = add_padding(op, flow, window, sketch)
    stream = generate(stream, flow, window, depthwise=True, sketch=sketch)
    return _pool(stream, flow, window, "MaxPool", flow.datatype, sketch)


def _pool(
    stream: str,
    flow: Flow,
    window: Window,
    function: str,
    result: DataType,
    sketch: Sketch,
    *,
    accumulator_bits: int = 0,
    shift: int = 0,
) -> str:
    return sketch.layer(
        "Pool",
        (stream,),
        (1, *window.output, flow.channels),
        result,
        {
            "Channels": flow.channels,
            "PE": 1,
            "KernelSize": window.kernel,
            "Function": function,
            "OutImgDims": window.output,
            "InputDataType": flow.datatype.name,
            "OutputDataType": result.name,
            "AccumBits": accumulator_bits,
            "Size": shift,
        },
    )


def average_pool(op: Op, inputs: Inputs, sketch: Sketch) -> Value:
    """AveragePool: open until the network says how its division is rounded."""
    flow = only_flow(op, inputs[:1])
    window = _pool_window(op, flow)
    if any(window.padding):
        raise blocked(op.place, "it pads", "use an average pooling without padding")
    return Average(flow=flow, kernel=window.kernel, strides=window.strides)


def global_average_pool(op: Op, inputs: Inputs, sketch: Sketch) -> Value:
    """GlobalAveragePool, and ReduceMean over the image: a sum, the division stays pending."""
    flow = only_flow(op, inputs[:1])
    if len(flow.shape) < 3:
        raise blocked(op.place, f"its input is {list(flow.shape)}", "give it an image")
    return _global_sum(op, flow, sketch)


def reduce_mean(op: Op, inputs: Inputs, sketch: Sketch) -> Value:
    """ReduceMean over height and width."""
    axes = op.attributes.get("axes", ())
    if len(inputs) > 1 and isinstance(inputs[1], Constant):
        axes = tuple(int(axis) for axis in inputs[1].values.reshape(-1))
    rank = len(only_flow(op, inputs[:1]).shape)
    if sorted(axis % rank for axis in axes) != list(range(2, rank)):
        raise blocked(
            op.place, f"it averages over axes {list(axes)}", "average over the image only"
        )
    flow = global_average_pool(op, inputs[:1], sketch)
    if op.attributes.get("keepdims", 1) or not isinstance(flow, Flow):
        return flow
    return Flow(stream=flow.stream, shape=flow.shape[:2], datatype=flow.datatype, steps=flow.steps)


def settle(op: Op, average: Average, sketch: Sketch) -> Flow:
    """Close an average pooling over a whole image: a sum whose division stays pending."""
    flow = average.flow
    if average.kernel != flow.image:
        raise blocked(
            op.place,
            "the average pooling before it covers part of the image and is not truncated",
            "follow AveragePool with Mul by the window size and Trunc, as Brevitas exports it",
        )
    result = _global_sum(op, flow, sketch)
    return result.then(Scale(np.array(average.factor)))


def _global_sum(op: Op, flow: Flow, sketch: Sketch) -> Flow:
    height, width = flow.image
    if affine(flow.steps) is None:
        raise blocked(
            op.place,
            "it averages an activation that is not quantised",
            "put a Quant node behind the activation",
        )
    total = smallest(flow.datatype.minimum * height * width, flow.datatype.maximum * height * width)
    stream = sketch.layer(
        "GlobalAccPool",
        (flow.stream,),
        (1, 1, 1, flow.channels),
        total,
        {
            "NumChannels": flow.channels,
            "PE": 1,
            "inputDataType": flow.datatype.name,
            "numInputVectors": (1, height, width),
        },
    )
    mean = Divide(np.array(float(height * width)))
    shape = flow.spread(flow.channels, (1, 1))
    return Flow(stream=stream, shape=shape, datatype=total, steps=(mean, *flow.steps))


def trunc(op: Op, inputs: Inputs, sketch: Sketch) -> Value:
    """Trunc behind an average pooling: a sum shifted right (FINN's QuantAvgPool2d)."""
    average = inputs[0]
    if not isinstance(average, Average):
        raise blocked(
            op.place,
            "it does not follow an AveragePool",
            "use Quant to reduce the bit width elsewhere",
        )
    scale, zero, input_bits, output_bits, output_scale = _trunc_parameters(op, inputs)
    flow = average.flow
    window = Window(
        kernel=average.kernel,
        strides=average.strides,
        dilations=(1, 1),
        padding=(0, 0, 0, 0),
        padded=flow.image,
        output=_pooled_size(flow, average),
    )
    found = affine(flow.steps)
    matches = (
        found is not None
        and not np.any(found[1])
        and found[0].size == 1
        and np.isclose(float(found[0]), scale, rtol=1e-5, atol=0)
        and average.factor == average.kernel[0] * average.kernel[1]
    )
    square = average.kernel[0] == average.kernel[1]
    if not matches or zero != 0 or flow.datatype.signed or not square:
        raise blocked(
            op.place,
            "it must truncate the sum of unsigned codes over a square window at the codes' scale",
            "export the average pooling with Brevitas' TruncAvgPool2d behind a quantised ReLU",
        )
    accumulator_bits = int(flow.datatype.maximum * average.kernel[0] ** 2).bit_length()
    shift = max(0, accumulator_bits - output_bits)
    dropped = np.log2(output_scale / scale) if len(inputs) > 5 else input_bits - output_bits
    if shift != max(0, dropped):
        raise blocked(
            op.place,
            f"it drops {input_bits - output_bits} bits where the sum of {accumulator_bits} bits "
            f"must drop {shift} to fit {output_bits}",
            f"set its input width to {accumulator_bits} bits",
        )
    if input_bits < output_bits:
        sketch.notes.append(
            f"{op.place} widens {input_bits} bits to {output_bits}; the sum is kept as it is, "
            "as FINN does."
        )
    stream = generate(flow.stream, flow, window, depthwise=True, sketch=sketch)
    result = DataType.parse(f"UINT{output_bits}")
    stream = _pool(
        stream,
        flow,
        window,
        "QuantAvgPool",
        result,
        sketch,
        accumulator_bits=accumulator_bits,
        shift=shift,
    )
    return Flow(
        stream=stream,
        shape=flow.spread(flow.channels, window.output),
        datatype=result,
        steps=(Scale(np.array(output_scale)),),
    )


def _pooled_size(flow: Flow, average: Average) -> tuple[int, int]:
    height, width = (
        (flow.image[axis] - average.kernel[axis]) // average.strides[axis] + 1 for axis in (0, 1)
    )
    return height, width


def _trunc_parameters(op: Op, inputs: Inputs) -> tuple[float, float, int, int, float]:
    """Return scale, zero point, input bits, output bits and output scale.

    The newer Trunc has a scale for its output before the output's width; the older keeps the
    input's scale.
    """
    numbers = [
        float(value.values.reshape(-1)[0])
        for value in inputs[1:]
        if isinstance(value, Constant) and value.values.size == 1
    ]
    mode = str(op.attributes.get("rounding_mode", "FLOOR")).upper()
    if len(numbers) != len(inputs) - 1 or len(numbers) not in (4, 5) or mode != "FLOOR":
        raise blocked(
            op.place,
            f"its parameters are not single constants, or it rounds by {mode}",
            "use constant parameters and rounding mode FLOOR",
        )
    output_scale = numbers[3] if len(numbers) == 5 else numbers[0]
    return numbers[0], numbers[1], int(numbers[2]), int(numbers[-1]), output_scale
