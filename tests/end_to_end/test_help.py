"""What the command line says about itself, and what it answers to slips of the hand."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

import pytest

from elasticdf.cli import _parser
from tests.end_to_end.command_line import elasticdf


def every_argument(
    parser: argparse.ArgumentParser,
) -> Iterator[tuple[str, argparse.Action]]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for child in action.choices.values():
                child.declare()
                yield from every_argument(child)
        else:
            yield parser.prog, action


def test_every_argument_of_every_command_is_explained() -> None:
    silent = [
        f"{command} {'/'.join(action.option_strings) or action.dest}"
        for command, action in every_argument(_parser())
        if not action.help
    ]
    assert silent == []


def test_every_default_that_is_a_choice_of_ours_is_told() -> None:
    untold = [
        f"{command} {'/'.join(action.option_strings)}"
        for command, action in every_argument(_parser())
        if action.option_strings
        and action.default not in (None, False, argparse.SUPPRESS, [])
        and "default" not in str(action.help)
    ]
    assert untold == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("estimat", "x"), "did you mean estimate?; see elasticdf --help"),
        (
            ("estimate", "x", "--boardd", "u280"),
            "unrecognized arguments: --boardd u280; did you mean --board?; "
            "see elasticdf estimate --help",
        ),
        (("estimate", "zoo:tfc-w1a1", "--fps", "max"), "'max' is not a number"),
        (
            ("estimate", "zoo:tfc-w1a1", "--fps", "1e9"),
            "1e+09 frames per second are more than the 200000000 cycles that a second has",
        ),
        (("estimate", "x", "--clock", "200GHz"), "clock '200GHz' is outside 1 MHz to 1 GHz"),
        (("estimate", "x", "--clock", "1Hz"), "clock '1Hz' is outside 1 MHz to 1 GHz"),
    ],
)
def test_a_slip_is_answered_by_what_was_meant(arguments: tuple[str, ...], words: str) -> None:
    ran = elasticdf(*arguments)
    assert (ran.code, ran.out) == (2, "")
    assert words in ran.err
