"""Builds the bench of the link adapters with Verilator for one configuration and runs it.

Verilator makes runs of 10,000 frames a matter of seconds, but compiling takes its time: only the
long campaign uses it. The counters of a run come back as a dictionary; judging them is below too.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

BENCH = Path(__file__).parent / "bench"
RTL = Path(__file__).parents[2] / "codegen" / "link_rtl" / "rtl"
VERILATOR = shutil.which("verilator")


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """What is fixed when the bench is compiled.

    Attributes:
        transfer_bytes: Width of the stream.
        transfers: Per frame.
        duplex: A second stream runs the other way over the same cable.
        shared: It shares the socket row.
        fill_missing: Frames wholly lost are replaced by zeros.
        window_beats: Of the credit.
    """

    transfer_bytes: int
    transfers: int
    duplex: bool = False
    shared: bool = False
    fill_missing: bool = True
    window_beats: int = 704

    def __str__(self) -> str:
        parts = [f"{self.transfer_bytes}x{self.transfers}", f"w{self.window_beats}"]
        parts += ["duplex"] * self.duplex + ["shared"] * self.shared
        return "-".join((*parts, *["leave"] * (not self.fill_missing)))

    def parameters(self) -> tuple[str, ...]:
        values = {
            "BYTES": self.transfer_bytes,
            "TRANSFERS": self.transfers,
            "DUPLEX": int(self.duplex),
            "SHARED": int(self.shared),
            "FILL_MISSING": int(self.fill_missing),
            "WINDOW_BEATS": self.window_beats,
            "CREDIT_STEP": max(1, self.window_beats // 8),
        }
        return tuple(f"-G{name}={value}" for name, value in values.items())


def build(configuration: Configuration, folder: Path) -> Path:
    """Compile; objects that do not depend on the configuration are kept in ``folder``."""
    sources = sorted((*RTL.glob("*.sv"), *BENCH.glob("*.sv")))
    command = ["verilator", "--cc", "--exe", "--build", "-O3", "-Wno-fatal", "-Wno-WIDTH"]
    command += ["-MAKEFLAGS", "OPT_FAST=-O1 OPT_SLOW=-O0"]  # compiling costs more than running
    command += ["--top-module", "edf_bench", "-Mdir", str(folder)]
    command += [*configuration.parameters(), str(BENCH / "edf_bench.cpp"), *map(str, sources)]
    subprocess.run(command, check=True, capture_output=True, timeout=1800)
    binary = folder / str(configuration)
    shutil.copy(folder / "Vedf_bench", binary)
    return binary


def run(binary: Path, **knobs: int) -> dict[str, Any]:
    """Run and return the counters."""
    arguments = [f"{name}={value}" for name, value in knobs.items()]
    done = subprocess.run(
        [str(binary), *arguments], check=True, capture_output=True, text=True, timeout=3600
    )
    counters: dict[str, Any] = json.loads(done.stdout)
    return counters


def judge(configuration: Configuration, frames: int, counters: dict[str, Any]) -> list[str]:
    """Return what is wrong with a run: altered, lost or unnoticed frames, broken rules."""
    rx = counters["rx_values"]
    whole, broken, missing, realigned = rx[3], rx[4], rx[5], rx[11]
    left_out = 0 if configuration.fill_missing else missing
    wrong = []
    for claim, holds in (
        ("the run ends", counters["done_at"] > 0),
        ("no transfer is altered", counters["errors"] == 0),
        ("the receiver never overflows", counters["overflows"] == 0),
        ("all frames leave", counters["sent"] == frames),
        ("all frames arrive in number", counters["taken"] + left_out == frames),
        ("frames not hit are equal", counters["frames_equal"] == frames - counters["frames_hit"]),
        ("whole frames are counted", whole == counters["frames_equal"]),
        ("every frame hit is noticed", broken + missing == counters["frames_hit"]),
        ("every repetition is noticed", rx[8] == counters["repeats"]),
        ("counting never begins anew", realigned == 0),
        ("strays are counted", counters["strays_counted"] == counters["strays"]),
    ):
        if not holds:
            wrong.append(claim)
    if configuration.duplex:
        back = counters["back_rx_values"]
        left_out = 0 if configuration.fill_missing else back[5]
        if counters["back_taken"] + left_out != frames:
            wrong.append("all frames arrive in number, backwards")
        if counters["back_equal"] != frames - counters["back_hit"]:
            wrong.append("frames not hit are equal, backwards")
        if back[4] + back[5] != counters["back_hit"]:
            wrong.append("every frame hit is noticed, backwards")
        if back[8] != counters["back_repeats"]:
            wrong.append("every repetition is noticed, backwards")
    return wrong
