"""Quoting per target language: hostile text is quoted or refused, never passed through."""

from __future__ import annotations

import ast
import shlex
import subprocess

import jinja2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from codegen import render as rendering
from elasticdf.errors import UserError

NASTY = "a'b\"c$d`e\\f #g;{h}[i]%j&k|l<m>n*o?p~q!r"
printable = st.text(st.characters(categories=("L", "N", "P", "S"), include_characters=" "))


@given(printable)
def test_a_python_literal_evaluates_to_the_value(value: str) -> None:
    assert ast.literal_eval(rendering.python({"k": [value] * 9})) == {"k": [value] * 9}


@given(printable)
def test_a_shell_word_is_one_word(value: str) -> None:
    assert shlex.split(rendering.shell(value)) == [value]


def test_make_and_shell_together_pass_nasty_text_through() -> None:
    makefile = f"all:\n\t@printf '%s' {rendering.make(rendering.shell(NASTY))}\n"
    done = subprocess.run(
        ["make", "--no-print-directory", "-f", "-"],
        input=makefile,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == NASTY


def test_tcl_words_escape_what_tcl_reads() -> None:
    assert rendering.tcl("a b[c]$d{e}") == "a\\ b\\[c\\]\\$d\\{e\\}"


@pytest.mark.parametrize("value", ["a b", "a\nb", "a;b", "a#b", "", "a$b", "a'b"])
def test_configuration_values_are_refused(value: str) -> None:
    with pytest.raises(UserError, match=r"cannot stand in a v\+\+ configuration file"):
        rendering.ini(value)


@pytest.mark.parametrize("value", ["a-b", "a/b", "", "../x", "a\n"])
def test_names_are_words(value: str) -> None:
    with pytest.raises(UserError) as error:
        rendering.word(value)
    assert str(error.value) == (
        f"name {value!a} holds other than letters, digits, _ and .; rename it"
    )


@pytest.mark.parametrize("quote", [rendering.make, rendering.shell, rendering.tcl])
def test_line_ends_are_refused(quote: object) -> None:
    assert callable(quote)
    with pytest.raises(UserError, match=r"it holds control characters$"):
        quote("a\nb")


def test_comments_stay_on_their_line() -> None:
    assert rendering.comment("a\nb\x00c") == "a b c"


def test_an_undefined_name_is_an_error() -> None:
    with pytest.raises(jinja2.UndefinedError):
        rendering.render("project", "github.yml", network="n")
