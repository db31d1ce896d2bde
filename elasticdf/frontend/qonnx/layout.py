"""What becomes of networks drawn channels last: their Transposes vanish, for streams run that way.

A Transpose behind the input's quantiser moves in front of it, to the host. One of a stream leaves
a `Turned` stream: element by element operators pass, a flatten or the Transpose back ends it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import prod

from elasticdf.errors import InternalError
from elasticdf.frontend.diagnose import blocked
from elasticdf.frontend.qonnx.elementwise import Inputs
from elasticdf.frontend.qonnx.reading import Network, Op
from elasticdf.frontend.qonnx.shapes import reshaped, wanted_shape
from elasticdf.frontend.qonnx.sketch import Sketch
from elasticdf.frontend.qonnx.values import Constant, Flow, Turned, Value

_ELEMENTWISE = (
    *("Add", "BipolarQuant", "Clip", "Div", "Dropout", "Identity", "IntQuant", "Mul", "Neg"),
    *("Quant", "Relu", "Sub"),
)


def channels_second(network: Network) -> Network:
    """Return the network with Transposes directly behind its input's quantiser in front of it.

    Only those that bring the channels second.
    """
    back = _back(len(network.input_shape))
    uses = network.uses()
    quantisers = {op.outputs[0]: op for op in network.ops if _quantises_input(op, network)}
    ops: list[Op] = []
    for op in network.ops:
        quantiser = quantisers.get(op.inputs[0]) if _turns(op, back) else None
        if quantiser is None or uses[quantiser.outputs[0]] > 1:
            ops.append(op)
            continue
        between = quantiser.outputs[0]
        later = replace(quantiser, inputs=(between, *quantiser.inputs[1:]), outputs=op.outputs)
        ops[ops.index(quantiser)] = replace(op, inputs=(network.input,), outputs=(between,))
        ops.append(later)
    return replace(network, ops=tuple(ops))


def _quantises_input(op: Op, network: Network) -> bool:
    if op.type not in ("Quant", "IntQuant", "BipolarQuant") or op.inputs[0] != network.input:
        return False
    parameters = [network.constants.get(name) for name in op.inputs[1:]]
    return all(values is not None and values.size == 1 for values in parameters)


def _back(rank: int) -> tuple[int, ...]:
    """Return the permutation that brings the last dimension second."""
    return (0, rank - 1, *range(1, rank - 1))


def _turns(op: Op, order: tuple[int, ...]) -> bool:
    return op.type == "Transpose" and tuple(op.attributes.get("perm", ())) == order


def on_turned(
    op: Op,
    inputs: Inputs,
    sketch: Sketch,
    rule: Callable[[Op, Inputs, Sketch], Value | tuple[Value, ...]],
) -> Value:
    """Apply an operator to streams seen channels last.

    Raises:
        UserError: It is more than element by element, and no way back.
    """
    first = next(value for value in inputs if isinstance(value, Turned))
    rank = len(first.flow.shape)
    if _turns(op, _back(rank)):
        return first.flow
    if op.type in ("Flatten", "Reshape"):
        return _flattened(op, first.flow, inputs)
    mixed = any(isinstance(value, Flow) for value in inputs)
    if op.type not in _ELEMENTWISE or mixed:
        raise blocked(
            op.place,
            "it works on a stream that has its channels last",
            "transpose it back before, or export the network channels-first",
        )
    result = rule(op, tuple(_seen_second(value, rank) for value in inputs), sketch)
    if not isinstance(result, Flow):
        raise InternalError(f"{op.place}: element by element, yet no stream results")
    return replace(first, flow=result)


def _flattened(op: Op, flow: Flow, inputs: Inputs) -> Flow:
    """Flatten: the network's order is the stream's own."""
    shape = (1, *flow.shape[2:], flow.channels)
    flat, wanted = (1, prod(flow.shape)), wanted_shape(op, shape, inputs)
    if wanted != flat:
        raise blocked(
            op.place,
            f"it turns {list(shape)} into {list(wanted)}",
            "only flattening all of an image keeps the order",
        )
    return replace(reshaped(op, flow, flat), order=None)


def _seen_second(value: Value | None, rank: int) -> Value | None:
    """Return an operand as it is where channels come second."""
    if isinstance(value, Turned):
        return value.flow
    if not isinstance(value, Constant) or value.values.size == 1 or value.values.ndim > rank:
        return value
    values = value.values.reshape((1,) * (rank - value.values.ndim) + value.values.shape)
    return Constant(plain=values.transpose((0, rank - 1, *range(1, rank - 1))))
