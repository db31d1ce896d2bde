"""A search that is asked to stop answers with the best so far."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from random import Random

import pytest

from elasticdf.errors import TimeLimitError
from partitioner.clock import Stop, stop_on_interrupt
from partitioner.model import Model
from partitioner.search import plan
from partitioner.solver import SolverOptions, Status, minimise
from tests.unit.partitioner.test_search import REQUEST


def _press() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def test_the_first_interrupt_asks_and_the_second_ends() -> None:
    before = signal.getsignal(signal.SIGINT)
    with stop_on_interrupt() as stop:
        _press()
        assert stop.requested
        with pytest.raises(KeyboardInterrupt):
            _press()
    assert signal.getsignal(signal.SIGINT) is before


def test_a_stopped_search_keeps_its_best() -> None:
    stop = Stop()

    def halt(message: str) -> None:
        stop.requested = "frames per second" in message

    options = SolverOptions(time_limit=60, stop=stop)
    found = plan(replace(REQUEST, replicas=None, options=options, progress=halt))
    assert stop.requested
    assert found.certificate.throughput.bound >= found.certificate.throughput.value


def test_a_solver_hears_of_it() -> None:
    """A market split (Cornuejols and Dawande): branch and bound works on it for hours."""
    model, draw = Model("market split"), Random(1)
    shops = [model.binary(f"x{i}") for i in range(50)]
    for row in range(6):
        sales = {shop: float(draw.randrange(100)) for shop in shops}
        model.equal(f"half{row}", sales, sum(sales.values()) // 2)
    before = signal.signal(signal.SIGALRM, lambda *_: _press())
    try:
        with stop_on_interrupt() as stop:
            signal.setitimer(signal.ITIMER_REAL, 1.0)
            answer = minimise(model, SolverOptions(time_limit=60, stop=stop))
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert stop.requested
    assert answer.status is Status.UNKNOWN


def _find_nothing(*, pressed: bool) -> None:
    with stop_on_interrupt():
        if pressed:
            _press()
        raise TimeLimitError("no plan was found")


def test_an_interrupt_before_any_answer_is_an_interrupt() -> None:
    with pytest.raises(KeyboardInterrupt):
        _find_nothing(pressed=True)


def test_without_an_interrupt_the_time_limit_stays_one() -> None:
    with pytest.raises(TimeLimitError):
        _find_nothing(pressed=False)
