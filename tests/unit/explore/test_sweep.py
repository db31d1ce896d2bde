from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from elasticdf import __version__
from elasticdf.errors import UserError
from elasticdf.explore import engine, sweep
from elasticdf.explore.engine import Engine
from elasticdf.explore.grid import Point, grid
from elasticdf.explore.solve import Answer, Model, Outcome, Settings
from elasticdf.explore.store import Store
from elasticdf.explore.sweep import PAGE, TABLE, Sweep, explore
from partitioner.plan import Mode
from tests.plan_samples import planned

POINTS = grid(("u50", "2xu50", "u280"), (Mode.DATA_PARALLEL,), (100, 200), (None, 5.0))
NAMES = ("a", "b")


def _answer(point: Point) -> Answer:
    if point.frames_per_second == 5.0:
        return Answer(outcome=Outcome.INFEASIBLE, reason="too fast")
    return Answer(outcome=Outcome.PLANNED, plan=planned(NAMES).to_json())


class _Worker:
    """Answers by rote, counts, and dies when it is told to."""

    def __init__(self, dies_at: int | None = None) -> None:
        self.solved: list[Point] = []
        self._dies_at = dies_at

    def __call__(self, point: Point, *_: Any) -> Answer:
        if len(self.solved) == self._dies_at:
            raise KeyboardInterrupt
        self.solved.append(point)
        return _answer(point)


def _ignore(*_: Any) -> None:
    pass


@pytest.fixture
def request_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sweep:
    monkeypatch.setattr(engine, "settle", _ignore)
    return Sweep(
        model="zoo:tfc-w1a1",
        points=POINTS,
        output=tmp_path / "out",
        settings=Settings(),
        engine=Engine(workers=0),
    )


def _bytes(folder: Path) -> tuple[bytes, bytes]:
    return (folder / TABLE).read_bytes(), (folder / PAGE).read_bytes()


def test_a_sweep_resumes_after_any_kill_with_the_same_bytes(
    request_of: Sweep, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.setattr(engine, "solve", _Worker())
    explore(request_of, _ignore)
    whole = _bytes(request_of.output)
    for dies_at in range(0, len(POINTS), 3):
        again = Sweep(
            model=request_of.model, points=POINTS, output=tmp_path / str(dies_at),
            settings=Settings(), engine=Engine(workers=0),
        )  # fmt: skip
        first, second = _Worker(dies_at), _Worker()
        monkeypatch.setattr(engine, "solve", first)
        with pytest.raises(KeyboardInterrupt):
            explore(again, _ignore)
        monkeypatch.setattr(engine, "solve", second)
        explore(again, _ignore)
        assert Counter(first.solved + second.solved) == Counter(POINTS)
        assert _bytes(again.output) == whole


def test_the_order_of_answers_does_not_matter(
    request_of: Sweep, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.setattr(engine, "solve", _Worker())
    explore(request_of, _ignore)
    monkeypatch.setattr(
        sweep, "answers", lambda points, *_: [(p, _answer(p)) for p in reversed(points)]
    )
    other = Sweep(
        model=request_of.model, points=POINTS, output=tmp_path / "other",
        settings=Settings(), engine=Engine(),
    )  # fmt: skip
    explore(other, _ignore)
    assert _bytes(other.output) == _bytes(request_of.output)


@pytest.mark.parametrize("damage", ["", "{}", "[", '{"schema": "x"}'])
def test_a_damaged_answer_is_computed_again(tmp_path: Path, damage: str):
    store = Store(directory=tmp_path, model_sha256="ab", settings=Settings())
    store.save(POINTS[0], _answer(POINTS[0]))
    assert store.load(POINTS[0]) == _answer(POINTS[0])
    (store.folder(POINTS[0]) / "answer.json").write_text(damage)
    assert store.load(POINTS[0]) is None


def test_another_question_is_another_folder(tmp_path: Path):
    file = tmp_path / "cluster.toml"
    file.write_text("a")
    point = Point(target=str(file), mode=Mode.HARDWARE, clock_hz=1, frames_per_second=None)
    stores = [
        Store(directory=tmp_path, model_sha256=digest, settings=Settings(seed=seed))
        for digest in ("a", "b")
        for seed in (0, 1)
    ]
    keys = {store.key(p) for store in stores for p in (*POINTS, point)}
    file.write_text("b")
    keys |= {store.key(point) for store in stores}
    assert len(keys) == len(stores) * (len(POINTS) + 2)


def test_a_bug_is_not_kept(tmp_path: Path):
    store = Store(directory=tmp_path, model_sha256="ab", settings=Settings())
    store.save(POINTS[0], Answer(outcome=Outcome.FAILED, reason="bug"))
    assert store.load(POINTS[0]) is None


def test_an_output_that_is_a_file_is_refused(request_of: Sweep):
    request_of.output.write_text("")
    with pytest.raises(UserError) as error:
        explore(request_of, _ignore)
    assert str(error.value) == f"output {request_of.output} is a file; name a folder with -o"


def test_a_worker_of_another_version_answers_nothing():
    model = Model(name="net", content=b"")
    answer = engine._solve_as("0.0", POINTS[0], model, Settings(), None)
    assert engine._settle_as("0.0", POINTS[0], model, Settings()) is None
    assert answer.outcome is Outcome.FAILED
    assert answer.reason == (
        f"a worker has elasticdf {__version__}, 0.0 is needed; install it there"
    )


def test_points_that_differ_in_their_clock_are_searched_together(
    request_of: Sweep, monkeypatch: pytest.MonkeyPatch
):
    searched: list[Point] = []
    monkeypatch.setattr(engine, "settle", lambda point, *_: searched.append(point))
    monkeypatch.setattr(engine, "solve", _Worker())
    explore(request_of, _ignore)
    assert searched == list(dict.fromkeys(point.at_any_clock for point in POINTS))
    assert len(searched) == len(POINTS) // 2
