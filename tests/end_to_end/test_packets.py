"""An emulated run sends the packets the simulation says: as many, as large, in that order."""

from __future__ import annotations

import json
import socket
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path

import numpy as np
import pytest

from elasticdf.hardware.framing import MAX_DATA_BYTES, wire_bits
from elasticdf.hardware.linkpacket import Header, PacketKind, unpack
from elasticdf.runtime.emulated.cable import WIRE_HEADER
from elasticdf.runtime.emulated.switch import Plugged, Switch
from elasticdf.runtime.session import open_session
from tests.end_to_end.command_line import elasticdf

FRAMES = 5
CUTS = {
    "tfc-w1a1": ("MVAU_hls_0", "MVAU_hls_1", "1000"),
    "cnv-w1a1": ("Thresholding_rtl_0", "MVAU_hls_4", "100"),
}
"""The first layer, one that is put on the other board, and a frame rate."""


class Tap:
    """A switch that keeps what passes: boards' ends, and packets by sending end."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        self._socket.bind(("127.0.0.1", 0))
        self.ends: dict[Plugged, tuple[int, ...]] = {}
        self.passed: dict[tuple[int, bytes], list[bytes]] = defaultdict(list)
        threading.Thread(target=self._relay, daemon=True).start()

    def plug(self, _switch: Switch, board: Plugged, ends: tuple[int, ...]) -> None:
        self.ends[board] = ends
        if ends:
            board.call("plug", peers=[self._socket.getsockname()[1]])

    def _relay(self) -> None:
        while True:
            try:
                packet, (_, sender) = self._socket.recvfrom(65536)
            except OSError:
                return
            head = packet[: WIRE_HEADER.size]
            self.passed[sender, head].append(packet[WIRE_HEADER.size :])
            for ends in self.ends.values():
                for end in ends if sender not in ends else ():
                    self._socket.sendto(packet, ("127.0.0.1", end))

    def close(self) -> None:
        self._socket.close()

    def data(self, board: Plugged) -> list[list[Header]]:
        """Return the headers of data packets a board sent, per stream."""
        streams = []
        for (sender, _), packets in self.passed.items():
            headers = [found[0] for packet in packets if (found := unpack(packet)) is not None]
            headers = [header for header in headers if header.kind is PacketKind.DATA]
            if headers and sender in self.ends[board]:
                streams.append(headers)
        return streams


@contextmanager
def tapped(monkeypatch: pytest.MonkeyPatch) -> Iterator[Tap]:
    tap = Tap()
    monkeypatch.setattr(Switch, "plug", lambda *arguments: tap.plug(*arguments))
    try:
        yield tap
    finally:
        tap.close()


@pytest.mark.parametrize("mode", ["hw", "tmp"])
@pytest.mark.parametrize("network", ["tfc-w1a1", pytest.param("cnv-w1a1", marks=pytest.mark.slow)])
def test_packets_are_those_simulated(
    network: str, mode: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, layer, rate = CUTS[network]
    project = tmp_path / "project"
    request = ("--target", "2xu280", "--mode", mode, "--replicas", "1", "--fps", rate)
    cut = ("--anchor", f"{first}=0", "--anchor", f"{layer}=1")
    assert elasticdf("partition", f"zoo:{network}", *request, *cut, "-o", project).code == 0
    simulated = elasticdf("simulate", project, "--json").document["links"]
    assert simulated == json.loads((project / "plan.json").read_text())["simulation"][0]["links"]
    assert {link["name"] for link in simulated} == {
        "link: board 0 to board 1", *(["link: board 1 to board 0"] if mode == "tmp" else [])
    }  # fmt: skip
    assert elasticdf("build", project, "--emulate").code == 0
    assert elasticdf("package", project).code == 0
    frames = np.load(project / "input.npy")
    with tapped(monkeypatch) as tap, open_session(project / "artifact") as session:
        session.infer(np.resize(frames, (FRAMES, *frames.shape[1:])))
        boards = session.resource.boards
        sent = {
            f"link: board {number} to board {1 - number}": tap.data(board)  # type: ignore[arg-type]
            for number, board in enumerate(boards)
        }
    for name, streams in sent.items():
        expected = [link for link in simulated if link["name"] == name]
        assert len(streams) == len(expected)
        found = sorted(_per_frame(headers) for headers in streams)
        said = sorted((link["packets"], 8 * link["wire_bytes"]) for link in expected)
        for (counts, sizes), (packets, bits) in zip(found, said, strict=True):
            assert counts == [packets] * FRAMES
            assert {wire_bits(8 * size) for size in sizes} == {bits}


def _per_frame(headers: list[Header]) -> tuple[list[int], list[int]]:
    """Return packets and bytes of every frame, having checked that all came in order."""
    counts, sizes = [], []
    for number, (frame, packets) in enumerate(groupby(headers, key=lambda header: header.frame)):
        assert frame == headers[0].frame + number
        run = list(packets)
        assert [header.first for header in run] == [True] + [False] * (len(run) - 1)
        assert [header.last for header in run] == [False] * (len(run) - 1) + [True]
        assert all(header.length == MAX_DATA_BYTES for header in run[:-1])
        counts.append(len(run))
        sizes.append(sum(header.length for header in run))
    return counts, sizes
