"""The build options file: what it changes, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from codegen.options import BuildOptions, read_build_options
from elasticdf.errors import UserError
from tests.consistency import disagreements
from tests.end_to_end.command_line import elasticdf

FILE = b"""
[network]
subnet = "10.1.2"
rsfec = true
first_host = 100
mac_prefix = "02:00:00:00:01"
source_port = 20000
target_port = 30000

[vitis]
separator = ","
network_clock = "250MHz"
strategy = "Congestion_SpreadLogic_high"
properties = ["run.impl_1.STEPS.ROUTE_DESIGN.ARGS.DIRECTIVE=Explore"]

[finn]
fifo_depths = "given"
"""


def test_an_empty_file_changes_nothing() -> None:
    assert read_build_options(b"", "options.toml") == BuildOptions()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("network", "options.toml is not TOML ("),
        ("[networ]", "options.toml: key 'networ' is not known; did you mean 'network'?"),
        ("[network]\nsubnets = 'x'", "options.toml, network: key 'subnets' is not known; did you"),
        ("[network]\nsubnet = '8.8.8'", "options.toml, network, subnet: '8.8.8' is not the first"),
        ("[network]\nsubnet = '10.1.2.3'", "options.toml, network, subnet: '10.1.2.3' is not the"),
        ("[network]\nfirst_host = 1", "options.toml, network, first_host: 1 is not from 2 to 254"),
        ("[network]\nmac_prefix = '01:02:03:04:05'", "options.toml, network, mac_prefix: '01:02:0"),
        ("[network]\nsource_port = 80", "options.toml, network, source_port: 80 is not from 1024"),
        ("[network]\nsource_port = 50001", "options.toml, network, source_port: source_port 50001"),
        ("[network]\nrsfec = 1", "options.toml, network, rsfec is 1, true or false is needed"),
        ("[vitis]\nseparator = ';'", "options.toml, vitis, separator: ';' separates nothing for"),
        ("[vitis]\nnetwork_clock = '3'", "options.toml, vitis, network_clock: frequency '3' is no"),
        ("[vitis]\nstrategy = 'a b'", "options.toml, vitis, strategy: 'a b' cannot stand in a v++"),
        ("[vitis]\nproperties = ['x']", "options.toml, vitis, properties: 'x' is not NAME=VALUE, "),
        ("[finn]\nfifo_depths = 'big'", "options.toml, finn, fifo_depths is 'big', one of given, "),
    ],
)
def test_what_no_tool_would_take_is_refused(content: str, message: str) -> None:
    with pytest.raises(UserError) as error:
        read_build_options(content.encode(), "options.toml")
    assert str(error.value).startswith(message)


def test_partition_takes_release_and_options(tmp_path: Path) -> None:
    file = tmp_path / "options.toml"
    file.write_bytes(FILE)
    anchors = ("--anchor", "MVAU_hls_0=0", "--anchor", "MVAU_hls_1=1", "--mode", "hw")
    request = ("partition", "zoo:tfc-w2a2", "--target", "2xu280", "--replicas", "1", *anchors)
    project = tmp_path / "project"
    choices = ("--tool", "2021.2", "--build-options", file)
    ran = elasticdf(*request, "--fps", "1000", "-o", project, *choices)
    assert ran.code == 0, ran.err
    network = json.loads((project / "board1/network.json").read_text())
    (port,) = network["ports"]
    assert (port["ip"], port["mac"], port["rsfec"]) == ("10.1.2.102", "02:00:00:00:01:66", True)
    assert [(s["my_port"], s["their_port"]) for s in port["sockets"]] == [(30000, 20000)]
    assert disagreements(project) == []
    link = (project / "board1/link.cfg").read_text()
    assert "platform=xilinx_u280_xdma_201920_3\n" in link
    assert "prop=run.impl_1.strategy=Congestion_SpreadLogic_high\n" in link
    assert link.endswith("prop=run.impl_1.STEPS.ROUTE_DESIGN.ARGS.DIRECTIVE=Explore\n")
    assert "FIFO_DEPTHS = 'given'" in (project / "board0/build.py").read_text()
    manifest = json.loads((project / "manifest.json").read_text())
    assert manifest["options"]["tool"] == "2021.2"
    assert manifest["options"]["build_options"]["network"]["subnet"] == "10.1.2"


def test_a_release_without_a_shell_is_refused_before_any_work(tmp_path: Path) -> None:
    request = ("partition", "zoo:tfc-w2a2", "--target", "u280", "-o", tmp_path / "project")
    for release, message in (
        ("2019.2", "elasticdf: board u280 has no shell for Vitis 2019.2; it has "),
        ("new", "elasticdf: Vitis release 'new' is not a year and a number"),
    ):
        ran = elasticdf(*request, "--tool", release)
        assert ran.code == 2
        assert message in ran.err
    assert not (tmp_path / "project").exists()


def test_a_board_without_a_build_is_named_where_the_plan_is_shown(tmp_path: Path) -> None:
    request = ("partition", "zoo:tfc-w1a1", "--target", "pynq-z1", "--fps", "1000")
    ran = elasticdf(*request, "--replicas", "1", "-o", tmp_path / "project")
    assert ran.code == 0, ran.err
    assert (
        "for emulation only: board 0 (pynq-z1) takes PYNQ overlays, which this project does not "
        "build; make emulate works" in ran.out
    )
