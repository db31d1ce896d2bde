"""network.json: what it says, and that it can say what the original two-board set-up did."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from codegen.addressing import Addressing
from codegen.board_view import view
from codegen.deployment import deploy
from codegen.network.emit import BRING_UP, network_document
from elasticdf.artifact import network_registers
from elasticdf.artifact.deployment import NetworkPort, Socket
from elasticdf.errors import UserError
from partitioner.plan import Mode
from tests.placed import chain
from tests.projects import cluster_of, spread
from tests.truth import ROOT

jsonschema = pytest.importorskip("jsonschema", reason="validates emitted JSON")
SCHEMA = json.loads((ROOT / "codegen/schemas/network.schema.json").read_text())


def test_registers_are_named_as_the_network_layer_names_them() -> None:
    cluster, graph = cluster_of("2xu280"), chain(6)
    deployment = deploy(graph, spread(graph, cluster, Mode.HARDWARE), cluster)
    document = network_document(view(deployment, cluster, 0))
    for release in network_registers.RELEASES.values():
        known = set(release)
        missing = set(document["registers"].values()) - known
        # The release of 2020 has neither gateway nor mask; its loader never wrote them.
        assert missing <= {"gateway", "ip_mask"}


def test_error_correction_and_subnet_are_choices_for_all_ports() -> None:
    cluster, graph = cluster_of("3xu50"), chain(6)
    plan = spread(graph, cluster, Mode.HARDWARE)
    addressing = Addressing(subnet="10.1.2", rsfec=True)
    deployment = deploy(graph, plan, cluster, addressing)
    assert {port.rsfec for port in deployment.ports} == {True}
    assert [port.ip for port in deployment.ports] == ["10.1.2.10", "10.1.2.11", "10.1.2.12"]


def test_the_original_two_board_set_up_can_be_said() -> None:
    cluster, graph = cluster_of("2xu280"), chain(6)
    deployment = deploy(graph, spread(graph, cluster, Mode.HARDWARE), cluster)
    unused = tuple(
        Socket(row=row, their_ip="0.0.0.0", their_port=1, my_port=1, valid=False)
        for row in range(1, 16)
    )
    first = Socket(row=0, their_ip="192.168.0.5", their_port=50_000, my_port=60_000)
    port = NetworkPort(
        board=0,
        qsfp=1,
        die="SLR2",
        mac="00:f1:f2:f3:f4:f4",
        ip="192.168.0.4",
        gateway="192.168.0.1",
        mask="255.255.255.0",
        rsfec=False,
        sockets=(first, *unused),
        arp=(),
    )
    document = network_document(replace(view(deployment, cluster, 0), ports=(port,)))
    jsonschema.validate(document, SCHEMA)
    (said,) = document["ports"]
    assert said["mac_kernel"] == "cmac_1"
    assert said["network_kernel"].startswith("networklayer")
    assert (said["ip"], said["mac"]) == ("192.168.0.4", "00:f1:f2:f3:f4:f4")
    assert [socket["valid"] for socket in said["sockets"]] == [True] + [False] * 15
    steps = [entry["step"] for entry in BRING_UP]
    # As the original did: addresses and sockets on all boards, then discovery, last board first.
    assert steps.index("sockets") < steps.index("arp_discovery") < steps.index("start")
    assert BRING_UP[steps.index("arp_discovery")]["who"] == "last board first"


def test_more_ports_than_a_subnet_has_addresses_are_refused() -> None:
    cluster, graph = cluster_of("2xu280"), chain(6)
    plan = spread(graph, cluster, Mode.HARDWARE)
    with pytest.raises(UserError) as error:
        deploy(graph, plan, cluster, Addressing(first_host=252))
    assert str(error.value) == (
        "target 2xu280 has 4 network ports, from host 252 on a /24 has room for 3; use fewer boards"
    )
