"""The one template environment: an undefined name is an error, every language has its quoting.

A template is ``codegen/<area>/templates/<file>.j2`` and makes ``<file>``. It holds layout, Python
holds decisions. Text that a language cannot hold safely is refused, never passed through.
"""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import jinja2

from elasticdf.errors import UserError

_ROOT = Path(__file__).resolve().parent
_WORD = re.compile(r"[A-Za-z0-9_.]+")
_INI_VALUE = re.compile(r"[A-Za-z0-9_.,:/=\[\]+@%-]+")
_TCL_SPECIAL = re.compile(r'([\\$\[\]{}";# \t])')


def render(area: str, name: str, /, **values: Any) -> bytes:
    """Return a rendered template as UTF-8.

    Args:
        area: The sub-package whose ``templates`` folder holds it.
        name: Of the file it makes, without ``.j2``.
        values: What the template may use.
    """
    text = _ENVIRONMENT.get_template(f"{area}/templates/{name}.j2").render(values)
    return text.encode()


def word(value: object) -> str:
    """Pass a name of letters, digits, ``_`` and ``.``, as every tool takes it.

    Raises:
        UserError: It holds anything else.
    """
    text = str(value)
    if _WORD.fullmatch(text) is None:
        raise UserError(f"name {_short(text)} holds other than letters, digits, _ and .; rename it")
    return text


def python(value: Any) -> str:
    """Return a Python literal in ASCII, laid out over lines if long."""
    text = ascii(value)
    return text if len(text) < 80 else _long_literal(value)


def make(value: object) -> str:
    """Return text safe in a Makefile's recipes, where only ``$`` means something.

    Raises:
        UserError: It spans lines, which Make cannot hold.
    """
    return _one_line(str(value), "a Makefile").replace("$", "$$")


def shell(value: object) -> str:
    """Return one word of a POSIX shell.

    Raises:
        UserError: It spans lines.
    """
    return shlex.quote(_one_line(str(value), "a shell command"))


def tcl(value: object) -> str:
    """Return one word of Tcl.

    Raises:
        UserError: It spans lines.
    """
    return _TCL_SPECIAL.sub(r"\\\1", _one_line(str(value), "a Tcl script"))


def ini(value: object) -> str:
    """Pass a value that v++'s configuration files hold as it is; they know no quoting.

    Raises:
        UserError: It holds a character that would start something else.
    """
    text = str(value)
    if _INI_VALUE.fullmatch(text) is None:
        raise UserError(
            f"{_short(text)} cannot stand in a v++ configuration file; "
            "use letters, digits, _ . , : / = [ ] + @ % -"
        )
    return text


def yaml(value: object) -> str:
    """Return a YAML scalar: JSON's strings are YAML's."""
    return json.dumps(value)


def comment(value: object) -> str:
    """Return text for a one-line comment: line ends and control characters become blanks."""
    return "".join(c if c.isprintable() else " " for c in str(value))


def _long_literal(value: Any) -> str:
    if isinstance(value, dict):
        lines = [f"    {key!a}: {item!a}," for key, item in value.items()]
        return "\n".join(("{", *lines, "}"))
    if isinstance(value, (list, tuple)):
        opening, closing = ("[", "]") if isinstance(value, list) else ("(", ")")
        return "\n".join((opening, *(f"    {item!a}," for item in value), closing))
    return ascii(value)


def _one_line(text: str, where: str) -> str:
    if not text.isprintable():
        raise UserError(f"{_short(text)} cannot stand in {where}: it holds control characters")
    return text


def _short(text: str) -> str:
    return ascii(text if len(text) <= 60 else f"{text[:57]}...")


_ENVIRONMENT = jinja2.Environment(
    loader=jinja2.FileSystemLoader(_ROOT),
    undefined=jinja2.StrictUndefined,
    autoescape=False,  # none of the targets is HTML; each has its own filter
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)
_ENVIRONMENT.filters.update(
    word=word, py=python, make=make, sh=shell, tcl=tcl, ini=ini, yaml=yaml, comment=comment
)
