"""From an artifact to answers: once, or under MLPerf LoadGen."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from codegen.segments.emit import whole_model
from elasticdf import frontend
from elasticdf.artifact.opening import open_artifact
from elasticdf.errors import UserError
from elasticdf.files import write_file
from elasticdf.frontend.external_weights import weights_of
from elasticdf.ir import Graph
from elasticdf.progress import Report
from elasticdf.rundir import NETWORK, sha256
from elasticdf.runtime.mlperf.benchmark import MlperfOptions, MlperfReport, run_mlperf
from elasticdf.runtime.run import RunReport, read_input, run_artifact


def run(
    artifact: Path, *, inputs: Path, output: Path | None, check: bool, report: Report
) -> RunReport:
    """Run an artifact on emulated boards.

    Raises:
        UserError: The artifact or the input cannot be used, or the output cannot be written.
        InternalError: The check found a difference.
    """
    frames = _frames(inputs)
    report("starting the boards")
    whole = _unpartitioned(artifact) if check else None
    weights = _own_weights(artifact)
    outputs, ran = run_artifact(
        artifact,
        frames,
        whole_model=whole,
        weights=weights,
        progress=lambda done, total: report(f"frame {done} of {total}"),
    )
    if output is not None:
        _save(output, outputs)
    return ran


def _frames(path: Path) -> NDArray[np.generic] | Path:
    """Return the array in a file, or the folder of images; what no network takes is refused."""
    frames = read_input(path)
    if isinstance(frames, Path):
        return frames
    if not frames.size:
        raise UserError(f"{path} has shape {frames.shape}, so no frame; give one or more")
    if frames.dtype.kind == "f" and not np.isfinite(frames).all():
        raise UserError(f"{path} holds values that are infinite or no numbers; leave them out")
    return frames


def _unpartitioned(artifact: Path) -> bytes:
    """The network beside the archive, lowered again and whole; nothing of the binaries is used."""
    return whole_model(_network_of(artifact, "--check compares with"))


def _own_weights(artifact: Path) -> dict[str, NDArray[np.int8]]:
    """The network's own weights of layers that take theirs with every request."""
    manifest = open_artifact(artifact).manifest
    streams = manifest.deployment.host if manifest else ()
    layers = sorted({stream.weights for stream in streams if stream.weights is not None})
    if not layers:
        return {}
    graph = _network_of(artifact, f"the weights of {layers[0]} come from")
    return {layer: weights_of(graph, layer) for layer in layers}


def _network_of(artifact: Path, purpose: str) -> Graph:
    opened = open_artifact(artifact)
    path = opened.folder / NETWORK
    manifest = opened.manifest
    found = sha256(path.read_bytes()) if path.is_file() else None
    if manifest is None or found is None or found != manifest.network_sha256:
        raise UserError(
            f"{opened.folder} does not hold the {NETWORK} it was made from, which {purpose}; "
            "package it again from its project"
        )
    return frontend.load(path, name=manifest.deployment.network)


def _save(path: Path, outputs: NDArray[np.generic]) -> None:
    buffer = io.BytesIO()
    np.save(buffer, outputs, allow_pickle=False)
    write_file(path, buffer.getvalue())


def mlperf(
    artifact: Path, options: MlperfOptions, *, inputs: Path | None, samples: int, logs: Path
) -> MlperfReport:
    """Run LoadGen against an artifact; in accuracy mode compare with the whole network.

    Raises:
        UserError: LoadGen or the client is not installed, or the artifact cannot be used.
    """
    frames = None if inputs is None else _frames(inputs)
    whole = _unpartitioned(artifact) if options.accuracy else None
    return run_mlperf(
        artifact,
        frames,
        options,
        logs,
        whole_model=whole,
        sample_count=samples,
        weights=_own_weights(artifact),
    )
