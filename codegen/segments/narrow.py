"""Products of small whole numbers in 8-bit arithmetic: the same sums in a third of the time.

Segments are written in floating point, which holds their whole numbers exactly. Where the operands
of a matrix product provably fit into bytes, the product is exact in bytes with 32-bit sums too, the
weights take a quarter of the space, and no stream need be widened first. Thresholds are compared
with the 32-bit sums. Refuses products whose pairs may exceed 16 bits, where some processors
saturate.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import reduce
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from elasticdf.ir import DataType

_PAIR_LIMIT = 2**15 - 1
_SUM_LIMIT = 2**31 - 2
_SUFFIX = "_b"

Range = tuple[int, int]


def _product(left: Range, right: Range) -> Range:
    ends = [one * other for one in left for other in right]
    return min(ends), max(ends)


_BOUNDS: Mapping[str, Callable[[Range, Range], Range]] = {
    "Sum": lambda left, right: (left[0] + right[0], left[1] + right[1]),
    "Add": lambda left, right: (left[0] + right[0], left[1] + right[1]),
    "Sub": lambda left, right: (left[0] - right[1], left[1] - right[0]),
    "Mul": _product,
}
"""Range of the result of an operator, from its operands'."""


def narrow(model: bytes, streams: Mapping[str, DataType]) -> bytes:
    """Return the model with its exact products in bytes; streams that need no more are bytes too.

    Args:
        model: A segment in floating point.
        streams: Data types of its inputs.
    """
    parsed = onnx.load_from_string(model)
    work = _Rewriting(parsed.graph, streams)
    for node in parsed.graph.node:
        work.take(node)
    work.finish()
    return bytes(parsed.SerializeToString(deterministic=True))


def _byte_type(values: Range) -> int | None:
    low, high = values
    if low >= 0 and high <= np.iinfo(np.uint8).max:
        return int(TensorProto.UINT8)
    if np.iinfo(np.int8).min <= low and high <= np.iinfo(np.int8).max:
        return int(TensorProto.INT8)
    return None


