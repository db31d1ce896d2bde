"""Build projects for tests: small networks spread over a target, or real FINN graphs."""

from __future__ import annotations

from codegen.build_plan import BuildPlan
from codegen.deployment import deploy
from codegen.finn.model import write_model
from codegen.project.emit import ProjectOptions, project
from elasticdf.artifact.deployment import Deployment
from elasticdf.hardware import Cluster, parse_target
from elasticdf.ir import Graph
from partitioner.plan import Mode, Place, Plan
from tests.placed import placed


def cluster_of(text: str) -> Cluster:
    """Return the cluster of a target."""
    target = parse_target(text)
    assert isinstance(target, Cluster)
    return target


def places_of(cluster: Cluster) -> list[Place]:
    """Return every die of a cluster, in order."""
    return [(i, die.name) for i, board in enumerate(cluster.boards) for die in board.dies]


def spread(graph: Graph, cluster: Cluster, mode: Mode, replicas: int = 1) -> Plan:
    """Return a plan that lays the layers over the dies in order.

    Mode dp puts each replica on one board; mode tmp brings the last layer back to the first board.
    """
    everywhere = places_of(cluster)
    where: dict[tuple[int, str], Place] = {}
    for replica in range(replicas):
        here = everywhere
        if mode is Mode.DATA_PARALLEL:
            here = [p for p in everywhere if p[0] == replica % len(cluster.boards)]
        for index, layer in enumerate(graph):
            where[replica, layer.name] = here[index * len(here) // len(graph)]
        if mode is Mode.TRANSPARENT:
            where[replica, graph.layers[-1].name] = here[0]
    return placed(graph, cluster, mode, where)


def emit(
    graph: Graph,
    target: str,
    mode: Mode,
    *,
    replicas: int = 1,
    network: bytes | None = None,
    options: ProjectOptions | None = None,
) -> tuple[Deployment, BuildPlan]:
    """Return the deployment and the project of a graph spread over a target."""
    cluster = cluster_of(target)
    plan = spread(graph, cluster, mode, replicas)
    deployment = deploy(graph, plan, cluster)
    model = network or write_model(graph).SerializeToString(deterministic=True)
    files = project(graph, plan, cluster, deployment, model, options or ProjectOptions())
    return deployment, files


def stream_ports(deployment: Deployment, board: int) -> dict[str, tuple[set[str], set[str]]]:
    """Return the stream inputs and outputs every compute unit of a board must have connected.

    Written down from the kernels' interfaces (VNx, FINN's IODMA, docs/link.md), not from link.cfg.
    """
    ports: dict[str, tuple[set[str], set[str]]] = {}
    for kernel in deployment.kernels_of(board):
        if kernel.layers:
            ports[kernel.name] = ({p.name for p in kernel.inputs}, {p.name for p in kernel.outputs})
    for stream in deployment.host:
        if stream.board == board:
            incoming = stream.direction.value == "in"
            ports[stream.dma] = (set(), {"m_axis_0"}) if incoming else ({"s_axis_0"}, set())
    rows: dict[int, int] = {}
    for link in deployment.links:
        if link.source_board == board:
            ports[f"edf_tx_{link.id}"] = ({"s_axis_0", "n2k"}, {"k2n"})
            rows[link.source_qsfp] = rows.get(link.source_qsfp, 0) + 1
        if link.target_board == board:
            ports[f"edf_rx_{link.id}"] = ({"n2k"}, {"m_axis_0", "k2n"})
            rows[link.target_qsfp] = rows.get(link.target_qsfp, 0) + 1
    for qsfp, count in rows.items():
        ports[f"cmac_{qsfp}"] = ({"S_AXIS"}, {"M_AXIS"})
        ports[f"networklayer_{qsfp}"] = (
            {"S_AXIS_sk2nl", "S_AXIS_eth2nl"},
            {"M_AXIS_nl2sk", "M_AXIS_nl2eth"},
        )
        ports[f"edf_mux_{qsfp}"] = ({f"s_axis_{i}" for i in range(count)}, {"k2n"})
        ports[f"edf_demux_{qsfp}"] = ({"n2k"}, {f"m_axis_{i}" for i in range(count)})
    return ports
