"""A classifier whose last layer takes its weights with every request, and what it computes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from codegen.build_plan import BuildPlan
from codegen.bundle.emulation import emulation_binary
from codegen.bundle.host import emit_host
from codegen.bundle.pack import Labels, package
from codegen.deployment import deploy
from codegen.project.emit import ProjectOptions, project
from codegen.segments.emit import board_model, segment_model, whole_model
from elasticdf.artifact.deployment import Deployment
from elasticdf.documents import json_bytes
from elasticdf.frontend.external_weights import weights_of
from elasticdf.hardware.load import load_board
from elasticdf.ir import Graph
from elasticdf.networks import Network, load_network, with_external_weights
from elasticdf.rundir import DEPLOYMENT, NETWORK
from models.drawing import Drawing
from models.mlp import centred_input
from models.signal import Grid
from partitioner.plan import Mode
from tests.execution import enter, run_model
from tests.projects import cluster_of, spread

PIXELS, HIDDEN, CLASSES, LABELS = 64, 32, 10, 5


def classifier(folder: Path) -> Path:
    """Write two 2-bit layers and one of 8 bits with biases, which choose five of ten labels."""
    drawing = Drawing((1, 1, 8, 8), 0)
    flat = drawing.node("Reshape", "global_in", np.array([1, -1]), shape=(1, PIXELS))
    signal = centred_input(drawing, flat, Grid(bits=2, signed=True), 1.0)
    for _ in range(2):
        sums = drawing.product(signal, HIDDEN, bits=2)
        signal = drawing.activation(sums, Grid(bits=4), step=1.0)
    logits = drawing.classifier(signal, CLASSES, bits=8, bias_bits=7, accumulator=15)
    model = drawing.finish("external", logits)
    graph = model.graph
    graph.initializer.append(numpy_helper.from_array(np.array([LABELS]), "most"))
    graph.node.append(helper.make_node("TopK", ["global_out", "most"], ["values", "labels"]))
    graph.output[0].CopyFrom(
        helper.make_tensor_value_info("labels", TensorProto.INT64, [1, LABELS])
    )
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / NETWORK
    path.write_bytes(model.SerializeToString(deterministic=True))
    return path


@dataclass(frozen=True, kw_only=True)
class External:
    """The classifier, its last product's weights outside the accelerator."""

    network: Network

    @staticmethod
    def drawn(folder: Path) -> External:
        """Draw it; the QONNX file stays in the folder."""
        network = load_network(str(classifier(folder)), name="external")
        return External(network=with_external_weights(network, (last_product(network.graph),)))

    @property
    def graph(self) -> Graph:
        return self.network.graph

    @property
    def layer(self) -> str:
        return last_product(self.graph)

    @cached_property
    def own(self) -> NDArray[np.int8]:
        return weights_of(self.graph, self.layer)

    def other(self, seed: int) -> NDArray[np.int8]:
        """Other weights, the least that fit into a byte among them."""
        generator = np.random.default_rng(seed)
        return generator.integers(-128, 128, (CLASSES, HIDDEN), np.int8)

    def frames(self, count: int, seed: int = 0) -> NDArray[np.float32]:
        """Frames in the network's own terms."""
        return np.random.default_rng(seed).random((count, 1, 8, 8), np.float32)

    def labels(self, frames: NDArray[np.float32], weights: NDArray[np.int8]) -> NDArray[np.int64]:
        """What the network answers with these weights; NumPy computes from the features on."""
        names = [layer.name for layer in self.graph]
        features = names[: names.index(self.layer)]
        model = segment_model(self.graph, features)
        (hidden,) = run_model(model, enter(self.graph, frames)).values()
        reader = self.graph.layer(self.graph.successors(self.layer)[0])
        biases = self.graph.tensors[reader.inputs[1]].values
        assert biases is not None
        sums = hidden.astype(np.int64) @ weights.T.astype(np.int64) + biases.reshape(-1)
        best: NDArray[np.int64] = np.argsort(-sums, axis=1, kind="stable")[:, :LABELS]
        return best

    def deployed(self, target: str, mode: str, replicas: int = 1) -> tuple[Deployment, BuildPlan]:
        """Return the deployment and the project over a target, layers laid out in order."""
        cluster = cluster_of(target)
        plan = spread(self.graph, cluster, Mode(mode), replicas)
        deployment = deploy(self.graph, plan, cluster)
        options = ProjectOptions()
        files = project(self.graph, plan, cluster, deployment, self.network.model, options)
        return deployment, files

    def artifact(self, folder: Path, target: str, mode: str, replicas: int = 1) -> Path:
        """Write emulated binaries, package them, return the artifact's folder."""
        deployment, _ = self.deployed(target, mode, replicas)
        binaries = {
            f"board{board.id}/{board.binary}": emulation_binary(
                deployment,
                board.id,
                {
                    kernel.name: board_model(self.graph, kernel.layers)
                    for kernel in deployment.kernels_of(board.id)
                },
                load_board(board.board),
            )
            for board in deployment.boards
        }
        own = {DEPLOYMENT: json_bytes(deployment.to_json()), NETWORK: self.network.model}
        BuildPlan.merge((BuildPlan({**own, **binaries}), emit_host(self.graph))).write(folder)
        return package(folder, labels=Labels(bitstream_id="test")).folder

    @property
    def whole(self) -> bytes:
        return whole_model(self.graph)


def last_product(graph: Graph) -> str:
    """Return the name of the last fully connected layer."""
    return [layer.name for layer in graph if layer.family == "MVAU"][-1]
