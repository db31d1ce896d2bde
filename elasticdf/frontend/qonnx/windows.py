"""Sliding windows: padding, window generation and downsampling in front of units and pools."""

from __future__ import annotations

from dataclasses import dataclass

from elasticdf.frontend.diagnose import blocked
from elasticdf.frontend.qonnx.reading import Op
from elasticdf.frontend.qonnx.sketch import Sketch
from elasticdf.frontend.qonnx.values import Flow


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """The geometry of a window sliding over an image.

    Attributes:
        kernel: Height and width.
        strides: Vertical and horizontal.
        dilations: Vertical and horizontal.
        padding: Top, left, bottom, right.
        padded: Height and width of the padded image.
        output: Height and width of the result.
    """

    kernel: tuple[int, int]
    strides: tuple[int, int]
    dilations: tuple[int, int]
    padding: tuple[int, int, int, int]
    padded: tuple[int, int]
    output: tuple[int, int]


def window_of(op: Op, flow: Flow, kernel: tuple[int, int]) -> Window:
    """Return the window of a Conv or pooling operator.

    Raises:
        UserError: Sizes are impossible, or the declared kernel contradicts the weights.
    """
    if len(flow.shape) not in (3, 4):
        raise blocked(
            op.place,
            f"its input is {list(flow.shape)}",
            "give it a signal (3 dimensions) or an image (4)",
        )
    height, width = flow.image
    declared = _pair(op, flow, "kernel_shape", kernel)
    strides = _pair(op, flow, "strides", (1, 1))
    dilations = _pair(op, flow, "dilations", (1, 1))
    if declared != kernel or min(*kernel, *strides, *dilations) < 1:
        raise blocked(
            op.place,
            f"kernel {list(kernel)}, strides {list(strides)}, dilations {list(dilations)}",
            "export the network again",
        )
    padding = _padding(op, flow, kernel, strides, dilations)
    padded = (height + padding[0] + padding[2], width + padding[1] + padding[3])
    output = tuple(
        (padded[axis] - dilations[axis] * (kernel[axis] - 1) - 1) // strides[axis] + 1
        for axis in (0, 1)
    )
    if min(output) < 1:
        raise blocked(
            op.place,
            f"a window of {kernel[0]}x{kernel[1]} does not fit an image of {padded[0]}x{padded[1]}",
            "use a larger input",
        )
    return Window(
        kernel=kernel,
        strides=strides,
        dilations=dilations,
        padding=padding,
        padded=padded,
        output=(output[0], output[1]),
    )


def kernel_of(op: Op, flow: Flow) -> tuple[int, int]:
    """Return the window of a pooling operator."""
    return _pair(op, flow, "kernel_shape", (1, 1))


def _pair(op: Op, flow: Flow, name: str, default: tuple[int, int]) -> tuple[int, int]:
    """Return an attribute with one number per dimension; signals get 1 for the width."""
    values = op.attributes.get(name)
    if values is None:
        return default
    rank = len(flow.shape) - 2
    if len(values) != rank:
        raise blocked(
            op.place,
            f"its attribute {name} is {list(values)} on an input of {list(flow.shape)}",
            f"give {rank} numbers",
        )
    height, width = (*values, 1)[:2]
    return height, width


