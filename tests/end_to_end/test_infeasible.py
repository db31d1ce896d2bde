"""A request without a plan, on the command line: exit code 3, one message, the document on disk."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.end_to_end.command_line import elasticdf


@pytest.mark.parametrize(
    ("arguments", "conflict", "remedy"),
    [
        (
            ("--mode", "dp", "--anchor", "MVAU_hls_0=0", "--anchor", "LabelSelect_hls_0=1"),
            ["mode", "anchor[MVAU_hls_0=0]", "anchor[LabelSelect_hls_0=1]"],
            "change the mode to hw: --mode hw",
        ),
        (
            ("--mode", "hw", "--limit", "lut=0.001"),
            ["capacity[lut]"],
            "raise the limit: --limit lut=0.0",
        ),
        (("--fps", "9e8", "--replicas", "1"), ["replicas", "fps"], "lower the rate: --fps "),
    ],
    ids=["anchors", "limit", "rate"],
)
def test_why_there_is_no_plan_is_said_and_written(
    tmp_path: Path, arguments: tuple[str, ...], conflict: list[str], remedy: str
) -> None:
    request = ("partition", "zoo:tfc-w1a1", "--target", "2xu280", "--time-limit", "300")
    ran = elasticdf(*request, *arguments, "--json", "-o", tmp_path / "out")
    assert ran.code == 3
    document = json.loads(ran.out)
    assert json.loads((tmp_path / "out" / "plan.json").read_text()) == document
    assert document["outcome"] == "infeasible"
    assert document["assignments"] == []
    explanation = document["explanation"]
    assert explanation["conflict"] == conflict
    assert explanation["irreducible"]
    remedies = explanation["remedies"]
    assert all(entry["verified"] for entry in remedies)
    assert any(entry["change"].startswith(remedy) for entry in remedies)
    assert explanation["message"] in ran.err
    assert "Traceback" not in ran.err
