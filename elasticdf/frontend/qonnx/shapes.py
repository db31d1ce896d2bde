"""Rules for operators that only rename dimensions: a stream has no shape but its order."""

from __future__ import annotations

from dataclasses import replace
from math import prod

import numpy as np

from elasticdf.frontend.diagnose import blocked
from elasticdf.frontend.qonnx.elementwise import Inputs, only_flow
from elasticdf.frontend.qonnx.pooling import settle
from elasticdf.frontend.qonnx.reading import Op
from elasticdf.frontend.qonnx.sketch import Sketch
from elasticdf.frontend.qonnx.values import (
    Average,
    Constant,
    Divide,
    Flow,
    Reals,
    Scale,
    Shift,
    Step,
    Turned,
    Value,
)


def reshape(op: Op, inputs: Inputs, sketch: Sketch) -> Value:
    """Flatten or reshape to a constant shape that keeps the batch."""
    flow = _image(op, inputs, sketch)
    return reshaped(op, flow, wanted_shape(op, flow.shape, inputs))


def wanted_shape(op: Op, shape: tuple[int, ...], inputs: Inputs) -> tuple[int, ...]:
    """Return the shape a Flatten or Reshape gives a tensor; -1 where that cannot be told.

    Raises:
        UserError: The batch is merged into the data, or the shape is computed.
    """
    if op.type == "Flatten":
        if op.attributes.get("axis", 1) % len(shape) != 1:
            raise blocked(op.place, "it merges the batch into the data", "flatten from axis 1")
        return (1, prod(shape[1:]))
    target = inputs[1]
    if not isinstance(target, Constant):
        raise blocked(op.place, "its target shape is computed", "export with a fixed shape")
    wanted = [int(size) for size in target.values.reshape(-1)]
    sizes = [shape[i] if size == 0 and i < len(shape) else size for i, size in enumerate(wanted)]
    if sizes and sizes[0] == -1 and -1 not in sizes[1:]:
        sizes[0] = 1
    if sizes.count(-1) == 1:
        known = -prod(sizes)
        sizes[sizes.index(-1)] = prod(shape) // known if known > 0 else -1
    return tuple(sizes)


def squeeze(op: Op, inputs: Inputs, sketch: Sketch) -> Value:
    """Squeeze: axes of size 1 vanish, the batch stays."""
    flow = _image(op, inputs, sketch)
    axes = _axes(op, inputs, len(flow.shape))
    if axes is None:
        axes = {i for i, size in enumerate(flow.shape) if size == 1 and i > 0}
    return reshaped(op, flow, tuple(s for i, s in enumerate(flow.shape) if i not in axes))


def unsqueeze(op: Op, inputs: Inputs, sketch: Sketch) -> Value:
    """Unsqueeze: axes of size 1 appear behind the channels."""
    flow = _image(op, inputs, sketch)
    rank = len(flow.shape) + len(_axes(op, inputs, 1) or ())
    axes = _axes(op, inputs, rank) or set()
    remaining = iter(flow.shape)
    return reshaped(op, flow, tuple(1 if i in axes else next(remaining) for i in range(rank)))


def transpose(op: Op, inputs: Inputs, sketch: Sketch) -> Value:
    """Transpose: dimensions of size 1, or the channels to the end."""
    flow = _image(op, inputs, sketch)
    rank = len(flow.shape)
    order = tuple(op.attributes.get("perm", tuple(reversed(range(rank)))))
    moved = [axis for axis in order if flow.shape[axis] > 1]
    if moved != sorted(moved) and rank > 2 and order == (0, *range(2, rank), 1):
        return Turned(flow=flow, op=op)
    if moved != sorted(moved):
        raise blocked(
            op.place,
            f"it reorders the stream by {list(order)}",
            "export the network channels-first without transposes between layers",
        )
    return reshaped(op, flow, tuple(flow.shape[axis] for axis in order))


def _image(op: Op, inputs: Inputs, sketch: Sketch) -> Flow:
    value = inputs[0]
    if isinstance(value, Average):
        return settle(op, value, sketch)
    if isinstance(value, Flow):
        return value
    return only_flow(op, inputs[:1])


def _axes(op: Op, inputs: Inputs, rank: int) -> set[int] | None:
    axes = op.attributes.get("axes")
    if len(inputs) > 1 and isinstance(inputs[1], Constant):
        axes = tuple(int(axis) for axis in inputs[1].values.reshape(-1))
    return None if axes is None else {int(axis) % rank for axis in axes}


def reshaped(op: Op, flow: Flow, shape: tuple[int, ...]) -> Flow:
    """Return the flow seen in another shape, channels second.

    Raises:
        UserError: The new shape splits or mixes channels in a way no stream order matches.
    """
    if prod(shape) != prod(flow.shape) or not shape or shape[0] != 1:
        raise blocked(
            op.place,
            f"it turns {list(flow.shape)} into {list(shape)}",
            "keep the batch first and the number of elements",
        )
    before, after = ([size for size in dims[2:] if size > 1] for dims in (flow.shape, shape))
    if 2 <= len(shape) <= 4 and shape[1] == flow.channels and before == after:
        return replace(flow, shape=shape)
    if len(shape) == 2 and len(flow.shape) > 2:
        channels, (height, width) = flow.channels, flow.image
        return replace(
            flow,
            shape=shape,
            steps=tuple(_repeated(step, height * width) for step in flow.steps),
            order=(channels, height, width) if channels > 1 else None,
        )
    raise blocked(
        op.place,
        f"it turns {list(flow.shape)} into {list(shape)}",
        "only flattening an image, or adding and removing dimensions of size 1, keeps the order",
    )


def _repeated(step: Step, times: int) -> Step:
    """Return a per-channel step as one per element of the flattened image."""
    match step:
        case Scale(factor):
            return Scale(_tiled(factor, times))
        case Divide(divisor):
            return Divide(_tiled(divisor, times))
        case Shift(term):
            return Shift(_tiled(term, times))
    return step


def _tiled(constant: Reals, times: int) -> Reals:
    return constant if constant.ndim == 0 else np.tile(constant, times)
