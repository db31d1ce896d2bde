"""The calibrated profile against the measured designs, each predicted from the other four."""

from __future__ import annotations

import sys
from dataclasses import asdict, replace

import pytest

from bench.fit_costs import calibrated, designs, table
from elasticdf.costs import silicon
from elasticdf.costs.profile import load_profile
from elasticdf.errors import UserError
from elasticdf.ir import Resources
from elasticdf.layers import kind_of
from tests.silicon_designs import PART, built_designs
from tests.truth import needs_shared

pytestmark = needs_shared

LUT_GOAL, FF_GOAL, BRAM_GOAL = 0.25, 0.40, 0.15


@pytest.fixture(scope="module")
def found() -> tuple[silicon.Design, ...]:
    return designs(load_profile("corrected"))


def test_left_out_designs_are_predicted_within_the_goals(
    found: tuple[silicon.Design, ...],
) -> None:
    sys.stdout.write(f"\n{table(load_profile('corrected'))}\n")
    for error in silicon.leave_one_out(found):
        assert abs(error.lut) <= LUT_GOAL, error
        assert abs(error.ff) <= FF_GOAL, error
        assert abs(error.bram18) <= BRAM_GOAL, error


def test_shipped_profile_is_the_fit_to_all_designs() -> None:
    shipped = load_profile("calibrated").coefficients
    fitted = calibrated(load_profile("corrected")).coefficients
    assert shipped is not None
    assert fitted is not None
    assert asdict(shipped.scale) == pytest.approx(asdict(fitted.scale), abs=1e-3)
    assert shipped.band == fitted.band


def test_every_measurement_lies_in_the_stated_band(found: tuple[silicon.Design, ...]) -> None:
    coefficients = load_profile("calibrated").coefficients
    assert coefficients is not None
    band = coefficients.band
    for design in found:
        luts, ffs, brams = silicon.predict(design, coefficients.scale)
        assert band.lut[0] * luts <= design.measured.lut <= band.lut[1] * luts
        assert band.ff[0] * ffs <= (design.measured.ff or 0) <= band.ff[1] * ffs
        assert band.bram18[0] * brams <= design.measured.bram18 <= band.bram18[1] * brams


def test_the_graphs_are_those_that_were_built() -> None:
    """FINN's published estimate of each build is met by our count of the completed graph."""
    for built in built_designs():
        ours = Resources.total(kind_of(layer).resources(layer, PART) for layer in built.graph)
        assert ours.bram18 == built.finn_bram18, built.name
        # FIFO depths of the builds are not public; they are the rest of the LUTs.
        assert ours.lut == pytest.approx(built.finn_lut, rel=0.06), built.name


def test_fit_leans_on_the_uncalibrated_estimate(found: tuple[silicon.Design, ...]) -> None:
    twice = replace(found[0], measured=Resources(lut=2 * found[0].measured.lut, ff=10, bram18=10))
    scale = silicon.fit([twice])
    assert 1 < scale.control < 2
    assert scale.ff < 1


def test_finns_own_estimate_cannot_be_fitted(found: tuple[silicon.Design, ...]) -> None:
    built = built_designs()[0]
    with pytest.raises(UserError, match="no coefficients to fit; start from 'corrected'"):
        silicon.design_of("x", built.graph, built.measured, load_profile("finn"), PART)
