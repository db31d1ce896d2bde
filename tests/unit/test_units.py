"""Quantities as people read them."""

import pytest

from elasticdf.units import format_seconds, format_si


@pytest.mark.parametrize(
    ("value", "text"),
    [(2, "2 s"), (0.012345, "12.35 ms"), (3.35e-7, "335 ns"), (4.2e-5, "42 us"), (0, "0 ns")],
)
def test_times(value: float, text: str) -> None:
    assert format_seconds(value) == text


def test_rates() -> None:
    assert format_si(212_000_000, "Hz") == "212 MHz"
    assert format_si(12, "b/s") == "12 b/s"
