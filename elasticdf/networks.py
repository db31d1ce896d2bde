"""Networks as commands name them: files, reference networks, and those of project folders."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import onnx

import models
from elasticdf import folding, frontend
from elasticdf.documents import read_json
from elasticdf.errors import UserError, located
from elasticdf.frontend import external_weights
from elasticdf.frontend.finn import is_finn_graph
from elasticdf.ir import Graph
from elasticdf.layers.kind import FpgaPart
from elasticdf.rundir import NETWORK, project_request, sha256

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


def with_external_weights(network: Network, layers: Sequence[str]) -> Network:
    """Return the network with the weights of some layers coming with every request.

    Layers that a FINN graph has so already are among them. FINN's own graph is changed as well: it
    is what gets built.

    Args:
        network: As read.
        layers: Names of further layers.

    Raises:
        UserError: There is no such layer, or it cannot take any weights but its own.
    """
    names = (*external_weights.external_layers(network.graph), *layers)
    if not names:
        return network
    graph = external_weights.with_external_weights(network.graph, names)
    model = onnx.load_model_from_string(network.model)
    if not is_finn_graph(model):
        return Network(graph=graph, model=network.model)
    return Network(graph=graph, model=external_weights.restated(model, network.graph, graph))


def fold_by_file(graph: Graph, path: Path | None) -> Graph:
    """Return the graph folded as FINN's folding configuration says; None leaves it.

    Raises:
        UserError: The file cannot be read, or a folding is illegal.
    """
    if path is None:
        return graph
    document = read_json(path)
    with located(str(path)):
        return folding.apply_folding(graph, document)


def project_graph(directory: Path) -> Graph:
    """Return the network of a project folder.

    Raises:
        UserError: The folder holds none, or another than it was made from.
    """
    asked = project_request(directory)
    path = directory / NETWORK
    network = load_network(str(path), quirks=asked.costs == _FINN, name=asked.network)
    if sha256(network.model) != asked.network_sha256:
        raise UserError(
            f"{path} is not the network this project was made from, so it was exchanged; "
            "make the project again with elasticdf partition"
        )
    return with_external_weights(network, asked.external_weights).graph
