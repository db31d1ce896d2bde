"""The whole build project of a plan, in memory: what ``partition -o DIR`` leaves.

The caller adds the manifest and the network itself. Identical input gives identical bytes.
"""

from __future__ import annotations

import io
import json
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx

from codegen.board_view import BoardView, view
from codegen.build_plan import BuildPlan
from codegen.finn import configs
from codegen.finn.emit import board_files
from codegen.finn.model import finn_model
from codegen.finn.subgraph import changes
from codegen.link_rtl.emit import adapters
from codegen.network.emit import network_json
from codegen.project.makefile import folder, makefile
from codegen.render import render
from codegen.segmentation import folded
from codegen.vitis.link import LinkOptions, link_config
from elasticdf.artifact.deployment import Deployment
from elasticdf.hardware import Cluster
from elasticdf.ir import Graph
from partitioner.plan import Plan

CHECK_FRAMES = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectOptions:
    """Choices of emission that are no part of the plan.

    Attributes:
        link: How v++ is used.
        finn_steps: Content of the user's Python file with FINN build steps, or None.
    """

    link: LinkOptions = field(default_factory=LinkOptions)
    finn_steps: bytes | None = None


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
    model = finn_model(graph, network)
    views = tuple(view(deployment, cluster, board.id) for board in deployment.boards)
    return BuildPlan.merge(
        (
            adapters(deployment),
            BuildPlan(
                {
                    "plan.json": _json(plan.to_json()),
                    "deployment.json": _json(deployment.to_json()),
                    "folding.json": _json(_whole_folding(graph, plan)),
                    "logged.sh": render("project", "logged.sh"),
                    "input.npy": check_input(graph),
                    "Makefile": makefile(deployment, views, matching=False, user_steps=False),
                }
            ),
            *(
                _board(graph, plan, cluster, board, model, options).under(folder(board))
                for board in views
            ),
        )
    )


def check_input(graph: Graph) -> bytes:
    """Return a NumPy file with a few random frames in the network's own terms."""
    generator = np.random.default_rng(0)
    if graph.prologue is not None:
        model = onnx.load_model_from_string(graph.prologue.model)
        (info,) = (v for v in model.graph.input if v.name == graph.prologue.input)
        shape = tuple(d.dim_value for d in info.type.tensor_type.shape.dim)[1:]
        frames = generator.integers(0, 256, (CHECK_FRAMES, *shape)).astype(np.float32)
    else:
        tensor = graph.tensors[graph.inputs[0]]
        low, high = int(tensor.datatype.minimum), int(tensor.datatype.maximum)
        if not tensor.datatype.is_integer:
            low, high = 0, 255
        frames = generator.integers(
            low, high, (CHECK_FRAMES, *tensor.shape[1:]), endpoint=True
        ).astype(np.float32)
    buffer = io.BytesIO()
    np.save(buffer, frames)
    return buffer.getvalue()


def _board(
    graph: Graph,
    plan: Plan,
    cluster: Cluster,
    board: BoardView,
    model: onnx.ModelProto,
    options: ProjectOptions,
) -> BuildPlan:
    own = BuildPlan(
        {"link.cfg": link_config(board, options.link), "network.json": network_json(board)}
    )
    return BuildPlan.merge((own, board_files(graph, plan, cluster, board, model)))


def _whole_folding(graph: Graph, plan: Plan) -> dict[str, Any]:
    return configs.folding(folded(graph, plan, 0), changes(graph, plan, 0))


def _json(document: Any) -> bytes:
    return (json.dumps(document, indent=1, allow_nan=False) + "\n").encode()
