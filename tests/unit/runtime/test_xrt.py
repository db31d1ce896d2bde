"""Real boards, as far as a stand-in for XRT that checks every call can tell."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from elasticdf.artifact.axlf import SectionKind, Xclbin, assemble, parse
from elasticdf.artifact.manifest import UnitWeights
from elasticdf.artifact.network_registers import CURRENT, MAC
from elasticdf.artifact.opening import Artifact, open_artifact
from elasticdf.artifact.sections import Ip, IpType, field
from elasticdf.errors import UserError
from elasticdf.runtime import loading, session, xrt
from elasticdf.runtime.board import Word
from elasticdf.runtime.failures import BoardError
from elasticdf.runtime.pipeline import make_steps
from elasticdf.runtime.resource import Resource
from elasticdf.runtime.xrt_registers import XrtRegisters
from tests.runtime_samples import Sample
from tests.unit.runtime import fake_xrt


def real(xclbin: Xclbin) -> Xclbin:
    """The same binary without its emulation data, for the tests' shell."""
    contents = [
        (SectionKind(s.kind), s.label.lower()[:15], s.content.read())
        for s in xclbin.sections
        if s.kind != SectionKind.EMULATION_DATA
    ]
    header = replace(xclbin.header, platform=field(fake_xrt.SHELL, 64, "shell"))
    return parse(assemble(header, contents, xclbin.name).to_bytes(), xclbin.name)


def artifact(folder: Path, sample: Sample) -> Artifact:
    opened = open_artifact(sample.artifact(folder))
    binaries = tuple(replace(b, xclbin=real(b.xclbin)) for b in opened.binaries)
    return replace(opened, binaries=binaries)


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> fake_xrt.CoreLibrary:
    made = fake_xrt.CoreLibrary()
    made.default = {CURRENT["udp_number_sockets"]: 16, MAC["stat_rx_status"]: 3}
    monkeypatch.setattr(xrt, "_load", lambda: (fake_xrt.pyxrt(), made))
    return made


def resource(opened: Artifact, stall_seconds: float = 1.0) -> Resource:
    made = Resource(session.open_boards(opened), stall_seconds)
    made.program(opened.binaries, opened.manifest)
    return made


def test_two_boards_are_one_resource(tmp_path: Path, library: fake_xrt.CoreLibrary) -> None:
    opened = artifact(tmp_path, Sample(mode="hw"))
    with resource(opened) as boards:
        assert (boards.vendor, boards.name) == ("xilinx", "2xu280")
        assert boards.serial == "0000:00:00.1 0000:01:00.1"
        assert (boards.power_watts(), boards.temperature_celsius()) == (47.0, 47.0)
        assert library.contexts
        (steps,) = make_steps(boards, opened.manifest.deployment, opened.bitstream.kernels)
        port = steps[0].streams[0].port
        data = np.arange(32, dtype=np.uint8).reshape(2, 16)
        out = steps[0].process({port.tensor: (port, data)}, 2)
        (result,) = [value for _, value in out.values()]
        assert np.array_equal(result, data + 1)
        assert fake_xrt.Kernel.starts == [("odma_seg_r0_s1", 2), ("idma_seg_r0_s0", 2)]
    assert not library.contexts


def test_the_network_is_set_up_in_the_registers(
    tmp_path: Path, library: fake_xrt.CoreLibrary
) -> None:
    opened = artifact(tmp_path, Sample(mode="hw"))
    with resource(opened):
        units = [ip.compute_unit for ip in opened.binaries[1].xclbin.ips]
        layer, mac = units.index("networklayer_1"), units.index("cmac_1")
        words = {key[2]: value for key, value in library.words.items() if key[:2] == (1, layer)}
    assert words[CURRENT["ip_address"]] == 0xC0A80A0D
    assert words[CURRENT["mac_address"]] == 0x35ED000D
    assert words[CURRENT["mac_address"] + 4] == 0x000A
    assert words[CURRENT["udp_theirIP_offset"]] == 0xC0A80A0B
    assert words[CURRENT["udp_theirPort_offset"]] == 60000
    assert words[CURRENT["udp_myPort_offset"]] == 50000
    assert [words[CURRENT["udp_valid_offset"] + 8 * row] for row in range(16)] == [1] + [0] * 15
    assert words[CURRENT["arp_ip_addr_offset"] + 4 * 11] == 0x0B0AA8C0
    assert words[CURRENT["arp_mac_addr_offset"] + 8 * 11] == 0xED350A00
    assert words[CURRENT["arp_mac_addr_offset"] + 8 * 11 + 4] == 0x0B00
    assert words[CURRENT["arp_valid_offset"] + 4 * 2] == 1 << 24
    assert library.words[1, mac, MAC["reset"]] == 0


WORDS = (0x11, 0x22, 0xFFFF_FFFF)


def _with_weights(opened: Artifact, unit: str) -> Artifact:
    assert opened.manifest is not None
    weights = UnitWeights.of(1, unit, "MVAU_hls_1", WORDS)
    vars(opened)["manifest"] = replace(opened.manifest, weights=(weights,))
    return opened


def test_weights_are_loaded_and_a_frame_flushes_the_old_ones(
    tmp_path: Path, library: fake_xrt.CoreLibrary
) -> None:
    opened = _with_weights(artifact(tmp_path, Sample(mode="hw")), "seg_r0_s1")
    with Resource(session.open_boards(opened), 1.0) as boards:
        loading.load(boards, opened)
        unit = [ip.compute_unit for ip in opened.binaries[1].xclbin.ips].index("seg_r0_s1")
        assert [library.words[1, unit, 4 * i] for i in range(3)] == list(WORDS)
        assert fake_xrt.Kernel.starts == [("odma_seg_r0_s1", 1), ("idma_seg_r0_s0", 1)]


