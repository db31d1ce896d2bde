"""What a solver says is not believed: statuses, bounds and values are read with care."""

from __future__ import annotations

import random

import pytest

from elasticdf.errors import UserError
from partitioner.clock import Meter
from partitioner.model import Model
from partitioner.solver import SolverOptions, Status, minimise


def _knapsack(size: int, seed: int = 1) -> Model:
    """A multi-dimensional knapsack that no solver closes in a moment."""
    dice = random.Random(seed)
    model = Model("knapsack")
    items = [model.binary(f"x[{i}]") for i in range(size)]
    model.charge({i: -float(dice.randint(20, 60)) for i in items})
    for row in range(8):
        weights = {i: float(dice.randint(10, 60)) for i in items}
        model.at_most(f"weight[{row}]", weights, sum(weights.values()) / 2)
    return model


@pytest.mark.parametrize("solver", ["highs", "cbc"])
def test_both_solvers_agree_on_a_small_model(solver: str) -> None:
    answer = minimise(_knapsack(12), SolverOptions(solver=solver, time_limit=20))
    assert answer.status is Status.OPTIMAL
    assert answer.objective == pytest.approx(-241)
    assert answer.bound == pytest.approx(answer.objective)


@pytest.mark.parametrize("solver", ["highs", "cbc"])
def test_a_time_limited_answer_is_not_called_optimal(solver: str) -> None:
    answer = minimise(_knapsack(400), SolverOptions(solver=solver), seconds=1.0)
    assert answer.status in (Status.FEASIBLE, Status.UNKNOWN)
    if answer.status is Status.FEASIBLE:
        assert answer.bound < answer.objective


@pytest.mark.parametrize("solver", ["highs", "cbc"])
def test_infeasible_is_said_as_such(solver: str) -> None:
    model = Model("contradiction")
    x = model.binary("x")
    model.at_most("low", {x: 1.0}, 0.0)
    model.equal("high", {x: 1.0}, 1.0)
    assert minimise(model, SolverOptions(solver=solver)).status is Status.INFEASIBLE


def test_nothing_is_printed(capfd: pytest.CaptureFixture[str]) -> None:
    capfd.readouterr()  # what the test runner itself said so far
    minimise(_knapsack(5), SolverOptions(time_limit=5))
    assert capfd.readouterr().out == ""


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"solver": "gurobi"}, "solver 'gurobi' is not one of highs, cbc; choose one of them"),
        ({"time_limit": 0.0}, "time limit 0.0 s is not positive; give some seconds"),
        ({"seed": -1}, "seed -1 is not between 0 and 2147483647; choose another"),
    ],
)
def test_bad_options_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(UserError) as caught:
        SolverOptions(**changes)  # type: ignore[arg-type]
    assert str(caught.value) == message


@pytest.mark.parametrize("solver", ["highs", "cbc"])
def test_a_limit_on_counted_work_strikes_at_the_same_place(solver: str) -> None:
    meters = Meter(), Meter()
    first, second = (
        minimise(_knapsack(400), SolverOptions(solver=solver, meter=meter), seconds=0.3)
        for meter in meters
    )
    assert first == second
    assert first.status is Status.FEASIBLE
    assert meters[0].read() == meters[1].read() >= 0.3


def test_a_search_ends_where_it_was_told_to() -> None:
    model, options = _knapsack(60), SolverOptions(time_limit=60)
    good_enough = minimise(model, options, target=-1100.0)
    assert good_enough.status is Status.FEASIBLE
    assert good_enough.objective <= -1100.0
    hopeless = minimise(model, options, enough=-1e6)
    assert hopeless.status is not Status.OPTIMAL
    assert -1e6 < hopeless.bound < 0
    root = minimise(model, options, nodes=1)
    assert root.status is Status.FEASIBLE
    assert root.bound < root.objective
