"""Kernels in parts: one AXI-Lite port each, nothing lost, streams still fit."""

from __future__ import annotations

import json
from dataclasses import replace

import networkx as nx
from hypothesis import given, settings
from hypothesis import strategies as st

from codegen.deployment import deploy
from codegen.finn.model import write_model
from codegen.parts import buildable, has_control_port
from codegen.project.emit import ProjectOptions, project
from elasticdf.artifact.deployment import Deployment
from elasticdf.ir import Graph
from partitioner.placed import folded
from partitioner.plan import Mode
from tests.link_cfg import faults, read
from tests.placed import chain, diamond
from tests.projects import cluster_of, spread, stream_ports


def _writable(graph: Graph, layers: set[int]) -> Graph:
    return graph.with_layers(
        layer.with_attributes({"runtime_writeable_weights": 1})
        if i in layers and "runtime_writeable_weights" in layer.attributes
        else layer
        for i, layer in enumerate(graph)
    )


def _built(graph: Graph, target: str, mode: Mode) -> tuple[Deployment, Deployment]:
    cluster = cluster_of(target)
    plan = spread(graph, cluster, mode)
    deployment = deploy(graph, plan, cluster)
    return deployment, buildable(deployment, {0: folded(graph, plan, 0)})


def test_without_control_ports_kernels_stay_whole() -> None:
    deployment, built = _built(chain(6), "2xu280", Mode.HARDWARE)
    assert built == deployment


def test_each_part_has_one_control_port_and_the_first_keeps_the_name() -> None:
    _, built = _built(_writable(chain(5), {1, 2, 4}), "u50", Mode.DATA_PARALLEL)
    assert [(k.name, len(k.layers)) for k in built.kernels] == [
        ("seg_r0_s0", 2),
        ("seg_r0_s0_p1", 1),
        ("seg_r0_s1", 2),
    ]
    assert built.local[-1].source == ("seg_r0_s0", "m_axis_0")
    assert built.local[-1].target == ("seg_r0_s0_p1", "s_axis_0")


def test_the_project_links_the_parts() -> None:
    graph, cluster = _writable(chain(6), set(range(6))), cluster_of("2xu280")
    plan = spread(graph, cluster, Mode.HARDWARE)
    plan = replace(plan, assignments=tuple(replace(a, die="SLR2") for a in plan.assignments))
    deployment = deploy(graph, plan, cluster)
    network = write_model(graph).SerializeToString()
    files = project(graph, plan, cluster, deployment, network, ProjectOptions())
    built = buildable(deployment, {0: graph})
    for board in (0, 1):
        cfg = read(files.files[f"board{board}/link.cfg"].decode())
        assert faults(cfg, stream_ports(built, board)) == []
        floorplan = json.loads(files.files[f"board{board}/floorplan.json"])
        assert [p["partition_id"] for n, p in floorplan.items() if n != "Defaults"] == [0, 1, 2]
    kept = Deployment.from_json(json.loads(files.files["deployment.json"]))
    assert kept == deployment


@settings(max_examples=40)
@given(
    st.sampled_from([chain(7), diamond(4)]),
    st.sets(st.integers(0, 7)),
    st.sampled_from(["u250", "2xu280"]),
    st.sampled_from([Mode.HARDWARE, Mode.TRANSPARENT, Mode.SOFTWARE]),
)
def test_parts_are_the_kernel_again(
    plain: Graph, layers: set[int], target: str, mode: Mode
) -> None:
    graph = _writable(plain, layers)
    deployment, built = _built(graph, target, mode)
    for kernel in deployment.kernels:
        parts = [
            p
            for p in built.kernels
            if p.name == kernel.name or p.name.startswith(kernel.name + "_p")
        ]
        assert sorted(sum((p.layers for p in parts), ())) == sorted(kernel.layers)
        ports = [sum(has_control_port(graph.layer(n)) for n in p.layers) for p in parts]
        assert len(parts) == max(1, sum(ports))
        assert max(ports) <= 1
    ends = [(k.name, p.name) for k in built.kernels for p in (*k.inputs, *k.outputs)]
    used = [
        *(end for s in (*built.local, *built.links) for end in (s.source, s.target)),
        *(s.end for s in built.host),
    ]
    assert sorted(ends) == sorted(used)
    order = nx.DiGraph((s.source[0], s.target[0]) for s in (*built.local, *built.links))
    assert nx.is_directed_acyclic_graph(order)
    ports = {
        (k.name, p.name): (p.tensor, p.bits, p.transfers)
        for k in built.kernels
        for p in (*k.inputs, *k.outputs)
    }
    assert all(ports[s.source] == ports[s.target] for s in (*built.local, *built.links))
