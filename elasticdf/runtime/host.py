"""The network as its user knows it: input arrays to frames, host computation, labels back.

Input may come with or without a batch axis, flat, or with channels last where the network wants
them first. Where two readings give different frames it is refused, both named. Numbers are taken as
they are: nothing is scaled.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from elasticdf.artifact.manifest import HostComputation
from elasticdf.errors import UserError
from elasticdf.runtime.emulated.kernels import open_session

Array = NDArray[np.generic]

_TYPES: Mapping[str, type[np.generic]] = {
    "tensor(float)": np.float32,
    "tensor(double)": np.float64,
    "tensor(float16)": np.float16,
    "tensor(uint8)": np.uint8,
    "tensor(int8)": np.int8,
    "tensor(int32)": np.int32,
    "tensor(int64)": np.int64,
}


class HostModelRunner:
    """A standard ONNX model with one input and one output that the host computes.

    Some models fix their batch size; frames are then given in pieces of that size.

    Raises:
        UserError: onnxruntime does not accept it.
    """

    def __init__(self, computation: HostComputation, what: str, threads: int = 1) -> None:
        self._session: Any = open_session(computation.onnx, what, threads)
        self._input = computation.input
        self._output = computation.output
        description = next(i for i in self._session.get_inputs() if i.name == self._input)
        self._type = _TYPES[description.type]
        self.batch = description.shape[0] if isinstance(description.shape[0], int) else None
        self.frame_shape: tuple[int, ...] = tuple(description.shape[1:])

    def __call__(self, frames: Array) -> Array:
        """Return the output for frames, batch first."""
        feed = frames.astype(self._type, copy=False)
        if self.batch is None or self.batch == len(feed):
            return self._run(feed)
        if len(feed) % self.batch:
            raise UserError(
                f"the host's part of the network takes batches of {self.batch}, "
                f"{len(feed)} frames are no multiple of it"
            )
        pieces = [feed[at : at + self.batch] for at in range(0, len(feed), self.batch)]
        return np.concatenate([self._run(piece) for piece in pieces])

    def _run(self, feed: Array) -> Array:
        result: Array = self._session.run([self._output], {self._input: feed})[0]
        return result


def frames_from(array: Array, shape: tuple[int, ...]) -> Array:
    """Return the array as frames of a shape, batch first.

    Args:
        array: What the user gave.
        shape: Of one frame, without batch.

    Raises:
        UserError: No reading fits, or two readings give different frames.
    """
    if array.dtype.kind not in "iufb":
        raise UserError(f"the input has type {array.dtype}, numbers are needed")
    readings = _readings(array, shape)
    first = next(iter(readings.values()), None)
    if first is None:
        raise UserError(
            f"the input has shape {array.shape}; the network takes frames of shape {shape}, as "
            f"(N, {', '.join(str(n) for n in shape)}), one frame alone, or N rows of "
            f"{int(np.prod(shape))} values"
        )
    if any(
        other.shape != first.shape or not np.array_equal(other, first)
        for other in readings.values()
    ):
        raise UserError(
            f"the input of shape {array.shape} can be read as {' or as '.join(readings)}; "
            "give it another shape so that only one fits"
        )
    return first


def _readings(array: Array, shape: tuple[int, ...]) -> dict[str, Array]:
    size = int(np.prod(shape, dtype=np.int64))
    last = (*shape[1:], shape[0]) if len(shape) == 3 else None
    found: dict[str, Array] = {}
    if array.shape[1:] == shape and array.ndim > 1:
        found[f"{len(array)} frames of shape {shape}"] = array
    if array.shape == shape:
        found[f"one frame of shape {shape}"] = array[None]
    if last is not None and array.shape[1:] == last:
        found[f"{len(array)} images of shape {last}, channels last"] = np.moveaxis(array, -1, 1)
    if last is not None and array.shape == last:
        found[f"one image of shape {last}, channels last"] = np.moveaxis(array[None], -1, 1)
    flat = array.ndim == 2 and array.shape[1] == size and array.shape[1:] != shape
    if flat:
        found[f"{len(array)} rows of {size} values"] = array.reshape(len(array), *shape)
    if array.ndim == 1 and array.shape == (size,) and shape != (size,):
        found[f"one row of {size} values"] = array.reshape(1, *shape)
    return found


def model_ends(model: bytes) -> tuple[str, str]:
    """Return the names of the only input and the first output of an ONNX model."""
    graph = onnx.load_from_string(model).graph
    constants = {entry.name for entry in graph.initializer}
    return next(i.name for i in graph.input if i.name not in constants), graph.output[0].name
