"""The whole build project of a plan, in memory: what ``partition -o DIR`` leaves.

The caller adds the manifest and the network itself. Identical input gives identical bytes.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from codegen.board_view import BoardView, view
from codegen.build_plan import BuildPlan
from codegen.bundle.weights import emit_weights
from codegen.finn import configs
from codegen.finn.emit import FifoDepths, board_files, front_end_files
from codegen.finn.model import finn_model
from codegen.finn.subgraph import changes
from codegen.link_rtl.emit import adapters
from codegen.network.emit import network_json
from codegen.parts import buildable
from codegen.project.makefile import folder, makefile, refusal
from codegen.project.pipelines import pipelines
from codegen.render import render
from codegen.vitis.link import LinkOptions, link_config
from elasticdf.artifact.deployment import Deployment
from elasticdf.documents import json_bytes
from elasticdf.errors import UserError
from elasticdf.frontend.external_weights import weights_of
from elasticdf.frontend.finn import is_finn_graph
from elasticdf.hardware import Cluster
from elasticdf.ir import Graph, Tensor
from elasticdf.layers.mvau import has_external_weights
from partitioner.placed import folded
from partitioner.plan import Plan

PLAN = "plan.json"
DEPLOYMENT = "deployment.json"
CHECK_FRAMES = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectOptions:
    """Choices of emission that are no part of the plan.

    Attributes:
        link: How v++ is used.
        finn_steps: Content of the user's Python file with FINN build steps, or None.
        fifo_depths: Where the depths of FIFOs come from.
    """

    link: LinkOptions = field(default_factory=LinkOptions)
    finn_steps: bytes | None = None
    fifo_depths: FifoDepths = FifoDepths.PLANNED


@dataclass(frozen=True, slots=True, kw_only=True)
class _Source:
    """The FINN graph to cut; ``matching`` if FINN has yet to make its own of the network."""

    model: onnx.ModelProto
    matching: bool


def project(
    graph: Graph,
    plan: Plan,
    cluster: Cluster,
    deployment: Deployment,
    network: bytes,
    options: ProjectOptions,
) -> BuildPlan:
    """Return every file of the project but the manifest and the network.

    Args:
        graph: The network's layers.
        plan: Where they sit.
        cluster: The boards.
        deployment: What follows from the plan.
        network: The ONNX file the layers were read from.
        options: Choices of emission.
    """
    onnx_model = onnx.load_model_from_string(network)
    source = _Source(model=finn_model(graph, onnx_model), matching=not is_finn_graph(onnx_model))
    graphs = _folded_graphs(graph, plan)
    built = buildable(deployment, graphs)
    views = _views(built, cluster)
    top = {
        PLAN: json_bytes(plan.to_json()),
        DEPLOYMENT: json_bytes(deployment.to_json()),
        "folding.json": json_bytes(_whole_folding(graph, plan)),
        "logged.sh": render("project", "logged.sh"),
        "input.npy": check_input(graph),
        "Makefile": makefile(
            built,
            views,
            matching=source.matching,
            user_steps=options.finn_steps is not None,
        ),
    }
    boards = (
        _board(graph, plan, cluster, board, source, options).under(folder(board)) for board in views
    )
    return BuildPlan.merge(
        (
            BuildPlan(top),
            pipelines(deployment),
            adapters(built),
            emit_weights(built, graphs),
            _external_weights(graph),
            *_front_end(graph, views, source, options),
            *boards,
        )
    )


def refusals(graph: Graph, plan: Plan, cluster: Cluster, deployment: Deployment) -> tuple[str, ...]:
    """Return why real binaries of some boards cannot be built; emulated ones always can."""
    built = buildable(deployment, _folded_graphs(graph, plan))
    reasons = (refusal(board) for board in _views(built, cluster))
    return tuple(reason for reason in reasons if reason is not None)


def _folded_graphs(graph: Graph, plan: Plan) -> dict[int, Graph]:
    return {replica: folded(graph, plan, replica) for replica in range(plan.replicas)}


def _views(built: Deployment, cluster: Cluster) -> tuple[BoardView, ...]:
    return tuple(view(built, cluster, board.id) for board in built.boards)


def check_input(graph: Graph) -> bytes:
    """Return a NumPy file with a few random frames in the network's own terms."""
    generator = np.random.default_rng(0)
    frames: NDArray[np.generic]
    if graph.prologue is not None:
        model = onnx.load_model_from_string(graph.prologue.model)
        (info,) = (v for v in model.graph.input if v.name == graph.prologue.input)
        shape = tuple(d.dim_value for d in info.type.tensor_type.shape.dim)[1:]
        # Half in the range of normalised inputs, half in that of bytes: not all may saturate.
        scales = np.array([1 / 128, 1 / 128, 1, 1], np.float32).reshape(-1, *(1 for _ in shape))
        frames = generator.integers(0, 256, (CHECK_FRAMES, *shape)) * scales
    else:
        frames = _random_elements(graph.tensors[graph.inputs[0]], generator)
    return _npy(frames.astype(np.float32))


def _external_weights(graph: Graph) -> BuildPlan:
    """Return the network's own weights of layers that take them with every request, to pass on."""
    names = [layer.name for layer in graph if has_external_weights(layer)]
    return BuildPlan({f"weights/{name}.npy": _npy(weights_of(graph, name)) for name in names})


def _npy(array: NDArray[np.generic]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def _random_elements(tensor: Tensor, generator: np.random.Generator) -> NDArray[np.generic]:
    shape = (CHECK_FRAMES, *tensor.shape[1:])
    datatype = tensor.datatype
    if datatype.name == "BIPOLAR":
        return 2 * generator.integers(0, 2, shape) - 1
    if not datatype.is_integer:
        return generator.integers(0, 256, shape)
    return generator.integers(int(datatype.minimum), int(datatype.maximum), shape, endpoint=True)


def _front_end(
    graph: Graph, views: tuple[BoardView, ...], source: _Source, options: ProjectOptions
) -> Iterator[BuildPlan]:
    if source.matching:
        yield front_end_files(graph, views[0], options.finn_steps).under("finn")
    elif options.finn_steps is not None:
        raise UserError(
            "--finn-steps: the network is FINN's own graph already, no steps are run; leave it out"
        )


def _board(
    graph: Graph,
    plan: Plan,
    cluster: Cluster,
    board: BoardView,
    source: _Source,
    options: ProjectOptions,
) -> BuildPlan:
    own = {"link.cfg": link_config(board, options.link), "network.json": network_json(board)}
    finn = board_files(
        graph,
        plan,
        cluster,
        board,
        source.model,
        matching=source.matching,
        fifo_depths=options.fifo_depths,
    )
    return BuildPlan.merge((BuildPlan(own), finn))


def _whole_folding(graph: Graph, plan: Plan) -> dict[str, Any]:
    return configs.folding(folded(graph, plan, 0), changes(graph, plan, 0))
