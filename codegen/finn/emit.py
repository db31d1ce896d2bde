"""What FINN needs for one board: graphs per replica, configuration files, and build.py."""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum
from typing import Any

import onnx

from codegen.board_view import BoardView
from codegen.build_plan import BuildPlan
from codegen.finn import configs
from codegen.finn.structure import DEFAULT_STEPS, check_user_steps, structure_document
from codegen.finn.subgraph import changes, cut, placements, replicas_on
from codegen.render import render
from elasticdf import __version__
from elasticdf.artifact.deployment import Kernel, Port, StreamEnd
from elasticdf.documents import json_bytes
from elasticdf.hardware import Cluster
from elasticdf.ir import Graph
from elasticdf.layers.kind import padded
from elasticdf.layers.mvau import has_external_weights
from partitioner.fifos.charges import FIFOS
from partitioner.placed import folded
from partitioner.plan import Plan


class FifoDepths(StrEnum):
    """Where depths come from: folding.json, FINN's own sizing, or the plan if it sized FIFOs."""

    GIVEN = "given"
    SIZED = "sized"
    PLANNED = "planned"

    def resolved(self, plan: Plan) -> FifoDepths:
        """Return what build.py is told: only given or sized."""
        if self is not FifoDepths.PLANNED:
            return self
        return FifoDepths.GIVEN if FIFOS in plan.extra else FifoDepths.SIZED


def board_files(
    graph: Graph,
    plan: Plan,
    cluster: Cluster,
    view: BoardView,
    model: onnx.ModelProto,
    *,
    matching: bool,
    fifo_depths: FifoDepths,
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
        matching: Whether the plan was made from QONNX and FINN makes its own graph.
        fifo_depths: Where the depths of FIFOs come from.
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
        files[f"folding{ending}.json"] = json_bytes(configs.folding(here, chosen))
        files[f"specialize{ending}.json"] = json_bytes(configs.specialisation(here, chosen))
        files[f"floorplan{ending}.json"] = json_bytes(configs.floorplan(placed))
    files["build.py"] = _build_script(view, fifo_depths.resolved(plan), matching=matching)
    return BuildPlan(files)


def suffix(replicas: tuple[int, ...], replica: int) -> str:
    """Return what FINN's files of a replica end in: nothing for a board's first."""
    return "" if replica == replicas[0] else str(replica)


def front_end_files(graph: Graph, view: BoardView, steps: bytes | None) -> BuildPlan:
    """Return what turns the QONNX network into FINN's graph and matches the plan to it.

    Args:
        graph: The network's layers.
        view: Any board; FINN asks for a part, its front end hardly cares which.
        steps: The user's FINN build steps, or None for FINN's own.
    """
    script = render(
        "finn",
        "match.py",
        part=view.board.part,
        clock_ns=_clock_ns(view),
        steps=list(DEFAULT_STEPS),
        external=[layer.name for layer in graph if has_external_weights(layer)],
    )
    files = {"match.py": script, "plan.json": json_bytes(structure_document(graph))}
    if steps is not None:
        files["steps.py"] = check_user_steps(steps, "the file given with --finn-steps")
    return BuildPlan(files)


def _build_script(view: BoardView, fifo_depths: FifoDepths, *, matching: bool) -> bytes:
    weights = {stream.end for stream in view.host if stream.weights is not None}
    kernels = {kernel.name: _kernel(kernel, weights) for kernel in view.kernels}
    dmas = {
        stream.dma: {
            "direction": stream.direction.value,
            "bits": padded(view.port(stream.end).bits),
            "transfers": view.port(stream.end).transfers,
            **({"burst": "wrap"} if stream.weights is not None else {}),
        }
        for stream in view.host
    }
    return render(
        "finn",
        "build.py",
        view=view,
        clock_ns=_clock_ns(view),
        matching=matching,
        external=bool(weights),
        kernels=kernels,
        dmas=dmas,
        fifo_depths=fifo_depths.value,
        version=__version__,
    )


def _kernel(kernel: Kernel, weights: Collection[StreamEnd]) -> dict[str, Any]:
    """Return what build.py has to know; a port of weights is no input of FINN's graph at first."""
    data = [port for port in kernel.inputs if (kernel.name, port.name) not in weights]
    places = [i for i, port in enumerate(kernel.inputs) if port not in data]
    return {
        "replica": kernel.replica,
        "layers": list(kernel.layers),
        "inputs": [_end(port) for port in data],
        "outputs": [_end(port) for port in kernel.outputs],
        **({"weights": places} if places else {}),
    }


def _clock_ns(view: BoardView) -> float:
    return round(1e9 / view.deployment.clock_hz, 4)


def _end(port: Port) -> tuple[str, int, int]:
    return port.tensor, port.elements, port.bits
