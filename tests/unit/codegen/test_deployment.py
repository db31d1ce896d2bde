"""Deployments of small networks placed by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from codegen.deployment import deploy
from elasticdf.artifact.deployment import Deployment, Direction
from elasticdf.errors import UserError
from elasticdf.hardware import Cluster, parse_target
from partitioner.plan import Mode
from tests.placed import chain, diamond, placed


def _cluster(text: str) -> Cluster:
    target = parse_target(text)
    assert isinstance(target, Cluster)
    return target


def _chain(target: str, mode: Mode, places: list[tuple[int, str]], replicas: int = 1) -> Deployment:
    graph, cluster = chain(len(places)), _cluster(target)
    where = {
        (r, layer.name): p for r in range(replicas) for layer, p in zip(graph, places, strict=True)
    }
    return deploy(graph, placed(graph, cluster, mode, where), cluster)


def test_one_die_is_one_kernel_between_two_dmas() -> None:
    deployment = _chain("u250", Mode.DATA_PARALLEL, [(0, "SLR1")] * 3)
    (kernel,) = deployment.kernels
    assert kernel.name == "seg_r0_s0"
    assert len(kernel.layers) == 3
    assert [(h.dma, h.direction, h.memory, h.bytes_per_frame) for h in deployment.host] == [
        ("idma_seg_r0_s0", Direction.IN, "DDR[0]", 128),
        ("odma_seg_r0_s0", Direction.OUT, "DDR[0]", 64),
    ]
    assert deployment.local == deployment.links == deployment.ports == ()
    assert deployment.boards[0].binary == "chain_board0.xclbin"


def test_dies_of_one_board_are_joined_by_a_local_stream_of_the_producers_width() -> None:
    deployment = _chain("u250", Mode.DATA_PARALLEL, [(0, "SLR0"), (0, "SLR1")])
    (stream,) = deployment.local
    assert (stream.source, stream.target) == (("seg_r0_s0", "m_axis_0"), ("seg_r0_s1", "s_axis_0"))
    first, second = deployment.kernels
    assert first.outputs[0].bits == second.inputs[0].bits == 2 * 2
    assert first.outputs[0].transfers == 16 * 8 // 2


def test_going_back_to_a_die_makes_a_new_kernel() -> None:
    deployment = _chain("u250", Mode.DATA_PARALLEL, [(0, "SLR0"), (0, "SLR1"), (0, "SLR0")])
    assert [k.die for k in deployment.kernels] == ["SLR0", "SLR1", "SLR0"]


def test_two_boards_talk_over_the_implied_cable() -> None:
    deployment = _chain("2xu280", Mode.HARDWARE, [(0, "SLR2"), (1, "SLR2")])
    (link,) = deployment.links
    assert (link.source_board, link.source_qsfp, link.source_row) == (0, 0, 0)
    assert (link.target_board, link.target_qsfp, link.target_row) == (1, 0, 0)
    near, far = deployment.ports
    assert (near.ip, near.mac) == ("192.168.10.10", "00:0a:35:ed:00:0a")
    assert near.arp == ((far.ip, far.mac),)
    assert far.arp == ((near.ip, near.mac),)
    assert near.sockets[0].their_port == far.sockets[0].my_port
    assert near.sockets[0].my_port == far.sockets[0].their_port
    assert near.sockets[0].their_ip == far.ip


def test_software_mode_copies_through_the_host_in_steps() -> None:
    deployment = _chain("2xu280", Mode.SOFTWARE, [(0, "SLR0"), (1, "SLR0"), (0, "SLR0")])
    assert deployment.links == ()
    assert [(h.dma, h.board, h.step) for h in deployment.host] == [
        ("idma_seg_r0_s0", 0, 0),
        ("odma_seg_r0_s0", 0, 0),
        ("idma_seg_r0_s1", 1, 1),
        ("odma_seg_r0_s1", 1, 1),
        ("idma_seg_r0_s2", 0, 2),
        ("odma_seg_r0_s2", 0, 2),
    ]


def test_a_stream_passes_a_board_between_as_a_relay(tmp_path: Path) -> None:
    file = tmp_path / "row.toml"
    file.write_text(
        '[[board]]\nboard = "u280"\ncount = 3\n'
        "[[cable]]\nends = [[0, 0], [1, 1]]\n[[cable]]\nends = [[1, 0], [2, 1]]\n"
    )
    cluster, graph = _cluster(str(file)), chain(2)
    route = ((0, "SLR2"), (1, "SLR2"), (2, "SLR2"))
    plan = placed(
        graph,
        cluster,
        Mode.HARDWARE,
        {(0, "Thresholding_rtl_0"): (0, "SLR2"), (0, "Thresholding_rtl_1"): (2, "SLR2")},
        {(0, "Thresholding_rtl_0", "Thresholding_rtl_1"): route},
    )
    deployment = deploy(graph, plan, cluster)
    relay = deployment.kernel("relay_r0_n0")
    assert (relay.board, relay.layers) == (1, ())
    assert [(link.source, link.target) for link in deployment.links] == [
        (("seg_r0_s0", "m_axis_0"), ("relay_r0_n0", "s_axis_0")),
        (("relay_r0_n0", "m_axis_0"), ("seg_r0_s1", "s_axis_0")),
    ]
    assert [(p.board, p.qsfp) for p in deployment.ports] == [(0, 0), (1, 0), (1, 1), (2, 1)]


def test_both_ends_of_a_fork_have_their_own_streams() -> None:
    graph, cluster = diamond(1), _cluster("2xu280")
    places = {(0, layer.name): (0, "SLR2") for layer in graph}
    places[0, "Thresholding_rtl_0"] = (1, "SLR2")
    deployment = deploy(graph, placed(graph, cluster, Mode.TRANSPARENT, places), cluster)
    fork, branch, join = deployment.kernels
    assert [p.tensor for p in fork.outputs] == ["left0", "right"]
    assert [p.tensor for p in join.inputs] == ["left1", "right"]
    assert [(link.source_board, link.target_board) for link in deployment.links] == [(0, 1), (1, 0)]
    assert branch.board == 1
    # The stream that comes back shares the row of the one that went.
    assert [len(port.sockets) for port in deployment.ports] == [1, 1]
    assert {row for link in deployment.links for row in (link.source_row, link.target_row)} == {0}


def test_hbm_streams_spread_over_banks_and_ddr_fills_to_fifteen() -> None:
    hbm = _chain("u280", Mode.DATA_PARALLEL, [(0, "SLR0")], replicas=3)
    assert [h.memory for h in hbm.host] == [f"HBM[{i}]" for i in range(6)]
    ddr = _chain("u250", Mode.DATA_PARALLEL, [(0, "SLR0")], replicas=8)
    assert [h.memory for h in ddr.host] == ["DDR[0]"] * 15 + ["DDR[1]"]


def test_more_host_streams_than_interfaces_are_refused() -> None:
    with pytest.raises(UserError) as error:
        _chain("pynq-z1", Mode.DATA_PARALLEL, [(0, "PL")], replicas=8)
    assert str(error.value) == (
        "board pynq-z1: more than 15 host streams on each memory bank; "
        "use fewer replicas or more boards"
    )


def test_more_streams_than_sockets_are_refused() -> None:
    with pytest.raises(UserError) as error:
        _chain("2xu280", Mode.HARDWARE, [(0, "SLR2"), (1, "SLR2")], replicas=17)
    assert str(error.value) == (
        "port 0 of board 0 (u280) has 16 sockets, more streams need one; "
        "use fewer replicas, or another port or board"
    )


def test_the_deployment_survives_json() -> None:
    deployment = _chain("2xu280", Mode.HARDWARE, [(0, "SLR2"), (1, "SLR2")])
    assert Deployment.from_json(deployment.to_json()) == deployment


def test_a_stream_past_a_detour_holds_a_frame() -> None:
    graph, cluster = diamond(1), _cluster("u250")
    places = {(0, layer.name): (0, "SLR0") for layer in graph}
    places[0, "Thresholding_rtl_0"] = (0, "SLR1")
    deployment = deploy(graph, placed(graph, cluster, Mode.DATA_PARALLEL, places), cluster)
    fork, branch, join = (kernel.name for kernel in deployment.kernels)
    assert {(s.source[0], s.target[0]): s.depth for s in deployment.local} == {
        (fork, branch): 32,
        (branch, join): 32,
        (fork, join): 64,
    }
