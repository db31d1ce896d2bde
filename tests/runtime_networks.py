"""Reference networks as artifacts, spread over boards layer by layer, without the partitioner."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import models
from codegen.build_plan import BuildPlan
from codegen.bundle.emulation import emulation_binary
from codegen.bundle.host import emit_host
from codegen.bundle.pack import package
from codegen.deployment import deploy
from codegen.segments.emit import board_model, whole_model
from elasticdf import frontend
from elasticdf.hardware.load import load_board
from partitioner.plan import Mode
from tests.projects import cluster_of, spread


@dataclass(frozen=True, kw_only=True)
class Built:
    """A packaged network: its artifact's folder and the unpartitioned accelerator."""

    artifact: Path
    whole: bytes


def build(name: str, target: str, mode: str, folder: Path, replicas: int = 1) -> Built:
    """Write and package a network of the zoo."""
    folder.mkdir(parents=True, exist_ok=True)
    network = folder / "network.onnx"
    models.export(name, network)
    graph = frontend.load(network, name=name.replace("-", "_"))
    cluster = cluster_of(target)
    deployment = deploy(graph, spread(graph, cluster, Mode(mode), replicas), cluster)
    (folder / "deployment.json").write_text(json.dumps(deployment.to_json()))
    for board in deployment.boards:
        segments = {
            kernel.name: board_model(graph, kernel.layers)
            for kernel in deployment.kernels_of(board.id)
        }
        content = emulation_binary(deployment, board.id, segments, load_board(board.board))
        BuildPlan({board.binary: content}).write(folder / f"board{board.id}")
    emit_host(graph).write(folder)
    return Built(artifact=package(folder).folder, whole=whole_model(graph))
