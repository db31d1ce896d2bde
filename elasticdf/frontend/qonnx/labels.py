"""Rules for the end of a classifier: softmax, TopK, ArgMax."""

from __future__ import annotations

from dataclasses import replace

from elasticdf.frontend.diagnose import blocked
from elasticdf.frontend.qonnx.elementwise import Inputs, only_flow
from elasticdf.frontend.qonnx.reading import Op
from elasticdf.frontend.qonnx.sketch import Sketch
from elasticdf.frontend.qonnx.values import Constant, Flow, Labels, Value


def softmax(op: Op, inputs: Inputs, sketch: Sketch) -> Value:
    """Softmax over the channels: keeps the order, so labels do not need it."""
    flow = _vector(op, inputs)
    return replace(flow, normalised=op.type)


def top_k(op: Op, inputs: Inputs, sketch: Sketch) -> tuple[Value, Value]:
    """TopK: the largest values and where they are."""
    flow, count = _vector(op, inputs), inputs[1] if len(inputs) > 1 else None
    if not isinstance(count, Constant) or not op.attributes.get("largest", 1):
        raise blocked(
            op.place, "it takes the smallest, or a computed number of values", "use a constant K"
        )
    labels = Labels(flow=flow, count=int(count.values.reshape(-1)[0]))
    if not 1 <= labels.count <= flow.channels:
        raise blocked(
            op.place, f"it takes {labels.count} of {flow.channels} values", "use a smaller K"
        )
    return replace(labels, indices=False), labels


def arg_max(op: Op, inputs: Inputs, sketch: Sketch) -> Value:
    """ArgMax over the channels; of equal values the first counts."""
    if op.attributes.get("select_last_index", 0):
        raise blocked(op.place, "it takes the last of equal values", "use select_last_index 0")
    kept = bool(op.attributes.get("keepdims", 1))
    return Labels(flow=_vector(op, inputs, default=0), count=1, kept=kept)


def _vector(op: Op, inputs: Inputs, *, default: int = -1) -> Flow:
    value = inputs[0]
    flow = value if isinstance(value, Flow) else only_flow(op, inputs[:1])
    axis = op.attributes.get("axis", default)
    if len(flow.shape) != 2 or axis % 2 != 1:
        raise blocked(
            op.place,
            f"it compares along axis {axis} of {list(flow.shape)}",
            "flatten to batch and channels and compare along the channels",
        )
    return flow
