"""Kernels that follow each other on a board, computed as one.

A run of onnxruntime costs some tens of microseconds whatever it computes, so kernels that only hand
their frames on to each other share one model. What leaves the last of them is the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import onnx

from elasticdf.artifact.deployment import Deployment, Kernel
from elasticdf.errors import UserError


def chains(deployment: Deployment, board: int) -> tuple[tuple[Kernel, ...], ...]:
    """Return the kernels of a board in groups that nothing enters or leaves in the middle.

    Relays, which compute nothing, stand alone.
    """
    kernels = deployment.kernels_of(board)
    names = {kernel.name: kernel for kernel in kernels}
    following = {
        stream.source[0]: stream.target[0]
        for stream in deployment.local
        if stream.board == board and _joins(names[stream.source[0]], names[stream.target[0]])
    }
    inner = set(following.values())
    return tuple(_walk(kernel, names, following) for kernel in kernels if kernel.name not in inner)


def _joins(source: Kernel, target: Kernel) -> bool:
    ports = (source.outputs, target.inputs)
    return bool(source.layers and target.layers) and all(len(each) == 1 for each in ports)


def _walk(
    kernel: Kernel, names: dict[str, Kernel], following: dict[str, str]
) -> tuple[Kernel, ...]:
    chain = [kernel]
    while chain[-1].name in following:
        chain.append(names[following[chain[-1].name]])
    return tuple(chain)


def join_models(models: Sequence[bytes]) -> bytes:
    """Return one ONNX model for models of which each takes the one output of the one before.

    Args:
        models: Serialised ONNX; outputs have names of their own throughout.

    Raises:
        UserError: They were written for different versions of the operators.
    """
    if len(models) == 1:
        return models[0]
    loaded = [onnx.load_from_string(model) for model in models]
    whole = loaded[0]
    for number, model in enumerate(loaded[1:], 1):
        if list(model.opset_import) != list(whole.opset_import):
            raise UserError(
                "the segments of a board use different ONNX operator sets; "
                "build the emulation binary again"
            )
        graph = model.graph
        (source,), (entry,) = whole.graph.output, graph.input
        _rename(graph, f"m{number}_", kept={output.name for output in graph.output})
        to = entry.type.tensor_type.elem_type
        whole.graph.node.append(onnx.helper.make_node("Cast", [source.name], [entry.name], to=to))
        whole.graph.node.extend(graph.node)
        whole.graph.initializer.extend(graph.initializer)
        del whole.graph.output[:]
        whole.graph.output.extend(graph.output)
    return bytes(whole.SerializeToString())


def largest_frame(model: bytes) -> int:
    """Return the values of a frame in the largest tensor of a model, as far as ONNX can tell.

    Args:
        model: Serialised ONNX; the first axis of every tensor counts frames.
    """
    graph = onnx.shape_inference.infer_shapes(onnx.load_from_string(model)).graph
    tensors = (*graph.input, *graph.value_info, *graph.output)
    shapes = (tensor.type.tensor_type.shape.dim[1:] for tensor in tensors)
    return max(prod(int(axis.dim_value) for axis in shape) for shape in shapes)


def _rename(graph: onnx.GraphProto, prefix: str, kept: set[str]) -> None:
    """Put a prefix before every name of a flat graph but those kept."""

    def renamed(name: str) -> str:
        return prefix + name if name and name not in kept else name

    for node in graph.node:
        node.name = renamed(node.name)
        node.input[:] = [renamed(name) for name in node.input]
        node.output[:] = [renamed(name) for name in node.output]
    for named in (*graph.input, *graph.initializer):
        named.name = renamed(named.name)