def _padding(
    op: Op,
    flow: Flow,
    kernel: tuple[int, int],
    strides: tuple[int, int],
    dilations: tuple[int, int],
) -> tuple[int, int, int, int]:
    mode, image = str(op.attributes.get("auto_pad", "NOTSET")), flow.image
    if mode in ("SAME_UPPER", "SAME_LOWER"):
        totals = [
            max(
                (-(-image[a] // strides[a]) - 1) * strides[a]
                + dilations[a] * (kernel[a] - 1)
                + 1
                - image[a],
                0,
            )
            for a in (0, 1)
        ]
        less, more = [t // 2 for t in totals], [t - t // 2 for t in totals]
        first, last = (less, more) if mode == "SAME_UPPER" else (more, less)
        return (first[0], first[1], last[0], last[1])
    rank = len(flow.shape) - 2
    pads = (
        tuple(op.attributes.get("pads", (0,) * 2 * rank)) if mode == "NOTSET" else (0,) * 2 * rank
    )
    return sides(op, pads[:rank], pads[rank:], rank)


def sides(
    op: Op, before: tuple[int, ...], after: tuple[int, ...], rank: int
) -> tuple[int, int, int, int]:
    """Return top, left, bottom, right of pads given per dimension.

    Raises:
        UserError: A pad is missing or negative.
    """
    if len(before) != rank or len(after) != rank or min(*before, *after) < 0:
        raise blocked(
            op.place,
            f"its pads are {[*before, *after]}",
            f"use {2 * rank} pads of zero or more",
        )
    top, left = (*before, 0)[:2]
    bottom, right = (*after, 0)[:2]
    return top, left, bottom, right


def slide(op: Op, flow: Flow, window: Window, *, depthwise: bool, sketch: Sketch) -> str:
    """Add what feeds a unit with windows and return the stream it reads.

    A 1x1 window without stride needs nothing; one with equal strides on a square image is a
    DownSampler; everything else a ConvolutionInputGenerator, behind an FMPadding if it pads.
    """
    stream = add_padding(op, flow, window, sketch) if any(window.padding) else flow.stream
    if window.kernel == (1, 1) and window.strides == (1, 1):
        return stream
    square = window.padded[0] == window.padded[1] and window.strides[0] == window.strides[1]
    if window.kernel == (1, 1) and square:
        return _downsample(stream, flow, window, sketch)
    return generate(stream, flow, window, depthwise=depthwise, sketch=sketch)


def add_padding(op: Op, flow: Flow, window: Window, sketch: Sketch) -> str:
    """Add an FMPadding and return its stream.

    Raises:
        UserError: Zero is not a value of the stream.
    """
    if flow.datatype.name == "BIPOLAR":
        raise blocked(
            op.place,
            "it pads a bipolar stream, which has no zero",
            "use activations of two or more bits there, or no padding",
        )
    return sketch.layer(
        "FMPadding",
        (flow.stream,),
        (1, *window.padded, flow.channels),
        flow.datatype,
        {
            "ImgDim": flow.image,
            "Padding": window.padding,
            "NumChannels": flow.channels,
            "SIMD": flow.channels,  # FINN's folding leaves this as its conversion sets it
            "inputDataType": flow.datatype.name,
        },
    )


def _downsample(stream: str, flow: Flow, window: Window, sketch: Sketch) -> str:
    return sketch.layer(
        "DownSampler",
        (stream,),
        (1, *window.output, flow.channels),
        flow.datatype,
        {
            "ImgDim": window.padded[0],
            "NumChannels": flow.channels,
            "SIMD": 1,
            "Stride": window.strides[0],
            "inputDataType": flow.datatype.name,
            "is1D": 0,
            "is1D_unitx": 0,
        },
    )


def generate(stream: str, flow: Flow, window: Window, *, depthwise: bool, sketch: Sketch) -> str:
    """Add a ConvolutionInputGenerator and return its stream of windows."""
    elements = window.kernel[0] * window.kernel[1] * flow.channels
    return sketch.layer(
        "ConvolutionInputGenerator",
        (stream,),
        (1, *window.output, elements),
        flow.datatype,
        {
            "ConvKernelDim": window.kernel,
            "IFMChannels": flow.channels,
            "IFMDim": window.padded,
            "OFMDim": window.output,
            "SIMD": 1,
            "Stride": window.strides,
            "Dilation": window.dilations,
            "inputDataType": flow.datatype.name,
            "outputDataType": flow.datatype.name,
            "depthwise": int(depthwise),
            "is1D": int(1 in flow.image),
        },
    )
