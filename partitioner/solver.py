"""The only door to the solvers: a `Model` is solved by HiGHS or CBC through PuLP.

An answer says what is proven: PuLP calls a time-limited answer optimal, so its solution status is
read, never its status alone.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from importlib.metadata import version
from math import inf
from pathlib import Path
from typing import Any

import highspy
import pulp

from elasticdf.errors import InternalError, UserError
from partitioner.clock import Clock, Meter, Stop
from partitioner.model import Model, Terms

_SECONDS_PER_COEFFICIENT = 1e-6
"""Nominal work for every coefficient of a model, each time the solver looks whether to go on.

HiGHS looks between nodes and between rounds of cuts; measured 0.2 to 4 microseconds.
"""

_SECONDS_PER_NODE = 3e-7
"""The same per coefficient and node of CBC, which can be told no other limit."""

_LAST_RESORT_SECONDS = 120.0


class Status(StrEnum):
    """What a solver proved about a model."""

    OPTIMAL = "optimal"
    FEASIBLE = "feasible"
    INFEASIBLE = "infeasible"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class SolverOptions:
    """How to solve.

    Attributes:
        solver: ``highs`` or ``cbc``.
        time_limit: Seconds for everything: of wall time, or of counted work if there is a meter.
        seed: Random seed of the solver.
        meter: Counts work, so that limits strike at the same place on every machine.
        stop: Asks for the best answer so far.
    """

    solver: str = "highs"
    time_limit: float = 60.0
    seed: int = 0
    meter: Meter | None = None
    stop: Stop | None = None

    def clock(self) -> Clock:
        """Return a clock that starts now."""
        return Clock(self.time_limit, self.meter, self.stop)

    def __post_init__(self) -> None:
        if self.solver not in _SOLVERS:
            raise UserError(
                f"solver {self.solver!r} is not one of {', '.join(_SOLVERS)}; choose one of them"
            )
        if not self.time_limit > 0:
            raise UserError(f"time limit {self.time_limit} s is not positive; give some seconds")
        if not 0 <= self.seed < 2**31:
            raise UserError(f"seed {self.seed} is not between 0 and 2147483647; choose another")

    @property
    def label(self) -> str:
        """Name and version of the solver for certificates."""
        return _LABELS[self.solver]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the solver said.

    Attributes:
        status: What is proven.
        objective: Of the values; infinite without any.
        bound: Proven lower limit on the objective; infinite if infeasible.
        values: Per variable; None without a solution. Whole for integer variables.
    """

    status: Status
    objective: float
    bound: float
    values: tuple[float, ...] | None

    def chosen(self, variable: int) -> bool:
        """Return whether a binary variable is 1."""
        if self.values is None:
            raise InternalError("an answer without values was read")
        return self.values[variable] > 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """How one model is to be solved; see `SolverOptions` and `minimise`."""

    seed: int
    seconds: float
    relaxed: bool
    gap: float
    nodes: float
    target: float
    enough: float
    meter: Meter | None
    stop: Stop | None

    @property
    def wall_seconds(self) -> float:
        """The solver's own time limit: a last resort where work is counted."""
        return self.seconds if self.meter is None else _LAST_RESORT_SECONDS + 20 * self.seconds


def minimise(
    model: Model,
    options: SolverOptions,
    *,
    seconds: float | None = None,
    relaxed: bool = False,
    gap: float = 1e-6,
    nodes: float = inf,
    target: float = -inf,
    enough: float = inf,
) -> Answer:
    """Return what the solver finds.

    Args:
        model: To be minimised.
        options: Which solver and seed.
        seconds: Time limit of this call; by default that of the options.
        relaxed: Whether integer variables may be fractional.
        gap: Relative distance to the bound at which to stop.
        nodes: Nodes of the search tree after which to stop.
        target: Objective at which HiGHS stops, whatever the bound.
        enough: Bound above which HiGHS stops, whatever it has found.
    """
    limit = options.time_limit if seconds is None else seconds
    if limit <= 0:
        return Answer(status=Status.UNKNOWN, objective=inf, bound=-inf, values=None)
    call = Call(
        seed=options.seed,
        seconds=limit,
        relaxed=relaxed,
        gap=gap,
        nodes=nodes,
        target=target,
        enough=enough,
        meter=options.meter,
        stop=options.stop,
    )
    return _SOLVERS[options.solver](model, call)


def _to_pulp(model: Model) -> tuple[Any, list[Any]]:
    """Return PuLP's form of the model and its variables in our order."""
    problem = pulp.LpProblem("model", pulp.LpMinimize)
    variables = [
        pulp.LpVariable(
            f"v{index}",
            None if variable.low == -inf else variable.low,
            None if variable.high == inf else variable.high,
            pulp.LpInteger if variable.integer else pulp.LpContinuous,
        )
        for index, variable in enumerate(model.variables)
    ]
    problem.addVariables(variables)
    problem.setObjective(_expression(variables, model.objective))
    for index, row in enumerate(model.rows):
        sense = pulp.LpConstraintEQ if row.low == row.high else pulp.LpConstraintLE
        problem.addConstraint(
            pulp.LpConstraint(_expression(variables, row.terms), sense, None, row.high),
            f"r{index}",
        )
    return problem, variables


def _expression(variables: list[Any], terms: Terms) -> Any:
    return pulp.LpAffineExpression([(variables[i], c) for i, c in terms.items()])


