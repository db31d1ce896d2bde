"""Folders of images as input arrays.

Refuses to guess how pixels become numbers: they stay 0 to 255 unless the caller scales them.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from elasticdf.errors import UserError

SUFFIXES = (".bmp", ".jpeg", ".jpg", ".png", ".ppm", ".webp")


def read_images(folder: Path, height: int, width: int, channels: int = 3) -> NDArray[np.uint8]:
    """Return the images of a folder, sorted by name, shape (N, height, width, channels).

    Images of another size are scaled so that they cover it, then cut in the middle.

    Raises:
        UserError: There are none, one cannot be read, or Pillow is not installed.
    """
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
    if not paths:
        raise UserError(f"{folder} holds no images ({', '.join(SUFFIXES)})")
    try:
        pillow: Any = import_module("PIL.Image")
        operations: Any = import_module("PIL.ImageOps")
    except ImportError as error:
        raise UserError(
            "reading images needs Pillow: pip install 'elasticdf[images]', "
            "or give the input as .npy"
        ) from error
    form = {1: "L", 3: "RGB", 4: "RGBA"}.get(channels)
    if form is None:
        raise UserError(f"images have 1, 3 or 4 channels, the network takes {channels}")
    frames = np.empty((len(paths), height, width, channels), np.uint8)
    for number, path in enumerate(paths):
        try:
            with pillow.open(path) as image:
                fitted = operations.fit(image.convert(form), (width, height))
        except (OSError, ValueError) as error:
            raise UserError(f"cannot read image {path}: {error}") from error
        frames[number] = np.asarray(fitted, np.uint8).reshape(height, width, channels)
    return frames
