"""Records to and from plain documents (JSON, TOML): one strict rule for every file we read.

The shape of a document is the dataclass itself: a field without a default is a key that must be
there, a key without a field is refused. Nothing is converted silently: ``"5"`` is not 5, 1 is not
true. Refuses types it does not know (a bug of ours).
"""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Mapping
from enum import StrEnum
from types import NoneType, UnionType
from typing import Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from elasticdf.documents import shown
from elasticdf.errors import InternalError, UserError, located

Record = TypeVar("Record")

_PLAIN: dict[type, tuple[str, tuple[type, ...]]] = {
    int: ("a whole number", (int,)),
    float: ("a number", (int, float)),
    str: ("text", (str,)),
    bool: ("true or false", (bool,)),
}


def encode(value: Any) -> Any:
    """Return the JSON form: records become objects, tuples lists, enums their text."""
    if dataclasses.is_dataclass(value):
        return {f.name: encode(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, (tuple, list)):
        return [encode(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): encode(item) for key, item in value.items()}
    return value.value if isinstance(value, StrEnum) else value


def decode(kind: type[Record], document: Any, where: str) -> Record:
    """Return the record a document describes.

    Args:
        kind: A dataclass whose fields are plain values, enums, tuples or further dataclasses.
        document: What the JSON or TOML parser gave.
        where: Start of every message: the file's name, then the key is appended.

    Raises:
        UserError: An unknown or missing key, or a value of the wrong type.
    """
    table = expect_table(document, where)
    hints = get_type_hints(kind)
    refuse_unknown(table, tuple(hints), where)
    values = {}
    for field in dataclasses.fields(cast(Any, kind)):
        if field.name in table:
            values[field.name] = _value(
                hints[field.name], table[field.name], f"{where}, {field.name}"
            )
        elif field.default is dataclasses.MISSING:
            raise UserError(f"{where}: key {field.name!r} is missing; add it")
    with located(where):  # a record's own checks do not know the file
        return kind(**values)


def expect_table(document: Any, where: str) -> Mapping[str, Any]:
    """Return the document if it is a table of keys.

    Raises:
        UserError: It is something else.
    """
    if not isinstance(document, Mapping):
        raise UserError(f"{where} is {shown(document)}, a table of keys is needed")
    return document


def refuse_unknown(table: Mapping[str, Any], known: tuple[str, ...], where: str) -> None:
    """Check that a table holds known keys only.

    Raises:
        UserError: It holds another; the message names the likely intended one.
    """
    for key in table:
        if key not in known:
            close = difflib.get_close_matches(str(key), known, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"known keys: {', '.join(known)}"
            raise UserError(f"{where}: key {shown(key)} is not known; {hint}")


def _value(kind: Any, value: Any, where: str) -> Any:
    origin = get_origin(kind)
    if origin is tuple:
        return _sequence(get_args(kind), value, where)
    if origin in (Union, UnionType):
        return _optional(get_args(kind), value, where)
    if dataclasses.is_dataclass(kind):
        return decode(cast(type, kind), value, where)
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return _member(kind, value, where)
    if kind in _PLAIN:
        return _plain(kind, value, where)
    raise InternalError(f"{where}: records of type {kind} cannot be read from a document")


def _sequence(kinds: tuple[Any, ...], value: Any, where: str) -> tuple[Any, ...]:
    if not isinstance(value, (list, tuple)):
        raise UserError(f"{where} is {shown(value)}, a list is needed")
    if len(kinds) == 2 and kinds[1] is Ellipsis:
        return tuple(_value(kinds[0], item, f"{where}[{i}]") for i, item in enumerate(value))
    if len(value) != len(kinds):
        raise UserError(f"{where} has {len(value)} entries, {len(kinds)} are needed")
    return tuple(
        _value(kind, item, f"{where}[{i}]")
        for i, (kind, item) in enumerate(zip(kinds, value, strict=True))
    )


def _optional(kinds: tuple[Any, ...], value: Any, where: str) -> Any:
    if value is None and NoneType in kinds:
        return None
    (kind,) = (kind for kind in kinds if kind is not NoneType)
    return _value(kind, value, where)


def _member(kind: type[StrEnum], value: Any, where: str) -> StrEnum:
    allowed = [member.value for member in kind]
    if value not in allowed:
        raise UserError(f"{where} is {shown(value)}, one of {', '.join(allowed)} is needed")
    return kind(value)


def _plain(kind: type, value: Any, where: str) -> Any:
    words, accepted = _PLAIN[kind]
    if not isinstance(value, accepted) or (isinstance(value, bool) and kind is not bool):
        raise UserError(f"{where} is {shown(value)}, {words} is needed")
    return value
