"""Cost profiles are strict files that survive being written."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from elasticdf.costs.profile import KindCosts, load_profile, profile_from
from elasticdf.costs.profile_file import to_toml
from elasticdf.errors import UserError

HEAD = 'schema = "elasticdf.costs/1"\nbase = "corrected"\n'


def test_shipped_profiles_state_their_origin() -> None:
    for name in ("corrected", "calibrated"):
        origin = load_profile(name).origin
        assert {"source", "tool", "part", "date"} <= set(origin), name
    assert load_profile("finn").exactly_finn
    assert not load_profile("calibrated").exactly_finn


def test_what_is_written_is_read_back() -> None:
    base = load_profile("calibrated")
    assert base.coefficients is not None
    kinds = {
        **base.coefficients.kinds,
        "Pool_hls": KindCosts(lut=1.25, ff=0.5, samples=7, lut_range=(10.0, 99.0)),
    }
    changed = replace(base, coefficients=replace(base.coefficients, kinds=kinds))
    again = profile_from(to_toml(changed, base), "mine")
    assert again.coefficients is not None
    assert again.coefficients.kinds["Pool_hls"] == kinds["Pool_hls"]
    assert again.coefficients.scale == base.coefficients.scale


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("schema = ", "is not TOML"),
        ('schema = "other"', "schema is 'other', 'elasticdf.costs/1' is needed"),
        (HEAD + "[scael]\ncompute = 1.0", "unknown key 'scael'"),
        (HEAD + "[scale]\ncompte = 1.0", "unknown key 'compte'"),
        (HEAD + "[scale]\ncompute = -1.0", r"compute is -1.0; numbers of at least 0 are needed"),
        (HEAD + "[scale]\ncompute = true", "compute is True; numbers"),
        (HEAD + '[kinds.MVAU_hls]\nlut = "big"', "lut is 'big'; numbers"),
        ('schema = "elasticdf.costs/1"\nbase = "finn"', "base is 'finn'; it must be"),
        ('schema = "elasticdf.costs/1"', "is missing and there is no base"),
    ],
)
def test_a_bad_file_is_refused_with_its_reason(text: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        profile_from(text, "mine.toml")


def test_an_unknown_name_says_what_there_is() -> None:
    with pytest.raises(UserError) as caught:
        load_profile("calibrate")
    assert str(caught.value) == (
        "cost profile 'calibrate' is neither one of finn, corrected, calibrated nor a file; "
        "make one with 'elasticdf calibrate'"
    )


def test_a_binary_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "costs.toml"
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match="not a text file"):
        load_profile(str(file))
