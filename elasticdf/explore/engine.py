"""Who computes the points: this process, local ones, or a Dask cluster that is already running.

Points are pure, so a worker that dies costs time and nothing else: Dask gives its points to
others, and the caller takes each answer once. Refuses to keep anything; see `store`.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from elasticdf import __version__
from elasticdf.errors import UserError
from elasticdf.explore.grid import Point
from elasticdf.explore.solve import Answer, Model, Outcome, Settings, settle, solve
from partitioner.search import Settled

_RETRIES = 3
_CONNECT_SECONDS = 20

_TALKATIVE = (
    "distributed",
    "distributed.scheduler",
    "distributed.nanny",
    "distributed.core",
    "tornado.application",
)
"""Loggers to which the death of a worker and an interrupt are news; to users they are none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """Where to compute.

    Attributes:
        workers: Local processes; 0 computes here, without Dask; None takes one per core.
        scheduler: Address of a running Dask scheduler, instead of local processes.
    """

    workers: int | None = None
    scheduler: str | None = None


def answers(
    points: Sequence[Point], model: Model, settings: Settings, engine: Engine
) -> Iterator[tuple[Point, Answer]]:
    """Yield every point with its answer, once, as they come.

    Raises:
        UserError: Dask is not installed, or the scheduler does not answer.
    """
    if not points:
        return
    if engine.workers == 0 and engine.scheduler is None:
        for shared, group in _by_clock(points).items():
            settled = settle(shared, model, settings)
            for point in group:
                yield point, solve(point, model, settings, settled)
        return
    yield from _distributed(points, model, settings, engine)


def _by_clock(points: Sequence[Point]) -> dict[Point, list[Point]]:
    """Return the points in groups that differ in their clock only."""
    groups: dict[Point, list[Point]] = {}
    for point in points:
        groups.setdefault(point.at_any_clock, []).append(point)
    return groups


def _distributed(
    points: Sequence[Point], model: Model, settings: Settings, engine: Engine
) -> Iterator[tuple[Point, Answer]]:
    distributed = _distributed_library()
    with ExitStack() as stack:
        client = _client(distributed, engine, len(points), stack)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # Dask finds the network large for a task
            shipped = client.submit(_ship, model, pure=False, retries=_RETRIES)
        futures = {}
        for number, (shared, group) in enumerate(_by_clock(points).items()):
            common = {"pure": False, "retries": _RETRIES, "priority": -number}
            settled = client.submit(_settle_as, __version__, shared, shipped, settings, **common)
            for point in group:
                future = client.submit(
                    _solve_as, __version__, point, shipped, settings, settled, **common
                )
                futures[future] = point
        for future in distributed.as_completed(list(futures), loop=client.loop):
            yield futures[future], _answer(future)


def _ship(model: Model) -> Model:
    """Hand the network to a worker as a task: what is only scattered dies with its worker."""
    return model


def _settle_as(version: str, point: Point, model: Model, settings: Settings) -> Settled | None:
    """Search on a worker for all clocks, unless it is of another version."""
    return settle(point, model, settings) if version == __version__ else None


def _solve_as(
    version: str, point: Point, model: Model, settings: Settings, settled: Settled | None
) -> Answer:
    """Solve a point on a worker, unless it is of another version and would answer differently."""
    if version != __version__:
        reason = f"a worker has elasticdf {__version__}, {version} is needed; install it there"
        return Answer(outcome=Outcome.FAILED, reason=reason)
    return solve(point, model, settings, settled)


def _answer(future: Any) -> Answer:
    error = future.exception()
    if error is None:
        found: Answer = future.result()
        return found
    return Answer(outcome=Outcome.FAILED, reason=f"its workers died: {error!r:.300}")


def _client(distributed: Any, engine: Engine, points: int, stack: ExitStack) -> Any:
    if engine.scheduler is not None:
        try:
            client = distributed.Client(
                engine.scheduler, timeout=_CONNECT_SECONDS, set_as_default=False
            )
        except (OSError, ValueError, TypeError) as error:
            raise UserError(
                f"no Dask scheduler answers at {engine.scheduler!r:.100}; "
                "start one with: dask scheduler, and give its address, as in tcp://host:8786"
            ) from error
        return stack.enter_context(client)
    with _uninterrupted():
        cluster = stack.enter_context(
            distributed.LocalCluster(
                n_workers=min(engine.workers or os.cpu_count() or 1, points),
                threads_per_worker=1,
                processes=True,
                dashboard_address="127.0.0.1:0",  # any free port: None would insist on 8787
                silence_logs="ERROR",
            )
        )
    return stack.enter_context(distributed.Client(cluster, set_as_default=False))


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Let processes that are started here ignore Ctrl-C: this one ends them, without a word."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _distributed_library() -> Any:
    try:
        import distributed
    except ImportError as error:
        raise UserError(
            "explore over several processes needs Dask: pip install 'elasticdf[explore]', "
            "or give --workers 0"
        ) from error
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    return distributed
