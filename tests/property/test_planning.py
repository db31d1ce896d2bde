"""Plans for any mode, replicas, anchors and cabling: each is verified, or refused for a reason."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from elasticdf.errors import InfeasibleError, TimeLimitError
from elasticdf.hardware.cluster import Cluster, load_cluster, parse_target
from partitioner.consistent import contradictions
from partitioner.plan import Mode
from partitioner.request import Anchor, Request
from partitioner.search import plan
from partitioner.solver import SolverOptions
from tests.placed import chain

LAYERS = 4
RATES = (None, 1e6, 2e7, 6e7)


def _mesh(count: int, folder: Path) -> Cluster:
    """Three boards in a row, or a ring, which is every pair of them joined."""
    pairs = [((0, 1), (1, 0)), ((1, 1), (2, 0)), ((2, 1), (0, 0))][:count]
    cables = "".join(f"[[cable]]\nends = {[list(end) for end in pair]}\n" for pair in pairs)
    path = folder / f"{count}.toml"
    path.write_text(f'[[board]]\nboard = "u280"\ncount = 3\n{cables}')
    return load_cluster(path)


@pytest.fixture(scope="module")
def clusters(tmp_path_factory: pytest.TempPathFactory) -> list[Cluster]:
    folder = tmp_path_factory.mktemp("cables")
    named = [parse_target("2xu50"), parse_target("2xu280")]
    pairs = [cluster for cluster in named if isinstance(cluster, Cluster)]
    return [*pairs, _mesh(2, folder), _mesh(3, folder)]


def _check(clusters: list[Cluster], data: st.DataObject) -> None:
    cluster = data.draw(st.sampled_from(clusters), "cluster")
    anchors = data.draw(
        st.dictionaries(
            st.integers(0, LAYERS - 1), st.integers(0, len(cluster.boards) - 1), max_size=3
        ),
        "anchors",
    )
    request = Request(
        graph=chain(LAYERS),
        target=cluster,
        mode=data.draw(st.sampled_from(list(Mode)), "mode"),
        costs="finn",
        replicas=data.draw(st.one_of(st.none(), st.integers(1, 4)), "replicas"),
        fps=data.draw(st.sampled_from(RATES), "fps"),
        anchors=tuple(
            Anchor(layer=f"Thresholding_rtl_{layer}", board=board)
            for layer, board in anchors.items()
        ),
        through_boards=data.draw(st.booleans(), "through boards"),
        options=SolverOptions(time_limit=2),
    )
    try:
        found = plan(request)
    except (InfeasibleError, TimeLimitError):
        return
    assert not list(contradictions(found))
    assert request.fps is None or found.frames_per_second >= request.fps
    for layer, board in anchors.items():
        for replica in range(found.replicas):
            assert found.place_of(replica, f"Thresholding_rtl_{layer}")[0] == board


QUICK = settings(
    max_examples=8,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@QUICK
@given(st.data())
def test_any_request_gives_a_plan_or_a_reason(clusters: list[Cluster], data: st.DataObject) -> None:
    _check(clusters, data)


@pytest.mark.slow
@settings(QUICK, max_examples=60)
@given(st.data())
def test_many_requests_give_a_plan_or_a_reason(
    clusters: list[Cluster], data: st.DataObject
) -> None:
    _check(clusters, data)
