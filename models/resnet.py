"""Residual networks: ResNet-18 for 32x32 images, ResNet-50 for 224x224 images.

Pixels are 8-bit, the first and last layers have 8-bit weights. Both branches of a join have the
same step. The step grows by half at every join, so activations do not pile up at the highest
level, and no sum is ever halfway between two new levels.
"""

from __future__ import annotations

from typing import NamedTuple

import onnx

from models.drawing import Drawing
from models.signal import Grid, Signal, Sums

_STEP = 2.0**-2
_GROWTH = 1.5
_POOLED_BITS = 8
_BRANCH_CENTRE = -0.25
"""Expected level of a residual branch before rounding, as a share of the highest level."""


class _Basic(NamedTuple):
    """A block of ResNet-18.

    Attributes:
        channels: Of both convolutions.
        stride: Of the first one; with 2, a 1x1 convolution is on the shortcut.
        accumulators: Width of the sums of both convolutions and of the shortcut's, for w2a2.
    """

    channels: int
    stride: int
    accumulators: tuple[int, int, int | None]


_BASIC_BLOCKS = (
    _Basic(64, 1, (8, 7, None)),
    _Basic(64, 1, (7, 7, None)),
    _Basic(128, 2, (7, 7, 6)),
    _Basic(128, 1, (7, 8, None)),
    _Basic(256, 2, (7, 8, 6)),
    _Basic(256, 1, (7, 8, None)),
    _Basic(512, 2, (8, 8, 6)),
    _Basic(512, 1, (9, 8, None)),
)


def resnet18_cifar(name: str, seed: int, *, bits: int) -> onnx.ModelProto:
    """Draw ResNet-18 for CIFAR: no pooling behind the first convolution, 10 classes.

    Args:
        name: Of the graph.
        seed: Of the weights.
        bits: Of weights and activations between the first and the last layer.
    """
    drawing = Drawing((1, 3, 32, 32), seed)
    grid = Grid(bits=bits)
    sums = drawing.convolution(drawing.image(), 64, 3, bits=8, padding=1, accumulator=19)
    signal = drawing.activation(sums, grid, step=_STEP)
    for block in _BASIC_BLOCKS:
        signal = _basic(drawing, signal, block, bits)
    signal = drawing.average(signal, signal.shape[2], _POOLED_BITS)
    widened = bits < 4  # the sum of 16 levels has fewer bits than the result
    output = drawing.classifier(
        signal, 10, bits=8, bias_bits=7, accumulator=24, near_biases=widened
    )
    return drawing.finish(name, output)


def _basic(drawing: Drawing, source: Signal, block: _Basic, bits: int) -> Signal:
    grid = Grid(bits=bits)
    widths = block.accumulators if bits == 2 else (None, None, None)
    first = drawing.convolution(
        source,
        block.channels,
        3,
        bits=bits,
        stride=block.stride,
        padding=1,
        accumulator=widths[0],
    )
    shortcut = source
    if block.stride > 1:
        sums = drawing.convolution(
            source, block.channels, 1, bits=bits, stride=block.stride, accumulator=widths[2]
        )
        signal = drawing.activation(first, grid, step=_STEP)
        shortcut = drawing.activation(sums, grid, step=_STEP)
    else:
        signal = drawing.activation(first, grid, step=_STEP)
    second = drawing.convolution(
        signal, block.channels, 3, bits=bits, padding=1, accumulator=widths[1]
    )
    branch = _branch(drawing, second, bits, shortcut)
    return _joined(drawing, branch, shortcut, bits)


def _joined(drawing: Drawing, branch: Signal, shortcut: Signal, bits: int) -> Signal:
    return drawing.requantise(drawing.join(branch, shortcut), bits, _GROWTH)


def _branch(drawing: Drawing, sums: Sums, bits: int, shortcut: Signal) -> Signal:
    """Activate the end of a residual branch with the shortcut's step."""
    grid = Grid(bits=bits)
    centre = _BRANCH_CENTRE * grid.high
    return drawing.activation(sums, grid, step=shortcut.step, centre=centre)


