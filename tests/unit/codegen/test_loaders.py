"""What of a target the published loader can use, before anything is planned for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from codegen.bundle.loaders import target_for
from elasticdf.artifact.manifest import Loader
from elasticdf.errors import UserError
from elasticdf.hardware import Cluster
from partitioner.plan import Mode

BOTH = (
    '[[board]]\nboard = "u280"\ncount = 2\n[[switch]]\nports = [[0, 0], [0, 1], [1, 0], [1, 1]]\n'
)


def original(text: str, mode: Mode = Mode.TRANSPARENT) -> Cluster:
    target = target_for(text, Loader.ORIGINAL, mode)
    assert isinstance(target, Cluster)
    return target


@pytest.mark.parametrize(("mode", "streams"), [(Mode.TRANSPARENT, 2), (Mode.HARDWARE, 1)])
def test_boards_are_joined_where_the_loader_opens_the_link(mode: Mode, streams: int) -> None:
    cluster = original("2xu280", mode)
    assert [cable.ends for cable in cluster.cables] == [((0, 1), (1, 1))]
    for board in cluster.boards:
        assert [(port.number, port.sockets) for port in board.ports] == [(1, streams)]


def test_other_ports_of_a_cluster_file_are_left_out(tmp_path: Path) -> None:
    file = tmp_path / "pair.toml"
    file.write_text(BOTH)
    cluster = original(str(file))
    assert [switch.ports for switch in cluster.switches] == [((0, 1), (1, 1))]


@pytest.mark.parametrize("mode", [Mode.DATA_PARALLEL, Mode.SOFTWARE])
def test_boards_that_do_not_talk_need_no_port(mode: Mode) -> None:
    assert len(original("2xu50", mode).boards) == 2


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (
            "3xu280",
            "target 3xu280: the original loader pairs two equal boards, this target has "
            "u280, u280, u280; name two, or use --loader elasticdf",
        ),
        (
            "u280+u250",
            "target u280+u250: the original loader pairs two equal boards, this target has "
            "u280, u250; name two, or use --loader elasticdf",
        ),
        (
            "autoxu280",
            "target autoxu280: the original loader pairs two boards; name them: 2x...",
        ),
        (
            "2xu50",
            "target 2xu50: the original loader opens cmac_1 only, and nothing joins port 1 of both "
            "boards; join them, use mode dp or sw, or use --loader elasticdf",
        ),
    ],
)
def test_what_it_cannot_use_is_refused(target: str, message: str) -> None:
    with pytest.raises(UserError) as caught:
        original(target)
    assert str(caught.value) == message
