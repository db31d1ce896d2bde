"""JSON and TOML as plain values, or one sentence about why a file is none; JSON as we write it.

Refuses what has two readings: a key that is there twice, numbers that are none.
"""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any, NoReturn

from elasticdf.errors import UserError

_MOST_JSON_BYTES = 256 << 20


def read_json(path: Path, *, advice: str = "correct it or write it again") -> dict[str, Any]:
    """Return the object that a JSON file holds.

    Args:
        path: Of the file.
        advice: What to do where it is none.

    Raises:
        UserError: It cannot be read, is not JSON, or holds something else.
    """
    document = parse_json(read_limited(path, _MOST_JSON_BYTES), str(path), advice=advice)
    if not isinstance(document, dict):
        raise UserError(
            f"{path} holds a JSON {type(document).__name__}, an object is needed; {advice}"
        )
    return document


def parse_json(
    content: bytes | str, where: str, *, advice: str = "correct it or write it again"
) -> Any:
    """Return what a JSON text holds.

    Args:
        content: The text, in UTF-8 where it is bytes.
        where: Its name, for the message.
        advice: What to do where it is no JSON.

    Raises:
        UserError: It is not JSON.
    """
    try:
        text = content.decode() if isinstance(content, bytes) else content
        return json.loads(text, object_pairs_hook=_unambiguous, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{where} is not JSON ({_reason(error)}); {advice}") from error


def parse_toml(content: bytes, where: str) -> dict[str, Any]:
    """Return what a TOML text holds.

    Args:
        content: The text, in UTF-8.
        where: Its name, for the message.

    Raises:
        UserError: It is not TOML.
    """
    try:
        return tomllib.loads(content.decode())
    except (ValueError, RecursionError) as error:
        raise UserError(f"{where} is not TOML ({_reason(error)}); correct it") from error


def read_limited(path: Path, most_bytes: int) -> bytes:
    """Return a file's bytes.

    Raises:
        UserError: It cannot be read, or is larger than it may be.
    """
    try:
        with path.open("rb") as handle:
            content = handle.read(most_bytes + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UserError(f"cannot read {path}: {reason}") from error
    if len(content) > most_bytes:
        raise UserError(f"{path} is larger than {most_bytes >> 20} MiB; give a smaller file")
    return content


def json_bytes(document: Any) -> bytes:
    """Return the one form in which JSON files are written."""
    return (json.dumps(document, indent=1, allow_nan=False) + "\n").encode()


def shown(value: object) -> str:
    """Return a value of a document as messages quote it, cut where it is long.

    >>> shown("x" * 100)
    "'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx..."
    """
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _unambiguous(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) < len(pairs):
        raise ValueError("a key is there twice")
    return table


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")


def _reason(error: Exception) -> str:
    """Return what a reader of the file can use, without the parser's advice to programmers."""
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    if isinstance(error, UnicodeDecodeError):
        return f"byte {error.start} is not UTF-8"
    text = str(error)
    return "a number has too many digits" if "integer string conversion" in text else text[:200]
