"""Requests answered from end to end, on a short chain of thresholdings."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace

import pytest

from elasticdf.errors import InfeasibleError, UserError
from elasticdf.hardware.cluster import parse_target
from partitioner import space
from partitioner.plan import Mode, Plan
from partitioner.request import Anchor, Request
from partitioner.search import plan, plan_with_problem
from partitioner.snapshot import from_json, to_json
from partitioner.solver import SolverOptions
from tests.placed import chain

FIRST, LAST = "Thresholding_rtl_0", "Thresholding_rtl_3"
REQUEST = Request(
    graph=chain(4),
    target=parse_target("2xu280"),
    costs="finn",
    replicas=2,
    options=SolverOptions(time_limit=20),
)


@pytest.mark.parametrize("mode", list(Mode))
def test_every_mode_gives_a_plan(mode: Mode) -> None:
    found = plan(replace(REQUEST, mode=mode))
    assert found.mode is mode
    assert found.replicas == 2
    assert len(found.assignments) == 8
    assert found.frames_per_second == 2 * found.clock_hz / found.interval_cycles
    assert found.certificate.throughput.gap <= 0.05
    assert Plan.from_json(json.loads(json.dumps(found.to_json()))) == found


def test_the_fastest_is_at_the_bound() -> None:
    found = plan(REQUEST)
    assert found.interval_cycles == 16  # a 4x4 image, all 8 channels at once
    assert found.certificate.outcome == "optimal"


def test_counting_finds_what_laying_in_a_row_misses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(space, "construct", lambda *_: None)
    monkeypatch.setattr(space, "_SMALL_SIZE", 0)
    assert plan(replace(REQUEST, replicas=None)).interval_cycles == 16


def test_a_frame_rate_is_reached_at_little_cost() -> None:
    fastest, slow = plan(REQUEST), plan(replace(REQUEST, fps=1_000_000.0, replicas=None))
    assert slow.frames_per_second >= 1_000_000
    used = [
        sum(u.used for u in found.utilisation if u.resource == "lut") for found in (slow, fastest)
    ]
    assert used[0] < used[1]


def test_the_fewest_boards_are_found() -> None:
    request = replace(REQUEST, target=parse_target("autoxu280"), fps=1e8, replicas=None)
    assert len(plan(request).boards) == 1
    with pytest.raises(UserError, match="say which with --fps"):
        plan(replace(request, fps=None))


def test_an_anchor_binds_every_replica() -> None:
    anchors = (Anchor(layer=LAST, board=1, die="SLR1"),)
    found = plan(replace(REQUEST, anchors=anchors, mode=Mode.HARDWARE))
    assert {found.place_of(r, LAST) for r in (0, 1)} == {(1, "SLR1")}


def test_unknown_anchors_are_refused() -> None:
    for anchor, message in (
        (Anchor(layer="nothing", board=0), "has no layer 'nothing'"),
        (Anchor(layer=FIRST, board=7), "there is no board 7; boards are 0 to 1"),
        (Anchor(layer=FIRST, board=0, die="SLR9"), "board 0 has no die SLR9; its dies are SLR0"),
    ):
        with pytest.raises(UserError) as caught:
            plan(replace(REQUEST, anchors=(anchor,)))
        assert message in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "conflict", "remedy"),
    [
        (
            {
                "mode": Mode.DATA_PARALLEL,
                "anchors": (Anchor(layer=FIRST, board=0), Anchor(layer=LAST, board=1)),
            },
            ["mode", f"anchor[{FIRST}=0]", f"anchor[{LAST}=1]"],
            "change the mode to hw: --mode hw",
        ),
        (
            {
                "mode": Mode.TRANSPARENT,
                "anchors": (Anchor(layer=FIRST, board=1), Anchor(layer=LAST, board=0)),
            },
            ["mode", f"anchor[{FIRST}=1]", f"anchor[{LAST}=0]"],
            f"drop the anchor of layer {FIRST} on board 1",
        ),
        (
            {
                "anchors": (Anchor(layer=FIRST, board=0), Anchor(layer=LAST, board=1)),
                "together": ((FIRST, LAST),),
                "mode": Mode.HARDWARE,
            },
            [
                f"together[{FIRST},{LAST}]",
                f"anchor[{FIRST}=0]",
                f"anchor[{LAST}=1]",
            ],
            f"let {FIRST} and {LAST} be apart",
        ),
        ({"fps": 1e9}, ["replicas", "fps"], "lower the rate: --fps 25000000"),
        ({"limits": {"lut": 0.0001}}, ["capacity[lut]"], None),
    ],
)
def test_what_cannot_be_is_explained(
    changes: dict[str, object], conflict: list[str], remedy: str | None
) -> None:
    with pytest.raises(InfeasibleError) as caught:
        plan(replace(REQUEST, **changes))  # type: ignore[arg-type]
    document = caught.value.explanation
    assert document["outcome"] == document["certificate"]["outcome"] == "infeasible"
    explanation = document["explanation"]
    assert explanation["conflict"] == conflict
    changes_named = [entry["change"] for entry in explanation["remedies"]]
    assert remedy is None or remedy in changes_named
    assert all(entry["verified"] for entry in explanation["remedies"])


def test_the_snapshot_of_a_plan_is_read_back() -> None:
    _, problem = plan_with_problem(REQUEST)
    assert from_json(json.loads(json.dumps(to_json(problem))), "snapshot") == problem


_PRINT = """
import json
from dataclasses import replace
from partitioner.search import plan
from partitioner.plan import Mode
from tests.unit.partitioner.test_search import REQUEST
print(json.dumps([plan(replace(REQUEST, mode=mode)).to_json() for mode in Mode]))
"""


def test_plans_do_not_depend_on_hash_seeds() -> None:
    outputs = {
        subprocess.run(
            [sys.executable, "-c", _PRINT],
            env={**os.environ, "PYTHONHASHSEED": seed},
            check=True,
            capture_output=True,
            timeout=120,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(outputs) == 1


def test_small_copies_fill_every_die() -> None:
    """As many copies as kernels allow: a segment and two movers each, of 60 per board."""
    found = plan(replace(REQUEST, replicas=None, mode=Mode.TRANSPARENT))
    assert found.replicas == 40
    assert found.certificate.throughput.gap == 0
    assert not found.crossings
