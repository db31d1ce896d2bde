"""Nodes, constants and names on their way to an ONNX file in the dialect of QONNX tools.

Knows node order, naming, shapes and versions; refuses to know what a node computes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

QONNX_DOMAIN = "qonnx.custom_op.general"
_QONNX_OPS = frozenset({"Quant", "BipolarQuant", "Trunc"})
_OPSET = 11
_IR_VERSION = 6


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Node:
    op_type: str
    inputs: tuple[str | TensorProto, ...]
    output: str
    attributes: dict[str, int | float | str | list[int]]


class Canvas:
    """A graph under construction; `finish` turns it into a model.

    Args:
        input_shape: Of the network's one input, ``global_in``.
    """

    def __init__(self, input_shape: tuple[int, ...]) -> None:
        self._nodes: list[_Node] = []
        self._shapes: dict[str, tuple[int, ...]] = {"global_in": input_shape}
        self._annotations: list[onnx.TensorAnnotation] = []

    def annotate_input(self, datatype: str) -> None:
        """Say which FINN data type the values of the network's input have."""
        annotation = onnx.TensorAnnotation(tensor_name="global_in")
        annotation.quant_parameter_tensor_names.add(key="finn_datatype", value=datatype)
        self._annotations.append(annotation)

    def node(
        self,
        op_type: str,
        *inputs: str | NDArray[np.generic] | float,
        shape: tuple[int, ...],
        **attributes: int | float | str | list[int],
    ) -> str:
        """Add a node and return the handle of its output.

        Args:
            op_type: ONNX's or QONNX's.
            *inputs: Handles, or constants that become initialisers (numbers as float32).
            shape: Of the output.
            **attributes: The node's.
        """
        output = f"value{len(self._nodes)}"
        held = tuple(value if isinstance(value, str) else _constant(value) for value in inputs)
        self._nodes.append(
            _Node(op_type=op_type, inputs=held, output=output, attributes=attributes)
        )
        self._shapes[output] = shape
        return output

    def shape(self, tensor: str) -> tuple[int, ...]:
        """Return the shape of a handle's tensor."""
        return self._shapes[tensor]

    def finish(self, name: str, output: str) -> onnx.ModelProto:
        """Return the model, its nodes sorted by distance from the inputs and named by order.

        Args:
            name: Of the graph.
            output: Handle of the network's output, which is renamed ``global_out``.
        """
        nodes = self._sorted()
        titles = _titles(nodes)
        tensors = {handle: f"{title}_out0" for handle, title in titles.items()}
        tensors |= {"global_in": "global_in", output: "global_out"}
        graph = onnx.GraphProto(name=name)
        graph.input.append(_value("global_in", self._shapes["global_in"]))
        graph.output.append(_value("global_out", self._shapes[output]))
        for node in nodes:
            constants = [source for source in node.inputs if isinstance(source, TensorProto)]
            for index, constant in enumerate(constants):
                constant.name = f"{titles[node.output]}_param{index}"
            graph.initializer.extend(constants)
            graph.node.append(_written(node, titles[node.output], tensors))
            if node.output != output:
                graph.value_info.append(_value(tensors[node.output], self._shapes[node.output]))
        graph.quantization_annotation.extend(self._annotations)
        imports = [helper.make_opsetid("", _OPSET), helper.make_opsetid(QONNX_DOMAIN, 1)]
        return helper.make_model(
            graph, producer_name="elasticdf", ir_version=_IR_VERSION, opset_imports=imports
        )

    def _sorted(self) -> list[_Node]:
        depth = {"global_in": 0}
        for node in self._nodes:
            sources = [depth[source] for source in node.inputs if isinstance(source, str)]
            depth[node.output] = 1 + max(sources, default=0)
        return sorted(self._nodes, key=lambda node: depth[node.output])


def _titles(nodes: list[_Node]) -> dict[str, str]:
    """Name nodes by op type and running number; the keys are their outputs' handles."""
    counts: Counter[str] = Counter()
    titles = {}
    for node in nodes:
        titles[node.output] = f"{node.op_type}_{counts[node.op_type]}"
        counts[node.op_type] += 1
    return titles


def _written(node: _Node, title: str, tensors: Mapping[str, str]) -> onnx.NodeProto:
    return helper.make_node(
        node.op_type,
        [_name(source, tensors) for source in node.inputs],
        [tensors[node.output]],
        name=title,
        domain=QONNX_DOMAIN if node.op_type in _QONNX_OPS else "",
        **node.attributes,
    )


def _name(source: str | TensorProto, tensors: Mapping[str, str]) -> str:
    return tensors[source] if isinstance(source, str) else str(source.name)


def _constant(value: NDArray[np.generic] | float) -> TensorProto:
    if isinstance(value, float):
        return numpy_helper.from_array(np.array(value, np.float32))
    return numpy_helper.from_array(value)


def _value(name: str, shape: tuple[int, ...]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, list(shape))
