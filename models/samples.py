"""Inputs to try a reference network with: random, but with the coarse structure images have.

Independent pixels would average out in a deep network, and every input would get one label.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_PATCHES = 7
"""Patches of one colour along each side of an image."""

_NOISE = 32
"""Largest deviation of a pixel from its patch."""

_FEATURE_DEVIATION = 40.0


def pixels(shape: tuple[int, ...], seed: int) -> NDArray[np.float32]:
    """Return 8-bit pixels, 0..255: coloured patches with noise on them.

    Args:
        shape: [1, channels, height, width].
        seed: Of the image.
    """
    random = np.random.default_rng(seed)
    _, channels, height, width = shape
    rows, columns = (np.arange(size) * _PATCHES // size for size in (height, width))
    colours = random.integers(0, 256, (1, channels, _PATCHES, _PATCHES))
    noise = random.integers(-_NOISE, _NOISE + 1, shape)
    image: NDArray[np.int64] = np.clip(colours[:, :, rows][..., columns] + noise, 0, 255)
    return image.astype(np.float32)


def shades(shape: tuple[int, ...], seed: int) -> NDArray[np.float32]:
    """Return `pixels` as fractions, 0..1."""
    return pixels(shape, seed) / np.float32(255)


def features(shape: tuple[int, ...], seed: int) -> NDArray[np.float32]:
    """Return normally distributed features about zero."""
    random = np.random.default_rng(seed)
    return random.normal(0, _FEATURE_DEVIATION, shape).astype(np.float32)
