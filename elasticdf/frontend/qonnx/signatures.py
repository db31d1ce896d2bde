"""Checks an operator's inputs and attributes against its definition before any rule reads them.

Standard operators are checked by the ONNX schema of the file's version, QONNX's by the table here.
Values are the rules' business.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any

import onnx

from elasticdf.frontend.diagnose import blocked
from elasticdf.frontend.qonnx.reading import Op

_EXPORT = "export the network again"


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """What an operator takes.

    Attributes:
        fewest: Inputs it needs.
        most: Inputs it accepts.
        attributes: Python types of its attributes by name.
    """

    fewest: int
    most: int
    attributes: Mapping[str, type]


_QUANTISER = {"signed": int, "narrow": int, "rounding_mode": str}

_QONNX: Mapping[str, Signature] = {
    "Quant": Signature(fewest=4, most=4, attributes=_QUANTISER),
    "IntQuant": Signature(fewest=4, most=4, attributes=_QUANTISER),
    "BipolarQuant": Signature(fewest=2, most=2, attributes={}),
    "Trunc": Signature(fewest=5, most=6, attributes=_QUANTISER),
    "MultiThreshold": Signature(
        fewest=2,
        most=2,
        attributes={"out_dtype": str, "out_scale": float, "out_bias": float, "data_layout": str},
    ),
}

_TYPES = {
    onnx.defs.OpSchema.AttrType.INT: int,
    onnx.defs.OpSchema.AttrType.FLOAT: float,
    onnx.defs.OpSchema.AttrType.STRING: str,
    onnx.defs.OpSchema.AttrType.INTS: tuple,
    onnx.defs.OpSchema.AttrType.FLOATS: tuple,
    onnx.defs.OpSchema.AttrType.STRINGS: tuple,
}


def check(op: Op, opset: int) -> None:
    """Check an operator; one without a definition is left to its rule.

    Raises:
        UserError: Too few or too many inputs, or an attribute of the wrong type.
    """
    signature = _QONNX.get(op.type) or _standard(op.type, opset)
    if signature is None:
        return
    given = len(op.inputs)
    if not signature.fewest <= given <= signature.most or not all(op.inputs[: signature.fewest]):
        raise blocked(
            op.place,
            f"it has {sum(map(bool, op.inputs))} inputs, {signature.fewest} to {signature.most} "
            "are defined",
            _EXPORT,
        )
    if not op.outputs or not op.outputs[0]:
        raise blocked(op.place, "it has no output", _EXPORT)
    for name, value in op.attributes.items():
        _check_attribute(op, name, value, signature.attributes.get(name))


def _standard(op_type: str, opset: int) -> Signature | None:
    try:
        schema = onnx.defs.get_schema(op_type, opset, "")
    except onnx.defs.SchemaError:
        return None
    return Signature(
        fewest=schema.min_input,
        most=schema.max_input,
        attributes={
            name: _TYPES[attribute.type]
            for name, attribute in schema.attributes.items()
            if attribute.type in _TYPES
        },
    )


def _check_attribute(op: Op, name: str, value: Any, kind: type | None) -> None:
    if kind is not None and not isinstance(value, kind):
        raise blocked(
            op.place, f"its attribute {name} is {value!r}, not of type {kind.__name__}", _EXPORT
        )
    bounds = op.type == "Clip" and name in ("min", "max")
    if isinstance(value, float) and not isfinite(value) and not bounds:
        raise blocked(op.place, f"its attribute {name} is {value!r}", _EXPORT)
