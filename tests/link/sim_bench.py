"""What cocotb does with the bench: sets its inputs, pulls resets, reads its counters."""

from __future__ import annotations

from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, RisingEdge

from tests.link.bench_runner import Configuration, judge

QUIET = {
    "seed": 1, "session": 0, "frames": 1, "search": 0, "source_rate": 65536, "sink_rate": 65536,
    "rest_rate": 0, "network_rate": 65536, "latency": 60, "byte_cycles": 24, "drop_rate": 0,
    "repeat_rate": 0, "cut_rate": 0, "flip_rate": 0, "stray_rate": 0, "rst_a": 0, "rst_b": 0,
}  # fmt: skip
STALLS = {"source_rate": 50_000, "sink_rate": 25_000, "network_rate": 50_000, "stray_rate": 2_000}
FAULTS = {"drop_rate": 4_000, "repeat_rate": 4_000, "cut_rate": 4_000, "flip_rate": 4_000}
LIMIT_CYCLES = 60_000


async def start(dut: Any, **knobs: int) -> None:
    for name, value in (QUIET | knobs).items():
        getattr(dut, name).value = value
    Clock(dut.clk, 10, unit="ns", impl="gpi").start()
    dut.rst.value = 1
    await ClockCycles(dut.clk, 20)
    dut.rst.value = 0


async def until(dut: Any, reached: Any) -> int:
    """Return the cycles that passed, looking every 100."""
    for step in range(LIMIT_CYCLES // 100):
        if reached():
            return step * 100
        await ClockCycles(dut.clk, 100)
    raise AssertionError(f"not reached in {LIMIT_CYCLES} cycles: {counters(dut)}")


def counters(dut: Any) -> dict[str, Any]:
    names = (
        *("sent", "taken", "frames_equal", "frames_cut", "errors", "overflows", "frames_hit"),
        *("repeats", "injected", "strays", "strays_counted", "wire_bytes", "back_bytes"),
        *("back_taken", "back_equal", "back_cut", "back_hit", "back_repeats"),
    )
    found: dict[str, Any] = {name: int(getattr(dut, name).value) for name in names}
    for name, count in (("tx_values", 10), ("rx_values", 15), ("back_rx_values", 15)):
        word = int(getattr(dut, name).value)
        found[name] = [word >> 32 * index & 0xFFFFFFFF for index in range(count)]
    found["done_at"] = 1
    return found


def configuration(dut: Any) -> Configuration:
    return Configuration(
        transfer_bytes=int(dut.BYTES.value),
        transfers=int(dut.TRANSFERS.value),
        duplex=bool(int(dut.DUPLEX.value)),
        shared=bool(int(dut.SHARED.value)),
        fill_missing=bool(int(dut.FILL_MISSING.value)),
        window_beats=int(dut.WINDOW_BEATS.value),
    )


async def judged(dut: Any, frames: int) -> dict[str, Any]:
    """Wait for all frames, then some more, and hold the counters against the rules."""
    fixed = configuration(dut)

    def arrived() -> bool:
        seen = counters(dut)
        forwards = seen["taken"] + (0 if fixed.fill_missing else seen["rx_values"][5])
        backwards = seen["back_taken"] + (0 if fixed.fill_missing else seen["back_rx_values"][5])
        return forwards >= frames and (backwards >= frames or not fixed.duplex)

    await until(dut, arrived)
    await ClockCycles(dut.clk, 3000)
    seen = counters(dut)
    assert judge(fixed, frames, seen) == [], seen
    return seen


@cocotb.test()
async def test_frames_cross_unaltered(dut: Any) -> None:
    """A slow sink makes the sender wait for credit, and nothing is lost."""
    await start(dut, frames=40, **STALLS | {"sink_rate": 16_000})
    seen = await judged(dut, 40)
    assert seen["frames_equal"] == 40
    assert seen["tx_values"][8] > 0, "the window was never used up"


@cocotb.test()
async def test_every_fault_is_noticed(dut: Any) -> None:
    fixed = configuration(dut)
    await start(dut, frames=24, seed=7, search=int(not fixed.fill_missing), **STALLS, **FAULTS)
    seen = await judged(dut, 24)
    assert seen["frames_hit"] > 0
    assert seen["injected"] > 5


@cocotb.test()
async def test_sender_starts_again_in_the_middle_of_a_frame(dut: Any) -> None:
    await start(dut, frames=8, search=1, **STALLS)
    await until(dut, lambda: int(dut.taken.value) >= 2)
    while counters(dut)["tx_values"][4] % 8 != 4:  # four of a frame's eight packets have left
        await ClockCycles(dut.clk, 5)
    dut.session.value = 1
    dut.rst_a.value = 1
    await ClockCycles(dut.clk, 50)
    dut.rst_a.value = 0
    sink = dut.u_sink
    await until(dut, lambda: int(sink.session.value) == 1 and int(sink.frame.value) == 8)
    seen = counters(dut)
    assert seen["errors"] == seen["overflows"] == 0
    assert seen["frames_cut"] == 1, "only the frame that was on its way is cut"
    assert seen["rx_values"][4] == seen["frames_cut"]
    assert seen["rx_values"][11] == 0, "frame 0 was expected"
    assert seen["rx_values"][12] >= 2, "the receiver heard both greetings"


@cocotb.test()
async def test_receiver_starts_again_in_the_middle_of_a_frame(dut: Any) -> None:
    await start(dut, frames=12, search=1, **STALLS)
    await until(dut, lambda: int(dut.taken.value) >= 2)
    before = int(dut.taken.value)
    dut.rst_b.value = 1
    await ClockCycles(dut.clk, 50)
    dut.rst_b.value = 0
    await until(dut, lambda: int(dut.u_sink.frame.value) == 12)
    seen = counters(dut)
    assert seen["errors"] == seen["overflows"] == seen["frames_cut"] == 0
    assert seen["taken"] < 12, "what the receiver held is gone"
    assert seen["rx_values"][3] >= seen["taken"] - before - 1 > 0, "it counts from its restart"


@cocotb.test()
async def test_long_frames_fill_a_switched_cable(dut: Any) -> None:
    """Rate between the arrivals of two frames, against 1400 of 1474 bytes at 100 Gb/s."""
    await start(dut, frames=3, latency=414)
    await until(dut, lambda: int(dut.taken.value) >= 1)
    begin = await _cycles_to_next_frame(dut)
    fixed = configuration(dut)
    frame_bits = 8 * fixed.transfer_bytes * fixed.transfers
    rate = frame_bits / (begin / 300e6)
    law = 100e9 * 1400 / 1474
    assert abs(rate / law - 1) < 0.02, f"{rate / 1e9:.2f} Gb/s, law {law / 1e9:.2f} Gb/s"


async def _cycles_to_next_frame(dut: Any) -> int:
    """Return the cycles between two changes of the number of frames taken."""
    count, seen, changed = 0, int(dut.taken.value), None
    while True:
        await RisingEdge(dut.clk)
        count += 1
        if int(dut.taken.value) != seen:
            seen = int(dut.taken.value)
            if changed is not None:
                return count - changed
            changed = count
