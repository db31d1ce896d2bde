"""What identifies a layer in FINN's own graph: its kind and shape, never its number.

FINN numbers layers in its own order; a plan made from QONNX may name them otherwise. Structure
travels in ``finn/plan.json``; ``finn/match.py`` compares it where FINN is.
"""

from __future__ import annotations

import ast
from typing import Any

from elasticdf.errors import UserError
from elasticdf.ir import Graph, Layer
from elasticdf.layers import flavour_of

STRUCTURE_SCHEMA = "elasticdf.finn-structure/1"

STRUCTURE = (
    "MW",
    "MH",
    "noActivation",
    "binaryXnorMode",
    "Channels",
    "NumChannels",
    "Kernel",
    "ConvKernelDim",
    "KernelSize",
    "Dim",
    "IFMChannels",
    "IFMDim",
    "OFMDim",
    "OutImgDims",
    "ImgDim",
    "PoolDim",
    "Stride",
    "Dilation",
    "Padding",
    "depthwise",
    "Function",
    "Labels",
    "K",
    "NumOutputStreams",
    "numInputVectors",
    "outputDataType",
)
"""Attributes that the network alone decides; foldings and implementations are not among them. Types
count where thresholds make them: FINN narrows accumulators only later, and `build.py` compares the
widths of all streams that leave a kernel then."""

DEFAULT_STEPS = (
    "step_qonnx_to_finn",
    "step_tidy_up",
    "step_streamline",
    "step_convert_to_hw",
    "step_create_dataflow_partition",
)
"""FINN's front end up to the dataflow partition; specialisation follows the plan."""


def structure_document(graph: Graph) -> dict[str, Any]:
    """Return the content of ``finn/plan.json``."""
    return {
        "schema": STRUCTURE_SCHEMA,
        "network": graph.name,
        "attributes": list(STRUCTURE),
        "inputs": list(graph.inputs),
        "outputs": list(graph.outputs),
        "layers": [_layer(graph, layer) for layer in graph if not _converter(layer)],
    }


def check_user_steps(content: bytes, where: str) -> bytes:
    """Return the user's build steps if they can be imported and define ``STEPS``.

    Raises:
        UserError: The file is not Python, or names no list ``STEPS``.
    """
    try:
        tree = ast.parse(content)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise UserError(f"{where} is not Python: {str(error)[:200]}") from error
    targets = [
        target.id
        for statement in tree.body
        if isinstance(statement, (ast.Assign, ast.AnnAssign))
        for target in (
            statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        )
        if isinstance(target, ast.Name)
    ]
    if "STEPS" not in targets:
        raise UserError(
            f"{where} defines no STEPS; give a list of FINN step names and functions "
            "step(model, cfg), up to and including step_create_dataflow_partition"
        )
    return content


def _has_thresholds(layer: Layer) -> bool:
    return layer.family == "Thresholding" or layer.attributes.get("noActivation") == 0


def _converter(layer: Layer) -> bool:
    """Width converters and FIFOs come and go with the folding; FINN inserts its own."""
    return layer.family in ("StreamingDataWidthConverter", "StreamingFIFO")


def _layer(graph: Graph, layer: Layer) -> dict[str, Any]:
    return {
        "name": layer.name,
        "family": layer.family,
        "style": flavour_of(layer) or "",
        "structure": {
            name: list(value) if isinstance(value, tuple) else value
            for name in STRUCTURE
            if (value := layer.attributes.get(name)) is not None
            and (name != "outputDataType" or _has_thresholds(layer))
        },
        "inputs": [_beyond(graph, tensor) for tensor in graph.stream_inputs(layer)],
        "outputs": list(layer.outputs),
    }


def _beyond(graph: Graph, tensor: str) -> str:
    """Return the stream a tensor stands for on the far side of width converters and FIFOs."""
    makers = {output: layer for layer in graph for output in layer.outputs}
    while tensor in makers and _converter(makers[tensor]):
        tensor = makers[tensor].inputs[0]
    return tensor