_STAGES = ((64, 3), (128, 4), (256, 6), (512, 3))
"""Inner channels and number of blocks of each stage of ResNet-50."""

_EXPANSION = 4
_JOIN_BITS = 4


def resnet50(name: str, seed: int, *, weight_bits: int, activation_bits: int) -> onnx.ModelProto:
    """Draw ResNet-50 with 4-bit joins; the shortcut and the branch have quantisers of their own.

    Args:
        name: Of the graph.
        seed: Of the weights.
        weight_bits: Of weights between the first and the last layer; 1 is bipolar.
        activation_bits: Of activations in front of a convolution.
    """
    drawing = Drawing((1, 3, 224, 224), seed)
    sums = drawing.convolution(drawing.image(), 64, 7, bits=8, stride=2, padding=3, accumulator=22)
    signal = drawing.activation(sums, Grid(bits=activation_bits), step=_STEP)
    signal = drawing.largest(signal, 3, 2, padding=1)
    for stage, (width, blocks) in enumerate(_STAGES):
        source = signal if stage == 0 else _narrowed(drawing, signal, activation_bits)
        stride = 1 if stage == 0 else 2
        sums = _convolution(drawing, source, width * _EXPANSION, 1, weight_bits, stride)
        shortcut = drawing.activation(sums, Grid(bits=_JOIN_BITS), step=_STEP)
        branch = _bottleneck(drawing, source, shortcut, width, weight_bits, stride)
        signal = _joined(drawing, branch, shortcut, _JOIN_BITS)
        for _ in range(1, blocks):
            shortcut = drawing.requantise(signal, _JOIN_BITS, 1.0)
            source = _narrowed(drawing, signal, activation_bits)
            branch = _bottleneck(drawing, source, shortcut, width, weight_bits, 1)
            signal = _joined(drawing, branch, shortcut, _JOIN_BITS)
    signal = drawing.average(signal, 1, _POOLED_BITS)
    return drawing.finish(
        name, drawing.classifier(signal, 1000, bits=8, bias_bits=9, accumulator=26)
    )


def _bottleneck(
    drawing: Drawing, source: Signal, shortcut: Signal, width: int, weight_bits: int, stride: int
) -> Signal:
    """Draw the branch of three convolutions up to the quantiser in front of the join."""
    grid = Grid(bits=source.bits)
    sums = _convolution(drawing, source, width, 1, weight_bits, 1)
    signal = drawing.activation(sums, grid, step=_STEP)
    sums = _convolution(drawing, signal, width, 3, weight_bits, stride)
    signal = drawing.activation(sums, grid, step=_STEP)
    sums = _convolution(drawing, signal, width * _EXPANSION, 1, weight_bits, 1)
    return _branch(drawing, sums, _JOIN_BITS, shortcut)


def _narrowed(drawing: Drawing, signal: Signal, bits: int) -> Signal:
    """Requantise a join's result to fewer bits over the same range."""
    return drawing.requantise(signal, bits, (2**_JOIN_BITS - 1) // (2**bits - 1))


_WIDE_SUMS = {(64, 256): 9}
"""Accumulator of layers, by fan-in and channels, whose many channels make it wider than usual."""


def _convolution(
    drawing: Drawing, source: Signal, channels: int, kernel: int, bits: int, stride: int
) -> Sums:
    """Draw a convolution; with 1-bit weights the accumulator has the width usual for its fan-in."""
    fan_in = source.shape[1] * kernel * kernel
    accumulator = None
    if bits == 1:
        usual = fan_in * int(source.levels[-1]) // 2
        accumulator = _WIDE_SUMS.get((fan_in, channels), 1 + usual.bit_length())
    return drawing.convolution(
        source,
        channels,
        kernel,
        bits=bits,
        stride=stride,
        padding=kernel // 2,
        accumulator=accumulator,
    )
