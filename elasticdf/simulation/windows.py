"""How a window generator reads and writes: two processes that share a buffer.

FINN's RTL generator (``finn-rtllib/swg``) has a reader and a fetcher. The fetcher waits until the
element it needs is buffered; the reader waits until the element it would overwrite is no longer
needed, and starts the next frame only after the fetcher has finished this one. That last rule costs
the refill of the buffer in every frame, which FINN's own estimate leaves out.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from elasticdf.ir import Layer
from elasticdf.layers.convolution_input_generator import (
    buffer_words,
    parallel_window,
    registers_hold_window,
)


def fetched(layer: Layer) -> NDArray[np.int64]:
    """Return the index of the input word each output word is, in the order of the output.

    Shape (window positions, words per window). Input words are numbered pixel by pixel, each pixel
    its channel folds; depthwise windows come fold by fold, others position by position.
    """
    kernel_h, kernel_w = layer.integers("ConvKernelDim")
    stride_h, stride_w = layer.integers("Stride")
    dilation_h, dilation_w = layer.integers("Dilation")
    height, width = layer.integers("OFMDim")
    folds = layer.integer("IFMChannels") // layer.integer("SIMD")
    across = layer.integers("IFMDim")[1]
    corner = (
        np.arange(height)[:, None] * stride_h * across + np.arange(width)[None, :] * stride_w
    ).reshape(-1, 1)
    inside = (
        np.arange(kernel_h)[:, None] * dilation_h * across + np.arange(kernel_w) * dilation_w
    ).reshape(-1)
    fold = np.arange(folds)
    if layer.integer("depthwise"):
        offsets = (inside[None, :] * folds + fold[:, None]).reshape(-1)
    else:
        offsets = (inside[:, None] * folds + fold[None, :]).reshape(-1)
    return corner * folds + offsets[None, :]


def input_words(layer: Layer) -> int:
    """Return the words of one input image."""
    height, width = layer.integers("IFMDim")
    return height * width * (layer.integer("IFMChannels") // layer.integer("SIMD"))


def in_registers(layer: Layer) -> bool:
    """Tell whether a word goes out in the cycle the last word of its window comes in."""
    return parallel_window(layer) or registers_hold_window(layer)


def register_writes(layer: Layer) -> NDArray[np.uint16]:
    """Return, for each input word, whether an output word leaves with it; shape (input words,).

    With window registers all positions of a window leave at once, one channel fold per word.
    """
    folds = layer.integer("IFMChannels") // layer.integer("SIMD")
    words = fetched(layer.with_attributes({"depthwise": 1}))
    ends = words.reshape(len(words), folds, -1)[:, :, -1].reshape(-1)
    marks = np.zeros(input_words(layer), np.uint16)
    marks[ends] = 1
    return marks


def buffered_needs(layer: Layer) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Return what reader and fetcher need of each other.

    Returns:
        reader: For each input word, how many words must have been fetched so that its place in
            the ring buffer is free; fetcher: for each output word, how many must have been read.
    """
    words = fetched(layer)
    fetcher = (words.reshape(-1) + 1).astype(np.int32)
    # From a fetch on, nothing older than the least of all later fetches is needed.
    least_later = np.minimum.accumulate(fetcher[::-1])[::-1]
    freed_from = np.append(least_later - 1, np.iinfo(np.int32).max)
    overwritten = np.arange(input_words(layer)) - buffer_words(layer)
    reader = np.searchsorted(freed_from, overwritten, side="right").astype(np.int32)
    return reader, fetcher
