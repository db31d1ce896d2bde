"""An artifact onto the boards of a resource: binaries, network, then weights where needed.

Weights that a binary cannot hold go through the control ports of their compute units and are read
back. One frame of zeros then takes along what the weight streams had read ahead before.
"""

from __future__ import annotations

import numpy as np

from elasticdf.artifact.deployment import Direction
from elasticdf.artifact.manifest import WORD_BYTES, UnitWeights
from elasticdf.artifact.opening import Artifact
from elasticdf.runtime.board import Board, Word
from elasticdf.runtime.failures import BoardError
from elasticdf.runtime.packing import frame_bytes
from elasticdf.runtime.pipeline import Step, make_steps, run_steps
from elasticdf.runtime.resource import Resource


def load(resource: Resource, artifact: Artifact) -> None:
    """Program a resource with an artifact and make it ready for the first frame.

    Raises:
        UserError: Buffers are in use, the artifact is not for these boards, or is damaged.
        BoardError: A board or a link failed, or a memory does not keep its weights.
    """
    manifest = artifact.manifest
    resource.program(artifact.binaries, manifest)
    if manifest is None or not manifest.weights:
        return
    for weights in manifest.weights:
        _load_weights(resource.board(weights.board), weights)
    for steps in make_steps(resource, manifest.deployment, artifact.bitstream.kernels):
        _flush(steps)


def _load_weights(board: Board, weights: UnitWeights) -> None:
    values = weights.values().tolist()
    words = [
        Word(unit=weights.unit, offset=index * WORD_BYTES, value=value)
        for index, value in enumerate(values)
    ]
    board.write(words)
    for word, found in zip(words, board.read(words), strict=True):
        if found != word.value:
            raise BoardError(
                f"board {weights.board}: weight word {word.offset:#x} of {weights.unit} (layer "
                f"{weights.layer}) reads {found:#x} after {word.value:#x} was written; the binary "
                "is not the one these weights were built with",
                board=weights.board,
            )


def _flush(steps: tuple[Step, ...]) -> None:
    """Run a frame of zeros: its result comes from what the weight streams held before."""
    streams = [stream for step in steps for stream in step.streams]
    made = {s.port.tensor for s in streams if s.direction is Direction.OUT}
    frames = {
        s.port.tensor: (s.port, np.zeros((1, frame_bytes(s.port)), np.uint8))
        for s in streams
        if s.direction is Direction.IN and s.port.tensor not in made
    }
    run_steps(steps, frames, 1)
