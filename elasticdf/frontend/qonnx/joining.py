"""Rules for operators that lay streams side by side or stretch them: Concat, Resize, Pad."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from elasticdf.frontend.diagnose import blocked
from elasticdf.frontend.qonnx.elementwise import Inputs, only_flow
from elasticdf.frontend.qonnx.reading import Op
from elasticdf.frontend.qonnx.sketch import Sketch
from elasticdf.frontend.qonnx.values import Constant, Flow, Reals, Scale, Shift, Step, Value, affine
from elasticdf.frontend.qonnx.windows import Window, add_padding, check_zero, sides


def concat(op: Op, inputs: Inputs, sketch: Sketch) -> Value:
    """Concat along the channels."""
    flows = [only_flow(op, (value,)) for value in inputs]
    first = flows[0]
    alike = {(flow.shape[2:], flow.datatype, flow.order) for flow in flows}
    along_channels = op.attributes.get("axis", 0) % len(first.shape) == 1
    if not along_channels or alike != {(first.shape[2:], first.datatype, None)}:
        raise blocked(
            op.place,
            "it does not join streams of one size and data type along their channels",
            "quantise all its inputs alike and concatenate along axis 1",
        )
    channels = tuple(flow.channels for flow in flows)
    leading = sketch.tensors[first.stream].shape[:-1]
    stream = sketch.layer(
        "StreamingConcat",
        tuple(flow.stream for flow in flows),
        (*leading, sum(channels)),
        first.datatype,
        {
            "ElemsPerStream": channels,
            "inputDataType": first.datatype.name,
            "numInputVectors": leading,
            "inFIFODepths": (2,) * len(flows),
        },
    )
    return Flow(
        stream=stream,
        shape=(1, sum(channels), *first.shape[2:]),
        datatype=first.datatype,
        steps=_joined_steps(op, flows),
    )


def _joined_steps(op: Op, flows: list[Flow]) -> tuple[Step, ...]:
    gains, offsets = [], []
    for flow in flows:
        found = affine(flow.steps)
        if found is None:
            raise blocked(op.place, "an input is not quantised", "put a Quant node in front of it")
        gains.append(np.broadcast_to(found[0], flow.channels))
        offsets.append(np.broadcast_to(found[1], flow.channels))
    scale = Scale(_single(np.concatenate(gains)))
    offset = np.concatenate(offsets)
    return (scale, Shift(_single(offset))) if offset.any() else (scale,)


def _single(values: Reals) -> Reals:
    """Return equal values as one."""
    return values[:1].reshape(()) if np.ptp(values) == 0 else values


def resize(op: Op, inputs: Inputs, sketch: Sketch) -> Value:
    """Resize and Upsample: whole pixels repeated."""
    flow = only_flow(op, inputs[:1])
    height, width = flow.image
    factor = _factor(flow, _scales(inputs, flow)) if _repeats(op) else None
    if factor is None or width not in (1, height):
        raise blocked(
            op.place,
            f"it is not a repetition of the pixels of {list(flow.shape)} by one whole number in "
            "height and width",
            "use Resize with mode nearest, coordinates asymmetric and rounding floor",
        )
    signal = width == 1 and height > 1
    size = (height * factor, width if signal else width * factor)
    stream = sketch.layer(
        "UpsampleNearestNeighbour",
        (flow.stream,),
        (1, *size, flow.channels),
        flow.datatype,
        {
            "OFMDim": size[0],
            "IFMDim": height,
            "NumChannels": flow.channels,
            "inputDataType": flow.datatype.name,
            "numInputVectors": 1,
            "DimMode": int(signal),
        },
    )
    return replace(flow, stream=stream, shape=flow.spread(flow.channels, size), shared=False)


def _repeats(op: Op) -> bool:
    """Whether the operator takes whole pixels, each equally often, when stretching by integers."""
    if op.attributes.get("mode", "nearest") != "nearest":
        return False
    coordinates = op.attributes.get("coordinate_transformation_mode", "half_pixel")
    rounding = op.attributes.get("nearest_mode", "round_prefer_floor")
    centred = coordinates == "half_pixel" and rounding.startswith("round")
    return op.type == "Upsample" or centred or (coordinates, rounding) == ("asymmetric", "floor")


def _scales(inputs: Inputs, flow: Flow) -> Reals:
    """Return the stretch per dimension, from scales or from sizes; empty if not constant."""
    given = [
        value.values.astype(np.float64).reshape(-1)
        for value in inputs[1:]
        if isinstance(value, Constant) and value.values.size == len(flow.shape)
    ]
    if len(given) != 1:
        return np.array([])
    by_size = len(inputs) > 3 and inputs[3] is not None
    return given[0] / np.array(flow.shape) if by_size else given[0]


def _factor(flow: Flow, scales: Reals) -> int | None:
    """Return the whole number the image is stretched by; a signal's width stays 1."""
    if not scales.size or (scales[:2] != 1).any():
        return None
    tall, wide = (*scales[2:], 1.0)[:2]
    height, width = flow.image
    expected = 1.0 if width == 1 and height > 1 else tall
    return int(tall) if wide == expected and tall >= 1 and float(tall).is_integer() else None


def pad(op: Op, inputs: Inputs, sketch: Sketch) -> Value:
    """Pad with zeros around an image."""
    flow = only_flow(op, inputs[:1])
    rank = len(flow.shape)
    pads = _pads(op, inputs, rank)
    outside = (*pads[:2], *pads[rank : rank + 2])
    if rank < 3 or len(pads) != 2 * rank or any(outside) or not _with_zeros(op, inputs):
        raise blocked(
            op.place, "it is not zeros around an image", "pad height and width with constant zero"
        )
    check_zero(op, flow)
    padding = sides(op, pads[2:rank], pads[rank + 2 :], rank - 2)
    height, width = flow.image
    padded = (height + padding[0] + padding[2], width + padding[1] + padding[3])
    window = Window(
        kernel=(1, 1),
        strides=(1, 1),
        dilations=(1, 1),
        padding=padding,
        padded=padded,
        output=padded,
    )
    stream = add_padding(flow, window, sketch)
    return replace(flow, stream=stream, shape=flow.spread(flow.channels, padded), shared=False)


def _pads(op: Op, inputs: Inputs, rank: int) -> tuple[int, ...]:
    """Return the pads in front of and behind every dimension; newer operators name some only."""
    given, axes = (*inputs[1:], None, None, None)[:3:2]
    if not isinstance(given, Constant):
        return tuple(op.attributes.get("pads", ()))
    pads = tuple(int(size) for size in given.values.reshape(-1))
    if not isinstance(axes, Constant) or 2 * axes.values.size != len(pads):
        return pads
    named = [int(axis) % rank for axis in axes.values.reshape(-1)]
    halves = (pads[: len(named)], pads[len(named) :])
    sides_by_axis = [dict(zip(named, half, strict=True)) for half in halves]
    return tuple(side.get(axis, 0) for side in sides_by_axis for axis in range(rank))


def _with_zeros(op: Op, inputs: Inputs) -> bool:
    value = inputs[2] if len(inputs) > 2 else None
    filled = value.values.any() if isinstance(value, Constant) else op.attributes.get("value", 0)
    return op.attributes.get("mode", "constant") == "constant" and not filled
