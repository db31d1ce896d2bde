"""bitstream.xml, the twin of bitstream.json: the same keys as elements, lists as repeated elements.

Read only; we write JSON. The result is the JSON's document, which is then checked like it. Refuses
document types and entities, attributes, text between elements, and depth nobody needs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any
from xml.parsers import expat

from elasticdf.errors import UserError

MAX_DEPTH = 8
_ROOT = "bitstream"
_CONTAINERS: Mapping[str, str] = MappingProxyType({"kernels": "kernel", "arguments": "argument"})
"""Elements that hold nothing but elements of one kind."""

_REPEATED = frozenset(
    {("platform", "label"), ("kernel", "name"), ("argument", "index"), ("argument", "memory")}
)
"""Element and child that may come more than once, a list in JSON."""

_TABLES = frozenset((_ROOT, "platform", *_CONTAINERS.values()))


def read_xml(content: bytes, where: str) -> dict[str, Any]:
    """Return the document as JSON would have it.

    Raises:
        UserError: It is not XML, or not of this shape.
    """
    reader = _Reader(where=where)
    parser = expat.ParserCreate()
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.text
    parser.StartDoctypeDeclHandler = reader.refuse_types
    parser.EntityDeclHandler = reader.refuse_types
    try:
        parser.Parse(content, True)
    except (expat.ExpatError, ValueError, LookupError) as error:
        raise UserError(f"{where} is not XML ({error}); package the artifact again") from error
    return reader.document


@dataclass(slots=True)
class _Element:
    """An element whose end has not come."""

    tag: str
    text: str = ""
    children: list[tuple[str, Any]] = field(default_factory=list)


@dataclass(slots=True, kw_only=True)
class _Reader:
    """Builds the document while the parser walks."""

    where: str
    document: dict[str, Any] = field(default_factory=dict)
    open: list[_Element] = field(default_factory=list)

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        if attributes or len(self.open) >= MAX_DEPTH or (not self.open and tag != _ROOT):
            raise self._fault(f"an element <{tag[:40]}> is not of this format there")
        self.open.append(_Element(tag))

    def text(self, text: str) -> None:
        self.open[-1].text += text

    def end(self, _tag: str) -> None:
        element = self.open.pop()
        value = self._value(element)
        if self.open:
            self.open[-1].children.append((element.tag, value))
        else:
            self.document = value

    def refuse_types(self, *_: object) -> None:
        raise self._fault("it declares types or entities")

    def _value(self, element: _Element) -> Any:
        tag = element.tag
        if tag not in _CONTAINERS and tag not in _TABLES:
            if element.children:
                raise self._fault(f"<{tag[:40]}> holds elements")
            return element.text
        if element.text.strip():
            raise self._fault(f"<{tag}> holds text between its elements")
        return self._list(element) if tag in _CONTAINERS else self._table(element)

    def _list(self, element: _Element) -> list[Any]:
        kind = _CONTAINERS[element.tag]
        if any(tag != kind for tag, _ in element.children):
            raise self._fault(f"<{element.tag}> holds something else than <{kind}>")
        return [value for _, value in element.children]

    def _table(self, element: _Element) -> dict[str, Any]:
        table: dict[str, Any] = {}
        for tag, value in element.children:
            if (element.tag, tag) in _REPEATED:
                table.setdefault(tag, []).append(value)
            elif tag in table:
                raise self._fault(f"<{element.tag}> holds <{tag[:40]}> twice")
            else:
                table[tag] = value
        return table

    def _fault(self, what: str) -> UserError:
        return UserError(f"{self.where}: {what}; package the artifact again")