class _Highs(pulp.HiGHS):  # type: ignore[misc]  # PuLP is untyped
    """PuLP's HiGHS that begins with a solution where there is one."""

    def __init__(self, variables: list[Any], start: Sequence[float] | None, **options: Any) -> None:
        super().__init__(msg=False, threads=1, **options)
        self._variables = variables
        self._start = start

    def createAndConfigureSolver(self, lp: Any) -> None:  # noqa: N802  # PuLP's name
        with _quiet():
            super().createAndConfigureSolver(lp)

    def callSolver(self, lp: Any) -> None:  # noqa: N802  # PuLP's name
        if self._start is not None:
            first = highspy.HighsSolution()
            values = [0.0] * len(self._start)
            for variable, value in zip(self._variables, self._start, strict=True):
                values[variable.index] = value
            first.col_value = values
            lp.solverModel.setSolution(first)
        super().callSolver(lp)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep HiGHS from printing its licence, which it does when first made, whatever its options.

    Standard output belongs to results.
    """
    sys.stdout.flush()
    saved = os.dup(1)
    try:
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), 1)
        yield
    finally:
        os.dup2(saved, 1)
        os.close(saved)


def _solve_with_highs(model: Model, call: Call) -> Answer:
    problem, variables = _to_pulp(model)
    look = _Look(model, call)
    solver = _Highs(
        variables,
        None if call.relaxed else model.first,
        mip=not call.relaxed,
        timeLimit=call.wall_seconds,
        gapRel=call.gap,
        random_seed=call.seed,
        objective_target=call.target,
        **look.subscription(),
    )
    problem.solve(solver)
    look.settle()
    information = problem.solverModel.getInfo()
    is_mip = not call.relaxed and model.has_integers
    bound = information.mip_dual_bound if is_mip else information.objective_function_value
    return _answer(model, problem, variables, bound, relaxed=call.relaxed)


class _Look:
    """Called by HiGHS when it looks whether to go on: counts work and stops at the limit."""

    def __init__(self, model: Model, call: Call) -> None:
        self._call = call
        self._price = _SECONDS_PER_COEFFICIENT * model.coefficients
        self._spent = self._price

    def subscription(self) -> dict[str, Any]:
        """Return the arguments that make PuLP's HiGHS call this."""
        kinds = highspy.cb.HighsCallbackType
        return {
            "callbackTuple": (self, None),
            "callbacksToActivate": [kinds.kCallbackMipInterrupt, kinds.kCallbackSimplexInterrupt],
        }

    def __call__(self, kind: Any, message: str, told: Any, answer: Any, data: Any) -> None:
        between_nodes = kind == highspy.cb.HighsCallbackType.kCallbackMipInterrupt
        self._spent += self._price if between_nodes else 0.0
        out = self._spent > self._call.seconds and self._call.meter is not None
        done = (
            out
            or told.mip_node_count >= self._call.nodes
            or told.mip_dual_bound > self._call.enough
        )
        stopped = self._call.stop is not None and self._call.stop.requested
        answer.user_interrupt = (between_nodes and done) or stopped

    def settle(self) -> None:
        """Put what was counted on the meter."""
        if self._call.meter is not None:
            self._call.meter.add(self._spent)


def _solve_with_cbc(model: Model, call: Call) -> Answer:
    problem, variables = _to_pulp(model)
    node = _SECONDS_PER_NODE * model.coefficients
    counted = inf if call.meter is None else 1 + call.seconds // node
    nodes = min(call.nodes, counted)
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "cbc.log"
        solver = pulp.PULP_CBC_CMD(
            mip=not call.relaxed,
            msg=False,
            timeLimit=call.wall_seconds,
            gapRel=call.gap,
            threads=1,
            maxNodes=None if nodes == inf else int(nodes),
            options=[f"randomSeed {call.seed}", f"randomCbcSeed {call.seed}"],
            logPath=str(log),
        )
        problem.solve(solver)
        text = log.read_text(errors="replace") if log.exists() else ""
    if call.meter is not None:
        call.meter.add(node * (1 + _cbc_nodes(text)))
    return _answer(model, problem, variables, _cbc_bound(text), relaxed=call.relaxed)


_CBC_NODES = re.compile(r"^Enumerated nodes:\s+(?P<nodes>\d+)", re.MULTILINE)


def _cbc_nodes(log: str) -> int:
    return sum(int(match["nodes"]) for match in _CBC_NODES.finditer(log))


_CBC_BOUND = re.compile(r"^(?:Lower bound|Objective value):\s+(?P<bound>-?[\d.e+]+)", re.MULTILINE)


def _cbc_bound(log: str) -> float:
    """Return the bound CBC printed: its own line if it stopped early, else the objective."""
    found = {m.group(0).split(":")[0]: float(m["bound"]) for m in _CBC_BOUND.finditer(log)}
    return found.get("Lower bound", found.get("Objective value", -inf))


def _answer(
    model: Model, problem: Any, variables: list[Any], bound: float, *, relaxed: bool
) -> Answer:
    if problem.sol_status == pulp.LpSolutionInfeasible:
        return Answer(status=Status.INFEASIBLE, objective=inf, bound=inf, values=None)
    raw = [variable.varValue for variable in variables]
    has_values = problem.sol_status in (pulp.LpSolutionOptimal, pulp.LpSolutionIntegerFeasible)
    values = model.checked(raw, relaxed=relaxed) if has_values and None not in raw else None
    if values is None:
        return Answer(status=Status.UNKNOWN, objective=inf, bound=bound, values=None)
    objective = model.value_of(values)
    optimal = problem.sol_status == pulp.LpSolutionOptimal
    return Answer(
        status=Status.OPTIMAL if optimal else Status.FEASIBLE,
        objective=objective,
        bound=min(bound, objective),
        values=values,
    )


_SOLVERS = {"highs": _solve_with_highs, "cbc": _solve_with_cbc}
_LABELS = {
    "highs": f"HiGHS {version('highspy')} (PuLP {version('pulp')})",
    "cbc": f"CBC (PuLP {version('pulp')})",
}
