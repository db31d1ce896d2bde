"""The published instances: never worse than what was seen, with the bounds that were asked for."""

from __future__ import annotations

import json
from typing import Any

import pytest

from elasticdf.errors import UserError
from partitioner import exact, snapshot
from partitioner.problem import Problem
from partitioner.solver import SolverOptions
from partitioner.verify import check
from tests.truth import needs_shared, shared


def _instance(name: str) -> Problem:
    return snapshot.load(shared(f"truth/partition_instances/{name}.json"))


@needs_shared
@pytest.mark.parametrize(
    ("name", "cost"),
    [("u280x1-330-residual", 2), ("u280x2-tmp-60", 26), ("u280x2-tmp-110", 26)],
)
def test_an_instance_is_closed(name: str, cost: int) -> None:
    problem = _instance(name)
    solution = exact.solve(problem, SolverOptions(time_limit=20))
    assert solution.outcome == "optimal"
    assert solution.cost is not None
    assert solution.placement is not None
    assert solution.cost.value == cost == check(problem, solution.placement).cost


@needs_shared
@pytest.mark.campaign
@pytest.mark.parametrize(
    ("name", "cost", "gap", "seconds"),
    [
        ("u280x2-tmp-110x3", 10, 0.10, 120),
        ("u280x2-tmp-330-residual", 27, 0.04, 60),
        ("u280x4-hw-330-residual", 42, 0.10, 120),
    ],
)
def test_a_large_instance_is_nearly_closed(
    name: str, cost: int, gap: float, seconds: float
) -> None:
    solution = exact.solve(_instance(name), SolverOptions(time_limit=seconds))
    assert solution.cost is not None
    assert solution.cost.value <= cost
    assert solution.cost.gap <= gap


def test_an_instance_with_equal_replicas_is_folded() -> None:
    document = {
        "schema": "partition-instance/1",
        "name": "twice",
        "about": "a remark",
        "resources": ["lut"],
        "regions": [{"board": 0, "die": 0, "capacity": [10], "limit": [0.5]}],
        "links": [],
        "replicas": 2,
        "layers_per_replica": 2,
        "items": [{"options": [[1]]}, {"options": [[2]]}] * 2,
        "arcs": [{"from": a, "to": a + 1, "wires": 8, "bits_per_second": 1} for a in (0, 2)],
        "together": [],
    }
    problem = snapshot.from_json(document, "twice.json")
    assert (problem.replicas, len(problem.items), len(problem.arcs)) == (2, 2, 1)
    document["items"] = [{"options": [[k]]} for k in (1, 2, 1, 3)]
    problem = snapshot.from_json(document, "twice.json")
    assert (problem.replicas, len(problem.items), len(problem.arcs)) == (1, 4, 2)


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (
            {"schema": "other"},
            "x.json: schema is 'other'; 'elasticdf.problem/1' (elasticdf partition --snapshot) and "
            "'partition-instance/1' can be read",
        ),
        ([], "x.json is [], a table of keys is needed"),
        (
            {"schema": "elasticdf.problem/1", "nam": "a"},
            "x.json: key 'nam' is not known; did you mean 'name'?",
        ),
    ],
)
def test_other_documents_are_refused(document: object, message: str) -> None:
    with pytest.raises(UserError) as caught:
        snapshot.from_json(json.loads(json.dumps(document)), "x.json")
    assert str(caught.value) == message


def _instance_document() -> dict[str, Any]:
    return {
        "schema": "partition-instance/1",
        "name": "small",
        "resources": ["lut"],
        "regions": [{"board": 0, "die": die, "capacity": [10], "limit": [0.5]} for die in range(2)],
        "links": [{"between": [0, 1], "cost": 1, "sll_wires": 100}],
        "items": [{"options": [[4]]}, {"options": [[4]]}],
        "arcs": [{"from": 0, "to": 1, "wires": 8, "bits_per_second": 1}],
    }


@pytest.mark.parametrize(
    ("table", "changes", "message"),
    [
        ("regions", {"limit": [float("nan")]}, "region 0.0, limit is nan; 0 to 1 can be"),
        ("regions", {"limit": [float("inf")]}, "region 0.0, limit is inf; 0 to 1 can be"),
        ("regions", {"capacity": [10**400]}, "capacity is 10000000... (401 digits)"),
        ("regions", {"mean_limit": [{"of": [5], "limit": 0.5}]}, "resource of a mean is 5"),
        ("links", {"cost": -5}, "link 0, cost is -5"),
        ("links", {"between": [1, 1]}, "link 0 joins region 1 with itself"),
        ("items", {"options": [[-4]]}, "item item0, option is -4"),
        ("arcs", {"to": 0}, "arc 0 leads from item 0 to itself"),
        ("arcs", {"to": 9}, "arc refers to number 9, but only 0 to 1 exist"),
        ("arcs", {"bits_per_second": 10**400}, "arc 0, bits_per_second is 10000000..."),
        (None, {"together": [[]]}, "a group without items; leave it out"),
        (None, {"replicas": 3}, "2 items are not those of 3 replicas"),
        (None, {"items": []}, "0 items"),
    ],
)
def test_numbers_without_meaning_are_refused(
    table: str | None, changes: dict[str, Any], message: str
) -> None:
    document = _instance_document()
    (document if table is None else document[table][0]).update(changes)
    with pytest.raises(UserError) as caught:
        snapshot.from_json(document, "x.json")
    assert message in str(caught.value)
    assert len(str(caught.value)) < 200
