"""An artifact loaded onto boards, ready to take frames in the network's own terms.

Opens boards (emulated ones for emulation binaries, real ones through XRT otherwise), programs them,
and moves frames through host computation and replicas, several batches at a time. A failed request
leaves an error behind and the session usable: the boards are recovered before the next one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from elasticdf.artifact.deployment import DeployedBoard, Deployment, Direction, Port
from elasticdf.artifact.emulation import is_emulated
from elasticdf.artifact.manifest import HostComputation, Manifest
from elasticdf.artifact.opening import Artifact, open_artifact
from elasticdf.errors import UserError
from elasticdf.runtime.board import Board
from elasticdf.runtime.emulated.board import EmulatedBoard
from elasticdf.runtime.emulated.switch import Switch
from elasticdf.runtime.failures import BoardError
from elasticdf.runtime.host import Array, HostModelRunner, frames_from
from elasticdf.runtime.images import read_images
from elasticdf.runtime.loading import load
from elasticdf.runtime.packing import Bytes, frame_bytes, pack, unpack
from elasticdf.runtime.pipeline import Frames, Step, make_steps, run_steps
from elasticdf.runtime.resource import Resource

MOST_BATCH_FRAMES = 64
_BATCH_BYTES = 32 << 20
_BATCHES_PER_STEP = 2
STALL_SECONDS = 60.0

Weights = Mapping[str, NDArray[np.int8]]
NO_WEIGHTS: Weights = MappingProxyType({})

Progress = Callable[[int, int], None]
"""Frames done, frames in all."""


def open_boards(artifact: Artifact, threads: int = 1) -> tuple[Board, ...]:
    """Return a board for every binary of an artifact, not yet programmed.

    Raises:
        UserError: Emulation and real binaries are mixed, or XRT or boards are missing.
    """
    emulated = [is_emulated(binary.xclbin) for binary in artifact.binaries]
    if all(emulated) and artifact.manifest is not None:
        switch = Switch()
        boards: list[Board] = []
        try:
            for deployed in _deployed(artifact.manifest):
                boards.append(EmulatedBoard(len(boards), deployed, switch, threads))
        except BaseException:
            _close(boards)
            raise
        return tuple(boards)
    if any(emulated):
        names = [b.name for b, is_it in zip(artifact.binaries, emulated, strict=True) if is_it]
        raise UserError(
            f"{', '.join(names)} are emulation binaries, the others are not; build them all with "
            "--emulate or none"
        )
    from elasticdf.runtime.xrt import open_xrt_boards  # needs XRT, which few machines have

    return open_xrt_boards(artifact)


def _deployed(manifest: Manifest) -> tuple[DeployedBoard, ...]:
    by_id = {board.id: board for board in manifest.deployment.boards}
    return tuple(by_id[entry.board] for entry in manifest.entries)


def _close(boards: Sequence[Board]) -> None:
    for board in boards:
        board.close()


class Session:
    """A programmed resource and what the host computes beside it.

    Args:
        artifact: What is loaded.
        manifest: Its manifest.
        resource: Programmed with it.
        threads: onnxruntime may use so many on the host.
        weights: Of layers that take them with every request, by layer, shape (outputs, inputs).
    """

    def __init__(
        self,
        artifact: Artifact,
        manifest: Manifest,
        resource: Resource,
        threads: int = 1,
        weights: Weights = NO_WEIGHTS,
    ) -> None:
        self.artifact = artifact
        self.manifest = manifest
        self.resource = resource
        self.replicas = make_steps(resource, manifest.deployment, artifact.bitstream.kernels)
        self.input = _only(self.replicas[0], Direction.IN)
        self.output = _only(self.replicas[0], Direction.OUT)
        self._weights = _weight_frames(self.replicas[0], weights)
        prologue, epilogue = manifest.prologue, manifest.epilogue
        self._prologue = _runner(prologue, "the host's prologue", threads)
        self._epilogue = _runner(epilogue, "the host's epilogue", threads)

    @property
    def deployment(self) -> Deployment:
        """What runs where."""
        return self.manifest.deployment

    @property
    def weight_layers(self) -> tuple[str, ...]:
        """Layers whose weights a request for the whole network brings, in its order."""
        return tuple(s.weights for step in self.replicas[0] for s in step.streams if s.weights)

    @property
    def frame_shape(self) -> tuple[int, ...]:
        """Shape of one frame of the network's own input."""
        return self._prologue.frame_shape if self._prologue else self.input.shape[1:]

    def frames(self, inputs: Array | Path) -> Array:
        """Return what the user gave as frames of the network's own input, batch first.

        Args:
            inputs: An array in any form `frames_from` reads, or a folder of images.

        Raises:
            UserError: It does not fit, is ambiguous, or the scale of images is not known.
        """
        if not isinstance(inputs, Path):
            return frames_from(inputs, self.frame_shape)
        if len(self.frame_shape) != 3:
            raise UserError(
                f"the network takes frames of shape {self.frame_shape}, not images; give the input "
                "as .npy"
            )
        first, second, third = self.frame_shape
        channels, height, width = (
            (first, second, third) if first in (1, 3, 4) else (third, first, second)
        )
        images = read_images(inputs, height, width, channels)
        return frames_from(images * self._pixel_scale(), self.frame_shape)

    def _pixel_scale(self) -> np.float32:
        """Return what pixels from 0 to 255 are multiplied by, found by probing the prologue.

        A network that tells nothing below 0 or above 1 apart takes pixels from 0 to 1.

        Raises:
            UserError: It saturates elsewhere: its normalisation is not known here.
        """
        if self._prologue is None:
            return np.float32(1)
        below, zero, one, most = (
            self._prologue(np.full((1, *self.frame_shape), value, np.float32))
            for value in (-255, 0, 1, 255)
        )
        if not np.array_equal(one, most):
            return np.float32(1)
        if np.array_equal(below, zero) and not np.array_equal(zero, one):
            return np.float32(1 / 255)
        raise UserError(
            "images hold pixels from 0 to 255, the network's input saturates at 1 but not at 0; "
            "normalise them as it was trained and give the input as .npy"
        )

    def encode(self, frames: Array) -> Bytes:
        """Return the accelerator's input bytes, (frames, frame bytes), for network inputs."""
        values = self._prologue(frames) if self._prologue else frames
        return pack(values.reshape(len(frames), *self.input.shape[1:]), self.input)

    def decode(self, data: Bytes) -> Array:
        """Return the network's outputs for the accelerator's output bytes."""
        values = unpack(data, self.output, np.int64)
        return self._epilogue(values) if self._epilogue else values

    def process(self, data: Bytes, progress: Progress | None = None) -> Bytes:
        """Run frames in the accelerator's own form, over all replicas.

        Raises:
            BoardError: A board or a link failed; nothing of the request has a result.
        """
        self.resource.recover()
        result = np.empty((len(data), frame_bytes(self.output)), np.uint8)
        batches = list(self._batches(len(data)))
        if len(batches) == 1:
            self._run_batch(data, result, batches[0], 0)
            return result
        workers = len(self.replicas) * _BATCHES_PER_STEP * max(map(len, self.replicas))
        done = 0
        with ThreadPoolExecutor(max_workers=workers, thread_name_prefix="batch") as pool:
            jobs = [
                pool.submit(self._run_batch, data, result, batch, number)
                for number, batch in enumerate(batches)
            ]
            try:
                for batch, job in zip(batches, jobs, strict=True):
                    job.result()
                    done += batch.stop - batch.start
                    if progress is not None:
                        progress(done, len(data))
            except BaseException as error:
                pool.shutdown(wait=False, cancel_futures=True)
                if not isinstance(error, BoardError):  # Ctrl-C: do not wait for what is under way
                    self.resource.fail(BoardError("the run was interrupted"))
                raise
        return result

    def _batches(self, frames: int) -> Iterator[slice]:
        largest = max(frame_bytes(self.input), frame_bytes(self.output))
        share = -(-frames // (len(self.replicas) * _BATCHES_PER_STEP * len(self.replicas[0])))
        size = max(1, min(MOST_BATCH_FRAMES, _BATCH_BYTES // largest, share))
        for start in range(0, frames, size):
            yield slice(start, min(frames, start + size))

    def _run_batch(self, data: Bytes, result: Bytes, batch: slice, number: int) -> None:
        steps = self.replicas[number % len(self.replicas)]
        frames = {self.input.tensor: (self.input, data[batch]), **self._weights}
        out = run_steps(steps, frames, batch.stop - batch.start)
        result[batch] = out[self.output.tensor][1]

    def infer(self, array: Array | Path, progress: Progress | None = None) -> tuple[Array, Bytes]:
        """Return the network's outputs and the accelerator's, for input in any accepted form.

        Raises:
            UserError: The input does not fit or is ambiguous.
            BoardError: A board or a link failed.
        """
        data = self.encode(self.frames(array))
        raw = self.process(data, progress)
        return self.decode(raw), raw


def _weight_frames(steps: tuple[Step, ...], weights: Weights) -> Frames:
    """Return the weights as their streams carry them.

    Raises:
        UserError: Those of a layer are missing or have another shape.
    """
    found = {}
    for stream in (s for step in steps for s in step.streams if s.weights is not None):
        values = weights.get(stream.weights or "")
        if values is None:
            raise UserError(
                f"layer {stream.weights} takes its weights with every request, and they are not "
                "known here; package the artifact with its network, or use the client"
            )
        found[stream.port.tensor] = (stream.port, pack(values[None], stream.port))
    return found


def _runner(computation: HostComputation | None, what: str, threads: int) -> HostModelRunner | None:
    return None if computation is None else HostModelRunner(computation, what, threads)


def _only(steps: tuple[Step, ...], direction: Direction) -> Port:
    """Return the one stream of a replica that enters from, or leaves to, outside the steps."""
    frames = [s for step in steps for s in step.streams if s.weights is None]
    read = [s.port for s in frames if s.direction is Direction.IN]
    written = [s.port for s in frames if s.direction is Direction.OUT]
    mine, others = (read, written) if direction is Direction.IN else (written, read)
    inner = {port.tensor for port in others}
    ends = [port for port in mine if port.tensor not in inner]
    if len({port.tensor for port in ends}) != 1:
        names = ", ".join(port.tensor for port in ends) or "none"
        raise UserError(
            f"the accelerator has {len(ends)} {direction.value}put streams ({names}); networks "
            "with exactly one can be run from here, use the client for others"
        )
    return ends[0]


@contextmanager
def open_session(
    path: Path,
    *,
    threads: int = 1,
    stall_seconds: float = STALL_SECONDS,
    weights: Weights = NO_WEIGHTS,
) -> Iterator[Session]:
    """Open an artifact on boards of its kind; they are given up at the end.

    Args:
        path: The artifact.
        threads: onnxruntime may use so many per board and on the host.
        stall_seconds: Without any progress for so long a request has failed.
        weights: Of layers that take them with every request, by layer, shape (outputs, inputs).

    Raises:
        UserError: The artifact has no manifest, or cannot run here.
        BoardError: A board or a link failed while being set up.
    """
    artifact = open_artifact(path)
    manifest = artifact.manifest
    if manifest is None:
        raise UserError(
            f"{path} has no manifest, so what it computes is not known here; package it with "
            "elasticdf, or serve it to a client that knows its arguments"
        )
    with Resource(open_boards(artifact, threads), stall_seconds) as resource:
        load(resource, artifact)
        yield Session(artifact, manifest, resource, threads, weights)
