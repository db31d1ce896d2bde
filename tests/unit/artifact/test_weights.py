"""Weights the host loads: from the words beside the kernel objects into the manifest."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from codegen.bundle.pack import package
from codegen.bundle.weights import WEIGHTS_SCHEMA
from elasticdf.artifact.axlf import SectionKind, assemble, parse
from elasticdf.artifact.lint import lint
from elasticdf.artifact.manifest import Loader, Manifest, UnitWeights
from elasticdf.artifact.opening import open_artifact
from elasticdf.errors import UserError
from tests.artifact_samples import deployment, write_project

WORDS = (0x0000_0001, 0xFFFF_FFFF, 0x0000_00AB)


def _project(folder: Path, *, emulated: bool = False, words: str | None = None) -> Path:
    """Return a project whose second board has weights to load."""
    project = write_project(folder / "project", deployment("hw"), release="original")
    for board in () if emulated else (0, 1):
        path = project / f"board{board}/board{board}.xclbin"
        binary = parse(path.read_bytes(), path.name)
        kept = [
            (SectionKind(s.kind), s.label.lower()[:15], s.content.read())
            for s in binary.sections
            if s.kind != SectionKind.EMULATION_DATA
        ]
        path.write_bytes(assemble(binary.header, kept, path.name).to_bytes())
    unit = {"board": 1, "unit": "seg_r0_s1", "layer": "MVAU_hls_1"}
    index = {"schema": WEIGHTS_SCHEMA, "units": [unit]}
    (project / "weights.json").write_text(json.dumps(index))
    if words is not None:
        (project / "board1/xo").mkdir()
        (project / "board1/xo/seg_r0_s1.dat").write_text(words)
    return project


def test_the_words_travel_in_the_manifest_in_order(tmp_path: Path) -> None:
    project = _project(tmp_path, words="00000001\nffffffff\nab\n")
    artifact = open_artifact(package(project).folder)
    assert artifact.manifest is not None
    (weights,) = artifact.manifest.weights
    assert (weights.board, weights.unit, weights.layer) == (1, "seg_r0_s1", "MVAU_hls_1")
    assert tuple(weights.values().tolist()) == WORDS
    assert [entry.name for entry in artifact.entries][-1] == "manifest.json"
    report = lint(artifact.folder)
    assert report.accepted(Loader.ELASTICDF)
    assert "weights-loader" in {finding.code for finding in report.findings}


def test_emulated_boards_hold_their_weights(tmp_path: Path) -> None:
    artifact = open_artifact(package(_project(tmp_path, emulated=True)).folder)
    assert artifact.manifest is not None
    assert artifact.manifest.weights == ()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (None, r"seg_r0_s1\.dat cannot be read .*: board 1 needs the weights of layer MVAU_hls_1"),
        ("", r"seg_r0_s1\.dat holds nothing, a word of up to 8 hexadecimal digits per line"),
        ("12\nxy\n", r"seg_r0_s1\.dat holds 'xy', a word of up to 8 hexadecimal digits per line"),
        ("123456789\n", r"seg_r0_s1\.dat holds '123456789', a word of up to 8"),
    ],
)
def test_missing_or_wrong_words_are_refused(
    words: str | None, message: str, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=message):
        package(_project(tmp_path, words=words))
    assert not (tmp_path / "project/artifact").exists()


def test_an_index_of_another_schema_is_refused(tmp_path: Path) -> None:
    project = _project(tmp_path, words="1\n")
    (project / "weights.json").write_text('{"schema": "elasticdf.weights/9", "units": []}')
    with pytest.raises(UserError, match=r"schema is 'elasticdf.weights/9', 'elasticdf.weights/1'"):
        package(project)


def test_the_original_loader_cannot_load_weights(tmp_path: Path) -> None:
    with pytest.raises(UserError) as error:
        package(_project(tmp_path, words="1\n"), loader=Loader.ORIGINAL)
    assert str(error.value) == (
        "the original loader loads no weights, layer MVAU_hls_1 on board 1 needs them; package "
        "with --loader elasticdf, or partition with --no-variants"
    )


def test_damaged_weights_are_noticed() -> None:
    weights = UnitWeights.of(0, "seg", "MVAU_hls_0", WORDS)
    assert tuple(weights.values().tolist()) == WORDS
    other = UnitWeights.of(0, "seg", "MVAU_hls_0", WORDS[:2])
    for damaged in (replace(weights, words=other.words), replace(weights, words="!")):
        with pytest.raises(UserError, match=r"the weights of seg are damaged"):
            damaged.values()


def test_lint_finds_weights_for_nobody(tmp_path: Path) -> None:
    project = _project(tmp_path, words="1\n")
    index = json.loads((project / "weights.json").read_text())
    index["units"][0]["unit"] = "seg_r0_s7"
    (project / "weights.json").write_text(json.dumps(index))
    (project / "board1/xo/seg_r0_s1.dat").rename(project / "board1/xo/seg_r0_s7.dat")
    report = lint(package(project).folder)
    (finding,) = [f for f in report.findings if f.code == "manifest-weights"]
    assert finding.what == "board1.xclbin has no compute unit seg_r0_s7"


def test_a_manifest_without_weights_can_be_read(tmp_path: Path) -> None:
    artifact = open_artifact(package(_project(tmp_path, emulated=True)).folder)
    document = json.loads(artifact.entries[-1].content.read())
    del document["weights"]
    assert Manifest.parse(json.dumps(document).encode()) == artifact.manifest
