"""A project folder that is planned anew holds no binary of the plan before."""

from __future__ import annotations

from pathlib import Path

from tests.end_to_end.command_line import elasticdf


def test_a_binary_lives_as_long_as_what_it_was_built_from(tmp_path: Path) -> None:
    request = ("partition", "zoo:tfc-w1a1", "--target", "u50", "--replicas", "1", "-o", tmp_path)
    assert elasticdf(*request, "--fps", "1000").code == 0
    assert elasticdf("build", tmp_path, "--emulate").code == 0
    assert elasticdf(*request, "--fps", "1000").code == 0
    assert len(list(tmp_path.glob("board0/*.xclbin"))) == 1
    assert elasticdf(*request, "--fps", "20000").code == 0
    assert list(tmp_path.glob("board0/*.xclbin")) == []
    ran = elasticdf("package", tmp_path)
    assert ran.code == 2
    assert "--emulate" in ran.err
