"""Kernels that the rows of the general model count too low are learned from its answers."""

from __future__ import annotations

from partitioner import exact
from partitioner.best import Best
from partitioner.formulation import Formulation
from partitioner.plan import CrossingKind, Outcome
from partitioner.problem import Arc, Item, Link, LinkEnd, Option, Problem, Region
from partitioner.solver import SolverOptions, Status
from partitioner.verify import measure, violations

OPTIONS = SolverOptions(time_limit=10)


def _problem(compute_units: int) -> Problem:
    """First in one die, second in the other; the third, with two control ports, in either.

    Its streams draw it to the first, where it is two more kernels; rows count one more.
    """
    regions = [
        Region(name=name, board=0, die=name, capacity=(9,), limits=(1.0,)) for name in ("A", "B")
    ]
    places = ((0,), (1,), None)
    ports = (0, 0, 2)
    return Problem(
        name="learned",
        resources=("lut",),
        regions=tuple(regions),
        links=(Link(kind=CrossingKind.DIE, ends=(LinkEnd(region=0), LinkEnd(region=1)), cost=1),),
        items=tuple(
            Item(
                name=str(number),
                options=(Option(resources=(1,), control_ports=count),),
                regions=where,
            )
            for number, (where, count) in enumerate(zip(places, ports, strict=True))
        ),
        arcs=tuple(Arc(source=a, target=b) for a, b in ((0, 1), (1, 2), (0, 2), (0, 2))),
        compute_units=compute_units,
    )


def test_an_answer_with_too_many_kernels_is_not_given_again() -> None:
    problem = _problem(3)
    formulation = Formulation(problem)
    before = len(formulation.model.rows)
    answer = formulation.solve(OPTIONS, 10)
    placement = formulation.placement(answer)
    assert placement.regions == (0, 1, 1)
    assert violations(problem, placement) == ()
    assert answer.bound == measure(problem, placement).cost == 3
    assert len(formulation.model.rows) > before
    assert exact.solve(problem, OPTIONS).outcome is Outcome.OPTIMAL


def test_enough_kernels_are_not_grudged() -> None:
    answer = Formulation(_problem(4)).solve(OPTIONS, 10)
    assert answer.status is Status.OPTIMAL
    assert answer.objective == 2


def test_what_every_answer_breaks_is_refused() -> None:
    problem = _problem(2)
    assert Formulation(problem).solve(OPTIONS, 10).status is Status.INFEASIBLE
    assert exact.solve(problem, OPTIONS).outcome is Outcome.INFEASIBLE


def test_walks_prove_nothing_by_a_cut_with_too_many_kernels() -> None:
    """The one cut that walks make of cost 4 comes back twice; another of that cost holds."""
    sizes, dies = (3, 3, 2, 2, 1), (5, 4, 6)
    regions = tuple(
        Region(name=str(die), board=0, die=str(die), capacity=(room,), limits=(1.0,))
        for die, room in enumerate(dies)
    )
    links = tuple(
        Link(
            kind=CrossingKind.DIE,
            ends=(LinkEnd(region=die), LinkEnd(region=die + 1)),
            cost=1,
        )
        for die in range(len(dies) - 1)
    )
    items = tuple(
        Item(name=str(number), options=(Option(resources=(size,)),))
        for number, size in enumerate(sizes)
    )
    problem = Problem(
        name="walks",
        resources=("lut",),
        regions=regions,
        links=links,
        items=items,
        arcs=tuple(Arc(source=i, target=i + 1) for i in range(len(items) - 1)),
        together=((0, len(items) - 1),),
        compute_units=3,
    )
    expected = Formulation(problem).solve(OPTIONS, 10)
    best = Best(problem)
    exact._by_walks(best, OPTIONS, OPTIONS.clock())  # without what is laid in a row first
    assert expected.status is Status.OPTIMAL
    assert best.bound <= expected.objective == 4
