"""`elasticdf run`: an artifact, an input array, the network's output.

With the check, the accelerator's output is compared bit for bit with the unpartitioned network,
computed apart from everything that is in the artifact's binaries.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from elasticdf.artifact.manifest import HostComputation
from elasticdf.errors import InternalError, UserError
from elasticdf.records import encode
from elasticdf.runtime.host import Array, HostModelRunner, model_ends
from elasticdf.runtime.packing import unpack
from elasticdf.runtime.session import (
    NO_WEIGHTS,
    STALL_SECONDS,
    Progress,
    Session,
    Weights,
    open_session,
)

RUN_SCHEMA = "elasticdf.run/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunReport:
    """What a run did.

    Attributes:
        network: Its name.
        mode: How it is spread over the boards.
        resource: ``2xu280``.
        frames: Frames computed.
        seconds: Wall time of the frames, boards already set up.
        output_shape: Of the network's output, batch first.
        output_type: NumPy's name.
        checked: Whether every bit was compared with the unpartitioned network.
    """

    network: str
    mode: str
    resource: str
    frames: int
    seconds: float
    output_shape: tuple[int, ...]
    output_type: str
    checked: bool

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {"schema": RUN_SCHEMA, **encode(self)}

    def to_text(self) -> str:
        """Return one line or two for people."""
        verdict = (
            "every bit equals the unpartitioned network's"
            if self.checked
            else "not compared with the unpartitioned network (--check does)"
        )
        return (
            f"{self.frames} frames of {self.network} on {self.resource}, mode {self.mode}, "
            f"in {self.seconds:.2f} s: {verdict}"
        )


def run_artifact(
    path: Path,
    inputs: Array | Path,
    *,
    whole_model: bytes | None = None,
    progress: Progress | None = None,
    threads: int = 1,
    stall_seconds: float = STALL_SECONDS,
    weights: Weights = NO_WEIGHTS,
) -> tuple[Array, RunReport]:
    """Load an artifact, run frames, return the network's outputs and a report.

    Args:
        path: The artifact, in any form `open_artifact` takes.
        inputs: Frames in the network's own terms (see `elasticdf.runtime.host`), or a folder of
            images.
        whole_model: The unpartitioned accelerator as ONNX in whole numbers
            (``codegen.segments.whole_model``); where given, results are compared with it.
        progress: Called with frames done and frames in all.
        threads: onnxruntime may use so many per board and on the host.
        stall_seconds: Without any progress for so long the run has failed.
        weights: Of layers that take them with every request, by layer, shape (outputs, inputs).

    Raises:
        UserError: The artifact or the input cannot be used.
        BoardError: A board or a link failed.
        InternalError: The check found a difference.
    """
    with open_session(
        path, threads=threads, stall_seconds=stall_seconds, weights=weights
    ) as session:
        frames = session.frames(inputs)
        data = session.encode(frames)
        start = time.perf_counter()
        raw = session.process(data, progress)
        seconds = time.perf_counter() - start
        if whole_model is not None:
            check(session, unpack(data, session.input), raw, whole_model, threads)
        outputs = session.decode(raw)
        return outputs, RunReport(
            network=session.deployment.network,
            mode=session.deployment.mode,
            resource=session.resource.name,
            frames=len(frames),
            seconds=seconds,
            output_shape=outputs.shape,
            output_type=outputs.dtype.name,
            checked=whole_model is not None,
        )


def check(
    session: Session, values: Array, raw: Array, whole_model: bytes, threads: int = 1
) -> None:
    """Compare the accelerator's output with the unpartitioned network's.

    Raises:
        InternalError: They differ; the message names the first frame that does.
    """
    first, last = model_ends(whole_model)
    computation = HostComputation.of(whole_model, first, last)
    runner = HostModelRunner(computation, "the unpartitioned network", threads)
    found = unpack(np.asarray(raw, np.uint8), session.output, np.float64)
    for frame in range(len(values)):
        expected = runner(values[frame : frame + 1]).astype(np.float64)
        if not np.array_equal(expected.reshape(-1), found[frame].reshape(-1)):
            wrong = int(np.sum(expected.reshape(-1) != found[frame].reshape(-1)))
            raise InternalError(
                f"frame {frame}: {wrong} of {expected.size} values from {session.resource.name} "
                f"differ from the unpartitioned network {session.deployment.network}"
            )


def read_input(path: Path) -> Array | Path:
    """Read a NumPy file; a folder of images is read later, when the network's shape is known.

    Raises:
        UserError: It cannot be read, or holds no single array (pickled objects are refused).
    """
    if path.is_dir():
        return path
    try:
        array = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        known = isinstance(error, OSError) and error.strerror
        reason = known or "it is cut short or no array of numbers; write one with numpy.save"
        raise UserError(f"cannot read {path} as a NumPy array: {reason}") from error
    if not isinstance(array, np.ndarray):
        raise UserError(f"{path} is an archive of several arrays; give one array as .npy")
    return array
