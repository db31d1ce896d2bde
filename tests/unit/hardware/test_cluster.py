"""Targets and cluster files."""

from __future__ import annotations

from pathlib import Path

import pytest

from elasticdf.errors import UserError
from elasticdf.hardware import AutoTarget, Cluster, parse_target


def _cluster(text: str) -> Cluster:
    target = parse_target(text)
    assert isinstance(target, Cluster)
    return target


def _file(tmp_path: Path, text: str) -> str:
    path = tmp_path / "lab.toml"
    path.write_text(text)
    return str(path)


def test_one_board_has_no_network() -> None:
    cluster = _cluster("u250")
    assert [board.name for board in cluster.boards] == ["u250"]
    assert cluster.joined_ports == ()


def test_two_boards_share_a_cable() -> None:
    cluster = _cluster("2xu280")
    assert [cable.ends for cable in cluster.cables] == [((0, 0), (1, 0))]
    assert cluster.switches == ()


def test_three_boards_share_a_switch() -> None:
    cluster = _cluster("2xu280+1xu50")
    assert [board.name for board in cluster.boards] == ["u280", "u280", "u50"]
    assert [switch.ports for switch in cluster.switches] == [((0, 0), (1, 0), (2, 0))]
    assert len(cluster.joined_ports) == 6


def test_auto_grows_by_request() -> None:
    target = parse_target("autoxu280")
    assert isinstance(target, AutoTarget)
    assert target.cluster(2) == _cluster("2xu280")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("2xu28", "board 'u28' is not known; did you mean u280?"),
        ("", "target '': '' is not <count>x<board>, for example 2xu280"),
        ("0xu280", "target '0xu280' asks for 0 boards; 1 to 64 can be"),
        ("999999xu280", "target '999999xu280' asks for 999999 boards; 1 to 64 can be"),
        ("40xu280+40xu50", "target '40xu280+40xu50' asks for 80 boards; 1 to 64 can be"),
        (
            "autoxu280+1xu50",
            "target 'autoxu280+1xu50': auto takes one kind of board, as in autoxu280",
        ),
        ("-1xu280", "board '-1xu280' is not known; did you mean u280?"),
        ("nowhere.toml", "cannot read nowhere.toml: No such file or directory"),
    ],
)
def test_a_wrong_target_is_one_sentence(text: str, message: str) -> None:
    with pytest.raises(UserError) as error:
        parse_target(text)
    assert str(error.value) == message


RING = """
[[board]]
board = "u280"
count = 3
[[cable]]
ends = [[0, 1], [1, 0]]
[[cable]]
ends = [[1, 1], [2, 0]]
rate = "40Gbps"
[[cable]]
ends = [[2, 1], [0, 0]]
"""


def test_a_ring_file(tmp_path: Path) -> None:
    cluster = _cluster(_file(tmp_path, RING))
    assert cluster.name == "lab"
    assert [cable.rate_bits_per_second for cable in cluster.cables] == [
        100 * 10**9,
        40 * 10**9,
        100 * 10**9,
    ]
    cluster.require_network("hw")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "count = 3",
            "cuont = 3",
            "lab.toml, board[0]: key 'cuont' is not known; did you mean 'count'?",
        ),
        (
            "count = 3",
            "count = 1000",
            "lab.toml, board[0]: count is 1000; a cluster has 1 to 64 boards",
        ),
        ("count = 3", "count = 2", "lab.toml, cable[1]: board 2 does not exist; boards are 0 to 1"),
        (
            "[[0, 1], [1, 0]]",
            "[[0, 7], [1, 0]]",
            "lab.toml, cable[0]: board u280 has no port 7; it has 0, 1",
        ),
        (
            "40Gbps",
            "fast",
            "lab.toml, cable[1]: rate 'fast' is not a number with a unit; write it like 100Gbps",
        ),
        (
            "[[cable]]",
            "[[switch]]\nports = [[0, 1]]\n[[cable]]",
            "lab.toml, switch[0]: a switch joins at least two ports, found 1; name another",
        ),
        (
            "[[0, 1], [1, 0]]",
            "[[0, 1], [0, 0]]",
            "lab.toml: a cable joins board 0 with itself; name two boards",
        ),
        (
            "[[0, 1], [1, 0]]",
            "[[0, 0], [1, 0]]",
            "lab.toml: port 0 of board 0 is connected twice; remove one",
        ),
        (
            "[[0, 1], [1, 0]]",
            "[[0, 1], [1]]",
            "lab.toml, cable[0], ends[1] has 1 entries, 2 are needed",
        ),
        (
            "40Gbps",
            "400Gbps",
            "lab.toml, cable[1]: rate 400Gbps is more than the slowest port's 100000000000 bit/s; "
            "lower it",
        ),
        ('"u280"', '"u820"', "lab.toml, board[0]: board 'u820' is not known; did you mean u280?"),
    ],
)
def test_a_wrong_file_is_one_sentence(tmp_path: Path, old: str, new: str, message: str) -> None:
    with pytest.raises(UserError) as error:
        parse_target(_file(tmp_path, RING.replace(old, new, 1)))
    assert str(error.value) == f"{tmp_path}/{message}"


def test_an_unconnected_board_is_refused_where_the_network_is_needed(tmp_path: Path) -> None:
    text = RING.replace("count = 3", "count = 4")
    cluster = _cluster(_file(tmp_path, text))
    with pytest.raises(UserError) as error:
        cluster.require_network("hw")
    assert str(error.value) == (
        "target lab, mode hw: board 3 (u280) cannot take part: nothing connects it to board 0; "
        "add a cable or a switch, or use mode dp or sw"
    )


def test_boards_without_network_ports_are_refused_where_the_network_is_needed() -> None:
    with pytest.raises(UserError) as error:
        _cluster("2xpynq-z1").require_network("hw")
    assert str(error.value) == (
        "target 2xpynq-z1, mode hw: board 1 (pynq-z1) cannot take part: kernels on it or on "
        "board 0 can reach no network port, or use mode dp or sw"
    )


def test_a_huge_file_is_refused(tmp_path: Path) -> None:
    path = _file(tmp_path, "#" * (1 << 20 | 1))
    with pytest.raises(UserError, match=r"lab\.toml is larger than 1 MiB"):
        parse_target(path)
