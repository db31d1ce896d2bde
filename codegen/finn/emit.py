"""What FINN needs for one board: graphs per replica, configuration files, and build.py."""

from __future__ import annotations

import json
from typing import Any

import onnx

from codegen.board_view import BoardView
from codegen.build_plan import BuildPlan
from codegen.finn import configs
from codegen.finn.subgraph import changes, cut, placements, replicas_on
from codegen.render import render
from codegen.segmentation import folded
from elasticdf.artifact.deployment import Port
from elasticdf.hardware import Cluster
from elasticdf.ir import Graph
from elasticdf.layers.kind import padded
from partitioner.plan import Plan


def board_files(
    graph: Graph, plan: Plan, cluster: Cluster, view: BoardView, model: onnx.ModelProto
) -> BuildPlan:
    """Return segment<r>.onnx, the configuration files and build.py of a board.

    FINN's files name layers, and replicas on one board share the names: ``folding.json`` and the
    others are the first replica's, further replicas have their number in the name.

    Args:
        graph: The network's layers.
        plan: Their placement.
        cluster: The boards.
        view: The board.
        model: The FINN graph of the whole network.
    """
    number = view.deployed.id
    streams = frozenset((*graph.inputs, *(name for layer in graph for name in layer.outputs)))
    files: dict[str, bytes] = {}
    replicas = replicas_on(view.deployment, number)
    for replica in replicas:
        placed = placements(view.deployment, cluster, number, replica)
        changed = changes(graph, plan, replica)
        settings = {name: {**changed[name], **place.settings()} for name, place in placed.items()}
        part = cut(model, f"{graph.name}_r{replica}_board{number}", settings, streams)
        files[f"segment{replica}.onnx"] = part.SerializeToString(deterministic=True)
        ending = suffix(replicas, replica)
        chosen = {name: changed[name] for name in placed}
        here = folded(graph, plan, replica)
        files[f"folding{ending}.json"] = _json(configs.folding(here, chosen))
        files[f"specialize{ending}.json"] = _json(configs.specialisation(here, chosen))
        files[f"floorplan{ending}.json"] = _json(configs.floorplan(placed))
    files["build.py"] = _build_script(view)
    return BuildPlan(files)


def suffix(replicas: tuple[int, ...], replica: int) -> str:
    """Return what FINN's files of a replica end in: nothing for a board's first."""
    return "" if replica == replicas[0] else str(replica)


def _build_script(view: BoardView) -> bytes:
    kernels = {
        kernel.name: {
            "replica": kernel.replica,
            "layers": list(kernel.layers),
            "inputs": [_end(port) for port in kernel.inputs],
            "outputs": [_end(port) for port in kernel.outputs],
        }
        for kernel in view.kernels
    }
    dmas = {
        stream.dma: {
            "direction": stream.direction.value,
            "bits": padded(view.port(stream.end).bits),
            "transfers": view.port(stream.end).transfers,
        }
        for stream in view.host
    }
    return render(
        "finn",
        "build.py",
        view=view,
        clock_ns=round(1e9 / view.deployment.clock_hz, 4),
        kernels=kernels,
        dmas=dmas,
        fifo_depths="sized",
    )


def _end(port: Port) -> tuple[str, int, int]:
    return port.tensor, port.elements, port.bits


def _json(document: Any) -> bytes:
    return (json.dumps(document, indent=1) + "\n").encode()