@dataclass
class _Rewriting:
    """One pass over the nodes of a graph, in order.

    Attributes:
        graph: Rewritten in place by `finish`.
        streams: Data types of its inputs.
        nodes: What is written so far.
        ranges: What is known of values.
        truths: Casts of comparisons' results, with what they are cast from.
        reshapes: Reshapes of tensors whose range is known.
        sums: What is a product's sums, by name, plus whole numbers.
        types: Element types of tensors that were narrowed.
    """

    graph: onnx.GraphProto
    streams: Mapping[str, DataType]
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    ranges: dict[str, Range] = field(default_factory=dict)
    truths: dict[str, str] = field(default_factory=dict)
    reshapes: dict[str, onnx.NodeProto] = field(default_factory=dict)
    sums: dict[str, tuple[str, Any]] = field(default_factory=dict)
    types: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.constants = {item.name: item for item in self.graph.initializer}
        self.comparisons = {
            node.output[0] for node in self.graph.node if node.op_type == "GreaterOrEqual"
        }
        for item in self.graph.input:
            kind = self.streams[item.name]
            if kind.name != "FLOAT32":
                self.ranges[item.name] = (int(kind.minimum), int(kind.maximum))

    def take(self, node: onnx.NodeProto) -> None:
        """Copy a node, or write what computes the same in bytes."""
        source, target = node.input[0], node.output[0]
        if node.op_type == "Reshape" and source in self.ranges:
            self.ranges[target] = self.ranges[source]
            self.reshapes[target] = node
        elif node.op_type == "Cast" and source in self.comparisons:
            self.ranges[target] = (0, 1)
            self.truths[target] = source
        elif node.op_type in _BOUNDS:
            self._bound(node)
            if node.op_type == "Add":
                self._shift(node)
        rewrite = {"MatMul": self._multiply, "GreaterOrEqual": self._compare}.get(node.op_type)
        if rewrite is None or not rewrite(node):
            self.nodes.append(node)

    def _bound(self, node: onnx.NodeProto) -> None:
        """Note the range of a sum, difference or product where it is known."""
        operands = [self._range(name) for name in node.input]
        if all(operand is not None for operand in operands):
            known = [operand for operand in operands if operand is not None]
            self.ranges[node.output[0]] = reduce(_BOUNDS[node.op_type], known)

    def _range(self, name: str) -> Range | None:
        if name not in self.constants:
            return self.ranges.get(name)
        values = numpy_helper.to_array(self.constants[name])
        if values.size != 1 or values.item() != int(values.item()):
            return None
        return int(values.item()), int(values.item())

    def _multiply(self, node: onnx.NodeProto) -> bool:
        left, right = node.input
        if left not in self.ranges or right not in self.constants:
            return False
        matrix = numpy_helper.to_array(self.constants[right])
        kind = _byte_type(self.ranges[left])
        if kind is None or not _is_exact(matrix, self.ranges[left]):
            return False
        weights, sums = right + _SUFFIX, node.output[0] + "_sums"
        self.constants[weights] = numpy_helper.from_array(matrix.astype(np.int8), weights)
        self.sums[node.output[0]] = (sums, np.int64(0))
        self.nodes += (
            helper.make_node("MatMulInteger", [self._bytes(left, kind), weights], [sums]),
            helper.make_node("Cast", [sums], [node.output[0]], to=self.constants[right].data_type),
        )
        return True

    def _shift(self, node: onnx.NodeProto) -> None:
        """Note a product's sums to which whole numbers are added."""
        source, added = node.input
        if source in self.sums and added in self.constants:
            sums, before = self.sums[source]
            after = before + numpy_helper.to_array(self.constants[added]).astype(np.float64)
            if np.all(after == np.rint(after)):
                self.sums[node.output[0]] = (sums, after.astype(np.int64))

    def _compare(self, node: onnx.NodeProto) -> bool:
        """Compare a product's sums with thresholds as whole numbers, without widening them."""
        source, limit = node.input
        if source not in self.sums or limit not in self.constants:
            return False
        sums, added = self.sums[source]
        least = np.ceil(numpy_helper.to_array(self.constants[limit]).astype(np.float64)) - added
        name = f"{node.output[0]}_least"
        bounds = np.clip(least, -_SUM_LIMIT, _SUM_LIMIT).astype(np.int32)
        self.constants[name] = numpy_helper.from_array(bounds, name)
        self.nodes.append(helper.make_node("GreaterOrEqual", [sums, name], [node.output[0]]))
        return True

    def _bytes(self, name: str, kind: int) -> str:
        """Return the name of a tensor's form in bytes."""
        narrowed = name + _SUFFIX
        if narrowed in self.types:
            return narrowed
        self.types[narrowed] = kind
        if name in self.reshapes:
            source, shape = self.reshapes[name].input
            made = helper.make_node("Reshape", [self._bytes(source, kind), shape], [narrowed])
        else:
            source = self.truths.get(name, name)
            made = helper.make_node("Cast", [source], [narrowed], to=kind)
        self.nodes.append(made)
        return narrowed

    def finish(self) -> None:
        """Put the nodes that are still needed into the graph."""
        self._narrow_outputs()
        nodes = _needed(self.nodes, [item.name for item in self.graph.output])
        nodes = self._narrow_inputs(nodes)
        used = {name for node in nodes for name in node.input}
        constants = [item for name, item in self.constants.items() if name in used]
        del self.graph.node[:], self.graph.initializer[:]
        self.graph.node.extend(nodes)
        self.graph.initializer.extend(constants)

    def _narrow_outputs(self) -> None:
        """Let outputs that are casts of comparisons leave as bytes."""
        for item in self.graph.output:
            last = next(node for node in self.nodes if item.name in node.output)
            if last.op_type == "Identity" and last.input[0] in self.truths:
                last.input[0] = self._bytes(last.input[0], int(TensorProto.UINT8))
                self.nodes.remove(last)
                self.nodes.append(last)
                item.type.tensor_type.elem_type = TensorProto.UINT8

    def _narrow_inputs(self, nodes: list[onnx.NodeProto]) -> list[onnx.NodeProto]:
        """Let inputs that are only used as bytes come as bytes."""
        for item in self.graph.input:
            readers = [node for node in nodes if item.name in node.input]
            if [node.output[0] for node in readers] != [item.name + _SUFFIX]:
                continue
            item.type.tensor_type.elem_type = self.types[item.name + _SUFFIX]
            nodes.remove(readers[0])
            for node in nodes:
                for at, name in enumerate(node.input):
                    if name == item.name + _SUFFIX:
                        node.input[at] = item.name
        return nodes


def _is_exact(matrix: NDArray[np.generic], values: Range) -> bool:
    """Return whether the product is exact in bytes, pairs in 16 bits and sums in 32."""
    if matrix.ndim != 2 or not matrix.size:
        return False
    weights = matrix.astype(np.float64)
    largest = int(np.abs(weights).max())
    factor = max(abs(bound) for bound in values) * largest
    return (
        largest <= np.iinfo(np.int8).max
        and bool(np.all(weights == np.rint(weights)))
        and 2 * factor <= _PAIR_LIMIT
        and len(matrix) * factor < _SUM_LIMIT
    )


def _needed(nodes: Iterable[onnx.NodeProto], outputs: Iterable[str]) -> list[onnx.NodeProto]:
    wanted, kept = set(outputs), []
    for node in reversed(list(nodes)):
        if wanted.intersection(node.output):
            wanted.update(node.input)
            kept.append(node)
    return kept[::-1]
