"""Where FINN takes the depths of FIFOs from."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from codegen.finn.emit import FifoDepths
from partitioner.fifos.charges import FIFOS
from tests.plan_samples import planned


@pytest.mark.parametrize(
    ("extra", "expected"),
    [
        ({}, FifoDepths.SIZED),
        ({FIFOS: []}, FifoDepths.GIVEN),
        ({FIFOS: [{"depth": 9}]}, FifoDepths.GIVEN),
    ],
    ids=["not sized", "all shallow", "some deep"],
)
def test_a_plan_that_sized_its_fifos_is_followed(
    extra: dict[str, Any], expected: FifoDepths
) -> None:
    plan = replace(planned(("a", "b")), extra=extra)
    assert FifoDepths.PLANNED.resolved(plan) is expected
    assert FifoDepths.SIZED.resolved(plan) is FifoDepths.SIZED