def test_weights_a_memory_does_not_keep_are_told(
    tmp_path: Path, library: fake_xrt.CoreLibrary, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = _with_weights(artifact(tmp_path, Sample(mode="sw")), "seg_r0_s1")
    monkeypatch.setattr(library.xclRegWrite, "_call", lambda *_: 0)
    with (
        Resource(session.open_boards(opened), 1.0) as boards,
        pytest.raises(
            BoardError,
            match=r"board 1: weight word 0x0 of seg_r0_s1 \(layer MVAU_hls_1\) reads 0x0 after",
        ),
    ):
        loading.load(boards, opened)


def test_words_beyond_the_window_go_by_their_address(library: fake_xrt.CoreLibrary) -> None:
    ips = tuple(
        Ip(type=IpType.KERNEL, properties=0, base=base, name=f"k{i}:u{i}")
        for i, base in enumerate((0x180_0000, None))
    )
    registers = XrtRegisters(library, 0, bytes(16), ips)
    words = [Word(unit="u0", offset=offset, value=offset) for offset in (0xFFFC, 0x1_0000)]
    registers.write(words)
    assert registers.read(words) == (0xFFFC, 0x1_0000)
    assert library.bar == {(0, 0x181_0000): 0x1_0000}
    with pytest.raises(BoardError, match="device 0: XRT could not write 0x10000 of u1"):
        registers.write([Word(unit="u1", offset=0x1_0000)])


def test_a_link_that_stays_down_is_named(
    tmp_path: Path, library: fake_xrt.CoreLibrary, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("elasticdf.runtime.vnx.LINK_SECONDS", 0.1)
    library.default[MAC["stat_rx_status"]] = 0
    with pytest.raises(BoardError, match=r"^board 0 port 1: the MAC sees no link; check the cable"):
        resource(artifact(tmp_path, Sample(mode="hw")))


def test_too_few_sockets_are_refused(tmp_path: Path, library: fake_xrt.CoreLibrary) -> None:
    library.default[CURRENT["udp_number_sockets"]] = 0
    with pytest.raises(UserError, match=r"^board 0 port 1: row 0 of the socket table is needed"):
        resource(artifact(tmp_path, Sample(mode="hw")))


def test_a_register_that_does_not_keep_its_value_is_told(
    tmp_path: Path, library: fake_xrt.CoreLibrary, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(library.xclRegWrite, "_call", lambda *_: 0)
    with pytest.raises(BoardError, match=r"register 0x\d+ of networklayer_1 reads 0x0 after"):
        resource(artifact(tmp_path, Sample(mode="hw")))


def test_a_status_from_xrt_is_an_error(tmp_path: Path, library: fake_xrt.CoreLibrary) -> None:
    library.status = -22
    with pytest.raises(BoardError, match=r"device 0: XRT could not read 0x810 of networklayer_1"):
        resource(artifact(tmp_path, Sample(mode="hw")))


def test_a_full_memory_is_none_and_other_refusals_are_errors(
    tmp_path: Path, library: fake_xrt.CoreLibrary
) -> None:
    with resource(artifact(tmp_path, Sample(mode="sw"))) as boards:
        assert boards.boards[0].allocate(2, 1 << 21) is None
        with pytest.raises(BoardError, match="no buffer of 16 bytes in memory 999"):
            boards.boards[0].allocate(999, 16)


def test_a_kernel_that_fails_and_one_that_hangs(
    tmp_path: Path, library: fake_xrt.CoreLibrary, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(xrt, "_HANG_SECONDS", 0.01)
    opened = artifact(tmp_path, Sample(mode="sw"))
    with resource(opened, stall_seconds=0.5) as boards:
        (steps,) = make_steps(boards, opened.manifest.deployment, opened.bitstream.kernels)
        port = steps[0].streams[0].port
        frames = {port.tensor: (port, np.zeros((1, 16), np.uint8))}
        fake_xrt.Kernel.next_state = fake_xrt.State.ERT_CMD_STATE_ERROR
        with pytest.raises(BoardError, match="board 0: compute unit odma_seg_r0_s0 ended with"):
            steps[0].process(frames, 1)
        fake_xrt.Kernel.next_state = fake_xrt.State.ERT_CMD_STATE_COMPLETED
        boards.boards[0]._runs.clear()
        boards.recover()
        assert steps[0].process(frames, 1)
        monkeypatch.setattr(fake_xrt.Run, "take", lambda self, content: None)
        with pytest.raises(BoardError, match=r"no progress for 0\.5 s; a compute unit hangs"):
            steps[0].process(frames, 1)
        with pytest.raises(BoardError, match="board 0: compute unit odma_seg_r0_s0 hangs; reset"):
            boards.recover()


def test_missing_xrt_missing_boards_and_another_shell_are_told(
    tmp_path: Path, library: fake_xrt.CoreLibrary, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = artifact(tmp_path, Sample(mode="hw"))
    monkeypatch.setattr(fake_xrt, "SHELL", "another")
    with pytest.raises(UserError, match="is linked for shell_of_tests, device 0 has the shell ano"):
        resource(opened)
    monkeypatch.setattr(xrt, "_load", lambda: (fake_xrt.pyxrt(devices=1), library))
    with pytest.raises(UserError, match="the artifact needs 2 boards, XRT sees 1"):
        session.open_boards(opened)
    monkeypatch.undo()
    with pytest.raises(UserError, match="need XRT: No module named 'pyxrt'"):
        session.open_boards(opened)
