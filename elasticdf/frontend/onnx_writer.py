"""Writes small standard ONNX models: host models and the emulation of segments.

Bytes depend on nothing but the calls made. The batch dimension is free. Knows no layer and no
network operator.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

OPSET = 17
"""Version of the standard operators written; every onnxruntime of the last years runs it."""

IR_VERSION = 8
_TYPES = {
    np.dtype(np.float32): TensorProto.FLOAT,
    np.dtype(np.float64): TensorProto.DOUBLE,
    np.dtype(np.int64): TensorProto.INT64,
}


class OnnxWriter:
    """Collects nodes and constants; satisfies `elasticdf.layers.kind.OnnxBuilder`."""

    def __init__(self) -> None:
        self._nodes: list[onnx.NodeProto] = []
        self._constants: dict[bytes, onnx.TensorProto] = {}

    def node(self, op_type: str, inputs: tuple[str, ...], **attributes: object) -> str:
        """Add a node with one output and return the output's name."""
        return self.nodes(op_type, inputs, 1, **attributes)[0]

    def nodes(
        self, op_type: str, inputs: tuple[str, ...], outputs: int, **attributes: object
    ) -> tuple[str, ...]:
        """Add a node with several outputs and return their names."""
        names = tuple(f"t{len(self._nodes)}_{index}" for index in range(outputs))
        self._nodes.append(helper.make_node(op_type, list(inputs), list(names), **attributes))
        return names

    def constant(self, values: NDArray[np.generic]) -> str:
        """Add an initialiser, once per content, and return its name."""
        array = np.ascontiguousarray(values).reshape(np.shape(values))
        key = hashlib.sha256(f"{array.dtype.str}{array.shape}".encode() + array.tobytes()).digest()
        if key not in self._constants:
            self._constants[key] = numpy_helper.from_array(array, f"c{len(self._constants)}")
        return str(self._constants[key].name)

    def number(self, value: float) -> str:
        """Add a single-precision scalar and return its name."""
        return self.constant(np.array(value, dtype=np.float32))

    def reshape(self, tensor: str, shape: tuple[int, ...]) -> str:
        """Add a reshape; the first dimension of the shape is the batch and stays free."""
        target = np.array((-1, *shape[1:]), dtype=np.int64)
        return self.node("Reshape", (tensor, self.constant(target)))

    def build(
        self,
        name: str,
        inputs: Iterable[tuple[str, np.dtype[np.generic], tuple[int, ...]]],
        outputs: Iterable[tuple[str, str, np.dtype[np.generic], tuple[int, ...]]],
    ) -> bytes:
        """Return the serialised model.

        Args:
            name: Of the graph.
            inputs: Name, element type, shape (the batch dimension's size is ignored).
            outputs: The tensor, its public name, element type and shape.
        """
        outputs = tuple(outputs)
        renamed = [
            helper.make_node("Identity", [tensor], [public]) for tensor, public, _, _ in outputs
        ]
        graph = helper.make_graph(
            [*self._nodes, *renamed],
            name,
            [_value_info(item, dtype, shape) for item, dtype, shape in inputs],
            [_value_info(public, dtype, shape) for _, public, dtype, shape in outputs],
            initializer=list(self._constants.values()),
        )
        model = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="elasticdf"
        )
        model.ir_version = IR_VERSION
        return bytes(model.SerializeToString(deterministic=True))


def _value_info(
    name: str, dtype: np.dtype[np.generic], shape: tuple[int, ...]
) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, _TYPES[np.dtype(dtype)], ["N", *shape[1:]])
