"""Closes a layer graph: labels in hardware, and the way back to the network's own terms.

FINN's flows end classifiers in a LabelSelect (one label; five behind a global pool, as its
ImageNet flows do); so does this, wherever comparing whole numbers gives the network's own labels.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TypeAlias

import numpy as np

from elasticdf.errors import UserError
from elasticdf.frontend.qonnx.host import label_epilogue, real_epilogue
from elasticdf.frontend.qonnx.sketch import Sketch
from elasticdf.frontend.qonnx.values import (
    Average,
    Flow,
    Host,
    Labels,
    Quantised,
    Reals,
    Tail,
    Turned,
    Value,
    Wholes,
    affine,
)
from elasticdf.frontend.qonnx.widths import smallest
from elasticdf.ir import DataType, HostModel, Tensor

_NEARLY_WHOLE = 1e-4
"""A bias this close to a whole number of accumulator units is one (single precision scales)."""

_IMAGENET_LABELS = 5
"""FINN's flows for networks with a global pool select this many labels."""


Ending: TypeAlias = Callable[[Tensor], HostModel]
"""Makes the host's part behind the output stream, once the stream's type is settled."""


def close(sketch: Sketch, value: Value) -> tuple[str, Ending]:
    """Finish the graph and return its output stream and the host's part behind it.

    Raises:
        UserError: The network never reaches the accelerator, or ends in half of a TopK.
    """
    if isinstance(value, Labels):
        return _labels(sketch, value)
    if isinstance(value, Average):
        raise UserError("the network ends in an average pooling that is not rounded; add Trunc")
    if isinstance(value, Turned):
        flow, name = value.flow, value.op.inputs[0]
        host = sketch.after.run(value.op, (Host(name=name, shape=flow.shape),))
        value = Tail(flow=flow, host=host)
    if isinstance(value, Quantised):
        raise UserError("the network ends in QuantizeLinear; let DequantizeLinear follow it")
    if isinstance(value, Tail):
        return value.flow.stream, partial(sketch.after.epilogue, value)
    if not isinstance(value, Flow):
        raise UserError("the network's output is constant; is this the whole network?")
    if _is_classifier(sketch, value):
        count = min(_label_count(sketch), value.channels)
        stream = _select(sketch, value, count)
        if stream is not None:
            return stream, partial(label_epilogue, (1, count))
        sketch.notes.append(
            "The logits cannot be compared as whole numbers; the host scales them instead of a "
            "LabelSelect layer."
        )
    return value.stream, _real_output(value)


def _real_output(flow: Flow) -> Ending:
    if flow.order is not None:
        raise UserError(
            "the network ends in a flattened image; let it end before the Flatten or in a "
            "fully connected layer"
        )
    return partial(real_epilogue, flow.steps, flow.shape, flow.normalised)


def _labels(sketch: Sketch, labels: Labels) -> tuple[str, Ending]:
    if not labels.indices:
        raise UserError("the network's output is the values of TopK; let it be the indices")
    stream = _select(sketch, labels.flow, labels.count)
    if stream is None:
        raise UserError(
            "the network ends in TopK over logits whose scales or biases differ in a way whole "
            "numbers cannot follow; let it end in the logits"
        )
    shape = (1, labels.count) if labels.kept else (1,)
    return stream, partial(label_epilogue, shape)


def _is_classifier(sketch: Sketch, flow: Flow) -> bool:
    """Whether the output is a vector of sums of products, not of codes."""
    producer = sketch.producer(flow.stream)
    raw = producer is not None and producer.op_type == "MVAU" and producer.integer("noActivation")
    return bool(raw) and flow.channels > 1 and int(np.prod(flow.shape)) == flow.channels


def _label_count(sketch: Sketch) -> int:
    for layer in sketch.layers.values():
        averages = layer.attributes.get("Function") == "QuantAvgPool"
        whole_image = sketch.tensors[layer.outputs[0]].shape[1:3] == (1, 1)
        if layer.op_type == "GlobalAccPool" or (averages and whole_image):
            return _IMAGENET_LABELS
    return 1


def _select(sketch: Sketch, flow: Flow, count: int) -> str | None:
    """Add a LabelSelect, behind a bias if there is one; None if whole numbers do not suffice."""
    found = affine(flow.steps)
    if found is None:
        return None
    gain, offset = found
    if (gain <= 0).any() or (gain.size > 1 and np.ptp(gain) > 0):
        return None
    bias = _whole_bias(np.broadcast_to(offset / gain, (flow.channels,)))
    if bias is None:
        return None
    stream = _add_bias(sketch, flow.stream, bias) if bias.any() else flow.stream
    shape = sketch.tensors[stream].shape
    datatype = sketch.tensors[stream].datatype
    label_bits = max(1, (flow.channels - 1).bit_length())
    label = DataType.parse(f"UINT{(label_bits + 7) // 8 * 8}")
    return sketch.layer(
        "LabelSelect",
        (stream,),
        (*shape[:-1], count),
        label,
        {
            "Labels": flow.channels,
            "PE": 1,
            "K": count,
            "inputDataType": datatype.name,
            "outputDataType": label.name,
            "numInputVectors": shape[:-1],
        },
    )


def _whole_bias(offsets: Reals) -> Wholes | None:
    """Return the biases in accumulator units, zero if all are equal, None if not whole."""
    if np.ptp(offsets) == 0:
        return np.zeros(offsets.shape, dtype=np.int64)
    whole = np.round(offsets)
    if np.abs(offsets - whole).max() > _NEARLY_WHOLE or np.abs(whole).max() > 2**31:
        return None
    return whole.astype(np.int64)


def _add_bias(sketch: Sketch, stream: str, bias: Wholes) -> str:
    tensor = sketch.tensors[stream]
    parameter = smallest(bias.min(), bias.max())
    result = smallest(
        tensor.datatype.minimum + int(bias.min()), tensor.datatype.maximum + int(bias.max())
    )
    return sketch.layer(
        "ChannelwiseOp",
        (stream, sketch.parameter(bias[:, None], parameter)),
        tensor.shape,
        result,
        {
            "Func": "add",
            "NumChannels": tensor.shape[-1],
            "PE": 1,
            "inputDataType": tensor.datatype.name,
            "paramDataType": parameter.name,
            "outputDataType": result.name,
            "numInputVectors": tensor.shape[:-1],
        },
    )
