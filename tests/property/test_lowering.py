"""Lowered networks compute exactly what the quantised network says, cut or uncut."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import onnx
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from elasticdf.frontend import load
from elasticdf.ir import Graph
from tests.execution import enter, leave, reference, run_graph, run_segments
from tests.random_networks import IMAGE_LAYERS, SIGNAL_LAYERS, VECTOR_LAYERS, random_network

SEEDS = st.integers(0, 2**32 - 1)
VECTORS = st.lists(st.sampled_from(VECTOR_LAYERS), max_size=4).map(tuple)
IMAGES = st.lists(st.sampled_from(IMAGE_LAYERS), min_size=1, max_size=4).map(tuple)
SIGNALS = st.lists(st.sampled_from(SIGNAL_LAYERS), max_size=3).map(lambda x: ("conv1d", *x))
FEW = settings(
    max_examples=25, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
)


def lowered(model: onnx.ModelProto) -> Graph:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "random.onnx"
        onnx.save(model, path)
        return load(path)


def inputs(model: onnx.ModelProto, seed: int) -> np.ndarray:
    shape = [dim.dim_value for dim in model.graph.input[0].type.tensor_type.shape.dim]
    quarters = np.random.default_rng(seed).integers(-40, 41, shape)
    return quarters.astype(np.float32) / 4


def assert_same(model: onnx.ModelProto, seed: int) -> None:
    values = inputs(model, seed)
    np.testing.assert_array_equal(run_graph(lowered(model), values), reference(model, values))


@FEW
@given(seed=SEEDS, layers=VECTORS)
def test_vector_networks_equal_the_reference_bit_for_bit(
    seed: int, layers: tuple[str, ...]
) -> None:
    assert_same(random_network(seed, layers, image=False), seed)


@FEW
@given(seed=SEEDS, layers=IMAGES)
def test_image_networks_equal_the_reference_bit_for_bit(seed: int, layers: tuple[str, ...]) -> None:
    assert_same(random_network(seed, layers, image=True), seed)


@FEW
@given(seed=SEEDS, layers=SIGNALS)
def test_signal_networks_equal_the_reference_bit_for_bit(
    seed: int, layers: tuple[str, ...]
) -> None:
    assert_same(random_network(seed, layers, image=True), seed)


@FEW
@given(seed=SEEDS, layers=IMAGES, labels=st.integers(2, 12))
def test_labels_are_the_largest_logits(seed: int, layers: tuple[str, ...], labels: int) -> None:
    model = random_network(seed, layers, image=True, labels=labels)
    values = inputs(model, seed)
    ranked = np.argsort(-reference(model, values).ravel(), kind="stable")
    found = run_graph(lowered(model), values).ravel()
    assert found.tolist() == ranked[: found.size].tolist()


@FEW
@given(seed=SEEDS, layers=IMAGES, data=st.data())
def test_segments_in_sequence_equal_the_whole(
    seed: int, layers: tuple[str, ...], data: st.DataObject
) -> None:
    model = random_network(seed, layers, image=True, labels=3)
    graph = lowered(model)
    cuts = data.draw(st.lists(st.booleans(), min_size=len(graph), max_size=len(graph)))
    segments: list[list[str]] = [[]]
    for layer, cut in zip(graph, cuts, strict=True):
        segments[-1].append(layer.name)
        if cut and layer is not graph.layers[-1]:
            segments.append([])
    values = inputs(model, seed)
    streams = run_segments(graph, segments, enter(graph, values))
    np.testing.assert_array_equal(leave(graph, streams), run_graph(graph, values))


@FEW
@given(seed=SEEDS, layers=IMAGES)
def test_batches_are_computed_frame_by_frame(seed: int, layers: tuple[str, ...]) -> None:
    graph = lowered(model := random_network(seed, layers, image=True))
    frames = [inputs(model, seed + index) for index in range(3)]
    together = run_graph(graph, np.concatenate(frames))
    np.testing.assert_array_equal(
        together, np.concatenate([run_graph(graph, frame) for frame in frames])
    )
