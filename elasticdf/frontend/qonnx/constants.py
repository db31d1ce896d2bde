"""Evaluates operators whose inputs are all known, so that only streams are left to lower.

Quantised constants keep their codes through transposes and reshapes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import helper

from elasticdf.errors import InternalError
from elasticdf.frontend.diagnose import blocked
from elasticdf.frontend.qonnx.elementwise import Inputs
from elasticdf.frontend.qonnx.host import run_node
from elasticdf.frontend.qonnx.qcdq import dequantised
from elasticdf.frontend.qonnx.quantisers import quantiser_of
from elasticdf.frontend.qonnx.reading import Op
from elasticdf.frontend.qonnx.values import Constant, Wholes, narrow
from elasticdf.ir import DataType

_ROUND: Mapping[str, Callable[[NDArray[Any]], NDArray[Any]]] = {
    "ROUND": np.round,
    "HALF_EVEN": np.round,
    "CEIL": np.ceil,
    "FLOOR": np.floor,
    "UP": lambda values: np.sign(values) * np.ceil(np.abs(values)),
    "DOWN": np.fix,
    "HALF_UP": lambda values: np.sign(values) * np.floor(np.abs(values) + 0.5),
    "HALF_DOWN": lambda values: np.sign(values) * np.ceil(np.abs(values) - 0.5),
}


def fold(op: Op, inputs: Inputs, opset: int) -> tuple[Constant, ...]:
    """Return the outputs of an operator on constants.

    Raises:
        UserError: It has no known meaning, or does not fit its inputs.
    """
    rule = _RULES.get(op.type)
    first = inputs[0] if inputs else None
    if rule is not None and isinstance(first, Constant):
        return (rule(op, inputs),)
    if op.type in _REARRANGING and isinstance(first, Constant) and first.codes is not None:
        return (_rearranged(op, first.codes, first, inputs[1:], opset),)
    if op.type not in _FOLDED:
        raise blocked(
            op.place, "it is computed from constants only", "fold constants when exporting"
        )
    return _standard(op, inputs, opset)


def _rearranged(
    op: Op, codes: Wholes, constant: Constant, parameters: Inputs, opset: int
) -> Constant:
    """Move codes and their scales alike; axes along which the scale stays the same have size 1."""
    scale = np.broadcast_to(constant.scale, codes.shape)
    moved, scale = (
        _standard(op, (Constant(plain=values), *parameters), opset)[0].values
        for values in (codes, np.ascontiguousarray(scale))
    )
    for axis in range(scale.ndim):
        first = scale.take([0], axis)
        scale = first if (scale == first).all() else scale
    return Constant(codes=moved, scale=scale, datatype=constant.datatype)


def _standard(op: Op, inputs: Inputs, opset: int) -> tuple[Constant, ...]:
    feeds = {
        name: value.values
        for name, value in zip(op.inputs, inputs, strict=True)
        if isinstance(value, Constant)
    }
    node = helper.make_node(op.type, op.inputs, op.outputs, **dict(op.attributes))
    try:
        results = run_node(node, feeds, opset)
    except Exception as error:  # noqa: BLE001 - the evaluator raises whatever it likes
        raise blocked(
            op.place,
            f"its constant inputs cannot be evaluated ({type(error).__name__})",
            "fold constants when exporting",
        ) from None
    return tuple(Constant(plain=np.asarray(result)) for result in results)


def _quant(op: Op, inputs: Inputs) -> Constant:
    quantiser, datatype, mode = quantiser_of(op, inputs)
    values = inputs[0].values.astype(np.float32) if isinstance(inputs[0], Constant) else None
    if values is None:
        raise InternalError(f"{op.place}: no constant to quantise")
    with np.errstate(over="ignore"):
        shifted = values / quantiser.scale
    if quantiser.zero_point.any():
        shifted = shifted + quantiser.zero_point
    if quantiser.bipolar:
        codes = _signs(shifted)
    else:
        clipped = np.clip(shifted, quantiser.low, quantiser.high)
        codes = narrow(_ROUND[mode](clipped) - quantiser.zero_point)
    return Constant(
        codes=codes,
        scale=quantiser.scale.astype(np.float64),
        datatype=None if quantiser.zero_point.any() else datatype,
    )


def _bipolar(op: Op, inputs: Inputs) -> Constant:
    values, scale = inputs
    if not isinstance(values, Constant) or not isinstance(scale, Constant):
        raise blocked(op.place, "its scale is computed", "export with fixed scales")
    return Constant(
        codes=_signs(values.values),
        scale=scale.values.astype(np.float64),
        datatype=DataType.parse("BIPOLAR"),
    )


def _signs(values: NDArray[Any]) -> Wholes:
    return np.where(values >= 0, np.int8(1), np.int8(-1))


_FOLDED = (
    *("Abs", "Add", "Cast", "Ceil", "Clip", "Concat", "Constant", "Div", "Exp", "Flatten", "Floor"),
    *("Gather", "Identity", "Log", "Max", "Min", "Mul", "Neg", "Pow", "QuantizeLinear"),
    *(
        "Reciprocal",
        "Relu",
        "Reshape",
        "Round",
        "Shape",
        "Sigmoid",
        "Slice",
        "Sqrt",
        "Squeeze",
        "Sub",
        "Transpose",
    ),
    "Unsqueeze",
)
"""Standard operators evaluated on constants; none makes more of little."""

_REARRANGING = ("Flatten", "Identity", "Reshape", "Squeeze", "Transpose", "Unsqueeze")

_RULES = {
    "BipolarQuant": _bipolar,
    "DequantizeLinear": dequantised,
    "IntQuant": _quant,
    "Quant": _quant,
}
