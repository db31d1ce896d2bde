"""Any placement of any small network gives a deployment whose parts agree."""

from __future__ import annotations

from collections import Counter
from itertools import chain as flatten

import networkx as nx
from hypothesis import given, settings
from hypothesis import strategies as st

from codegen.deployment import deploy
from elasticdf.artifact.deployment import Deployment, Direction
from elasticdf.hardware import Cluster, parse_target
from elasticdf.ir import Graph
from partitioner.plan import Mode
from tests.placed import chain, diamond, placed

GRAPHS = (chain(1), chain(6), diamond(0), diamond(3))
TARGETS = ("u250", "2xu280", "3xu50", "2xu280+1xu50")


@st.composite
def deployments(draw: st.DrawFn) -> tuple[Graph, Cluster, Deployment]:
    graph = draw(st.sampled_from(GRAPHS))
    cluster = parse_target(draw(st.sampled_from(TARGETS)))
    assert isinstance(cluster, Cluster)
    places = [(i, die.name) for i, board in enumerate(cluster.boards) for die in board.dies]
    where = {
        (replica, layer.name): draw(st.sampled_from(places))
        for replica in range(draw(st.integers(1, 2)))
        for layer in graph
    }
    mode = draw(st.sampled_from((Mode.HARDWARE, Mode.SOFTWARE)))
    return graph, cluster, deploy(graph, placed(graph, cluster, mode, where), cluster)


@settings(max_examples=30)
@given(deployments())
def test_every_layer_is_in_one_kernel_of_each_replica(
    case: tuple[Graph, Cluster, Deployment],
) -> None:
    graph, _, deployment = case
    for replica in range(deployment.replicas):
        layers = [k.layers for k in deployment.kernels if k.replica == replica]
        assert sorted(flatten(*layers)) == sorted(layer.name for layer in graph)


@settings(max_examples=30)
@given(deployments())
def test_every_stream_end_is_used_exactly_once(case: tuple[Graph, Cluster, Deployment]) -> None:
    deployment = case[2]
    ends = [
        (kernel.name, port.name)
        for kernel in deployment.kernels
        for port in (*kernel.inputs, *kernel.outputs)
    ]
    used = [
        *(end for stream in deployment.local for end in (stream.source, stream.target)),
        *(end for link in deployment.links for end in (link.source, link.target)),
        *(stream.end for stream in deployment.host),
    ]
    assert sorted(ends) == sorted(used)


@settings(max_examples=30)
@given(deployments())
def test_kernels_form_an_acyclic_graph_in_stage_order(
    case: tuple[Graph, Cluster, Deployment],
) -> None:
    deployment = case[2]
    graph = nx.MultiDiGraph()
    for stream in (*deployment.local, *deployment.links):
        graph.add_edge(stream.source[0], stream.target[0])
    assert nx.is_directed_acyclic_graph(graph)
    stages = {kernel.name: kernel.stage for kernel in deployment.kernels}
    assert all(stages[a] < stages[b] for a, b in graph.edges())


@settings(max_examples=30)
@given(deployments())
def test_both_ends_of_a_stream_have_the_same_shape(
    case: tuple[Graph, Cluster, Deployment],
) -> None:
    deployment = case[2]
    ports = {
        (k.name, p.name): (p.tensor, p.shape, p.datatype, p.bits, p.transfers)
        for k in deployment.kernels
        for p in (*k.inputs, *k.outputs)
    }
    for stream in (*deployment.local, *deployment.links):
        assert ports[stream.source] == ports[stream.target]


@settings(max_examples=30)
@given(deployments())
def test_socket_rows_mirror_each_other(case: tuple[Graph, Cluster, Deployment]) -> None:
    deployment = case[2]
    ports = {(p.board, p.qsfp): p for p in deployment.ports}
    assert len({p.ip for p in deployment.ports}) == len({p.mac for p in deployment.ports})
    for port in deployment.ports:
        assert [s.row for s in port.sockets] == list(range(len(port.sockets)))
        assert len({(s.their_ip, s.their_port, s.my_port) for s in port.sockets}) == len(
            port.sockets
        )
    for link in deployment.links:
        source = ports[link.source_board, link.source_qsfp]
        target = ports[link.target_board, link.target_qsfp]
        near, far = source.sockets[link.source_row], target.sockets[link.target_row]
        assert (near.my_port, near.their_port) == (far.their_port, far.my_port)
        assert (near.their_ip, far.their_ip) == (target.ip, source.ip)
        assert (target.ip, target.mac) in source.arp
        assert (source.ip, source.mac) in target.arp
    senders = [(link.source_board, link.source_qsfp, link.source_row) for link in deployment.links]
    receivers = [
        (link.target_board, link.target_qsfp, link.target_row) for link in deployment.links
    ]
    assert len(set(senders)) == len(set(receivers)) == len(deployment.links)


@settings(max_examples=30)
@given(deployments())
def test_streams_that_come_back_share_rows(case: tuple[Graph, Cluster, Deployment]) -> None:
    """A port has as many rows as the busier direction between it and each other port."""
    deployment = case[2]
    for port in deployment.ports:
        here = (port.board, port.qsfp)
        leaving = Counter(
            (link.target_board, link.target_qsfp)
            for link in deployment.links
            if (link.source_board, link.source_qsfp) == here
        )
        coming = Counter(
            (link.source_board, link.source_qsfp)
            for link in deployment.links
            if (link.target_board, link.target_qsfp) == here
        )
        assert len(port.sockets) == (leaving | coming).total()


@settings(max_examples=30)
@given(deployments())
def test_host_copies_of_software_mode_pair_up_by_step(
    case: tuple[Graph, Cluster, Deployment],
) -> None:
    graph, _, deployment = case
    replicas = {kernel.name: kernel.replica for kernel in deployment.kernels}
    tensors = {
        (k.name, p.name): p.tensor for k in deployment.kernels for p in (*k.inputs, *k.outputs)
    }
    made = {
        (replicas[h.end[0]], tensors[h.end]): h.step
        for h in deployment.host
        if h.direction is Direction.OUT
    }
    for stream in deployment.host:
        tensor = tensors[stream.end]
        if stream.direction is Direction.IN and tensor not in graph.inputs:
            assert made[replicas[stream.end[0]], tensor] < stream.step


@settings(max_examples=30)
@given(deployments())
def test_the_json_form_is_complete(case: tuple[Graph, Cluster, Deployment]) -> None:
    assert Deployment.from_json(case[2].to_json()) == case[2]
