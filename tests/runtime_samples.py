"""Tiny networks that compute, as artifacts for emulated boards: a chain of matrix products."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from codegen.addressing import Addressing, Hop, connect, network_ports
from codegen.bundle.emulation import emulation_binary
from codegen.bundle.pack import Labels, package
from elasticdf.artifact.deployment import (
    DeployedBoard,
    Deployment,
    Direction,
    HostStream,
    Kernel,
    Port,
)
from elasticdf.hardware import Cluster
from elasticdf.hardware.load import load_board
from elasticdf.ir import DataType

BOARD = "u280"


@dataclass(frozen=True, kw_only=True)
class Sample:
    """What to build.

    Attributes:
        mode: ``dp``, ``hw``, ``tmp``, ``sw``.
        boards: How many.
        replicas: How many.
        width: Elements of a frame.
        datatype: Of every stream.
        elements: Elements per transfer.
        window_bytes: Of every link.
    """

    mode: str = "hw"
    boards: int = 2
    replicas: int = 1
    width: int = 16
    datatype: str = "UINT8"
    elements: int = 4
    window_bytes: int = 16384

    @property
    def stages(self) -> int:
        return {"dp": 1, "hw": self.boards, "sw": self.boards, "tmp": self.boards + 1}[self.mode]

    def board_of(self, replica: int, stage: int) -> int:
        return replica % self.boards if self.mode == "dp" else stage % self.boards

    def port(self, name: str, tensor: str) -> Port:
        return Port(
            name=name,
            tensor=tensor,
            shape=(1, self.width),
            datatype=self.datatype,
            elements=self.elements,
            bits=self.elements * DataType.parse(self.datatype).bits,
            transfers=self.width // self.elements,
        )

    def kernel(self, replica: int, stage: int) -> Kernel:
        return Kernel(
            name=f"seg_r{replica}_s{stage}",
            replica=replica,
            stage=stage,
            board=self.board_of(replica, stage),
            die="SLR0",
            layers=(f"MVAU_hls_{stage}",),
            inputs=(self.port("s_axis_0", f"t{stage}"),),
            outputs=(self.port("m_axis_0", f"t{stage + 1}"),),
        )

    def host(self, kernel: Kernel, direction: Direction, step: int = 0) -> HostStream:
        letter, end = ("i", "s_axis_0") if direction is Direction.IN else ("o", "m_axis_0")
        port = kernel.inputs[0]
        return HostStream(
            board=kernel.board,
            dma=f"{letter}dma_{kernel.name}",
            direction=direction,
            end=(kernel.name, end),
            memory="HBM[2]" if direction is Direction.IN else "HBM[5]",
            step=step,
            bytes_per_frame=port.transfers * ((port.bits + 7) // 8),
        )

    def deployment(self) -> Deployment:
        chains = [
            [self.kernel(replica, stage) for stage in range(self.stages)]
            for replica in range(self.replicas)
        ]
        hops: list[Hop] = []
        streams: list[HostStream] = []
        for chain in chains:
            if self.mode == "sw":
                for step, kernel in enumerate(chain):
                    streams.append(self.host(kernel, Direction.IN, step))
                    streams.append(self.host(kernel, Direction.OUT, step))
                continue
            streams.append(self.host(chain[0], Direction.IN))
            streams.append(self.host(chain[-1], Direction.OUT))
            for source, target in pairwise(chain):
                hops.append(self.hop(source, target))
        cluster = Cluster(name="tests", boards=(load_board(BOARD),) * self.boards)
        links = tuple(
            replace(link, window_bytes=self.window_bytes) for link in connect(hops, cluster)
        )
        return Deployment(
            network="tiny",
            mode=self.mode,
            clock_hz=200_000_000,
            replicas=self.replicas,
            boards=tuple(_board(index) for index in range(self.boards)),
            kernels=tuple(kernel for chain in chains for kernel in chain),
            local=(),
            links=links,
            host=tuple(streams),
            ports=network_ports(links, cluster, Addressing()),
            plan_digest="ab" * 32,
        )

    def hop(self, source: Kernel, target: Kernel) -> Hop:
        return Hop(
            source=(source.name, "m_axis_0"),
            target=(target.name, "s_axis_0"),
            origin=(source.board, 1),
            destination=(target.board, 1),
            frame_bytes=self.width,
        )

    def weights(self, stage: int) -> NDArray[np.float32]:
        generator = np.random.default_rng(stage)
        return generator.integers(-1, 2, (self.width, self.width)).astype(np.float32)

    def model(self, first: int, last: int) -> bytes:
        """Stages ``first`` to ``last`` as ONNX."""
        kind = DataType.parse(self.datatype)
        nodes, constants = [], []
        constants.append(numpy_helper.from_array(np.float32(kind.minimum), "low"))
        constants.append(numpy_helper.from_array(np.float32(kind.maximum), "high"))
        for stage in range(first, last + 1):
            constants.append(numpy_helper.from_array(self.weights(stage), f"w{stage}"))
            nodes.append(helper.make_node("MatMul", [f"t{stage}", f"w{stage}"], [f"m{stage}"]))
            nodes.append(helper.make_node("Clip", [f"m{stage}", "low", "high"], [f"t{stage + 1}"]))
        ends = [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", self.width])
            for name in (f"t{first}", f"t{last + 1}")
        ]
        graph = helper.make_graph(nodes, "chain", ends[:1], ends[1:], constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
        model.ir_version = 9
        onnx.checker.check_model(model)
        return bytes(model.SerializeToString())

    @property
    def whole(self) -> bytes:
        return self.model(0, self.stages - 1)

    def expected(self, frames: NDArray[np.generic]) -> NDArray[np.int64]:
        kind = DataType.parse(self.datatype)
        values = frames.astype(np.float64)
        for stage in range(self.stages):
            values = np.clip(values @ self.weights(stage), kind.minimum, kind.maximum)
        return values.astype(np.int64)

    def frames(self, count: int, seed: int = 0) -> NDArray[np.int64]:
        kind = DataType.parse(self.datatype)
        generator = np.random.default_rng(seed)
        low, high = int(kind.minimum), int(kind.maximum)
        return generator.integers(low, high, (count, self.width), endpoint=True)

    def artifact(self, folder: Path, bitstream_id: str = "test.tiny") -> Path:
        """Write a project with binaries, package it, return the artifact's folder."""
        deployment = self.deployment()
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "deployment.json").write_text(json.dumps(deployment.to_json()))
        for board in deployment.boards:
            segments = {
                kernel.name: self.model(kernel.stage, kernel.stage)
                for kernel in deployment.kernels_of(board.id)
            }
            content = emulation_binary(deployment, board.id, segments, load_board(board.board))
            target = folder / f"board{board.id}"
            target.mkdir(exist_ok=True)
            (target / board.binary).write_bytes(content)
        return package(folder, labels=Labels(bitstream_id=bitstream_id)).folder


def _board(index: int) -> DeployedBoard:
    board = load_board(BOARD)
    return DeployedBoard(
        id=index,
        board=board.name,
        part=board.part,
        vendor=board.vendor,
        shell=board.shell.name,
        shell_version=board.shell.version,
        binary=f"board{index}.xclbin",
    )
