"""JSON and TOML: read, or refused in words a reader of the file can use."""

from pathlib import Path

import pytest

from elasticdf.documents import parse_json, parse_toml, read_json
from elasticdf.errors import UserError


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"{", "Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"),
        (b'{"a": 1, "a": 2}', "a key is there twice"),
        (b'{"a": NaN}', "NaN is no number"),
        (b'{"a": -Infinity}', "-Infinity is no number"),
        (b'"\xff"', "byte 1 is not UTF-8"),
        (b"[" * 100_000, "it is nested too deeply"),
        (b"9" * 5000, "a number has too many digits"),
    ],
)
def test_what_is_no_json_is_one_sentence(content: bytes, reason: str) -> None:
    with pytest.raises(UserError) as failure:
        parse_json(content, "a.json", advice="write it again")
    assert str(failure.value) == f"a.json is not JSON ({reason}); write it again"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"a = ", "Invalid value (at end of document)"),
        (b"\xff", "byte 0 is not UTF-8"),
        (b"a = " + b"[" * 100_000, "it is nested too deeply"),
        (b"a = " + b"9" * 5000, "a number has too many digits"),
    ],
)
def test_what_is_no_toml_is_one_sentence(content: bytes, reason: str) -> None:
    with pytest.raises(UserError) as failure:
        parse_toml(content, "a.toml")
    assert str(failure.value) == f"a.toml is not TOML ({reason}); correct it"


def test_a_json_file_holds_an_object(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text('{"a": [1]}')
    assert read_json(path) == {"a": [1]}
    path.write_text("[1]")
    with pytest.raises(UserError) as failure:
        read_json(path)
    assert str(failure.value) == (
        f"{path} holds a JSON list, an object is needed; correct it or write it again"
    )


def test_a_json_file_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(UserError) as failure:
        read_json(tmp_path / "a.json")
    assert str(failure.value) == f"cannot read {tmp_path / 'a.json'}: No such file or directory"
