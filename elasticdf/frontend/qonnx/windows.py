"""Sliding windows: padding, window generation and downsampling in front of units and pools."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from elasticdf.frontend.diagnose import blocked
from elasticdf.frontend.qonnx.reading import Op
from elasticdf.frontend.qonnx.sketch import Sketch
from elasticdf.frontend.qonnx.values import Flow, affine


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
    strides, dilations = _steps(op, flow, kernel)
    padding = _padding(op, flow, kernel, strides, dilations)
    return _placed(op, flow.image, kernel, strides, dilations, padding)


def transposed_window_of(
    op: Op, flow: Flow, kernel: tuple[int, int]
) -> tuple[tuple[int, int], Window]:
    """Return how far a ConvTranspose moves pixels apart, and the window over the result.

    Raises:
        UserError: Sizes are impossible, or it cuts more off than its kernel adds.
    """
    strides, dilations = _steps(op, flow, kernel)
    if "output_shape" in op.attributes or op.attributes.get("auto_pad", "NOTSET") != "NOTSET":
        raise blocked(op.place, "its padding follows from its output", "export it with pads")
    cut = _padding(op, flow, kernel, strides, dilations)
    more = _pair(op, flow, "output_padding", (0, 0))
    reach = [dilations[axis] * (kernel[axis] - 1) for axis in (0, 1)]
    padding = (
        reach[0] - cut[0],
        reach[1] - cut[1],
        reach[0] - cut[2] + more[0],
        reach[1] - cut[3] + more[1],
    )
    if min(padding) < 0:
        raise blocked(
            op.place, f"its pads are {list(cut)}, more than its kernel adds", "use smaller pads"
        )
    image = (spaced(flow.image[0], strides[0]), spaced(flow.image[1], strides[1]))
    return strides, _placed(op, image, kernel, (1, 1), dilations, padding)


def spaced(pixels: int, apart: int) -> int:
    """Return the length of a row of pixels moved apart.

    >>> spaced(4, 2)
    7
    """
    return (pixels - 1) * apart + 1


def _steps(op: Op, flow: Flow, kernel: tuple[int, int]) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return strides and dilations."""
    if len(flow.shape) not in (3, 4):
        raise blocked(
            op.place,
            f"its input is {list(flow.shape)}",
            "give it a signal (3 dimensions) or an image (4)",
        )
    declared = _pair(op, flow, "kernel_shape", kernel)
    strides = _pair(op, flow, "strides", (1, 1))
    dilations = _pair(op, flow, "dilations", (1, 1))
    if declared != kernel or min(*kernel, *strides, *dilations) < 1:
        raise blocked(
            op.place,
            f"kernel {list(kernel)}, strides {list(strides)}, dilations {list(dilations)}",
            "export the network again",
        )
    return strides, dilations


def _placed(
    op: Op,
    image: tuple[int, int],
    kernel: tuple[int, int],
    strides: tuple[int, int],
    dilations: tuple[int, int],
    padding: tuple[int, int, int, int],
) -> Window:
    padded = (image[0] + padding[0] + padding[2], image[1] + padding[1] + padding[3])
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


def whole_image(flow: Flow) -> Window:
    """Return the window that covers the image once."""
    return Window(
        kernel=flow.image,
        strides=flow.image,
        dilations=(1, 1),
        padding=(0, 0, 0, 0),
        padded=flow.image,
        output=(1, 1),
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


def slide(flow: Flow, window: Window, *, depthwise: bool, sketch: Sketch) -> str:
    """Add what feeds a unit with windows and return the stream it reads.

    A 1x1 window without stride needs nothing; one with a stride is a DownSampler on a row or, with
    equal strides, on a square; everything else a ConvolutionInputGenerator. Padding comes first.
    """
    stream = add_padding(flow, window, sketch) if any(window.padding) else flow.stream
    if window.kernel == (1, 1) and window.strides == (1, 1):
        return stream
    row = 1 in window.padded
    square = window.padded[0] == window.padded[1] and window.strides[0] == window.strides[1]
    if window.kernel == (1, 1) and (row or square):
        return _downsample(stream, flow, window, sketch)
    return generate(stream, flow, window, depthwise=depthwise, sketch=sketch)


def stretch(flow: Flow, apart: tuple[int, int], sketch: Sketch) -> Flow:
    """Return the flow with its pixels moved apart by zeros; the flow itself if they stay."""
    if apart == (1, 1):
        return flow
    image = (spaced(flow.image[0], apart[0]), spaced(flow.image[1], apart[1]))
    stream = sketch.layer(
        "FMPadding_Pixel",
        (flow.stream,),
        (1, *image, flow.channels),
        flow.datatype,
        {
            "ImgDim": flow.image,
            "Stride": apart,
            "NumChannels": flow.channels,
            "SIMD": 1,
            "inputDataType": flow.datatype.name,
            "numInputVectors": 1,
        },
    )
    return replace(flow, stream=stream, shape=flow.spread(flow.channels, image), shared=False)


def check_zero(op: Op, flow: Flow) -> None:
    """Refuse to put zeros into a stream on which a real zero is not code 0.

    Raises:
        UserError: The stream is bipolar or has an offset.
    """
    found = affine(flow.steps)
    if found is None or np.any(found[1]):
        raise blocked(
            op.place,
            "it pads a stream whose zero is not code 0",
            "quantise its input with zero point 0 and without an offset",
        )
    if flow.datatype.name == "BIPOLAR":
        raise blocked(
            op.place,
            "it pads a bipolar stream, which has no zero",
            "use activations of two or more bits there, or no padding",
        )


def add_padding(flow: Flow, window: Window, sketch: Sketch) -> str:
    """Add an FMPadding and return its stream."""
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
            "ImgDim": max(window.padded),
            "NumChannels": flow.channels,
            "SIMD": 1,
            "Stride": max(window.strides),
            "inputDataType": flow.datatype.name,
            "is1D": int(1 in window.padded),
            "is1D_unitx": int(window.padded[1] == 1),
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
