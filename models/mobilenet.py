"""MobileNetV1 for 224x224 colour images of 8-bit pixels, as FINN's examples quantise it."""

from __future__ import annotations

from typing import NamedTuple

import onnx

from models.drawing import Drawing
from models.grid import weight_step
from models.signal import Grid

_CLASSES = 1000
_STEP = 2.0**-2


class _Block(NamedTuple):
    """A depthwise 3x3 convolution and the pointwise one behind it."""

    channels: int
    stride: int
    depthwise_accumulator: int
    pointwise_accumulator: int


_BLOCKS = (
    _Block(64, 1, 11, 12),
    _Block(128, 2, 10, 13),
    _Block(128, 1, 11, 14),
    _Block(256, 2, 11, 14),
    _Block(256, 1, 11, 15),
    _Block(512, 2, 11, 15),
    _Block(512, 1, 11, 15),
    _Block(512, 1, 11, 15),
    _Block(512, 1, 11, 15),
    _Block(512, 1, 11, 15),
    _Block(512, 1, 11, 15),
    _Block(1024, 2, 11, 15),
    _Block(1024, 1, 11, 16),
)
_LAST_PER_CHANNEL = 11
"""Up to this block the signal in front of a depthwise convolution has a step per channel."""


def mobilenet_v1(name: str, seed: int, *, bits: int) -> onnx.ModelProto:
    """Draw MobileNetV1; weights of the first layer have 8 bits, all else the given ones.

    Args:
        name: Of the graph.
        seed: Of the weights.
        bits: Of weights and activations.
    """
    drawing = Drawing((1, 3, 224, 224), seed)
    grid = Grid(bits=bits)
    step = drawing.channel_steps(32, weight_step(27, 8))
    sums = drawing.convolution(drawing.image(), 32, 3, bits=8, stride=2, step=step, accumulator=20)
    signal = drawing.activation(sums, grid, step=drawing.channel_steps(32, _STEP))
    for index, block in enumerate(_BLOCKS, start=1):
        sums = drawing.convolution(
            signal,
            signal.shape[1],
            3,
            bits=bits,
            stride=block.stride,
            padding=1,
            depthwise=True,
            step=drawing.channel_steps(signal.shape[1], weight_step(9, bits)),
            accumulator=block.depthwise_accumulator,
        )
        signal = drawing.activation(sums, grid, step=_STEP)
        sums = drawing.convolution(
            signal,
            block.channels,
            1,
            bits=bits,
            step=drawing.channel_steps(block.channels, weight_step(signal.shape[1], bits)),
            accumulator=block.pointwise_accumulator,
        )
        shared = index > _LAST_PER_CHANNEL
        after = _STEP if shared else drawing.channel_steps(block.channels, _STEP)
        signal = drawing.activation(sums, grid, step=after)
    signal = drawing.average(signal, 1, bits)
    output = drawing.classifier(signal, _CLASSES, bits=bits, bias_bits=6, accumulator=16)
    return drawing.finish(name, output)
