"""Thresholds reproduce the quantiser they stand for, code by code."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from elasticdf.errors import UserError
from elasticdf.frontend.qonnx.thresholds import (
    ROUNDING_MODES,
    Bounds,
    pull_back,
    rounding_bounds,
)
from elasticdf.frontend.qonnx.values import Clip, Divide, Scale, Shift, Step, evaluate

EIGHTHS = st.integers(-24, 24).map(lambda number: number / 8)
GAINS = EIGHTHS.filter(bool)
STEPS = st.lists(
    st.one_of(
        EIGHTHS.map(lambda value: Scale(np.array(value))),
        GAINS.map(lambda value: Divide(np.array(value))),
        EIGHTHS.map(lambda value: Shift(np.array(value))),
        st.tuples(EIGHTHS, EIGHTHS).map(lambda ends: Clip(min(ends), max(ends))),
        st.just(Clip(0.0, np.inf)),
    ),
    max_size=4,
).map(tuple)


def rounded(value: Fraction, mode: str) -> int:
    """Return the whole number a rounding mode takes, in exact arithmetic."""
    floor = value.numerator // value.denominator
    ceiling = -(-value.numerator // value.denominator)
    toward, away = (floor, ceiling) if value >= 0 else (ceiling, floor)
    distance = abs(value) - abs(Fraction(toward))
    half = {"HALF_UP": away, "HALF_DOWN": toward}.get(mode, floor if floor % 2 == 0 else ceiling)
    if mode in ("CEIL", "FLOOR", "UP", "DOWN"):
        return {"CEIL": ceiling, "FLOOR": floor, "UP": away, "DOWN": toward}[mode]
    if distance == Fraction(1, 2):
        return half
    return toward if distance < Fraction(1, 2) else away


def code(steps: tuple[Step, ...], number: int, low: int, high: int, mode: str) -> int:
    return min(max(rounded(evaluate(steps, 0, number), mode), low), high)


@given(
    steps=STEPS,
    mode=st.sampled_from(ROUNDING_MODES),
    low=st.integers(-4, 0),
    span=st.integers(1, 7),
)
def test_counting_thresholds_gives_the_code(
    steps: tuple[Step, ...], mode: str, low: int, span: int
) -> None:
    thresholds = pull_back(steps, rounding_bounds(low, low + span, mode), 1)
    sign = -1 if thresholds.falling[0] else 1
    for number in range(-60, 61):
        counted = int((sign * number >= thresholds.values[0]).sum())
        assert low + counted == code(steps, number, low, low + span, mode), number


def test_half_goes_to_the_even_code() -> None:
    steps = (Scale(np.array(0.5)),)
    assert pull_back(steps, rounding_bounds(0, 3, "ROUND"), 1).values.tolist() == [[2, 3, 6]]


def test_tie_is_decided_exactly_where_double_precision_is_not() -> None:
    tenth = np.array(float(np.float32(0.1)))
    # 5 x float32(0.1) is a little more than one half
    assert pull_back((Scale(tenth),), rounding_bounds(0, 1, "ROUND"), 1).values.tolist() == [[5]]
    # divided by the same number it is a whole number again, and half of 1 rounds down to 0
    steps = (Scale(tenth), Divide(tenth), Scale(np.array(0.5)))
    assert pull_back(steps, rounding_bounds(0, 1, "ROUND"), 1).values.tolist() == [[2]]


def test_channels_have_their_own_gain_and_direction() -> None:
    steps = (Scale(np.array([1.0, -2.0, 0.0])), Shift(np.array([0.0, 1.0, 5.0])))
    bounds = Bounds(values=np.array([[3.0]]), reached=np.array([True]))
    thresholds = pull_back(steps, bounds, 3)
    assert thresholds.values.tolist() == [[3.0], [1.0], [-np.inf]]
    assert thresholds.falling.tolist() == [False, True, False]


@pytest.mark.parametrize("direction", [1.0, -1.0])
def test_clip_makes_bounds_certain(direction: float) -> None:
    steps = (Scale(np.array(direction)), Clip(0.0, 2.0))
    thresholds = pull_back(steps, rounding_bounds(-1, 4, "FLOOR"), 1)
    assert thresholds.values.tolist() == [[-np.inf, 1.0, 2.0, np.inf, np.inf]]


def test_overflowing_scales_are_refused() -> None:
    endless = np.array(np.inf)
    bounds = Bounds(values=np.array([[0.5]]), reached=np.array([True]))
    with np.errstate(invalid="ignore"), pytest.raises(UserError) as caught:
        pull_back((Shift(endless), Shift(-endless)), bounds, 1)
    assert str(caught.value) == (
        "scales and offsets overflow double precision; train the network again"
    )
