"""The long proof: 10,000 frames per configuration, with and without faults on the cable."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.link.bench_runner import VERILATOR, Configuration, build, judge, run

FRAMES = 10_000
pytestmark = [
    pytest.mark.campaign,
    pytest.mark.skipif(VERILATOR is None, reason="needs Verilator: apt-get install verilator"),
]

# Every width class of the gearboxes, frames that just fit a beat or a packet and just do not,
# short and long ones, small windows, both directions on two rows or (2) on one, both policies for
# missing frames.
CONFIGURATIONS = tuple(
    Configuration(
        transfer_bytes=b, transfers=t, duplex=d > 0, shared=d > 1, fill_missing=f, window_beats=w
    )
    for b, t, d, f, w in (
        (1, 1, 0, True, 704), (1, 56, 1, True, 704), (1, 120, 0, True, 96),
        (2, 29, 0, True, 704), (3, 17, 0, True, 48), (5, 11, 1, True, 704),
        (7, 8, 0, True, 704), (8, 7, 0, False, 704), (12, 20, 0, True, 22),
        (16, 4, 0, False, 192), (22, 64, 0, True, 192), (24, 59, 1, True, 704),
        (28, 50, 0, True, 704), (32, 44, 1, False, 704), (33, 43, 0, True, 768),
        (48, 60, 0, True, 256), (56, 1, 1, True, 704), (56, 25, 0, True, 704),
        (57, 1, 0, True, 704), (63, 23, 0, True, 704), (64, 22, 1, True, 704),
        (64, 90, 0, True, 1008), (65, 22, 0, True, 704), (72, 40, 0, False, 704),
        (96, 30, 0, True, 704), (128, 11, 1, True, 704), (129, 33, 0, True, 704),
        (200, 7, 0, True, 704), (320, 9, 0, True, 384), (511, 3, 0, True, 192),
        (512, 1, 0, True, 704), (512, 6, 1, True, 704),
        (1, 120, 2, True, 96), (16, 4, 2, False, 192), (24, 70, 2, True, 704),
        (33, 43, 2, True, 48), (64, 22, 2, True, 22), (64, 90, 2, True, 1008),
        (200, 7, 2, False, 704), (512, 6, 2, True, 384),
    )
)  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("verilated")


@pytest.mark.parametrize("configuration", CONFIGURATIONS, ids=str)
def test_nothing_is_lost_unnoticed(configuration: Configuration, folder: Path) -> None:
    binary = build(configuration, folder)
    dice = random.Random(str(configuration))
    common = {
        "frames": FRAMES,
        "duplex": int(configuration.duplex),
        "search": int(not configuration.fill_missing),
        "leave_out": int(not configuration.fill_missing),
        "latency": dice.choice((165, 414, 1200)) if configuration.window_beats > 100 else 60,
        "rest_rate": dice.choice((0, 2, 6)),
    }
    runs = (
        {"stray_rate": 200, **_stalls(dice)},
        {"stray_rate": 200, **_stalls(dice), **_faults(dice, 300)},
        {**_stalls(dice), **_faults(dice, 4000)},
    )
    for seed, knobs in enumerate(runs, start=1):
        counters = run(binary, seed=seed, **common, **knobs)
        assert judge(configuration, FRAMES, counters) == [], (knobs, counters)
        assert (counters["frames_hit"] > 0) == ("drop_rate" in knobs), (knobs, counters)


def test_numbers_wrap(folder: Path) -> None:
    """Frame numbers and positions are 16 bits wide; 140,000 frames go round twice."""
    configuration = Configuration(transfer_bytes=56, transfers=1)
    counters = run(
        build(configuration, folder), seed=3, frames=140_000, **_faults(random.Random(3), 300)
    )
    assert judge(configuration, 140_000, counters) == []
    assert counters["frames_hit"] > 0


def _stalls(dice: random.Random) -> dict[str, int]:
    return {
        name: dice.choice((36_000, 48_000, 60_000, 65_536))
        for name in ("source_rate", "sink_rate", "network_rate")
    }


def _faults(dice: random.Random, most: int) -> dict[str, int]:
    return {
        name: dice.randint(most // 4, most)
        for name in ("drop_rate", "repeat_rate", "cut_rate", "flip_rate")
    }
