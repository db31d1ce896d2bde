"""CNV: the VGG-like network of FINN's examples for 32x32 colour images."""

from __future__ import annotations

import onnx

from models.drawing import Drawing
from models.mlp import centred_input, logit_scaling
from models.signal import Grid

_CONVOLUTIONS = ((64, False), (64, True), (128, False), (128, True), (256, False), (256, False))
"""Output channels of each 3x3 convolution, and whether a 2x2 max pooling follows."""

_HIDDEN = (512, 512)
_CLASSES = 10
_PIXEL_STEP = 2.0**-7


def cnv(name: str, seed: int, *, weight_bits: int, activation_bits: int) -> onnx.ModelProto:
    """Draw CNV; the image, 0..1, is quantised to 8 signed bits.

    Args:
        name: Of the graph.
        seed: Of the weights.
        weight_bits: Of every weight; 1 is bipolar.
        activation_bits: Of every activation but the image; 1 is bipolar.
    """
    drawing = Drawing((1, 3, 32, 32), seed)
    grid = Grid(bits=activation_bits, signed=True)
    signal = centred_input(
        drawing, "global_in", Grid(bits=8, signed=True, narrow=False), _PIXEL_STEP
    )
    for channels, pooled in _CONVOLUTIONS:
        sums = drawing.convolution(signal, channels, 3, bits=weight_bits, step=1.0)
        signal = drawing.activation(sums, grid, step=1.0)
        if pooled:
            signal = drawing.largest(signal, 2, 2)
    signal = drawing.flatten(signal)
    for features in _HIDDEN:
        sums = drawing.product(signal, features, bits=weight_bits)
        signal = drawing.activation(sums, grid, step=1.0)
    sums = drawing.product(signal, _CLASSES, bits=weight_bits)
    return drawing.finish(name, logit_scaling(drawing, sums.tensor))
