"""Whole frames through a replica: the steps of its lanes, with the host between them.

In ``dp``, ``hw`` and ``tmp`` there is one step. In ``sw`` the host copies what one step wrote to
the next; several batches are under way at once, so every board has work.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass

import numpy as np

from elasticdf.artifact.bitstream import KernelObject
from elasticdf.artifact.deployment import Deployment, Direction, Port
from elasticdf.errors import UserError
from elasticdf.runtime.accelerator import Lane, Value
from elasticdf.runtime.packing import Bytes, frame_bytes, pack, unpack
from elasticdf.runtime.resource import Resource

Frames = Mapping[str, tuple[Port, Bytes]]
"""Streams by tensor: their form and their bytes, shape (frames, frame bytes); weights are one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamArgument:
    """An array argument of a request and the stream it carries.

    Attributes:
        position: Among the request's arguments.
        port: The stream.
        direction: Seen from the board.
        weights: Layer whose weights it carries, the same for every frame; None for frames.
    """

    position: int
    port: Port
    direction: Direction
    weights: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A lane and its streams."""

    lane: Lane
    replica: int
    number: int
    streams: tuple[StreamArgument, ...]

    def process(self, frames: Frames, count: int) -> Frames:
        """Run `count` frames; return the streams that came out.

        Raises:
            UserError: A memory has no room.
            BoardError: A board or a link failed.
        """
        with ExitStack() as stack:
            values: list[Value] = [count] * len(self.lane.kernel.arguments)
            for stream in self.streams:
                size = frame_bytes(stream.port) * (count if stream.weights is None else 1)
                buffer = self.lane.create_buffer(stream.position, size)
                stack.callback(buffer.release)
                values[stream.position] = buffer
                if stream.direction is Direction.IN:
                    buffer.copy_to_board(_in_form(*frames[stream.port.tensor], stream.port))
            self.lane.run(values)
            results: dict[str, tuple[Port, Bytes]] = {}
            for stream in self.streams:
                filled = values[stream.position]
                if stream.direction is Direction.OUT and not isinstance(filled, int):
                    data = np.empty((count, frame_bytes(stream.port)), np.uint8)
                    filled.copy_to_host(data)
                    results[stream.port.tensor] = (stream.port, data)
            return results


def _in_form(have: Port, data: Bytes, want: Port) -> Bytes:
    """Return the stream in the form another port takes; a copy only where they differ."""
    if (have.elements, have.bits) == (want.elements, want.bits):
        return data
    return pack(unpack(data, have, np.int64), want)


def stream_arguments(deployment: Deployment, kernel: KernelObject) -> tuple[StreamArgument, ...]:
    """Return the streams behind the array arguments of an accelerator.

    Raises:
        UserError: An argument belongs to no DMA kernel of the deployment.
    """
    streams = {stream.dma: stream for stream in deployment.host}
    found = []
    for position, argument in enumerate(kernel.arguments):
        if not argument.is_array:
            continue
        units = [
            directive
            for number, directive in enumerate(kernel.directives)
            if position in (order for _, order in kernel.call_of(number))
        ]
        names = [unit.compute_unit or unit.function for unit in units]
        if len(names) != 1 or names[0] not in streams:
            raise UserError(
                f"kernel {kernel.kernel_id}, argument {position} ({argument.name}) belongs to "
                f"{', '.join(names) or 'no compute unit'}, which is no DMA kernel of the manifest; "
                "package the artifact again"
            )
        stream = streams[names[0]]
        owner = deployment.kernel(stream.end[0])
        port = next(p for p in (*owner.inputs, *owner.outputs) if p.name == stream.end[1])
        found.append(
            StreamArgument(
                position=position,
                port=port,
                direction=stream.direction,
                weights=stream.weights,
            )
        )
    return tuple(found)


def make_steps(
    resource: Resource, deployment: Deployment, kernels: Iterable[KernelObject]
) -> tuple[tuple[Step, ...], ...]:
    """Return the steps of every replica, in order."""
    streams = {stream.dma: stream for stream in deployment.host}
    replicas: dict[int, list[Step]] = {}
    for kernel in kernels:
        first = kernel.directives[0]
        stream = streams[first.compute_unit or first.function]
        step = Step(
            lane=Lane(resource, kernel),
            replica=deployment.kernel(stream.end[0]).replica,
            number=stream.step,
            streams=stream_arguments(deployment, kernel),
        )
        replicas.setdefault(step.replica, []).append(step)
    return tuple(
        tuple(sorted(steps, key=lambda step: step.number)) for _, steps in sorted(replicas.items())
    )


def run_steps(steps: tuple[Step, ...], frames: Frames, count: int) -> Frames:
    """Run frames through all steps of a replica; return every stream that reached the host."""
    known = dict(frames)
    for step in steps:
        known.update(step.process(known, count))
    return known
