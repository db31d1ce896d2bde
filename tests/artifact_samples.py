"""Small deployments and built projects for the artifact's tests; nothing here computes."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

from codegen.addressing import Addressing, Hop, connect, network_ports
from codegen.bundle.emulation import emulation_binary
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

MODES = ("dp", "hw", "tmp", "sw")
BOARD = "u280"


def port(name: str, tensor: str, datatype: str = "UINT8", elements: int = 4) -> Port:
    bits = {"UINT8": 8, "UINT4": 4, "UINT10": 10}[datatype] * elements
    return Port(
        name=name,
        tensor=tensor,
        shape=(1, 16),
        datatype=datatype,
        elements=elements,
        bits=bits,
        transfers=16 // elements,
    )


def kernel(replica: int, stage: int, board: int) -> Kernel:
    return Kernel(
        name=f"seg_r{replica}_s{stage}",
        replica=replica,
        stage=stage,
        board=board,
        die="SLR0",
        layers=(f"MVAU_hls_{stage}",),
        inputs=(port("s_axis_0", f"t{stage}"),),
        outputs=(port("m_axis_0", f"t{stage + 1}"),),
    )


def host(unit: Kernel, direction: Direction, step: int = 0) -> HostStream:
    incoming = direction is Direction.IN
    return HostStream(
        board=unit.board,
        dma=f"{'i' if incoming else 'o'}dma_{unit.name}",
        direction=direction,
        end=(unit.name, "s_axis_0" if incoming else "m_axis_0"),
        memory="HBM[2]" if incoming else "HBM[5]",
        step=step,
        bytes_per_frame=16,
    )


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


def _hop(source: Kernel, target: Kernel) -> Hop:
    return Hop(
        source=(source.name, "m_axis_0"),
        target=(target.name, "s_axis_0"),
        origin=(source.board, 1),
        destination=(target.board, 1),
        frame_bytes=16,
    )


def deployment(mode: str = "hw", boards: int = 2, replicas: int | None = None) -> Deployment:
    """A chain over all boards (for ``dp``: one kernel per replica, one replica per board)."""
    replicas = replicas or (boards if mode == "dp" else 1)
    kernels: list[Kernel] = []
    hops: list[Hop] = []
    streams: list[HostStream] = []
    for replica in range(replicas):
        path = {
            "dp": [replica % boards],
            "hw": list(range(boards)),
            "sw": list(range(boards)),
            "tmp": [*range(boards), 0] if boards > 1 else [0],
        }[mode]
        chain = [kernel(replica, stage, board) for stage, board in enumerate(path)]
        kernels += chain
        if mode == "sw":
            for step, unit in enumerate(chain):
                streams += [host(unit, Direction.IN, step), host(unit, Direction.OUT, step)]
            continue
        streams += [host(chain[0], Direction.IN), host(chain[-1], Direction.OUT)]
        for source, target in itertools.pairwise(chain):
            hops.append(_hop(source, target))
    cluster = Cluster(name="tests", boards=(load_board(BOARD),) * boards)
    links = connect(hops, cluster)
    return Deployment(
        network="tiny",
        mode=mode,
        clock_hz=200_000_000,
        replicas=replicas,
        boards=tuple(_board(index) for index in range(boards)),
        kernels=tuple(kernels),
        local=(),
        links=links,
        host=tuple(streams),
        ports=network_ports(links, cluster, Addressing()),
        plan_digest="ab" * 32,
    )


def write_project(folder: Path, sample: Deployment, *, release: str = "current") -> Path:
    """Write what ``partition`` and ``build --emulate`` would leave of a deployment."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "deployment.json").write_text(json.dumps(sample.to_json()))
    for deployed in sample.boards:
        segments = {
            unit.name: f"segment {unit.name}".encode() for unit in sample.kernels_of(deployed.id)
        }
        content = emulation_binary(
            sample, deployed.id, segments, load_board(deployed.board), network_release=release
        )
        path = folder / f"board{deployed.id}" / deployed.binary
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
    return folder
