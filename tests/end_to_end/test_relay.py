"""A stream over a board that holds none of the network: built, packed and run bit for bit."""

from __future__ import annotations

from pathlib import Path

import pytest

from codegen.build_plan import BuildPlan
from codegen.bundle.host import emit_host
from codegen.deployment import deploy
from codegen.finn.model import write_model
from codegen.project.emit import ProjectOptions, project
from elasticdf import flow
from elasticdf.cli import main
from elasticdf.rundir import MANIFEST, NETWORK, Provenance, sha256
from partitioner.plan import Mode
from tests.placed import chain, placed
from tests.projects import cluster_of

ROW = (
    '[[board]]\nboard = "u280"\ncount = 3\n'
    "[[cable]]\nends = [[0, 0], [1, 1]]\n[[cable]]\nends = [[1, 0], [2, 1]]\n"
)


def test_a_board_in_between_passes_the_stream_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "row.toml").write_text(ROW)
    cluster, graph = cluster_of(str(tmp_path / "row.toml")), chain(2)
    first, second = (layer.name for layer in graph)
    plan = placed(
        graph,
        cluster,
        Mode.HARDWARE,
        {(0, first): (0, "SLR2"), (0, second): (2, "SLR2")},
        {(0, first, second): ((0, "SLR2"), (1, "SLR2"), (2, "SLR2"))},
    )
    network = write_model(graph).SerializeToString(deterministic=True)
    files = BuildPlan.merge(
        (
            project(graph, plan, cluster, deploy(graph, plan, cluster), network, ProjectOptions()),
            emit_host(graph),
            BuildPlan({NETWORK: network}),
        )
    )
    provenance = Provenance(network=graph.name, network_sha256=sha256(network), options={}, seed=0)
    manifest = BuildPlan({MANIFEST: provenance.manifest(files)})
    folder = tmp_path / "project"
    BuildPlan.merge((files, manifest)).write(folder)
    assert len(flow.build_emulated(folder, lambda *_: None)) == 3
    assert main(["package", str(folder)]) == 0
    frames = str(folder / "input.npy")
    assert main(["run", str(folder / "artifact"), "--input", frames, "--check"]) == 0
    assert "every bit equals the unpartitioned network's" in capsys.readouterr().out
