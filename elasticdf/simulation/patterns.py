"""When each kind of layer takes and gives transfers.

One rule per family, all from the layer's attributes. The order of events follows FINN's sources
(finn-hlslib, finn-rtllib); the latencies are a few constants per implementation, given below with
where they come from. No rule knows a network.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import lcm, prod
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from elasticdf.errors import UserError
from elasticdf.ir import Layer
from elasticdf.layers import kind_of
from elasticdf.layers.streaming_max_pool import row_of
from elasticdf.simulation import windows
from elasticdf.simulation.process import Pattern, table

_Marks: TypeAlias = NDArray[np.uint16]

HLS_LATENCY = 6
"""Cycles from the last input to the output of an HLS kernel's pipeline: port registers at both
ends (2), multiply or compare, adder tree, threshold."""

HLS_RESTART = 6
"""Cycles an HLS kernel's loop loses between two frames: the free-running loop is left and entered
again. TFC's measured 70 cycles for loops of 64 show it."""

RTL_LATENCY = 2
"""Input and output register of an RTL module."""


def _hls(layer: Layer) -> bool:
    return layer.op_type.endswith("_hls")


def _delays(layer: Layer, pace: int = 1) -> dict[str, int]:
    """Return latency, slots and restart of the layer's implementation.

    Args:
        layer: Whose flavour counts.
        pace: Cycles between two outputs: a stalled pipeline holds one output per that many stages.
    """
    latency = HLS_LATENCY if _hls(layer) else RTL_LATENCY
    return {
        "latency": latency,
        "slots": -(-latency // pace),
        "restart": HLS_RESTART if _hls(layer) else 0,
    }


def _elementwise(layer: Layer) -> Pattern:
    """One transfer from every input and one to every output in each cycle."""
    ports = kind_of(layer).ports(layer)
    outputs = len(ports.output_bits)
    return table(
        [1],
        [(1 << len(ports.input_bits)) - 1],
        [(1 << outputs) - 1],
        repeat=ports.output_values // outputs,
        **_delays(layer),
    )


def _accumulating(layer: Layer, *, inputs: int, outputs: int, repeat: int) -> Pattern:
    """All of a vector's inputs in the first pass, then the remaining passes without inputs.

    Args:
        layer: A matrix or vector unit.
        inputs: Cycles of a pass (synapse fold).
        outputs: Passes per vector (neuron fold).
        repeat: Vectors per frame.
    """
    gap = np.ones(inputs + outputs - 1, np.int32)
    gap[inputs:] = inputs
    reads = np.zeros(len(gap), np.uint16)
    reads[:inputs] = 1
    writes = np.zeros(len(gap), np.uint16)
    writes[inputs - 1 :] = 1
    return table(gap, reads, writes, repeat=repeat, **_delays(layer, inputs))


def _mvau(layer: Layer) -> Pattern:
    return _accumulating(
        layer,
        inputs=layer.integer("MW") // layer.integer("SIMD"),
        outputs=layer.integer("MH") // layer.integer("PE"),
        repeat=prod(layer.integers("numInputVectors")),
    )


def _vvau(layer: Layer) -> Pattern:
    folds = layer.integer("Channels") // layer.integer("PE")
    return _accumulating(
        layer,
        inputs=prod(layer.integers("Kernel")) // layer.integer("SIMD"),
        outputs=1,
        repeat=folds * prod(layer.integers("Dim")),
    )


def _pool(layer: Layer) -> Pattern:
    return _accumulating(
        layer,
        inputs=prod(layer.integers("KernelSize")),
        outputs=1,
        repeat=kind_of(layer).ports(layer).output_values * layer.integer("BatchSize"),
    )


def _first_all_then(layer: Layer, inputs: int, outputs: int, repeat: int = 1) -> Pattern:
    """A loop of inputs, then a loop of outputs."""
    marks = np.arange(inputs + outputs)
    return table(
        np.ones(len(marks), np.int32),
        marks < inputs,
        marks >= inputs,
        repeat=repeat,
        **_delays(layer),
    )


def _label_select(layer: Layer) -> Pattern:
    vectors = prod(layer.integers("numInputVectors"))
    inputs = layer.integer("Labels") // layer.integer("PE")
    return _first_all_then(layer, inputs, layer.integer("K"), vectors)


def _global_acc_pool(layer: Layer) -> Pattern:
    folds = layer.integer("NumChannels") // layer.integer("PE")
    batch, *size = layer.integers("numInputVectors")
    return _first_all_then(layer, prod(size) * folds, folds, batch)


def _max_pool(layer: Layer) -> Pattern:
    (height, width), (down, across) = layer.integers("ImgDim"), layer.integers("PoolDim")
    row = row_of(layer)
    if row is not None:
        return _row_max_pool(layer, *row)
    return _first_all_then(layer, down * width, width // across, height // down)


def _row_max_pool(layer: Layer, length: int, window: int) -> Pattern:
    """Windows over a row; what is left over is read, and written if CeilMode says so."""
    folds = layer.integer("NumChannels") // layer.integer("PE")
    pixels = np.arange(1, length + 1)
    ends = (pixels % window == 0) | (pixels == length) & bool(layer.integer("CeilMode"))
    writes = np.concatenate([[0] * folds + [1] * folds * int(end) for end in ends])
    return table(np.ones(len(writes), np.int32), 1 - writes, writes, **_delays(layer))


def _from_mask(
    layer: Layer, reads: NDArray[np.uint16], writes: NDArray[np.uint16], repeat: int = 1
) -> Pattern:
    return table(np.ones(len(reads), np.int32), reads, writes, repeat=repeat, **_delays(layer))


def _padding(layer: Layer) -> Pattern:
    height, width = layer.integers("ImgDim")
    top, left, bottom, right = layer.integers("Padding")
    inside = np.zeros((height + top + bottom, width + left + right), np.uint16)
    inside[top : top + height, left : left + width] = 1
    folds = layer.integer("NumChannels") // layer.integer("SIMD")
    reads = np.repeat(inside.reshape(-1), folds)
    return _from_mask(layer, reads, np.ones_like(reads), layer.integer("numInputVectors"))


def _pixel_padding(layer: Layer) -> Pattern:
    (height, width), (down, across) = layer.integers("ImgDim"), layer.integers("Stride")
    inside = np.zeros(((height - 1) * down + 1, (width - 1) * across + 1), np.uint16)
    inside[::down, ::across] = 1
    folds = layer.integer("NumChannels") // layer.integer("SIMD")
    reads = np.repeat(inside.reshape(-1), folds)
    return _from_mask(layer, reads, np.ones_like(reads), layer.integer("numInputVectors"))


def _down_sampler(layer: Layer) -> Pattern:
    side, stride = layer.integer("ImgDim"), layer.integer("Stride")
    kept = np.zeros((1 if layer.integer("is1D") else side, side), np.uint16)
    kept[::stride, ::stride] = 1
    folds = layer.integer("NumChannels") // layer.integer("SIMD")
    writes = np.repeat(kept.reshape(-1), folds)
    return _from_mask(layer, np.ones_like(writes), writes, layer.integer("numInputVectors"))


def _upsample(layer: Layer) -> Pattern:
    side, result = layer.integer("IFMDim"), layer.integer("OFMDim")
    factor = result // side
    flat = bool(layer.integer("DimMode"))
    fresh = np.zeros((result, 1 if flat else result), np.uint16)
    fresh[::factor, :: 1 if flat else factor] = 1
    reads = fresh.reshape(-1)
    return _from_mask(layer, reads, np.ones_like(reads), layer.integer("numInputVectors"))


def _lookup(layer: Layer) -> Pattern:
    inputs = prod(layer.integers("InputShape"))
    words = kind_of(layer).ports(layer).output_values // inputs
    reads = np.zeros(words, np.uint16)
    reads[0] = 1
    return _from_mask(layer, reads, np.ones_like(reads), inputs)


def _converter(layer: Layer) -> Pattern:
    bits = prod(layer.integers("shape")) * layer.datatype("dataType").bits
    return conversion(layer.integer("inWidth"), layer.integer("outWidth"), bits, **_delays(layer))


def conversion(before: int, after: int, bits: int, **delays: int) -> Pattern:
    """Return the pattern of a width converter: the narrow end takes one cycle per transfer.

    Args:
        before: Bits of an input transfer.
        after: Bits of an output transfer.
        bits: Of a frame.
        delays: Latency, slots and restart.
    """
    common = lcm(before, after)
    reads: list[int] = []
    writes: list[int] = []
    held = 0
    while len(writes) == 0 or held or sum(reads) * before < common:
        take = held < after
        held += before if take else 0
        give = held >= after
        held -= after if give else 0
        reads.append(int(take))
        writes.append(int(give))
    return table([1] * len(reads), reads, writes, repeat=max(1, bits // common), **delays)


def _dma(layer: Layer) -> Pattern:
    bits = prod(layer.integers("numInputVectors")) * layer.integer("NumChannels")
    bits *= layer.datatype("dataType").bits
    before, after = layer.integer("intfWidth"), layer.integer("streamWidth")
    if layer.text("direction") == "out":
        before, after = after, before
    return conversion(before, after, bits, **_delays(layer))


def _window_registers(layer: Layer) -> Pattern:
    writes = windows.register_writes(layer)
    return _from_mask(layer, np.ones_like(writes), writes)


_RULES: Mapping[str, Callable[[Layer], Pattern]] = {
    "AddStreams": _elementwise,
    "ChannelwiseOp": _elementwise,
    "CheckSum": _elementwise,
    "ConvolutionInputGenerator": _window_registers,
    "DownSampler": _down_sampler,
    "DuplicateStreams": _elementwise,
    "FMPadding": _padding,
    "FMPadding_Pixel": _pixel_padding,
    "GlobalAccPool": _global_acc_pool,
    "IODMA": _dma,
    "LabelSelect": _label_select,
    "Lookup": _lookup,
    "MVAU": _mvau,
    "Pool": _pool,
    "StreamingConcat": _elementwise,
    "StreamingDataWidthConverter": _converter,
    "StreamingEltwise": _elementwise,
    "StreamingMaxPool": _max_pool,
    "TLastMarker": _elementwise,
    "Thresholding": _elementwise,
    "UpsampleNearestNeighbour": _upsample,
    "VVAU": _vvau,
}


def pattern_of(layer: Layer) -> Pattern:
    """Return the layer's events. Buffered windows are two processes: see `buffered_patterns`."""
    rule = _RULES.get(layer.family)
    if rule is None:
        raise UserError(
            f"layer {layer.name} ({layer.op_type}) has no rule for simulation; "
            "leave it out or estimate without simulating"
        )
    return rule(layer)


def buffered_patterns(layer: Layer) -> tuple[Pattern, Pattern]:
    """Return the events of a window generator's reader and fetcher."""
    inputs, outputs = windows.input_words(layer), windows.fetched(layer).size
    delays = _delays(layer)
    return (
        table(np.ones(inputs), np.ones(inputs), np.zeros(inputs)),
        table(np.ones(outputs), np.zeros(outputs), np.ones(outputs), **delays),
    )
