"""Fits profile ``calibrated`` to the measured designs and prints how well it predicts them.

python -m bench.fit_costs            the table
python -m bench.fit_costs --write    and write elasticdf/costs/profiles/calibrated.toml
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

from elasticdf.costs import silicon
from elasticdf.costs.profile import CostProfile, load_profile
from elasticdf.costs.profile_file import to_toml
from tests.silicon_designs import PART, built_designs
from tests.truth import ABSENT, SHARED

TARGET = Path(__file__).resolve().parent.parent / "elasticdf/costs/profiles/calibrated.toml"
SOURCE = (
    "Five whole designs on RFSoC2x2 at 100 MHz, published by eki-project/finn-plus (public "
    "benchmark results): post-synthesis totals, Zynq shell included. Three factors on LUTs, one on "
    "flip-flops, one on block RAM, held towards 1. The band is twice the largest error of "
    "predicting a design from the other four; the structure and the constants of profile "
    "'corrected' were chosen knowing all five."
)


def designs(profile: CostProfile) -> tuple[silicon.Design, ...]:
    """Return the designs' parts under a profile's coefficients."""
    return tuple(
        silicon.design_of(built.name, built.graph, built.measured, profile, PART)
        for built in built_designs()
    )


def table(profile: CostProfile) -> str:
    """Return relative errors in percent: FINN, corrected, left out, fitted to all."""
    found = designs(profile)
    scale = silicon.fit(found)
    lines = [f"{'design':28}{'':12}{'LUT':>8}{'FF':>8}{'BRAM':>8}"]
    assert profile.coefficients is not None
    for built, design, out in zip(
        built_designs(), found, silicon.leave_one_out(found), strict=True
    ):
        finn = silicon.Errors(
            name=built.name,
            lut=built.finn_lut / built.measured.lut - 1,
            ff=-1.0,
            bram18=built.finn_bram18 / built.measured.bram18 - 1,
        )
        rows = {
            "finn": finn,
            "corrected": silicon.errors(design, profile.coefficients.scale),
            "left out": out,
            "calibrated": silicon.errors(design, scale),
        }
        for label, error in rows.items():
            flip_flops = "-" if error is finn else f"{100 * error.ff:.1f}"  # FINN estimates none
            numbers = f"{100 * error.lut:8.1f}{flip_flops:>8}{100 * error.bram18:8.1f}"
            lines.append(f"{built.name:28}{label:12}{numbers}")
    return "\n".join(lines)


def calibrated(profile: CostProfile) -> CostProfile:
    """Return the fitted profile with its origin."""
    fitted = silicon.with_fit(profile, designs(profile))
    origin = {
        "name": "calibrated",
        "source": SOURCE,
        "tool": "Vivado 2024.2",
        "part": "xczu28dr",
        "date": "2026-11-23",
    }
    return replace(fitted, name="calibrated", origin=origin)


def main() -> None:
    """Print the table; write the profile if asked."""
    if SHARED is None:
        print(ABSENT)
        return
    base = load_profile("corrected")
    print(table(base))
    if "--write" in sys.argv[1:]:
        TARGET.write_text(to_toml(calibrated(base), base))


if __name__ == "__main__":
    main()
