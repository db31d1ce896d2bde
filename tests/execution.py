"""Runs models in tests: ONNX bytes, host models around an accelerator, qonnx's executor."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import onnx
import onnxruntime
from numpy.typing import NDArray
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.core.onnx_exec import execute_onnx
from qonnx.transformation.infer_shapes import InferShapes

from codegen.segments import segment_model, whole_model
from elasticdf.ir import Graph

Array = NDArray[Any]
Feeds = Mapping[str, Array]


def run_model(model: bytes, feeds: Feeds) -> dict[str, Array]:
    """Return the outputs by name."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, dict(feeds)), strict=True))


def enter(graph: Graph, values: Array) -> dict[str, Array]:
    """Return the accelerator's input stream for the network's own input."""
    if graph.prologue is not None:
        prologue = graph.prologue
        values = run_model(prologue.model, {prologue.input: values})[prologue.output]
    return {graph.inputs[0]: values}


def leave(graph: Graph, streams: Feeds) -> Array:
    """Return the network's own output for the accelerator's output stream."""
    (stream,) = (streams[name] for name in graph.outputs)
    if graph.epilogue is None:
        return stream
    return run_model(graph.epilogue.model, {graph.epilogue.input: stream})[graph.epilogue.output]


def run_graph(graph: Graph, values: Array) -> Array:
    """Return the network's output computed by the whole accelerator and its host models."""
    return leave(graph, run_model(whole_model(graph), enter(graph, values)))


def run_segments(graph: Graph, segments: list[list[str]], streams: Feeds) -> dict[str, Array]:
    """Return all streams that leave a segment, the segments run in sequence."""
    known = dict(streams)
    for layers in segments:
        model = segment_model(graph, layers)
        names = [item.name for item in onnx.load_from_string(model).graph.input]
        known.update(run_model(model, {name: known[name] for name in names}))
    return known


def reference(model: onnx.ModelProto, values: Array) -> Array:
    """Return what qonnx's executor computes."""
    wrapper = ModelWrapper(model).transform(InferShapes())
    (name,) = (
        item.name for item in wrapper.graph.input if wrapper.get_initializer(item.name) is None
    )
    result: Array = execute_onnx(wrapper, {name: values})[wrapper.graph.output[0].name]
    return result
