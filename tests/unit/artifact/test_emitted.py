"""Deployments as emission makes them, through the packer and the loaders."""

from __future__ import annotations

from pathlib import Path

import pytest

from codegen.bundle.pack import package
from codegen.deployment import deploy
from elasticdf.artifact.deployment import Deployment
from elasticdf.artifact.lint import lint
from elasticdf.artifact.manifest import Loader
from elasticdf.artifact.opening import open_artifact
from elasticdf.errors import UserError
from elasticdf.hardware import Cluster, parse_target
from partitioner.plan import Mode, Place
from tests.artifact_samples import write_project
from tests.original_loader import Resource
from tests.placed import chain, placed

PAIR = '[[board]]\nboard = "u280"\ncount = 2\n[[cable]]\nends = [[0, 1], [1, 1]]\n'
ROW = (
    '[[board]]\nboard = "u280"\ncount = 3\n'
    "[[cable]]\nends = [[0, 0], [1, 1]]\n[[cable]]\nends = [[1, 0], [2, 1]]\n"
)


def emitted(
    folder: Path, cluster: str, mode: Mode, boards: list[int], route: tuple[Place, ...] = ()
) -> Deployment:
    """A chain of layers, one per entry of ``boards``; the first stream takes the route."""
    file = folder / "cluster.toml"
    file.write_text(cluster)
    target = parse_target(str(file))
    assert isinstance(target, Cluster)
    graph = chain(len(boards))
    where = {(0, layer.name): (board, "SLR0") for layer, board in zip(graph, boards, strict=True)}
    first = tuple(layer.name for layer in graph)[:2]
    routes = {(0, *first): route} if route else {}
    return deploy(graph, placed(graph, target, mode, where, routes), target)


@pytest.mark.parametrize(
    ("mode", "boards"),
    [
        (Mode.HARDWARE, [0, 1]),
        (Mode.TRANSPARENT, [0, 1, 0]),
        (Mode.SOFTWARE, [0, 1, 0]),
    ],
)
def test_the_original_loader_takes_what_emission_makes(
    mode: Mode, boards: list[int], tmp_path: Path
) -> None:
    sample = emitted(tmp_path, PAIR, mode, boards)
    project = write_project(tmp_path / "p", sample, release="original")
    artifact = open_artifact(package(project, loader=Loader.ORIGINAL).folder)
    assert lint(artifact.folder).accepted(Loader.ORIGINAL)
    resource = Resource()
    assert resource.program(artifact.archive.read()) == 0
    assert resource.network_up == (mode is not Mode.SOFTWARE)
    for kernel in artifact.bitstream.kernels:
        assert all(resource.compute_unit(str(directive)) for directive in kernel.directives)


def test_a_second_stream_in_one_direction_needs_a_second_row(tmp_path: Path) -> None:
    sample = emitted(tmp_path, PAIR, Mode.TRANSPARENT, [0, 1, 0, 1])
    project = write_project(tmp_path / "p", sample, release="original")
    with pytest.raises(UserError) as caught:
        package(project, loader=Loader.ORIGINAL)
    assert str(caught.value) == (
        "the original loader sets up socket row 0 only, which carries one stream each way, "
        "board 0 needs rows 0, 1; use --loader elasticdf"
    )


@pytest.mark.parametrize(
    ("mode", "boards"),
    [
        (Mode.HARDWARE, [0, 1, 2]),
        (Mode.TRANSPARENT, [0, 1, 2, 1, 0]),
        (Mode.SOFTWARE, [0, 2, 1]),
    ],
)
def test_three_boards_in_a_row(mode: Mode, boards: list[int], tmp_path: Path) -> None:
    sample = emitted(tmp_path, ROW, mode, boards)
    artifact = package(write_project(tmp_path / "p", sample)).folder
    report = lint(artifact)
    assert [finding for finding in report.findings if finding.concerns(Loader.ELASTICDF)] == []


def test_a_board_that_only_passes_a_stream_on(tmp_path: Path) -> None:
    route = ((0, "SLR0"), (1, "SLR2"), (2, "SLR0"))
    sample = emitted(tmp_path, ROW, Mode.HARDWARE, [0, 2, 1], route)
    assert [kernel.name for kernel in sample.kernels if not kernel.layers] == ["relay_r0_n0"]
    artifact = open_artifact(package(write_project(tmp_path / "p", sample)).folder)
    assert lint(artifact.folder).exit_code == 0
    units = [ip.compute_unit for ip in artifact.binaries[1].xclbin.ips]
    assert "relay_r0_n0" not in units
