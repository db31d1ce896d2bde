"""Every JSON file a user finds follows its written schema (codegen/schemas)."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from elasticdf.artifact.opening import open_artifact
from tests.end_to_end.command_line import elasticdf
from tests.truth import ROOT

jsonschema = pytest.importorskip("jsonschema", reason="validates emitted JSON")
SCHEMAS = ROOT / "codegen/schemas"


def _follows(document: Any, kind: str) -> None:
    jsonschema.validate(document, json.loads((SCHEMAS / f"{kind}.schema.json").read_text()))


def _kind(path: Path, project: Path) -> str:
    name = path.relative_to(project).as_posix()
    return "finn_structure" if name == "finn/plan.json" else re.sub(r"\d*\.json$", "", path.name)


def test_a_project_and_its_artifact_follow_the_schemas(tmp_path: Path) -> None:
    project = tmp_path / "project"
    cut = ("--anchor", "MVAU_hls_0=0", "--anchor", "MVAU_hls_1=1")
    request = ("partition", "zoo:tfc-w2a2", "--target", "2xu280", "--mode", "hw", *cut)
    assert elasticdf(*request, "--replicas", "1", "--fps", "1000", "-o", project).code == 0
    files = sorted(project.rglob("*.json"))
    seen = {_kind(path, project) for path in files}
    for path in files:
        _follows(json.loads(path.read_text()), _kind(path, project))
    written = {path.name.removesuffix(".schema.json") for path in SCHEMAS.iterdir()}
    assert written - seen <= {"artifact", "weights"}, "a schema nothing follows"

    assert elasticdf("build", project, "--emulate").code == 0
    assert elasticdf("package", project).code == 0
    artifact = open_artifact(project / "artifact")
    document = json.loads(artifact.entries[-1].content.read())
    _follows(document, "artifact")
    _follows(document["deployment"], "deployment")


def test_a_refused_request_leaves_a_document_of_the_schema(tmp_path: Path) -> None:
    request = ("partition", "zoo:tfc-w2a2", "--target", "u50", "--fps", "900000000")
    ran = elasticdf(*request, "-o", tmp_path / "project", "--json")
    assert ran.code == 3, ran.err
    document = json.loads((tmp_path / "project/plan.json").read_text())
    assert document["outcome"] == "infeasible"
    _follows(document, "plan")
