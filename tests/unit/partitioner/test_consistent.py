"""A plan.json that someone edited is refused, whatever was edited."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from elasticdf.errors import UserError
from partitioner.consistent import read_plan
from partitioner.plan import Mode
from partitioner.request import Anchor
from partitioner.search import plan
from tests.unit.partitioner.test_search import FIRST, LAST, REQUEST

ANCHORS = (Anchor(layer=FIRST, board=0), Anchor(layer=LAST, board=1))
Document = dict[str, Any]


@pytest.fixture(scope="module")
def written() -> str:
    request = replace(REQUEST, mode=Mode.HARDWARE, anchors=ANCHORS)
    return json.dumps(plan(request).to_json())


def _move(document: Document) -> None:
    document["assignments"][0]["board"] = 1 - document["assignments"][0]["board"]


def _repeat(document: Document) -> None:
    document["assignments"].append(document["assignments"][0])


def _slow(document: Document) -> None:
    document["assignments"][0]["cycles"] = document["interval_cycles"] + 1


def _overload(document: Document) -> None:
    link = document["links"][0]
    link["load_bits_per_second"] = link["capacity_bits_per_second"] + 1


def _grow(document: Document) -> None:
    document["assignments"][0]["resources"]["lut"] = 10**6


def _overfill(document: Document) -> None:
    use = document["utilisation"][0]
    use["used"] = int(use["available"] * use["limit"]) + 2


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (_move, "does not join where these layers sit"),
        (_repeat, f"layer {FIRST} of replica 0 is assigned 2 times"),
        (lambda d: d["assignments"].pop(0), f"layer {FIRST} of replica 0 is assigned 0 times"),
        (lambda d: d["assignments"][0].update(die="SLR9"), "sits on board 0, die SLR9"),
        (lambda d: d["assignments"][0].update(replica=7), f"layer {FIRST} of replica 0"),
        (_slow, "a layer takes"),
        (lambda d: d.update(interval_cycles=d["interval_cycles"] * 2), "at this interval make"),
        (lambda d: d.update(frames_per_second=1.0), "replicas at this interval make"),
        (lambda d: d.update(replicas=3), "of replica 2 is assigned 0 times"),
        (_overload, "bit/s"),
        (_grow, "more than the die is said to use"),
        (_overfill, "are allowed"),
    ],
)
def test_an_edited_plan_is_refused(
    edit: Callable[[Document], object], message: str, written: str
) -> None:
    document = json.loads(written)
    assert read_plan(document, "plan.json").replicas == 2
    edit(document)
    with pytest.raises(UserError) as caught:
        read_plan(document, "plan.json")
    assert str(caught.value).startswith("plan.json contradicts itself: ")
    assert message in str(caught.value)
