"""The zoo's networks have the structure of the public ones, node for node."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import helper, numpy_helper

import models
from models.grid import accumulator_bits
from tests.truth import needs_shared, shared

PUBLIC = {
    "tfc-w1a1": "tfc_1w1a",
    "tfc-w2a2": "tfc_2w2a",
    "cnv-w1a1": "cnv_1w1a",
    "cnv-w2a2": "cnv_2w2a",
    "mobilenetv1-w4a4": "mobilenet_v1_w4a4",
    "resnet18-cifar-w2a2": "resnet18_w2a2_cifar",
    "kws-mlp-w3a3": "zoo_kwsmlp_w3a3",
}
SEEDS = (0, 1, 2)
FREE_ATTRIBUTES = {"epsilon", "momentum"}
"""They have no counterpart in hardware."""

LAYOUT_NODES = {"Flatten", "Reshape"}


class Reader:
    """A model with its constants and producers at hand."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self.graph = model.graph
        self.constants = {t.name: numpy_helper.to_array(t) for t in self.graph.initializer}
        for node in self.graph.node:
            if node.op_type == "Constant":
                self.constants[node.output[0]] = numpy_helper.to_array(node.attribute[0].t)
        self.nodes = [node for node in self.graph.node if node.op_type != "Constant"]
        self.producers = {output: node for node in self.nodes for output in node.output}
        inferred = [*self.graph.value_info, *self.graph.output]
        self.shapes = {
            v.name: [d.dim_value for d in v.type.tensor_type.shape.dim] for v in inferred
        }

    def described(self, tensor: str) -> tuple[Any, ...]:
        """Return the whole expression behind a tensor, without names and numbers."""
        if tensor in self.constants:
            return ("constant", self.constants[tensor].shape)
        if tensor not in self.producers:
            return ("input",)
        return self.node(self.producers[tensor])

    def node(self, node: onnx.NodeProto) -> tuple[Any, ...]:
        """Return op type, attributes, bit widths and where the inputs come from."""
        attributes = {
            a.name: helper.get_attribute_value(a)
            for a in node.attribute
            if a.name not in FREE_ATTRIBUTES
        }
        widths: tuple[float, ...] = ()
        if node.op_type in {"Quant", "Trunc"}:
            widths = tuple(float(self.constants[name]) for name in node.input[2:])
        operands = tuple(
            ("constant", self.constants[name].shape)
            if name in self.constants
            else (self.producers[name].op_type if name in self.producers else "input")
            for name in node.input
        )
        return (node.op_type, sorted(attributes.items()), widths, operands)

    def weights(self) -> Iterator[tuple[onnx.NodeProto, NDArray[np.int64]]]:
        """Yield each multiplying node with its weight levels, [channels, fan-in]."""
        for node in self.nodes:
            if node.op_type not in {"Conv", "MatMul", "Gemm"}:
                continue
            quantiser = self.producers[node.input[1]]
            columns = node.op_type == "MatMul"
            if quantiser.op_type == "Transpose":
                quantiser, columns = self.producers[quantiser.input[0]], False
            values = self.constants[quantiser.input[0]]
            levels = np.rint(values / self.constants[quantiser.input[1]])
            if quantiser.op_type == "BipolarQuant":
                levels = np.where(values >= 0, 1, -1)
            else:
                top = 2 ** (int(self.constants[quantiser.input[3]]) - 1) - 1
                levels = np.clip(levels, -top, top)
            levels = levels.T if columns else levels
            yield node, levels.reshape(levels.shape[0], -1).astype(np.int64)

    def input_levels(self, tensor: str) -> tuple[int, int]:
        """Return the smallest and largest level of the type that reaches a multiplication."""
        while tensor in self.producers:
            node = self.producers[tensor]
            if node.op_type == "BipolarQuant":
                return (0, 1)  # bipolar products are counted as matching bits
            if node.op_type == "Trunc":
                return (0, 2 ** int(self.constants[node.input[4]]) - 1)
            if node.op_type == "Quant":
                bits = int(self.constants[node.input[3]])
                signed = {a.name: a.i for a in node.attribute}["signed"]
                return (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
            tensor = node.input[0]
        return (0, 255)

    def accumulators(self) -> list[int]:
        """Return the accumulator width of each multiplying node."""
        return [
            int(accumulator_bits(levels, *self.input_levels(node.input[0])).max())
            for node, levels in self.weights()
        ]


def public(name: str) -> Reader:
    return Reader(onnx.load(shared(f"networks/{PUBLIC[name]}.onnx")))


@needs_shared
@pytest.mark.parametrize("name", [name for name in PUBLIC if not name.startswith("kws")])
def test_same_nodes_in_the_same_order(name: str) -> None:
    ours, theirs = Reader(models.build(name)), public(name)
    assert [node.op_type for node in ours.nodes] == [node.op_type for node in theirs.nodes]

    def computing(reader: Reader) -> list[tuple[Any, ...]]:
        """The nodes of the data path, with the node order and wiring of quantised weights."""
        return [
            (*reader.node(node), reader.shapes[node.output[0]])
            for node in reader.nodes
            if node.input[0] not in reader.constants
        ]

    assert computing(ours) == computing(theirs)


@needs_shared
@pytest.mark.parametrize("name", [name for name in PUBLIC if not name.startswith("kws")])
def test_same_wiring(name: str) -> None:
    ours, theirs = Reader(models.build(name)), public(name)
    for mine, other in zip(ours.nodes, theirs.nodes, strict=True):
        if mine.op_type in {"Quant", "BipolarQuant"} and mine.input[0] in ours.constants:
            continue
        mine_inputs = [ours.nodes.index(ours.producers[t]) for t in data_inputs(ours, mine)]
        other_inputs = [theirs.nodes.index(theirs.producers[t]) for t in data_inputs(theirs, other)]
        assert mine_inputs == other_inputs


def data_inputs(reader: Reader, node: onnx.NodeProto) -> list[str]:
    """Return the produced inputs of a node that are not quantised weights."""
    produced = [name for name in node.input if name in reader.producers]
    return [name for name in produced if reader.producers[name].input[0] not in reader.constants]


@needs_shared
def test_keyword_spotter_has_the_public_data_path() -> None:
    """The public file is a raw export: other order, same expressions."""
    ours, theirs = Reader(models.build("kws-mlp-w3a3")), public("kws-mlp-w3a3")

    def path(reader: Reader) -> list[tuple[Any, ...]]:
        nodes = []
        tensor = reader.graph.output[0].name
        while tensor in reader.producers:
            node = reader.producers[tensor]
            nodes.append(reader.node(node))
            tensor = node.input[0]
        return nodes

    assert path(ours) == path(theirs)
    ours_weights = [levels.shape for _, levels in ours.weights()]
    assert ours_weights == [levels.shape for _, levels in theirs.weights()]


@needs_shared
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", PUBLIC)
def test_accumulators_are_as_wide_as_in_the_public_network(name: str, seed: int) -> None:
    assert Reader(models.build(name, seed)).accumulators() == public(name).accumulators()


def compiled(path: Path) -> list[dict[str, Any]]:
    layers: list[dict[str, Any]] = json.loads(path.read_text())["layers"]
    return layers


@needs_shared
@pytest.mark.parametrize("seed", SEEDS)
def test_resnet50_accumulators_are_as_wide_as_compiled(seed: int) -> None:
    path = shared("truth/finn/resnet50_w1a2/fps100/layers.json")
    attributes = [layer["attrs"] for layer in compiled(path) if layer["op_type"].startswith("MVAU")]
    reader = Reader(models.build("resnet50-w1a2", seed))
    found = sorted(
        (levels.shape[1], levels.shape[0], f"INT{bits}")
        for (_, levels), bits in zip(reader.weights(), reader.accumulators(), strict=True)
    )
    assert found == sorted((a["MW"], a["MH"], a["accDataType"]) for a in attributes)


def test_resnet50_blocks() -> None:
    graph = models.build("resnet50-w1a2").graph
    kinds = [node.op_type for node in graph.node]
    assert kinds.count("Conv") == 53
    assert kinds.count("Add") == 16
    assert kinds.count("MaxPool") == 1
    assert kinds.count("BipolarQuant") == 52
    consumers = [name for node in graph.node if node.op_type == "Quant" for name in node.input[:1]]
    assert len(consumers) == len(set(consumers)), "every quantiser has a rectifier of its own"
