"""The adapters of a deployment: both ends of a link agree, rows lead to the right adapter."""

from __future__ import annotations

import pytest

from codegen.deployment import deploy
from codegen.link_rtl.emit import adapters, emit, source_names
from codegen.link_rtl.instances import Distributor, Merger, Receiver, Sender, instances, wires
from elasticdf.artifact.deployment import Deployment
from partitioner.plan import Mode
from tests.placed import chain, diamond
from tests.projects import cluster_of, spread


def deployed(target: str, *, mode: Mode = Mode.HARDWARE, replicas: int = 1) -> Deployment:
    cluster, graph = cluster_of(target), diamond(5)
    return deploy(graph, spread(graph, cluster, mode, replicas), cluster)


@pytest.mark.parametrize("target", ["2xu280", "3xu50", "u200+u55c"])
@pytest.mark.parametrize("replicas", [1, 3])
def test_the_ends_of_a_link_agree(target: str, replicas: int) -> None:
    deployment = deployed(target, replicas=replicas)
    assert deployment.links
    found = {a.name: a for board in deployment.boards for a in instances(deployment, board.id)}
    for link in deployment.links:
        sender, receiver = found[f"edf_tx_{link.id}"], found[f"edf_rx_{link.id}"]
        assert isinstance(sender, Sender)
        assert isinstance(receiver, Receiver)
        assert (sender.transfer_bytes, sender.transfers, sender.window_beats) == (
            receiver.transfer_bytes,
            receiver.transfers,
            receiver.window_beats,
        )
        assert (sender.row, receiver.row) == (link.source_row, link.target_row)
        assert 22 <= sender.window_beats <= link.window_bytes // 64


@pytest.mark.parametrize("target", ["2xu280", "3xu50"])
@pytest.mark.parametrize("mode", [Mode.HARDWARE, Mode.TRANSPARENT])
def test_packets_of_a_row_reach_the_adapter_of_that_row(target: str, mode: Mode) -> None:
    deployment = deployed(target, mode=mode, replicas=3)
    for board in deployment.boards:
        found = {a.name: a for a in instances(deployment, board.id)}
        ends = {(wire.source, wire.target) for wire in wires(deployment, board.id)}
        for name, adapter in found.items():
            if isinstance(adapter, Distributor):
                for index, row in enumerate(adapter.rows):
                    (target_unit,) = {t for s, t in ends if s == f"{name}.m_axis_{index}"}
                    end = found[target_unit.removesuffix(".n2k")]
                    assert isinstance(end, Sender | Receiver)
                    assert end.row == row
                    assert isinstance(end, Sender) == adapter.credits[index]
            if isinstance(adapter, Merger):
                fed = {t for _, t in ends if t.startswith(f"{name}.s_axis_")}
                assert fed == {f"{name}.s_axis_{index}" for index in range(adapter.inputs)}


def test_a_shared_row_is_split_by_kind() -> None:
    """Alone on its row, an adapter hears everything; with another, credits go to the sender."""
    alone = emit(Distributor(name="edf_demux_0", rows=(0, 1), credits=(True, False)))
    shared = emit(Distributor(name="edf_demux_0", rows=(0, 0), credits=(False, True)))
    assert b".TAKES({2'b11, 2'b11})" in alone.files["edf_demux_0.v"]
    assert b".TAKES({2'b01, 2'b10})" in shared.files["edf_demux_0.v"]


def test_files_are_where_the_project_expects_them() -> None:
    deployment = deployed("2xu280")
    files = adapters(deployment).files
    for board in deployment.boards:
        for adapter in instances(deployment, board.id):
            assert f"board{board.id}/rtl/{adapter.name}.v" in files
            assert f"board{board.id}/rtl/{adapter.name}.xml" in files
    assert {f"rtl/{name}" for name in (*source_names(), "package_kernel.tcl")} <= set(files)


def test_missing_frames_may_be_left_out() -> None:
    deployment = deployed("2xu280")
    filled, left = adapters(deployment), adapters(deployment, fill_missing=False)
    changed = {name for name in filled.files if filled.files[name] != left.files[name]}
    assert changed
    assert all(name.rsplit("/", 1)[1].startswith("edf_rx_") for name in changed)


def test_a_deployment_without_links_has_no_adapters() -> None:
    cluster, graph = cluster_of("u250"), chain(3)
    deployment = deploy(graph, spread(graph, cluster, Mode.HARDWARE), cluster)
    assert adapters(deployment).files == {}
    assert wires(deployment, 0) == ()
