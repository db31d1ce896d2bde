"""Says which operator blocks a network, where it sits, why, and what would help.

Every refusal of the frontend is worded here or in the sentence handed to `blocked`; nothing else
is reported before it.
"""

from __future__ import annotations

from dataclasses import dataclass

from elasticdf.errors import UserError


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where an operator sits in the network.

    Attributes:
        op_type: ONNX operator.
        name: Of the node; may be empty.
        index: Position in the file, from 0.
        count: Operators in the file.
        tensor: The input tensor it works on.
    """

    op_type: str
    name: str
    index: int
    count: int
    tensor: str

    def __str__(self) -> str:
        called = f" {self.name!r}" if self.name else ""
        return (
            f"operator {self.op_type}{called} (number {self.index + 1} of {self.count}, "
            f"input tensor {self.tensor!r})"
        )


def blocked(place: Place, reason: str, remedy: str) -> UserError:
    """Return the refusal of one operator: place, reason and remedy in one sentence."""
    return UserError(f"{place} cannot become hardware: {reason}; {remedy}")


REMEDIES = {
    "Sigmoid": "replace it by a quantised ReLU or HardTanh, or move it behind the last layer",
    "Tanh": "replace it by a quantised HardTanh",
    "LSTM": "only feed-forward networks can be streamed; unroll or replace the recurrence",
    "GRU": "only feed-forward networks can be streamed; unroll or replace the recurrence",
    "RNN": "only feed-forward networks can be streamed; unroll or replace the recurrence",
    "InstanceNormalization": "train with BatchNormalization instead",
    "LayerNormalization": "train with BatchNormalization instead",
    "If": "export the network without control flow",
    "Loop": "export the network without control flow",
    "Scan": "export the network without control flow",
    "QLinearConv": "export the network as QONNX (Quant nodes) instead of QOperator format",
    "QLinearMatMul": "export the network as QONNX (Quant nodes) instead of QOperator format",
}
"""What to do about operators people often bring."""


def unknown_operator(place: Place, others: tuple[str, ...]) -> UserError:
    """Return the refusal of an operator no rule exists for.

    Args:
        place: The first such operator.
        others: Types of further operators without a rule.
    """
    remedy = REMEDIES.get(
        place.op_type, "replace it, or move it before the first or behind the last quantised layer"
    )
    more = f" (also without one: {', '.join(others)})" if others else ""
    return blocked(place, f"no hardware layer computes {place.op_type}{more}", remedy)
