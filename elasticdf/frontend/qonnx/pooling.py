"""Rules for pooling: streaming maxima, window maxima, and sums in place of averages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from elasticdf.frontend.diagnose import blocked
from elasticdf.frontend.qonnx.elementwise import Inputs, only_flow
from elasticdf.frontend.qonnx.reading import Op
from elasticdf.frontend.qonnx.sketch import Sketch
from elasticdf.frontend.qonnx.values import (
    Average,
    Clip,
    Constant,
    Divide,
    Flow,
    Scale,
    Value,
    affine,
)
from elasticdf.frontend.qonnx.widths import smallest
from elasticdf.frontend.qonnx.windows import (
    Window,
    add_padding,
    generate,
    kernel_of,
    whole_image,
    window_of,
)
from elasticdf.ir import AttributeValue, DataType


def max_pool(op: Op, inputs: Inputs, sketch: Sketch) -> Value:
    """MaxPool: on codes, since every step behind them must rise."""
    flow = only_flow(op, inputs[:1])
    kernel = kernel_of(op, flow)
    return _maximum(op, flow, _pool_window(op, flow, window_of(op, flow, kernel)), sketch)


def global_max_pool(op: Op, inputs: Inputs, sketch: Sketch) -> Value:
    """GlobalMaxPool: a window as large as the image."""
    flow = _image(op, inputs)
    return _maximum(op, flow, whole_image(flow), sketch)


def _maximum(op: Op, flow: Flow, window: Window, sketch: Sketch) -> Flow:
    unbent = affine(tuple(step for step in flow.steps if not isinstance(step, Clip)))
    if unbent is None or (unbent[0] <= 0).any():
        raise blocked(
            op.place,
            "its values fall while the codes rise",
            "make the scale in front of it positive",
        )
    shape = (1, *window.output, flow.channels)
    if _streams(flow, window):
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
                "CeilMode": int(bool(op.attributes.get("ceil_mode", 0))),
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


def _streams(flow: Flow, window: Window) -> bool:
    """Whether pixels can be pooled as they pass: windows side by side, none cut off but in a row.

    FINN's rule, less its errors: it also takes images one side of which is left over.
    """
    if window.kernel != window.strides or any(window.padding):
        return False
    sides = tuple(zip(flow.image, window.kernel, strict=True))
    if (1, 1) in sides:
        return flow.datatype.name != "BIPOLAR"
    return all(size % kernel == 0 for size, kernel in sides)


def _pool_window(op: Op, flow: Flow, window: Window) -> Window:
    """Return the window with its output rounded up if the operator says so.

    Raises:
        UserError: No layer pools that way.
    """
    if window.dilations != (1, 1):
        raise blocked(op.place, "it is dilated", "use a pooling window without dilation")
    rounded_up = tuple(
        -(-(window.padded[a] - window.kernel[a]) // window.strides[a]) + 1 for a in (0, 1)
    )
    if not op.attributes.get("ceil_mode", 0) or rounded_up == window.output:
        return window
    if op.type != "MaxPool" or not _streams(flow, window):
        raise blocked(op.place, "it rounds its output size up", "use ceil_mode 0")
    return replace(window, output=(rounded_up[0], rounded_up[1]))


def _window_maximum(op: Op, flow: Flow, window: Window, sketch: Sketch) -> str:
    stream = flow.stream
    if any(window.padding):
        if flow.datatype.signed:
            raise blocked(
                op.place,
                "it pads signed values with zero, which may exceed the true maximum",
                "quantise its input unsigned, or pool without padding",
            )
        stream = add_padding(flow, window, sketch)
    stream = generate(stream, flow, window, depthwise=True, sketch=sketch)
    function: dict[str, AttributeValue] = {"Function": "MaxPool", "Size": 0}
    return add_pool(stream, flow, window, flow.datatype, function, sketch)


def add_pool(
    stream: str,
    flow: Flow,
    window: Window,
    result: DataType,
    function: Mapping[str, AttributeValue],
    sketch: Sketch,
) -> str:
    """Add a Pool behind a depthwise window generator and return its stream.

    Args:
        stream: Of windows.
        flow: What was cut into windows.
        window: How.
        result: Type of the pooled values.
        function: FINN's attributes that say what is computed.
        sketch: Takes the layer.
    """
    return sketch.layer(
        "Pool",
        (stream,),
        (1, *window.output, flow.channels),
        result,
        {
            "Channels": flow.channels,
            "PE": 1,
            "KernelSize": window.kernel,
            "OutImgDims": window.output,
            "InputDataType": flow.datatype.name,
            "OutputDataType": result.name,
            **function,
        },
    )


def average_pool(op: Op, inputs: Inputs, sketch: Sketch) -> Value:
    """AveragePool: open until the network says how its division is rounded."""
    flow = only_flow(op, inputs[:1])
    window = _pool_window(op, flow, window_of(op, flow, kernel_of(op, flow)))
    if any(window.padding):
        raise blocked(op.place, "it pads", "use an average pooling without padding")
    return Average(flow=flow, kernel=window.kernel, strides=window.strides)


def global_average_pool(op: Op, inputs: Inputs, sketch: Sketch) -> Value:
    """GlobalAveragePool, and ReduceMean over the image: a sum, the division stays pending."""
    return _global_sum(op, _image(op, inputs), sketch)


def _image(op: Op, inputs: Inputs) -> Flow:
    flow = only_flow(op, inputs[:1])
    if len(flow.shape) < 3:
        raise blocked(op.place, f"its input is {list(flow.shape)}", "give it an image")
    return flow


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
