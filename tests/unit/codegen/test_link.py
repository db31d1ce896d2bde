"""link.cfg, checked by a reader that knows nothing of the emitter."""

from __future__ import annotations

from pathlib import Path

import pytest

from codegen.board_view import view
from codegen.deployment import deploy
from codegen.vitis.link import LinkOptions, link_config
from elasticdf.artifact.deployment import Deployment
from elasticdf.hardware import Cluster
from partitioner.plan import Mode
from tests.link_cfg import faults, read
from tests.placed import chain, diamond, placed
from tests.projects import cluster_of, emit, spread, stream_ports

RING = (
    '[[board]]\nboard = "u280"\ncount = 3\n'
    "[[cable]]\nends = [[0, 1], [1, 0]]\n[[cable]]\nends = [[1, 1], [2, 0]]\n"
)


@pytest.mark.parametrize("mode", list(Mode))
@pytest.mark.parametrize("target", ["u250", "2xu280", "3xu50", "u200+u55c"])
@pytest.mark.parametrize("replicas", [1, 3])
def test_every_configuration_is_sound(target: str, mode: Mode, replicas: int) -> None:
    deployment, files = emit(diamond(5), target, mode, replicas=replicas)
    for board in deployment.boards:
        cfg = read(files.files[f"board{board.id}/link.cfg"].decode())
        assert faults(cfg, stream_ports(deployment, board.id)) == []
        assert cfg.top["platform"] == board.shell
        assert set(cfg.dies) == set(cfg.units)


def test_a_board_in_the_middle_of_a_chain_uses_both_ports_and_passes_streams_on(
    tmp_path: Path,
) -> None:
    file = tmp_path / "row.toml"
    file.write_text(RING)
    cluster, graph = cluster_of(str(file)), diamond(1)
    places = {
        (0, "DuplicateStreams_hls_0"): (0, "SLR2"),
        (0, "Thresholding_rtl_0"): (1, "SLR0"),
        (0, "AddStreams_hls_0"): (2, "SLR2"),
    }
    over = {
        (0, "DuplicateStreams_hls_0", "AddStreams_hls_0"): (
            (0, "SLR2"),
            (1, "SLR2"),
            (2, "SLR2"),
        )
    }
    deployment = deploy(graph, placed(graph, cluster, Mode.HARDWARE, places, over), cluster)
    cfg = read(_config(deployment, cluster, 1).decode())
    assert faults(cfg, stream_ports(deployment, 1)) == []
    assert {"cmac_0", "cmac_1", "networklayer_0", "networklayer_1"} <= set(cfg.units)
    assert cfg.units["networklayer_1"] == "networklayer"
    passed_on = [s for s in cfg.streams if s[0].startswith("edf_rx") and s[1].startswith("edf_tx")]
    assert len(passed_on) == 1


def _config(deployment: Deployment, cluster: Cluster, board: int, **options: str) -> bytes:
    return link_config(view(deployment, cluster, board), LinkOptions(**options))


def test_memory_is_connected_for_inputs_and_outputs_on_the_banks_die() -> None:
    _, files = emit(chain(2), "u280", Mode.DATA_PARALLEL)
    cfg = read(files.files["board0/link.cfg"].decode())
    assert cfg.banks == {
        "idma_seg_r0_s0.m_axi_gmem0": "HBM[0]",
        "odma_seg_r0_s1.m_axi_gmem0": "HBM[1]",
    }
    assert cfg.dies["idma_seg_r0_s0"] == "SLR0"


@pytest.mark.parametrize(("target", "die"), [("2xu250", "SLR2"), ("2xu50", "SLR1")])
def test_the_network_sits_on_the_transceivers_die(target: str, die: str) -> None:
    _, files = emit(chain(8), target, Mode.HARDWARE)
    cfg = read(files.files["board0/link.cfg"].decode())
    assert cfg.dies["cmac_0"] == cfg.dies["networklayer_0"] == cfg.dies["edf_tx_0"] == die


def test_the_network_has_its_own_clock_where_the_shell_can() -> None:
    _, files = emit(chain(6), "2xu280", Mode.HARDWARE)
    clocks = read(files.files["board0/link.cfg"].decode()).clocks
    assert clocks["networklayer_0.ap_clk"] == 300_000_000
    assert clocks["edf_tx_0.ap_clk"] == 300_000_000
    assert clocks["seg_r0_s0.ap_clk"] == 200_000_000
    assert clocks["idma_seg_r0_s0.ap_clk"] == 200_000_000


def test_the_separator_of_compute_units_is_a_choice(tmp_path: Path) -> None:
    file = tmp_path / "row.toml"
    file.write_text(RING)
    cluster, graph = cluster_of(str(file)), chain(3)
    where = {(0, layer.name): (i, "SLR2") for i, layer in enumerate(graph)}
    deployment = deploy(graph, placed(graph, cluster, Mode.HARDWARE, where), cluster)
    assert b"nk=networklayer:2:networklayer_0.networklayer_1\n" in _config(deployment, cluster, 1)
    text = _config(deployment, cluster, 1, separator=",")
    assert b"nk=networklayer:2:networklayer_0,networklayer_1\n" in text
    assert faults(read(text.decode(), ","), stream_ports(deployment, 1)) == []


def test_vnx_is_named_for_the_linker_only_where_it_is_used() -> None:
    _, files = emit(chain(6), "2xu280", Mode.HARDWARE)
    cfg = read(files.files["board0/link.cfg"].decode())
    assert cfg.parameters["compiler.userPostSysLinkOverlayTcl"].endswith(
        "/Ethernet/post_sys_link.tcl"
    )
    assert cfg.top["user_ip_repo_paths"].endswith("/synthesis_results_HBM")
    _, files = emit(chain(6), "2xu280", Mode.SOFTWARE)
    text = files.files["board0/link.cfg"].decode()
    assert "VNX" not in text
    assert "cmac" not in text


def test_a_binary_with_too_many_compute_units_says_that_it_cannot_be_built() -> None:
    _, files = emit(chain(8), "u250", Mode.DATA_PARALLEL, replicas=11)
    reason = (
        "board 0 needs 66 compute units, a binary holds 60; "
        "use fewer replicas, more boards or --no-variants"
    )
    assert f"# NOT BUILDABLE: {reason}" in files.files["board0/link.cfg"].decode()
    assert f"@echo '{reason}' >&2; exit 2" in files.files["Makefile"].decode()


def test_an_older_shell_clocks_all_kernels_alike_and_says_what_rate_remains() -> None:
    graph, cluster = chain(6), cluster_of("2xu280")
    plan = spread(graph, cluster, Mode.HARDWARE)
    deployment = deploy(graph, plan, cluster, tool="2021.2")
    text = _config(deployment, cluster, 0).decode()
    assert "platform=xilinx_u280_xdma_201920_3\n" in text
    assert "[clock]" not in text
    assert "at its clock 94.3 Gb/s remain" in text
    assert faults(read(text), stream_ports(deployment, 0)) == []
