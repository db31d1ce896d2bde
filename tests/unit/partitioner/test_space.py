"""A placement never claims more frames than its links were checked for."""

from __future__ import annotations

from dataclasses import replace

import pytest

from elasticdf.hardware.cluster import Cable, implied_cluster
from elasticdf.hardware.load import load_board
from partitioner.clock import Clock
from partitioner.plan import Mode
from partitioner.request import Anchor, Request
from partitioner.solver import SolverOptions
from partitioner.space import Space
from partitioner.verify import violations
from tests.placed import chain

BOARD = load_board("u280")
TWO = implied_cluster("2xu280", (BOARD, BOARD))
GRAPH = chain(4)


@pytest.mark.parametrize(("rate", "is_quick"), [(10**11, True), (10**9, False)])
def test_foldings_faster_than_asked_for(rate: int, is_quick: bool) -> None:
    cable = Cable(ends=((0, 0), (1, 0)), rate_bits_per_second=rate)
    request = Request(
        graph=GRAPH,
        target=replace(TWO, cables=(cable,)),
        costs="finn",
        mode=Mode.HARDWARE,
        anchors=tuple(
            Anchor(layer=layer.name, board=board)
            for board, layer in enumerate((GRAPH.layers[0], GRAPH.layers[-1]))
        ),
        options=SolverOptions(time_limit=30),
    )
    space = Space.of(request, request.target, Clock(60))
    fast, slow = space.table.targets[space.fastest], space.table.targets[-1]
    choices = space.table.at(fast)
    assert choices is not None
    assert fast < slow
    found = space.laid(choices, 1000 * slow, 1)
    assert found is not None
    assert found.interval_cycles == (fast if is_quick else 1000 * slow)
    assert not violations(space.problem(choices, found.interval_cycles, 1), found.placement)
