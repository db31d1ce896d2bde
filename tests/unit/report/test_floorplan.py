from __future__ import annotations

from dataclasses import replace

import pytest

from elasticdf.report.floorplan import floorplan
from partitioner.plan import PlannedBoard
from tests.plan_samples import planned


def test_boards_dies_and_bars():
    plan = planned(tuple("abcd"), replicas=60, board="u50")
    assert floorplan(plan, 78).splitlines() == [
        "board 0: u50",
        "  SLR1  ████████·········│······  33% lut     60 copies: 60 layers",
        "  SLR0  ████████·········│······  33% lut     60 copies: 60 layers",
        "board 1: u50",
        "  SLR1  ████████·········│······  33% lut     60 copies: 60 layers",
        "  SLR0  ████████·········│······  33% lut     60 copies: 60 layers",
    ]


@pytest.mark.parametrize("width", [40, 60, 80, 200])
def test_no_line_is_wider_than_the_terminal(width: int):
    plan = planned(tuple("abcdef"), replicas=3)
    many = tuple(PlannedBoard(id=i, board="u280", dies=("SLR0", "SLR1")) for i in range(16))
    for shown in (plan, replace(plan, boards=many)):
        lines = floorplan(shown, width).splitlines()
        assert max(map(len, lines)) <= width
        assert "SLR1" not in lines[0]
    assert len(lines) == 16


def test_few_copies_are_listed_and_an_empty_die_is_empty():
    lines = floorplan(planned(("a", "b", "c"), replicas=2, board="u50")).splitlines()
    dies = [line for line in lines if "SLR" in line]
    assert sum(line.endswith("copy 0: 1 layers, copy 1: 1 layers") for line in dies) == 3
    assert sum("layers" not in line for line in dies) == 1


def test_control_characters_do_not_reach_the_terminal():
    plan = planned(("a", "b"))
    boards = tuple(replace(board, board="\x1b[2J") for board in plan.boards)
    assert "\x1b" not in floorplan(replace(plan, boards=boards))
