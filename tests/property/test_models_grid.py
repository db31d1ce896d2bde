"""Numbers on a grid: exact bits, drawn weights, expected shares."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from elasticdf.errors import InternalError
from models import grid


@given(st.integers(1, 2**40), st.integers(-60, 60))
def test_lowest_bit_divides_into_an_odd_number(whole: int, exponent: int) -> None:
    value = np.ldexp(float(whole), exponent)
    quotient = Fraction(float(value)) / Fraction(float(grid.lowest_bit(value)))
    assert quotient.denominator == 1
    assert quotient.numerator % 2 == 1


@given(
    seed=st.integers(0, 2**32),
    channels=st.integers(2, 20),
    fan_in=st.integers(32, 200),
    bits=st.integers(2, 8),
    input_bits=st.integers(1, 8),
)
def test_drawn_weights_need_the_accumulator_and_no_more(
    seed: int, channels: int, fan_in: int, bits: int, input_bits: int
) -> None:
    top = grid.largest_level(bits)
    inputs = (0, 2**input_bits - 1)
    wanted = 1 + (top * inputs[1] * fan_in // 4).bit_length()
    random = np.random.default_rng(seed)
    weights = grid.draw_weights(random, (channels, fan_in), bits, inputs, wanted)
    assert weights.shape == (channels, fan_in)
    assert np.abs(weights).max() <= top
    assert weights.any(axis=1).all()
    assert grid.accumulator_bits(weights, *inputs).max() == wanted


@given(st.integers(0, 2**32), st.integers(2, 8))
def test_balanced_weights_cancel_an_input(seed: int, bits: int) -> None:
    random = np.random.default_rng(seed)
    against = random.uniform(1, 3, 400)
    plain = grid.draw_weights(np.random.default_rng(seed), (8, 400), bits, (0, 15))
    even = grid.draw_weights(np.random.default_rng(seed), (8, 400), bits, (0, 15), against=against)
    assert np.abs(even @ against).mean() < np.abs(plain @ against).mean() + 1


@given(st.lists(st.floats(0.1, 50), min_size=1, max_size=5), st.floats(-20, 20), st.integers(1, 8))
def test_shares_add_up_to_one(sigmas: list[float], centre: float, bits: int) -> None:
    sigma = np.array(sigmas)
    odds = grid.normal_odds(0, 2**bits - 1, sigma, np.full(sigma.size, centre))
    for shares in (
        odds,
        grid.sign_odds(sigma, np.full(sigma.size, centre)),
        grid.largest_of(odds, 4),
        grid.summed(odds, odds[:1]),
        grid.rounded(odds, 1 / 3, 2**bits - 1),
    ):
        np.testing.assert_allclose(shares.sum(axis=1), 1)
        assert shares.min() > -1e-12


def test_an_accumulator_beyond_the_weights_is_our_mistake() -> None:
    random = np.random.default_rng(0)
    with pytest.raises(InternalError) as failure:
        grid.draw_weights(random, (2, 4), 2, (0, 1), 12)
    assert str(failure.value) == "weights (2, 4) cannot need an accumulator of 12 bits"
    with pytest.raises(InternalError) as failure:
        grid.draw_weights(random, (2, 400), 1, (0, 15), 4)
    assert str(failure.value) == "no 1-bit weights (2, 400) fit an accumulator of 4"


def test_corner_taps_see_less_of_the_image() -> None:
    presence = grid.tap_presence(size=4, kernel=3, stride=1, padding=1).reshape(3, 3)
    np.testing.assert_allclose(presence[1], [0.75, 1, 0.75])
    np.testing.assert_allclose(presence[0, 0], 0.75**2)
    np.testing.assert_allclose(grid.tap_presence(size=4, kernel=2, stride=2, padding=0), 1)
