"""The zoo's networks run in qonnx, are alive, exact, and far from every rounding boundary."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import numpy_helper
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.core.onnx_exec import execute_onnx

import models

QUICK = ("tfc-w1a1", "tfc-w1a2", "tfc-w2a2", "sfc-w1a2", "cnv-w1a1", "cnv-w1a2", "cnv-w2a2")
QUICK += ("lfc-w2a2", "kws-mlp-w3a3", "resnet18-cifar-w2a2", "resnet18-cifar-w4a4")
LONG = ("mobilenetv1-w4a4", "resnet50-w1a2", "resnet50-w4a4")
EVERY = (*QUICK, *(pytest.param(name, marks=pytest.mark.slow) for name in LONG))

Values = dict[str, NDArray[Any]]


def run(name: str, model: onnx.ModelProto, seed: int) -> Values:
    """Return every tensor of the network for one input."""
    inputs = {"global_in": models.sample(name, seed)}
    values: Values = execute_onnx(ModelWrapper(model), inputs, return_full_exec_context=True)
    return values


def activations(model: onnx.ModelProto) -> list[onnx.NodeProto]:
    """Return the quantisers of computed values, not those of weights."""
    constants = {tensor.name for tensor in model.graph.initializer}
    return [
        node
        for node in model.graph.node
        if node.op_type in {"Quant", "BipolarQuant"} and node.input[0] not in constants
    ]


@pytest.mark.parametrize("name", EVERY)
def test_alive_exact_and_clear_of_ties(name: str) -> None:
    model = models.build(name)
    values = run(name, model, seed=1)
    for node in activations(model):
        assert_uses_its_grid(node, values)
        if values[node.input[0]] is not values["global_in"]:
            assert_far_from_boundaries(node, values)
    for node in model.graph.node:
        if node.op_type == "BatchNormalization":
            assert_exact(node, values)
    others = run(name, model, seed=2)
    assert np.abs(values["global_out"] - others["global_out"]).max() > 0
    assert len(np.unique(values["global_out"])) > 5


def assert_uses_its_grid(node: onnx.NodeProto, values: Values) -> None:
    levels = np.rint(values[node.output[0]] / values[node.input[1]])
    kinds = np.unique(levels).size
    bits = 1 if node.op_type == "BipolarQuant" else int(values[node.input[3]])
    wanted = min(2**bits - 1, 8)
    assert kinds >= max(wanted, 2), f"{node.name} takes {kinds} levels of {bits} bits"
    commonest = np.unique(levels, return_counts=True)[1].max() / levels.size
    assert commonest < 0.9, f"{node.name} gives one level for {commonest:.0%} of its values"


def assert_far_from_boundaries(node: onnx.NodeProto, values: Values) -> None:
    levels = values[node.input[0]].astype(np.float64) / values[node.input[1]]
    if node.op_type == "BipolarQuant":
        distance = np.abs(levels)
    else:
        distance = np.abs(np.abs(levels - np.floor(levels)) - 0.5)
    assert distance.min() > 1e-5, f"{node.name}: a value is {distance.min():g} from a boundary"


def assert_exact(node: onnx.NodeProto, values: Values) -> None:
    """The float32 result of a normalisation is the one exact arithmetic gives."""
    source, gain, bias, mean = (values[name].astype(np.float64) for name in node.input[:4])
    shape = (1, -1, *[1] * (source.ndim - 2))
    exact = (source - mean.reshape(shape)) * gain.reshape(shape) + bias.reshape(shape)
    np.testing.assert_array_equal(values[node.output[0]].astype(np.float64), exact)


@pytest.mark.parametrize("name", ["tfc-w2a2", "cnv-w1a2", "kws-mlp-w3a3", "resnet18-cifar-w4a4"])
def test_every_number_is_a_short_binary_fraction(name: str) -> None:
    """Steps, gains and biases are exact in float32 with bits to spare."""
    model = models.build(name)
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == "BatchNormalization":
            gain, _, mean, variance = (constants[name] for name in node.input[1:5])
            np.testing.assert_array_equal(np.frexp(gain)[0], 0.5)
            np.testing.assert_array_equal(np.ldexp(mean.astype(np.float64), 40) % 1, 0)
            epsilon = {a.name: a.f for a in node.attribute}["epsilon"]
            np.testing.assert_array_equal(variance.astype(np.float64) + epsilon, 1.0)


@pytest.mark.parametrize(
    "name",
    [
        "tfc-w1a1",
        "cnv-w2a2",
        "kws-mlp-w3a3",
        pytest.param("resnet18-cifar-w2a2", marks=pytest.mark.slow),
        pytest.param("mobilenetv1-w4a4", marks=pytest.mark.slow),
    ],
)
def test_labels_differ_between_inputs(name: str) -> None:
    model = models.build(name)
    labels = {int(run(name, model, seed)["global_out"].argmax()) for seed in range(6)}
    assert len(labels) > 1
