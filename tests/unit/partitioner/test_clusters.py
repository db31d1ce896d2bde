"""Every way boards can be joined, planned from a cluster file to a verified plan."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from elasticdf.errors import UserError
from elasticdf.hardware.cluster import Cluster, load_cluster
from partitioner import exact
from partitioner.plan import Mode, Plan
from partitioner.request import Anchor, Request
from partitioner.search import plan, plan_with_problem
from partitioner.snapshot import from_json, to_json
from partitioner.solver import SolverOptions
from tests.placed import chain

THREE = """[[board]]\nboard = "u280"\ncount = 3\n"""
TWO = """[[board]]\nboard = "u280"\ncount = 2\n"""
MIXED = """[[board]]\nboard = "u280"\n[[board]]\nboard = "u50"\n"""


def _cable(a: int, port_a: int, b: int, port_b: int) -> str:
    return f"[[cable]]\nends = [[{a}, {port_a}], [{b}, {port_b}]]\n"


ROW = THREE + _cable(0, 1, 1, 0) + _cable(1, 1, 2, 0)
RING = ROW + _cable(2, 1, 0, 0)
STAR = THREE + "[[switch]]\nports = [[0, 0], [1, 0], [2, 0]]\n"
DOUBLE = TWO + _cable(0, 0, 1, 0) + _cable(0, 1, 1, 1)
TWO_STARS = STAR + "[[switch]]\nports = [[0, 1], [1, 1], [2, 1]]\n"
UNEQUAL = MIXED + _cable(0, 0, 1, 0)


def _request(text: str, folder: Path, ends: tuple[int, int], **changes: object) -> Request:
    path = folder / "lab.toml"
    path.write_text(text)
    cluster = load_cluster(path)
    anchors = tuple(
        Anchor(layer=f"Thresholding_rtl_{layer}", board=board)
        for layer, board in zip((0, 3), ends, strict=True)
    )
    request = Request(
        graph=chain(4),
        target=cluster,
        mode=Mode.HARDWARE,
        costs="finn",
        replicas=1,
        anchors=anchors,
        through_boards=cluster.routes_through,
        options=SolverOptions(time_limit=20),
    )
    return replace(request, **changes)  # type: ignore[arg-type]


def _boards_passed(found: Plan) -> set[int]:
    return {place[0] for crossing in found.crossings for place in crossing.route}


@pytest.mark.parametrize(
    ("text", "ends", "cost"),
    [
        (ROW, (0, 1), 10),
        (ROW, (0, 2), 20),
        (RING, (0, 2), 10),
        (STAR, (0, 2), 10),
        (TWO_STARS, (2, 1), 10),
        (DOUBLE, (0, 1), 10),
        (UNEQUAL, (0, 1), 10),
    ],
    ids=["row", "row's ends", "ring", "star", "two ports each", "two cables", "unequal boards"],
)
def test_a_pipeline_spans_the_boards(
    text: str, ends: tuple[int, int], cost: int, tmp_path: Path
) -> None:
    found, problem = plan_with_problem(_request(text, tmp_path, ends))
    board_cost = sum(10 for c in found.crossings if c.kind == "board")
    assert board_cost == cost
    assert found.place_of(0, "Thresholding_rtl_0")[0] == ends[0]
    assert found.place_of(0, "Thresholding_rtl_3")[0] == ends[1]
    assert found.certificate.outcome == "optimal"
    again = exact.solve(from_json(to_json(problem), "snapshot"), SolverOptions(time_limit=20))
    assert again.cost is not None
    assert again.cost.value == found.certificate.crossing_cost.value


def test_two_cables_carry_what_one_cannot(tmp_path: Path) -> None:
    crowded = {"replicas": 17}
    found = plan(_request(DOUBLE, tmp_path, (0, 1), **crowded))
    ports = {link.origin[1] for link in found.links}
    assert ports == {0, 1}  # 16 sockets at each port, 17 streams


def test_copies_through_the_host_keep_to_the_rate_of_pcie(tmp_path: Path) -> None:
    """A frame of 4x4 pixels, 8 channels, 2 bits each, up to once in 16 cycles of 5 ns."""
    fast = _request(TWO, tmp_path, (0, 1), mode=Mode.SOFTWARE)
    assert isinstance(fast.target, Cluster)
    first, second = fast.target.boards
    link = replace(
        first.host_link,
        to_board_bits_per_second=2_000_000_000,
        from_board_bits_per_second=2_000_000_000,
    )
    slow = replace(first, host_link=link)
    assert plan(fast).frames_per_second == 12_500_000
    for boards in ((slow, second), (first, slow)):
        found = plan(replace(fast, target=replace(fast.target, boards=boards)))
        assert found.interval_cycles == 32  # 1.6 Gbit/s; the next faster would need 3.2
        assert found.certificate.outcome == "optimal"


def test_a_third_board_is_passed_only_where_the_file_says_so(tmp_path: Path) -> None:
    short = {"graph": chain(2), "anchors": (Anchor(layer="Thresholding_rtl_0", board=0),)}
    row = _request(f"routes_through = true\n{ROW}", tmp_path, (0, 2))
    ends = tuple(Anchor(layer=f"Thresholding_rtl_{k}", board=2 * k) for k in (0, 1))
    passed = plan(replace(row, **{**short, "anchors": ends}))
    assert _boards_passed(passed) == {0, 1, 2}


def test_a_board_has_no_clock_of_its_own(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        _request(TWO.replace("count = 2", 'clock = "300MHz"'), tmp_path, (0, 0))
    assert str(caught.value) == (
        f"{tmp_path}/lab.toml, board[0]: clock '300MHz' is this board's own; frames pass all "
        "boards at one pace, so all have one clock: leave it out and give --clock"
    )
