from __future__ import annotations

import pytest

from elasticdf.errors import UserError
from elasticdf.explore.grid import grid, read_clocks, read_modes, read_targets
from partitioner.plan import Mode

MHZ = 1_000_000


def test_targets_are_counted_in_order():
    assert read_targets("1..3xu280,u250, 2xu50") == ("1xu280", "2xu280", "3xu280", "u250", "2xu50")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("4..1xu280", "target '4..1xu280': counts go from 1 to 64, the smaller first"),
        ("1..9999xu280", "target '1..9999xu280': counts go from 1 to 64, the smaller first"),
        ("u280,,u50", "'u280,,u50' has an empty entry; write A,B,C"),
        ("autoxu280", "target 'autoxu280': a sweep counts boards itself; write 1..4xBOARD"),
    ],
)
def test_odd_targets_are_refused(text: str, message: str):
    with pytest.raises(UserError) as error:
        read_targets(text)
    assert str(error.value) == message


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("200MHz", (200,)),
        ("150..300MHz", (150, 200, 250, 300)),
        ("0.15GHz..300MHz:75MHz", (150, 225, 300)),
        ("100MHz,200..250MHz", (100, 200, 250)),
    ],
)
def test_clocks(text: str, expected: tuple[int, ...]):
    assert read_clocks(text) == tuple(clock * MHZ for clock in expected)


@pytest.mark.parametrize("text", ["", "fast", "300..200MHz", "1Hz..3GHz:1Hz", "1..2..3MHz"])
def test_odd_clocks_are_refused(text: str):
    with pytest.raises(UserError):
        read_clocks(text)


def test_modes():
    assert read_modes("all") == tuple(Mode)
    assert read_modes("dp,tmp") == (Mode.DATA_PARALLEL, Mode.TRANSPARENT)
    with pytest.raises(UserError) as error:
        read_modes("dp,fast")
    assert str(error.value) == "mode 'fast' is none of dp, hw, tmp, sw, all"


def test_every_combination_is_there_once():
    points = grid(("u50", "u280", "u50"), (Mode.DATA_PARALLEL,), (1, 2), (None, 5.0))
    assert len(points) == len(set(points)) == 8


def test_endless_sweeps_are_refused():
    with pytest.raises(UserError) as error:
        grid(("u50",), tuple(Mode), tuple(range(1, 3000)), (None,))
    assert str(error.value) == "11996 points are asked for, at most 10000; sweep less at once"
