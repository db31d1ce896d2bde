"""Files appear whole or not at all."""

from pathlib import Path

import pytest

from elasticdf.errors import UserError
from elasticdf.files import write_atomically, write_file


def test_folders_above_are_made(tmp_path: Path) -> None:
    write_file(tmp_path / "new" / "deep" / "file", b"text")
    assert (tmp_path / "new" / "deep" / "file").read_bytes() == b"text"


def test_a_file_that_cannot_be_written_is_one_sentence_and_leaves_no_draft(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(UserError) as failure:
        write_file(tmp_path / "folder", b"text")
    path = tmp_path / "folder"
    assert str(failure.value) == f"cannot write {path}: Is a directory; choose another path"
    assert list(tmp_path.iterdir()) == [path]


def test_an_interrupted_write_leaves_the_old_content(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    (tmp_path / "file").write_bytes(b"old")
    monkeypatch.setattr("elasticdf.files.os.replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(tmp_path / "file", b"new")
    assert [(f.name, f.read_bytes()) for f in tmp_path.iterdir()] == [("file", b"old")]
