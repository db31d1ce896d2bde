"""Trunc behind an average pooling: a sum of codes shifted right, FINN's QuantAvgPool2d.

Refuses every other use of Trunc.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isclose, log2

import numpy as np

from elasticdf.frontend.diagnose import blocked
from elasticdf.frontend.qonnx.elementwise import Inputs
from elasticdf.frontend.qonnx.pooling import add_pool
from elasticdf.frontend.qonnx.reading import Op
from elasticdf.frontend.qonnx.sketch import Sketch
from elasticdf.frontend.qonnx.values import Average, Constant, Flow, Scale, Value, affine
from elasticdf.frontend.qonnx.windows import Window, generate
from elasticdf.ir import DataType


@dataclass(frozen=True, slots=True, kw_only=True)
class Truncation:
    """The parameters of a Trunc node.

    Attributes:
        scale: Value of one unit of the sum.
        zero_point: Of the sum.
        dropped_bits: By how many bits the sum is shifted right.
        output_bits: Width of the result.
        output_scale: Value of one unit of the result.
    """

    scale: float
    zero_point: float
    dropped_bits: float
    output_bits: int
    output_scale: float


def trunc(op: Op, inputs: Inputs, sketch: Sketch) -> Value:
    """Trunc."""
    average = inputs[0]
    if not isinstance(average, Average):
        raise blocked(
            op.place,
            "it does not follow an AveragePool",
            "use Quant to reduce the bit width elsewhere",
        )
    truncation = _parameters(op, inputs)
    _check_sum(op, average, truncation)
    sum_bits = int(average.flow.datatype.maximum * average.kernel[0] ** 2).bit_length()
    shift = max(0, sum_bits - truncation.output_bits)
    if shift != max(0, truncation.dropped_bits):
        raise blocked(
            op.place,
            f"it drops {truncation.dropped_bits:g} bits where a sum of {sum_bits} bits must drop "
            f"{shift} to fit {truncation.output_bits}",
            f"set its input width to {sum_bits} bits",
        )
    if truncation.dropped_bits < 0:
        sketch.notes.append(
            f"{op.place} adds {-truncation.dropped_bits:g} bits to the sum it should truncate; the "
            "sum is kept as it is, as FINN does."
        )
    return _shifted_sum(average, truncation, sum_bits, shift, sketch)


def _parameters(op: Op, inputs: Inputs) -> Truncation:
    """Return the parameters; the newer Trunc scales its output, the older keeps the input's."""
    numbers = [
        float(value.values.reshape(-1)[0])
        for value in inputs[1:]
        if isinstance(value, Constant) and value.values.size == 1
    ]
    mode = str(op.attributes.get("rounding_mode", "FLOOR")).upper()
    if len(numbers) != len(inputs) - 1 or mode != "FLOOR" or min(numbers[0], *numbers[2:]) <= 0:
        raise blocked(
            op.place,
            f"its parameters are not single positive constants, or it rounds by {mode}",
            "use constant parameters and rounding mode FLOOR",
        )
    scale, zero_point, input_bits, *_, output_bits = numbers
    output_scale = numbers[3] if len(numbers) == 5 else scale
    return Truncation(
        scale=scale,
        zero_point=zero_point,
        dropped_bits=log2(output_scale / scale) if len(numbers) == 5 else input_bits - output_bits,
        output_bits=int(output_bits),
        output_scale=output_scale,
    )


def _check_sum(op: Op, average: Average, truncation: Truncation) -> None:
    """Check that what is truncated counts the sum of a window's codes, one unit per code.

    The average may have been multiplied by the window's size, or the unit divided by it.
    """
    flow, (height, width) = average.flow, average.kernel
    found = affine(flow.steps)
    summed = (
        found is not None
        and found[0].size == 1
        and not np.any(found[1])
        and isclose(
            float(found[0].reshape(())) * average.factor / (height * width),
            truncation.scale,
            rel_tol=1e-5,
        )
    )
    if not summed or height != width or truncation.zero_point != 0 or flow.datatype.signed:
        raise blocked(
            op.place,
            "it must truncate the sum of unsigned codes over a square window at the codes' scale",
            "export the average pooling with Brevitas' TruncAvgPool2d behind a quantised ReLU",
        )


def _shifted_sum(
    average: Average, truncation: Truncation, sum_bits: int, shift: int, sketch: Sketch
) -> Flow:
    flow = average.flow
    height, width = (
        (flow.image[axis] - average.kernel[axis]) // average.strides[axis] + 1 for axis in (0, 1)
    )
    window = Window(
        kernel=average.kernel,
        strides=average.strides,
        dilations=(1, 1),
        padding=(0, 0, 0, 0),
        padded=flow.image,
        output=(height, width),
    )
    result = DataType.parse(f"UINT{truncation.output_bits}")
    stream = generate(flow.stream, flow, window, depthwise=True, sketch=sketch)
    stream = add_pool(
        stream,
        flow,
        window,
        result,
        {"Function": "QuantAvgPool", "AccumBits": sum_bits, "Size": shift},
        sketch,
    )
    return Flow(
        stream=stream,
        shape=flow.spread(flow.channels, window.output),
        datatype=result,
        steps=(Scale(np.array(truncation.output_scale)),),
    )
