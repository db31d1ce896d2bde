"""What README and docs name is there, and the partitioner's table names every file."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted((ROOT / "README.md", *(ROOT / "docs").glob("*.md")))
FOLDERS = ("bench", "codegen", "docs", "elasticdf", "models", "partitioner", "tests")
WORDS = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\]\(([^)#\s]+)")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_path_is_there(page: Path) -> None:
    text = page.read_text()
    named = {w.partition("::")[0] for w in WORDS.findall(text) if w.split("/")[0] in FOLDERS}
    paths = {name for name in named if " " not in name and "/" in name and "<" not in name}
    absent = [path for path in sorted(paths) if not list(ROOT.glob(path.rstrip("/")))]
    links = [link for link in LINK.findall(text) if not link.startswith("http")]
    assert absent == []
    assert [link for link in links if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_target_and_benchmark_is_there(page: Path) -> None:
    text = page.read_text()
    rules = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    asked = re.findall(r"(?:^    |`)make ([a-z][a-z-]*)", text, re.MULTILINE)
    assert set(asked) <= set(rules)
    scripts = re.findall(r"python -m bench\.(\w+)", text)
    assert [name for name in scripts if not (ROOT / "bench" / f"{name}.py").is_file()] == []


def test_the_table_of_the_partitioner_names_every_file() -> None:
    table = (ROOT / "docs" / "partitioner.md").read_text()
    files = {path.name for path in (ROOT / "partitioner").glob("*.py")} - {"__init__.py"}
    assert {name for name in files if f"`{name}`" not in table} == set()
