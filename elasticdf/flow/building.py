"""From a project to the binaries of emulated boards, and from binaries to the artifact."""

from __future__ import annotations

from pathlib import Path

from codegen.bundle import pack
from codegen.bundle.emulation import emulation_binary
from codegen.segments.emit import board_model
from elasticdf.artifact.manifest import Loader
from elasticdf.files import write_file
from elasticdf.hardware.load import load_board
from elasticdf.networks import project_graph
from elasticdf.options import PackageOptions
from elasticdf.progress import Report
from elasticdf.rundir import project_deployment, project_request


def build_emulated(
    directory: Path, report: Report, loader: Loader | None = None
) -> tuple[Path, ...]:
    """Write the emulation binary of every board of a project and return their paths.

    Args:
        directory: Of the project.
        report: Takes what is being done.
        loader: Who will set up the network layer, which decides where its registers are; None
            for the one the project was partitioned for.

    Raises:
        UserError: The folder is no project or was edited, or its network lacks weights.
    """
    deployment = project_deployment(directory)
    report(f"reading {deployment.network}")
    graph = project_graph(directory)
    meant = loader or project_request(directory).loader
    paths = []
    for deployed in deployment.boards:
        segments = {}
        for kernel in deployment.kernels_of(deployed.id):
            report(f"board {deployed.id}: {kernel.name}")
            segments[kernel.name] = board_model(graph, kernel.layers)
        binary = emulation_binary(
            deployment,
            deployed.id,
            segments,
            load_board(deployed.board),
            network_release="original" if meant is Loader.ORIGINAL else "current",
        )
        path = directory / f"board{deployed.id}" / deployed.binary
        write_file(path, binary)
        paths.append(path)
    return tuple(paths)


def package(options: PackageOptions) -> pack.Packaged:
    """Pack the binaries of a project.

    Raises:
        UserError: The folder is no built project, or the loader cannot do what the plan needs.
    """
    project_deployment(options.directory)
    labels = pack.Labels(version=options.version)
    if options.bitstream_id is not None:
        labels = pack.Labels(bitstream_id=options.bitstream_id, version=options.version)
    return pack.package(
        options.directory,
        options.output,
        loader=options.loader or project_request(options.directory).loader,
        labels=labels,
    )
