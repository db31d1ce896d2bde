"""Networks as commands name them: files, reference networks, and those of project folders."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import models
from elasticdf import folding, frontend
from elasticdf.ir import Graph
from elasticdf.layers.kind import FpgaPart
from elasticdf.rundir import MANIFEST, NETWORK, read_json

ZOO = "zoo:"
_FINN = "finn"
"""The cost profile under which networks are read with FINN's known bugs."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Network:
    """A network as read.

    Attributes:
        graph: In hardware layers.
        model: The ONNX file's content.
    """

    graph: Graph
    model: bytes


def load_network(
    model: str,
    *,
    quirks: bool = False,
    name: str | None = None,
    part: FpgaPart = frontend.ANY_PART,
) -> Network:
    """Read a network.

    Args:
        model: Path of an ONNX file, or ``zoo:NAME``.
        quirks: Follow FINN's known bugs, for cost profile ``finn``.
        name: Of the network; the file's stem by default.
        part: Decides which layers FINN would write in RTL.

    Raises:
        UserError: There is no such network, or it cannot become hardware.
    """
    if not model.startswith(ZOO):
        return _load_file(Path(model), name, quirks=quirks, part=part)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{model.removeprefix(ZOO)}.onnx"
        models.export(model.removeprefix(ZOO), path)
        return _load_file(path, name, quirks=quirks, part=part)


def _load_file(path: Path, name: str | None, *, quirks: bool, part: FpgaPart) -> Network:
    model, graph = frontend.load_with_model(path, name=name, quirks=quirks, part=part)
    return Network(graph=graph, model=model)


def fold_by_file(graph: Graph, path: Path | None) -> Graph:
    """Return the graph folded as FINN's folding configuration says; None leaves it.

    Raises:
        UserError: The file cannot be read, or a folding is illegal.
    """
    return graph if path is None else folding.apply_folding(graph, read_json(path))


def project_graph(directory: Path) -> Graph:
    """Return the network of a project folder.

    Raises:
        UserError: The folder holds none.
    """
    manifest = read_json(directory / MANIFEST)
    quirks = manifest.get("options", {}).get("costs") == _FINN
    name = manifest.get("network")
    return load_network(str(directory / NETWORK), quirks=quirks, name=name).graph
