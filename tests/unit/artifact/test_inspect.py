from __future__ import annotations

import json
from pathlib import Path

import pytest

from codegen.bundle.pack import package
from elasticdf.artifact.inspect import inspect
from elasticdf.errors import UserError
from tests.artifact_samples import BOARD, deployment, write_project
from tests.truth import needs_shared, shared

PLAN = {
    "schema": "elasticdf.plan/1",
    "network": "tiny",
    "mode": "hw",
    "clock_hz": 200_000_000,
    "replicas": 1,
    "frames_per_second": 1234.5,
    "interval_cycles": 162_000,
    "latency_seconds": 0.001,
    "cluster": {"name": "pair", "boards": [{"id": 0, "board": BOARD, "dies": ["SLR0"]}]},
    "certificate": {
        "outcome": "optimal",
        "throughput": {"value": 1, "bound": 1, "gap": 0.0},
        "crossing_cost": {"value": 1, "bound": 1, "gap": 0.0},
    },
    "assignments": [
        {"replica": 0, "layer": name, "board": 0, "die": "SLR0"} for name in ("first", "last")
    ],
    "crossings": [],
    "links": [],
}


def test_a_plan(tmp_path: Path) -> None:
    (tmp_path / "plan.json").write_text(json.dumps(PLAN))
    for path in (tmp_path, tmp_path / "plan.json"):
        report = inspect(path)
        assert report.to_text() == (
            f"plan {path}\n"
            "network            tiny\n"
            "mode               hw\n"
            "replicas           1\n"
            "frames per second  1234.5\n"
            "latency seconds    0.001\n"
            "clock hz           200000000\n"
            "outcome            optimal\n"
            "throughput gap     0\n"
            "crossing gap       0\n"
            "\n"
            "places\n"
            "  replica  board  type  die   layers  first  last\n"
            f"  0        0      {BOARD}  SLR0  2       first  last"
        )
        assert report.to_json()["places"] == [
            {
                "replica": 0,
                "board": 0,
                "type": BOARD,
                "die": "SLR0",
                "layers": 2,
                "first": "first",
                "last": "last",
            }
        ]


def test_an_infeasible_plan(tmp_path: Path) -> None:
    document = {
        "schema": "elasticdf.plan/1",
        "outcome": "infeasible",
        "explanation": {"conflict": ["capacity[0.SLR0,lut]"]},
    }
    (tmp_path / "plan.json").write_text(json.dumps(document))
    assert "capacity[0.SLR0,lut]" in inspect(tmp_path).to_text()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{", "is not JSON (Expecting property name"),
        (b'{"schema": "other/1"}', ": schema is 'other/1', 'elasticdf.plan/1' is needed"),
        (b'{"schema": "elasticdf.plan/1"}', "is damaged ('certificate' is missing); partition"),
        (b'{"schema": "elasticdf.plan/1", "certificate": 5}', "is damaged ('network' is missing)"),
    ],
)
def test_damaged_plans(content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "plan.json").write_bytes(content)
    with pytest.raises(UserError) as caught:
        inspect(tmp_path)
    assert message in str(caught.value)


def test_a_binary_and_an_artifact(tmp_path: Path) -> None:
    project = write_project(tmp_path / "p", deployment("hw"))
    binary = inspect(project / "board0/board0.xclbin")
    assert dict(binary.facts)["emulated"] is True
    assert dict(binary.facts)["clock_DATA_CLK"] == "200 MHz"
    units = {row["compute_unit"]: row for row in binary.to_json()["compute_units"]}
    assert units["idma_seg_r0_s0"]["memories"] == "HBM[2]"
    assert units["seg_r0_s0"]["registers"] is None
    artifact = inspect(package(project).folder)
    assert dict(artifact.facts)["mode"] == "hw"
    assert [row["first_memory"] for row in artifact.to_json()["binaries"]] == [0, 34]
    assert artifact.to_json()["requests"][0]["arguments"] == "uchar* in, uchar* out, uint n"
    json.dumps(artifact.to_json())


@needs_shared
def test_a_real_binary() -> None:
    report = inspect(shared("xclbin/pynq_default.xclbin"))
    assert "memories in use\n  binary               index  bank   kib" in report.to_text()
    assert dict(report.facts)["emulated"] is False


def test_something_else_is_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_text("hello")
    with pytest.raises(UserError) as caught:
        inspect(path)
    assert str(caught.value) == (
        f"{path} is neither a plan, nor an xclbin, nor an artifact; "
        "give a project folder, plan.json, a .xclbin or an artifact's folder"
    )
