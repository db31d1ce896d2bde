"""bitstream.xml: read as the JSON it is the twin of, or refused in a sentence."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import pytest

from codegen.bundle.pack import package
from elasticdf.artifact.bitstream import Bitstream
from elasticdf.artifact.inspect import inspect
from elasticdf.artifact.install import install, installed
from elasticdf.artifact.lint import lint
from elasticdf.artifact.opening import open_artifact
from elasticdf.errors import UserError
from tests.artifact_samples import MODES, deployment, write_project

HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n'


def element(name: str, value: Any) -> str:
    if name in ("kernels", "arguments"):
        return f"<{name}>{''.join(element(name[:-1], item) for item in value)}</{name}>"
    if isinstance(value, list):
        return "".join(element(name, item) for item in value)
    if isinstance(value, dict):
        return f"<{name}>\n{''.join(element(*item) for item in value.items())}\n</{name}>"
    return f"<{name}>{escape(value)}</{name}>"


@pytest.mark.parametrize("mode", MODES)
def test_both_say_the_same(mode: str, tmp_path: Path) -> None:
    folder = package(write_project(tmp_path / "p", deployment(mode))).folder
    file = folder / "bitstream.json"
    said = Bitstream.parse(file.read_bytes())
    text = HEAD + element("bitstream", json.loads(file.read_bytes()))
    assert Bitstream.parse(text.encode()) == said
    file.unlink()
    (folder / "bitstream.xml").write_text(text)
    assert open_artifact(folder).bitstream == said
    assert lint(folder).exit_code == lint(folder / said.name).exit_code == 0
    assert inspect(folder / "bitstream.xml").kind == "artifact"
    entry = install(folder, tmp_path / "root")
    assert installed(tmp_path / "root").artifacts == (entry,)
    assert (tmp_path / "root" / said.folder / "bitstream.xml").read_text() == text


def test_two_descriptions_are_one_too_many(tmp_path: Path) -> None:
    folder = package(write_project(tmp_path / "p", deployment("hw"))).folder
    shutil.copy(folder / "bitstream.json", folder / "bitstream.xml")
    with pytest.raises(UserError) as caught:
        open_artifact(folder)
    assert str(caught.value) == f"{folder} holds bitstream.json and bitstream.xml; remove one"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("<bitstream>", "x is not XML (no element found: line 1, column 11)"),
        ("<other/>", "x: an element <other> is not of this format there"),
        ('<bitstream a="1"/>', "x: an element <bitstream> is not of this format there"),
        (
            '<!DOCTYPE a [<!ENTITY b "c">]><bitstream>&b;</bitstream>',
            "x: it declares types or entities",
        ),
        ("<bitstream>word</bitstream>", "x: <bitstream> holds text between its elements"),
        (
            "<bitstream><name>a</name><name>b</name></bitstream>",
            "x: <bitstream> holds <name> twice",
        ),
        (
            "<bitstream><kernels><name>a</name></kernels></bitstream>",
            "x: <kernels> holds something else than <kernel>",
        ),
        ("<bitstream><name><b/></name></bitstream>", "x: <name> holds elements"),
        ("<bitstream>" + "<a>" * 9, "x: an element <a> is not of this format there"),
    ],
)
def test_other_shapes_are_refused(text: str, fault: str) -> None:
    with pytest.raises(UserError) as caught:
        Bitstream.parse(text.encode(), "x")
    assert str(caught.value) == f"{fault}; package the artifact again"


def test_a_key_that_is_there_twice_is_refused() -> None:
    with pytest.raises(UserError) as caught:
        Bitstream.parse(b'{"name": "a", "name": "b"}', "x")
    assert str(caught.value) == ("x is not JSON (a key is there twice); package the artifact again")
