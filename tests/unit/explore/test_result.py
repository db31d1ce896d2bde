from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from elasticdf.explore.grid import Point
from elasticdf.explore.page import page
from elasticdf.explore.result import Row, exploration, knee, pareto, row_of
from elasticdf.explore.solve import Answer, Outcome
from partitioner.plan import Mode
from tests.plan_samples import planned

POINT = Point(target="2xu280", mode=Mode.HARDWARE, clock_hz=200_000_000, frames_per_second=None)


def _row(number: int, boards: int, fps: float, latency: float = 1.0) -> Row:
    return Row(
        number=number, key="k", family="xu280", point=POINT, outcome="optimal", boards=boards,
        frames_per_second=fps, bound=fps, latency_seconds=latency, replicas=1, fullest=0.5,
        fullest_resource="lut",
    )  # fmt: skip


def _rows(*fps: float) -> list[Row]:
    return [_row(i, i + 1, value) for i, value in enumerate(fps)]


def test_the_knee_is_where_boards_stop_buying():
    assert knee(_rows(10, 100, 190, 200, 205)) == 2


def test_without_bend_there_is_no_knee():
    assert knee(_rows(100, 200, 300, 400)) is None
    assert knee(_rows(100, 250)) is None


def test_boards_that_buy_nothing_leave_the_first():
    assert knee(_rows(100, 100, 100)) == 0


@given(st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9)), min_size=1, max_size=12))
def test_the_front_is_what_no_other_beats(values: list[tuple[int, int]]):
    rows = [_row(i, 1, float(fps), float(late)) for i, (fps, late) in enumerate(values)]
    front = pareto(rows)
    best = {
        (fps, late)
        for fps, late in values
        if not any(f >= fps and t <= late and (f, t) != (fps, late) for f, t in values)
    }
    assert {values[number] for number in front} == best
    assert len(front) == len(best)


def test_a_row_says_what_the_plan_says():
    plan = planned(("a", "b"), replicas=3)
    row = row_of(4, "key", POINT, Answer(outcome=Outcome.PLANNED, plan=plan.to_json()))
    assert (row.number, row.boards, row.replicas) == (4, 2, 3)
    assert row.frames_per_second == plan.frames_per_second
    assert (row.outcome, row.family) == ("feasible", "u280")
    worst = max(plan.utilisation, key=lambda u: u.used / (u.available * u.limit))
    assert row.fullest_resource == worst.resource


def test_a_sweep_of_failures_has_a_page():
    answer = Answer(outcome=Outcome.INFEASIBLE, reason="<script>no</script>")
    result = exploration("<b>net</b>", [row_of(0, "key", POINT, answer)])
    assert (result.best, result.front, result.knee) == (None, (), None)
    text = page(result)
    assert "<script>no" not in text
    assert "<b>net" not in text


def test_targets_are_escaped_on_the_page():
    row = replace(_row(0, 1, 5.0), point=replace(POINT, target="<img src=x>"))
    assert "<img" not in page(exploration("net", [row]))
