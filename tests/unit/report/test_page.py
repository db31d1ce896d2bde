from __future__ import annotations

import re
from dataclasses import replace

from elasticdf.report.page import page
from elasticdf.report.record import of_plan
from tests.plan_samples import planned

HOSTILE = "<script>alert(1)</script>"


def test_the_page_needs_nothing_else():
    text = page(of_plan(planned(("a", "b", "c"))))
    assert not re.search(r"(?:src|href)\s*=|url\(|@import|https?:", text)


def test_hostile_names_are_escaped():
    names = (HOSTILE, '"><img onerror=x>', "</script>", "a' onmouseover='x", "{{ 7 * 7 }}")
    plan = planned(names)
    plan = replace(plan, cluster=HOSTILE, notes=(HOSTILE,))
    text = page(of_plan(plan))
    assert text.count("<script") == 2
    assert text.count("</script>") == 2
    assert "<img" not in text
    assert "' onmouseover" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert "{{ 7 * 7 }}" in text


def test_an_unknown_board_is_drawn_from_the_plan_alone():
    plan = planned(("a", "b"))
    boards = tuple(replace(board, board="<none>") for board in plan.boards)
    assert "board 0: &lt;none&gt;" in page(of_plan(replace(plan, boards=boards)))


def test_two_pages_of_a_plan_are_the_same_bytes():
    report = of_plan(planned(("a", "b", "c"), replicas=4))
    assert page(report) == page(report)


def test_640_layers_stay_under_two_megabytes():
    plan = planned(tuple(f"StreamingDataWidthConverter_rtl_{i}" for i in range(640)), replicas=2)
    assert len(page(of_plan(plan)).encode()) < 2_000_000
