"""Fully connected networks: TFC, SFC and LFC for digits, and a keyword spotter."""

from __future__ import annotations

import numpy as np
import onnx

from models.drawing import Drawing
from models.grid import normal_odds, weight_step
from models.signal import Grid, Signal

_CLASSES = 10
_TERNARY_ACCUMULATORS = {64: 8}
"""Accumulator width by fan-in where chance would decide it: that of the public 2-bit TFC."""


def digits(
    name: str, seed: int, *, hidden: int, weight_bits: int, activation_bits: int
) -> onnx.ModelProto:
    """Draw the MLP of FINN's examples for 28x28 grey images in 0..1: three hidden layers.

    Args:
        name: Of the graph.
        seed: Of the weights.
        hidden: Neurons per hidden layer.
        weight_bits: Of every weight; 1 is bipolar.
        activation_bits: Of every activation, the image included; 1 is bipolar.
    """
    drawing = Drawing((1, 1, 28, 28), seed)
    widths = _TERNARY_ACCUMULATORS if weight_bits == 2 else {}
    grid = Grid(bits=activation_bits, signed=True)
    flat = drawing.node("Reshape", "global_in", np.array([1, -1]), shape=(1, 784))
    signal = centred_input(drawing, flat, grid, 1.0)
    for _ in range(3):
        accumulator = widths.get(signal.shape[1])
        sums = drawing.product(signal, hidden, bits=weight_bits, accumulator=accumulator)
        signal = drawing.activation(sums, grid, step=1.0)
    accumulator = widths.get(hidden)
    sums = drawing.product(signal, _CLASSES, bits=weight_bits, accumulator=accumulator)
    return drawing.finish(name, logit_scaling(drawing, sums.tensor))


def centred_input(drawing: Drawing, tensor: str, grid: Grid, step: float) -> Signal:
    """Map 0..1 to -1..1 and quantise that to every level of the grid."""
    shape = drawing.shape(tensor)
    doubled = drawing.node("Mul", tensor, 2.0, shape=shape)
    shifted = drawing.node("Sub", doubled, np.array([1.0], np.float32), shape=shape)
    levels = np.arange(grid.low, grid.high + 1)
    used = levels != 0 if grid.bits == 1 else np.ones(levels.size)
    return Signal(
        tensor=drawing.quantise(shifted, grid, step),
        shape=shape,
        step=np.array(step),
        low=grid.low,
        odds=(used / used.sum())[None, :],
    )


def logit_scaling(drawing: Drawing, tensor: str) -> str:
    """Add the scalar normalisation with which brevitas ends its small classifiers."""
    shape = drawing.shape(tensor)
    for op_type, constant in (
        ("Sub", np.array([0.03125], np.float32)),
        ("Div", np.array([4.0], np.float32)),
        ("Mul", np.array([1.0], np.float32)),
        ("Add", np.array([0.0], np.float32)),
    ):
        tensor = drawing.node(op_type, tensor, constant, shape=shape)
    return tensor


_KEYWORD_CLASSES = 12
_KEYWORD_ACCUMULATORS = (18, 13, 13)
_KEYWORD_LAST_ACCUMULATOR = 14


def keywords(name: str, seed: int) -> onnx.ModelProto:
    """Draw the 3-bit MLP for keyword spotting: 10x49 speech features, three layers of 256.

    The features are quantised to 8 bits with a step of 1. Accumulators are as wide as those of
    the trained public network.
    """
    drawing = Drawing((1, 1, 10, 49), seed)
    features = Grid(bits=8, signed=True)
    tensor = drawing.quantise("global_in", features, 1.0)
    flat = drawing.node("Flatten", tensor, shape=(1, 490), axis=1)
    signal = Signal(
        tensor=flat,
        shape=(1, 490),
        step=np.array(1.0),
        low=features.low,
        odds=normal_odds(features.low, features.high, np.array([40.0]), np.zeros(1)),
    )
    for accumulator in _KEYWORD_ACCUMULATORS:
        step = drawing.channel_steps(256, weight_step(signal.shape[1], 3))
        sums = drawing.product_of_rows(signal, 256, bits=3, step=step, accumulator=accumulator)
        signal = drawing.activation(sums, Grid(bits=3), step=2.0**-3)
    last = drawing.product_of_rows(
        signal, _KEYWORD_CLASSES, bits=3, accumulator=_KEYWORD_LAST_ACCUMULATOR
    )
    return drawing.finish(name, last.tensor)
