from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from elasticdf.report.picture import cluster_picture, wires_by_boundary
from elasticdf.report.record import of_plan
from elasticdf.report.strips import strips
from tests.plan_samples import TAKEN, planned

NAMES = tuple(f"layer{i}" for i in range(12))


@given(st.lists(st.integers(0, 10_000), max_size=40))
def test_strips_give_every_size_its_share_inside_the_area(sizes: list[int]):
    found = list(strips(sizes, 240.0, 100.0))
    assert len(found) == len(sizes)
    total = sum(sizes) or 1
    for size, (x, y, width, height) in zip(sizes, found, strict=True):
        assert width * height == pytest.approx(24_000.0 * size / total, abs=1e-6)
        assert -1e-6 <= x <= x + width <= 240.0 + 1e-6
        assert -1e-6 <= y <= y + height <= 100.0 + 1e-6


def test_every_layer_of_every_copy_is_drawn_to_scale():
    plan = planned(NAMES, replicas=3)
    boxes = cluster_picture(of_plan(plan)).boxes
    blocks = [box for box in boxes if box.layer is not None]
    assert len(blocks) == 36
    die = next(box for box in boxes if box.kind == "die" and "SLR0" in box.title)
    share = TAKEN.lut / 369_000
    for block in blocks:
        assert block.width * block.height == pytest.approx(share * die.width * die.height, rel=1e-6)


def test_blocks_stay_inside_their_die_and_do_not_overlap():
    boxes = cluster_picture(of_plan(planned(NAMES, replicas=30))).boxes
    dies = [box for box in boxes if box.kind == "die"]
    blocks = [box for box in boxes if box.layer is not None]
    for block in blocks:
        assert any(
            die.x - 1e-6 <= block.x
            and block.x + block.width <= die.x + die.width + 1e-6
            and die.y - 1e-6 <= block.y
            and block.y + block.height <= die.y + die.height + 1e-6
            for die in dies
        )
    assert sum(b.width * b.height for b in blocks) < sum(d.width * d.height for d in dies)


def test_the_link_is_drawn_with_its_load():
    wires = cluster_picture(of_plan(planned(NAMES))).wires
    (link,) = [wire for wire in wires if wire.kind == "link"]
    assert link.title == "board 0 to board 1: 92 of 95 Gb/s (96.8%)"


def test_wires_between_dies_add_up_over_copies():
    assert wires_by_boundary(planned(NAMES, replicas=3)) == {
        (0, "SLR0", "SLR1"): 96,
        (0, "SLR1", "SLR2"): 96,
        (1, "SLR0", "SLR1"): 96,
        (1, "SLR1", "SLR2"): 96,
    }
