"""From a QONNX model to a finished graph: the story of the sub-package in one function."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import onnx

from elasticdf.errors import UserError, located
from elasticdf.frontend.qonnx.closing import close
from elasticdf.frontend.qonnx.lowering import lower
from elasticdf.frontend.qonnx.passes import passes
from elasticdf.frontend.qonnx.reading import read
from elasticdf.frontend.qonnx.sketch import Sketch
from elasticdf.ir import Graph, HostModel
from elasticdf.layers.kind import FpgaPart


def from_model(
    model: onnx.ModelProto, path: Path, name: str, *, quirks: bool, part: FpgaPart
) -> Graph:
    """Return the layer graph of a QONNX network.

    Raises:
        UserError: It cannot become hardware; the message starts with the path.
    """
    network = read(model, path)
    with located(str(path)):
        sketch, value = lower(network, quirks=quirks)
        output, ending = close(sketch, value)
        if not sketch.layers:
            raise UserError(
                "nothing is left to compute between the quantised input and the output; "
                "is this the whole network?"
            )
    graph = Graph(
        name=name,
        layers=tuple(sketch.layers.values()),
        tensors=sketch.tensors,
        inputs=tuple(sketch.inputs),
        outputs=(output,),
        notes=tuple(sketch.notes),
        metadata=network.metadata,
    )
    for step in passes(part, quirks=quirks):
        graph = step(graph)
    return replace(
        graph,
        prologue=_prologue(sketch, graph),
        epilogue=ending(graph.tensors[graph.outputs[0]]),
    )


def _prologue(sketch: Sketch, graph: Graph) -> HostModel | None:
    """Return the host's part before the input stream, in the stream's final encoding."""
    if sketch.entry is None:
        return None
    source, quantiser = sketch.entry
    stream = graph.tensors[graph.inputs[0]]
    if quantiser.bipolar and stream.datatype.name == "BINARY":
        return sketch.host.prologue(source, quantiser, stream.shape, factor=0.5, offset=0.5)
    return sketch.host.prologue(source, quantiser, stream.shape, offset=float(sketch.byte_offset))
