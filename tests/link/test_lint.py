"""Every adapter a build may need compiles without a warning, and its kernel.xml tells the truth."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from codegen.link_rtl.emit import describe, emit, source_names, sources
from codegen.link_rtl.instances import (
    Adapter,
    Distributor,
    Merger,
    Receiver,
    Sender,
    TieOff,
)
from elasticdf.errors import InternalError, UserError
from elasticdf.hardware import linkregisters
from elasticdf.hardware.linkpacket import crc8
from tests.link.bench_runner import RTL

pyslang = pytest.importorskip("pyslang", reason="needs pyslang: pip install pyslang")

NAMED = (
    Sender(name="edf_tx_0", transfer_bytes=3, transfers=100, row=0, window_beats=704),
    Receiver(name="edf_rx_0", transfer_bytes=3, transfers=100, row=15, window_beats=48),
    Merger(name="edf_mux_0", inputs=1),
    Merger(name="edf_mux_1", inputs=16),
    Distributor(name="edf_demux_0", rows=(0,), credits=(True,)),
    Distributor(name="edf_demux_1", rows=(0, 3, 15), credits=(True, False, False)),
    Distributor(name="edf_demux_2", rows=(0, 0, 7), credits=(False, True, True)),
    TieOff(name="edf_idle_1", drives=True),
    TieOff(name="edf_sink_1", drives=False),
)

widths = st.fixed_dictionaries(
    {
        "transfer_bytes": st.one_of(st.integers(1, 512), st.sampled_from([1, 56, 64, 65, 512])),
        "transfers": st.integers(1, 10**6),
        "row": st.integers(0, 62),
        "window_beats": st.integers(22, 1008),
    }
)
ends = st.one_of(
    st.builds(lambda fixed: Sender(name="edf_tx_9", **fixed), widths),
    st.builds(
        lambda fixed, fill: Receiver(name="edf_rx_9", fill_missing=fill, **fixed),
        widths,
        st.booleans(),
    ),
)


def findings(*files: Path) -> int:
    """Return the errors and warnings in the sources and some more files; they are printed."""
    driver = pyslang.driver.Driver()
    driver.addStandardArgs()
    paths = (*(RTL / name for name in source_names()), *files)
    driver.parseCommandLine(" ".join(("slang -Wextra", *map(str, paths))))
    if not (driver.processOptions() and driver.parseAllSources()):
        return 1
    driver.reportCompilation(driver.createCompilation(), True)
    return int(driver.diagEngine.numErrors + driver.diagEngine.numWarnings)


def write(adapter: Adapter, folder: Path) -> Path:
    emit(adapter).write(folder)
    return folder / f"{adapter.name}.v"


def test_the_lint_finds_faults(tmp_path: Path) -> None:
    bad = tmp_path / "bad.sv"
    bad.write_text(
        "module bad(input wire [3:0] a, output wire [2:0] b);\nassign b = a;\nendmodule\n"
    )
    assert findings(bad) == 1


@pytest.mark.parametrize("adapter", NAMED, ids=lambda adapter: str(adapter.name))
def test_every_kind_of_adapter_is_clean(adapter: Adapter, tmp_path: Path) -> None:
    assert findings(write(adapter, tmp_path)) == 0


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ends)
def test_every_width_is_clean(tmp_path: Path, adapter: Adapter) -> None:
    assert findings(write(adapter, tmp_path)) == 0


@pytest.mark.skipif(shutil.which("iverilog") is None, reason="needs Icarus: apt install iverilog")
@pytest.mark.parametrize("adapter", NAMED, ids=lambda adapter: str(adapter.name))
def test_icarus_takes_it(adapter: Adapter, tmp_path: Path) -> None:
    command = ["iverilog", "-g2012", "-Wall", "-s", adapter.name, "-o", str(tmp_path / "out")]
    command += [str(write(adapter, tmp_path)), *(str(RTL / name) for name in source_names())]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    # Icarus 11 says "sorry" where it wakes a process more often than needed: correct, only slower.
    said = [line for line in done.stderr.splitlines() if "sorry: constant selects" not in line]
    assert said == []


@pytest.mark.skipif(
    shutil.which("verilator") is None, reason="needs Verilator: apt install verilator"
)
@pytest.mark.parametrize("adapter", NAMED, ids=lambda adapter: str(adapter.name))
def test_verilator_takes_it(adapter: Adapter, tmp_path: Path) -> None:
    command = ["verilator", "--lint-only", "-Wno-WIDTH", "--top-module", adapter.name]
    command += [str(write(adapter, tmp_path)), *(str(RTL / name) for name in source_names())]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert done.stderr == ""


@pytest.mark.parametrize("adapter", NAMED, ids=lambda adapter: str(adapter.name))
def test_kernel_xml_describes_the_module(adapter: Adapter, tmp_path: Path) -> None:
    """Read by other means: the XML as a tree, the module's ports as slang sees them."""
    top = write(adapter, tmp_path)
    driver = pyslang.driver.Driver()
    driver.addStandardArgs()
    paths = (*(RTL / name for name in source_names()), top)
    driver.parseCommandLine(" ".join(("slang", *map(str, paths))))
    assert driver.processOptions()
    assert driver.parseAllSources()
    tops = {
        instance.name: instance for instance in driver.createCompilation().getRoot().topInstances
    }
    ports = {
        port.name: (port.direction.name, port.type.bitWidth)
        for port in tops[adapter.name].body.portList
    }
    kernel = ElementTree.parse(top.with_suffix(".xml")).getroot().find("kernel")
    assert kernel is not None
    assert kernel.get("name") == adapter.name
    assert kernel.get("hwControlProtocol") == "ap_ctrl_none"
    streams = {
        port.get("name"): port for port in kernel.iter("port") if port.get("portType") == "stream"
    }
    seen = {name.removesuffix("_tdata") for name in ports if name.endswith("_tdata")}
    assert set(streams) == seen
    for name, port in streams.items():
        direction = "In" if port.get("mode") == "read_only" else "Out"
        assert ports[f"{name}_tdata"] == (direction, int(port.get("dataWidth", "0")))
    arguments = list(kernel.iter("arg"))
    assert [arg.get("id") for arg in arguments] == [str(index) for index in range(len(arguments))]
    registers = [arg for arg in arguments if arg.get("addressQualifier") == "0"]
    assert bool(registers) == ("s_axi_control_araddr" in ports)
    assert [(arg.get("name"), int(arg.get("offset", "0"), 16)) for arg in registers] == [
        (register.name, register.offset) for register in describe(adapter).registers
    ]


