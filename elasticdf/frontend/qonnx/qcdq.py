"""Rules for ONNX's own quantisers: QuantizeLinear, perhaps a Clip of its codes, DequantizeLinear.

The pair is one quantiser; nothing but Clip may stand between. Parameters must be constants, one
per tensor or one per channel.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import helper

from elasticdf.frontend.diagnose import blocked
from elasticdf.frontend.qonnx.elementwise import Inputs
from elasticdf.frontend.qonnx.host import Quantiser
from elasticdf.frontend.qonnx.quantisers import quantised
from elasticdf.frontend.qonnx.reading import Op
from elasticdf.frontend.qonnx.sketch import Sketch
from elasticdf.frontend.qonnx.values import Constant, Flow, Host, Quantised, Value, narrow
from elasticdf.frontend.qonnx.widths import smallest

_WIDEST_BITS = 32


def quantize_linear(op: Op, inputs: Inputs, sketch: Sketch) -> Value:
    """QuantizeLinear: open until DequantizeLinear, since a Clip may narrow its codes."""
    source = inputs[0]
    if not isinstance(source, Host | Flow):
        raise blocked(op.place, "its input is no real stream", "dequantise what comes before it")
    scale, zero = _parameters(op, inputs, source.shape)
    low, high = _range(op, inputs)
    return Quantised(source=source, scale=scale, zero_point=zero, low=low, high=high)


def dequantize_linear(op: Op, inputs: Inputs, sketch: Sketch) -> Value:
    """DequantizeLinear: completes a quantiser."""
    codes = inputs[0]
    if not isinstance(codes, Quantised):
        raise blocked(
            op.place,
            "it does not follow a QuantizeLinear, or more than a Clip stands between",
            "export QuantizeLinear, Clip and DequantizeLinear in a row, as Brevitas does",
        )
    if codes.low >= codes.high:
        raise blocked(op.place, "a Clip leaves no codes", "export the network again")
    scale, zero = _parameters(op, inputs, codes.source.shape)
    if not (np.array_equal(scale, codes.scale) and np.array_equal(zero, codes.zero_point)):
        raise blocked(
            op.place,
            "its scale or zero point is not that of the QuantizeLinear before it",
            "export the network again",
        )
    quantiser = Quantiser(
        scale=scale, zero_point=zero, low=codes.low, high=codes.high, rounds_first=True
    )
    datatype = smallest(codes.low, codes.high)
    return quantised(op, codes.source, quantiser, datatype, "HALF_EVEN", sketch)


def dequantised(op: Op, inputs: Inputs) -> Constant:
    """DequantizeLinear of constants: weights and biases given as whole numbers."""
    values = inputs[0].values if isinstance(inputs[0], Constant) else np.zeros(0)
    scale, zero = _parameters(op, inputs, values.shape)
    return Constant(
        codes=narrow(values.astype(np.int64) - zero.astype(np.int64)),
        scale=scale.astype(np.float64),
    )


def _parameters(
    op: Op, inputs: Inputs, shape: tuple[int, ...]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return scale and zero point, broadcastable to the tensor."""
    given = [value for value in inputs[1:3] if value is not None]
    if not all(isinstance(value, Constant) for value in given) or op.attributes.get("block_size"):
        raise blocked(
            op.place,
            "its scale or zero point is computed, or given per block",
            "use constants, one per tensor or one per channel",
        )
    scale, *rest = (v.values.astype(np.float32) for v in given if isinstance(v, Constant))
    zero = rest[0] if rest else np.zeros((), np.float32)
    if not (scale > 0).all() or not np.isfinite(scale).all():
        raise blocked(op.place, "its scale is not positive", "train or export the network again")
    if zero.size > 1 and np.ptp(zero) > 0:
        raise blocked(
            op.place, "its zero point differs between channels", "use one zero point per tensor"
        )
    zero = zero.reshape(-1)[0].reshape(())
    if scale.size == 1:
        return scale.reshape(()), zero
    axis = int(op.attributes.get("axis", 1)) % max(1, len(shape))
    if not shape or scale.size != shape[axis]:
        raise blocked(
            op.place,
            f"{scale.size} scales do not fit axis {axis} of {list(shape)}",
            "export the network again",
        )
    return scale.reshape(tuple(-1 if i == axis else 1 for i in range(len(shape)))), zero


def _range(op: Op, inputs: Inputs) -> tuple[int, int]:
    """Return the smallest and largest code of the type QuantizeLinear has its zero point in."""
    zero = inputs[2] if len(inputs) > 2 else None
    kind: Any = zero.values.dtype if isinstance(zero, Constant) else np.dtype(np.uint8)
    if zero is None and op.attributes.get("output_dtype"):
        kind = helper.tensor_dtype_to_np_dtype(op.attributes["output_dtype"])
    name = str(kind)
    bits = name.removeprefix("u").removeprefix("int")
    if not bits.isdecimal() or int(bits) > _WIDEST_BITS:
        raise blocked(
            op.place, f"its codes are {name}", "quantise to whole numbers of 4 to 32 bits"
        )
    if name.startswith("u"):
        return 0, 2 ** int(bits) - 1
    return -(2 ** (int(bits) - 1)), 2 ** (int(bits) - 1) - 1
