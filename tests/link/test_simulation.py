"""The link adapters under Icarus: a cable that stalls, loses and damages, and the Python codec."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from codegen.link_rtl.emit import emit
from codegen.link_rtl.instances import Adapter, Receiver, Sender
from tests.link import sim_kernels
from tests.link.bench_runner import BENCH, RTL

pytestmark = pytest.mark.skipif(
    shutil.which("iverilog") is None, reason="needs Icarus Verilog: apt-get install iverilog"
)
cocotb_runner = pytest.importorskip(
    "cocotb_tools.runner", reason="needs cocotb: pip install cocotb"
)

FAST = {"PROBE_CYCLES": 600, "RESTART_CYCLES": 300}
FAULTY = ("test_every_fault_is_noticed",)
CROSSING = ("test_frames_cross_unaltered", *FAULTY)
RESTARTS = (
    "test_sender_starts_again_in_the_middle_of_a_frame",
    "test_receiver_starts_again_in_the_middle_of_a_frame",
)


def simulate(
    folder: Path, top: str, sources: list[Path], module: str, tests: tuple[str, ...], **fixed: int
) -> None:
    runner = cocotb_runner.get_runner("icarus")
    runner.build(
        sources=sorted(sources),
        hdl_toplevel=top,
        parameters=fixed,
        build_dir=folder,
        timescale=("1ns", "1ps"),
    )
    results = runner.test(
        hdl_toplevel=top, test_module=module, testcase=tests, build_dir=folder, test_dir=folder
    )
    total, failed = cocotb_runner.get_results(results)
    assert (total, failed) == (len(tests), 0), f"see the log above; {failed} of {total} failed"


@pytest.mark.parametrize(
    ("tests", "fixed"),
    [
        (CROSSING, {"BYTES": 1, "TRANSFERS": 57, "WINDOW_BEATS": 22, "CREDIT_STEP": 2}),
        (FAULTY, {"BYTES": 24, "TRANSFERS": 70, "DUPLEX": 1}),
        (CROSSING, {"BYTES": 24, "TRANSFERS": 70, "DUPLEX": 1, "SHARED": 1}),
        (RESTARTS[:1], {"BYTES": 33, "TRANSFERS": 300, "DUPLEX": 1, "SHARED": 1}),
        (FAULTY, {"BYTES": 65, "TRANSFERS": 90, "FILL_MISSING": 0}),
        (CROSSING, {"BYTES": 200, "TRANSFERS": 5, "WINDOW_BEATS": 96, "CREDIT_STEP": 12}),
        (RESTARTS, {"BYTES": 33, "TRANSFERS": 300}),
        (("test_long_frames_fill_a_switched_cable",), {"BYTES": 64, "TRANSFERS": 1400}),
    ],
    ids=[
        "1x57",
        "24x70-duplex",
        "24x70-shared",
        "33x300-shared-restarts",
        "65x90-leave-out",
        "200x5",
        "33x300-restarts",
        "64x1400-rate",
    ],
)
def test_bench(tmp_path: Path, tests: tuple[str, ...], fixed: dict[str, int]) -> None:
    sources = [*RTL.glob("*.sv"), *BENCH.glob("*.sv")]
    simulate(tmp_path, "edf_bench", sources, "tests.link.sim_bench", tests, **FAST, **fixed)


@pytest.mark.parametrize(
    "adapter",
    [
        Sender(
            name="edf_tx_7",
            transfer_bytes=sim_kernels.TRANSFER_BYTES,
            transfers=sim_kernels.TRANSFERS,
            row=5,
            window_beats=sim_kernels.WINDOW_BEATS,
            restart_cycles=300,
            probe_cycles=600,
        ),
        Receiver(
            name="edf_rx_7",
            transfer_bytes=sim_kernels.TRANSFER_BYTES,
            transfers=sim_kernels.TRANSFERS,
            row=5,
            window_beats=sim_kernels.WINDOW_BEATS,
        ),
    ],
    ids=["sender", "receiver"],
)
def test_kernel(tmp_path: Path, adapter: Adapter) -> None:
    emit(adapter).write(tmp_path)
    sources = [*RTL.glob("*.sv"), tmp_path / f"{adapter.name}.v"]
    test = "test_sender" if isinstance(adapter, Sender) else "test_receiver"
    simulate(tmp_path, adapter.name, sources, "tests.link.sim_kernels", (test,))
