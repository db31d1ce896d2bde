"""One search serves every clock at which the links carry its streams, and no other."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from elasticdf.hardware.cluster import Cluster, load_cluster
from partitioner import any_clock, search
from partitioner.consistent import contradictions
from partitioner.plan import Mode
from partitioner.request import Anchor, Objective, Request
from partitioner.solver import SolverOptions
from tests.placed import chain

CLOCKS = (100_000_000, 200_000_000, 300_000_000)
SLOW = "10Gbps"


def _cluster(folder: Path, rate: str) -> Cluster:
    path = folder / "lab.toml"
    cable = f'[[cable]]\nends = [[0, 0], [1, 0]]\nrate = "{rate}"\n'
    path.write_text(f'[[board]]\nboard = "u280"\ncount = 2\n{cable}')
    return load_cluster(path)


def _request(folder: Path, *, rate: str = "100Gbps", mode: Mode = Mode.HARDWARE) -> Request:
    spread = () if mode in (Mode.DATA_PARALLEL, Mode.TRANSPARENT) else ((0, 0), (3, 1))
    return Request(
        graph=chain(4),
        target=_cluster(folder, rate),
        mode=mode,
        costs="finn",
        replicas=1,
        anchors=tuple(Anchor(layer=f"Thresholding_rtl_{i}", board=board) for i, board in spread),
        options=SolverOptions(time_limit=20),
    )


@pytest.mark.parametrize("mode", list(Mode))
def test_it_says_what_a_search_at_each_clock_does(tmp_path: Path, mode: Mode) -> None:
    request = _request(tmp_path, mode=mode)
    settled = any_clock.settle(request)
    assert settled is not None
    for clock in CLOCKS:
        asked = replace(request, clock_hz=clock)
        shared, (own, _) = any_clock.plan(asked, settled), search.searched(asked).plan()
        assert shared is not None
        assert not list(contradictions(shared))
        assert shared.clock_hz == clock
        assert shared.frames_per_second == own.frames_per_second
        assert shared.certificate.throughput == own.certificate.throughput
        assert shared.certificate.crossing_cost == own.certificate.crossing_cost
        assert shared.links == own.links


def test_where_a_cable_is_too_slow_nothing_is_shared(tmp_path: Path) -> None:
    request = _request(tmp_path, rate=SLOW)
    settled = any_clock.settle(request)
    assert settled is not None
    fast, slow = replace(request, clock_hz=CLOCKS[-1]), replace(request, clock_hz=1_000_000)
    assert any_clock.plan(fast, settled) is None
    assert any_clock.plan(slow, settled) is not None
    # The bound of the search without rates holds, but the cable lets less through.
    own = search.plan(fast)
    assert own.frames_per_second < settled.rate_bound * fast.clock_hz


def test_the_search_is_the_same_whatever_clock_it_is_asked_at(tmp_path: Path) -> None:
    request = _request(tmp_path)
    first, second = (any_clock.settle(replace(request, clock_hz=clock)) for clock in CLOCKS[:2])
    assert first == second


def test_goals_that_depend_on_the_clock_are_left_alone(tmp_path: Path) -> None:
    request = _request(tmp_path)
    assert any_clock.settle(replace(request, fps=1e6)) is None
    assert any_clock.settle(replace(request, objective=Objective.LATENCY)) is None


def test_what_finds_no_place_is_left_alone(tmp_path: Path) -> None:
    limits = {"lut": 0.0001}
    assert any_clock.settle(replace(_request(tmp_path), limits=limits)) is None