def test_the_check_bits_are_those_of_the_codec() -> None:
    """The masks in edf_crc8.sv, derived again: bit i of the CRC of each single header bit."""
    masks = [0] * 8
    for bit in range(56):
        check = crc8((1 << bit).to_bytes(7, "little"))
        for index in range(8):
            masks[index] |= (check >> index & 1) << bit
    text = sources().files["edf_crc8.sv"].decode()
    for index, mask in enumerate(masks):
        assert f"assign crc[{index}] = ^(fields & 56'h{mask:014X});" in text


def test_registers_do_not_overlap_and_fit() -> None:
    for registers in (linkregisters.SENDER, linkregisters.RECEIVER, linkregisters.DEMUX):
        offsets = [register.offset for register in registers]
        assert offsets == sorted(set(offsets))
        assert len({register.name for register in registers}) == len(registers)
        assert all(0x10 <= offset < linkregisters.RANGE for offset in offsets)
    names = {register.name for register in linkregisters.RECEIVER}
    assert set(linkregisters.LOSS_COUNTERS) <= names


@pytest.mark.parametrize(
    ("fixed", "text"),
    [
        ({"transfer_bytes": 0}, "edf_tx_1: 9 transfers of 0 bytes"),
        ({"transfers": 0}, "edf_tx_1: 0 transfers of 4 bytes"),
        ({"window_beats": 21}, "edf_tx_1: a window of 21 beats"),
        ({"window_beats": 1009}, "edf_tx_1: a window of 1009 beats"),
    ],
)
def test_an_adapter_that_cannot_be_is_our_bug(fixed: dict[str, int], text: str) -> None:
    sound = {"transfer_bytes": 4, "transfers": 9, "row": 0, "window_beats": 704}
    with pytest.raises(InternalError) as caught:
        Sender(name="edf_tx_1", **(sound | fixed))
    assert str(caught.value) == text


def test_a_stream_that_is_too_wide_is_refused() -> None:
    with pytest.raises(UserError) as caught:
        Receiver(name="edf_rx_1", transfer_bytes=513, transfers=9, row=0, window_beats=704)
    assert str(caught.value) == (
        "edf_rx_1: a transfer of 513 bytes is too wide for a link, which takes 512; "
        "lower PE of the layer before the cut"
    )
