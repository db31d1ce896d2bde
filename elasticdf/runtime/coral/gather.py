"""Small requests that wait together start together, as one run of the compute units.

A start costs the same for one frame as for a thousand. While a few runs are under way, what arrives
is gathered, and the next run takes all of it, up to a size beyond which nothing is gained.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

from elasticdf.artifact.deployment import Port
from elasticdf.errors import ElasticDFError
from elasticdf.runtime.accelerator import Lane, Value
from elasticdf.runtime.coral.cube import Cube
from elasticdf.runtime.coral.pool import BufferPool
from elasticdf.runtime.objects import Buffer
from elasticdf.runtime.packing import frame_bytes

SMALL_BYTES = 1 << 18
"""Of a request's largest array; larger ones are run alone."""

_MOST_BYTES = 1 << 21
_RUNS_UNDER_WAY = 2


@dataclass(slots=True, kw_only=True, eq=False)
class Job:
    """A request that waits for its run.

    Attributes:
        frames: Of the request.
        arrays: (array, offset of the slice) by argument.
        wake: Set when the job is over, or when it is to lead a run.
        leads: The jobs of the run it is to lead, itself first; empty if it is over.
        error: Why it failed.
    """

    frames: int
    arrays: Mapping[int, tuple[Cube, int]]
    wake: threading.Event = field(default_factory=threading.Event)
    leads: tuple[Job, ...] = ()
    error: Exception | None = None


class Gatherer:
    """The queue before one lane.

    Args:
        lane: Where the runs go.
        ports: Stream of every array argument, by position.
        inputs: Positions of the arguments that are read.
    """

    def __init__(self, lane: Lane, ports: Mapping[int, Port], inputs: frozenset[int]) -> None:
        self._lane = lane
        self._sizes = {at: frame_bytes(port) for at, port in ports.items()}
        self._inputs = inputs
        self._waiting: deque[Job] = deque()
        self._running = 0
        self._lock = threading.Lock()
        self._pool = BufferPool()

    def serve(self, job: Job) -> None:
        """Wait for a request's run, or lead one for all that wait.

        Raises:
            UserError: An array became shorter, or a memory has no room.
            BoardError: A board or a link failed.
        """
        with self._lock:
            self._waiting.append(job)
            self._appoint()
        job.wake.wait()
        if job.leads:
            self._run(job.leads)
        if job.error is not None:
            raise job.error

    def _appoint(self) -> None:
        """Let the first that waits lead a run, if one may start."""
        if self._waiting and self._running < _RUNS_UNDER_WAY:
            self._running += 1
            leader = self._waiting[0]
            leader.leads = self._next_batch()
            leader.wake.set()

    def _next_batch(self) -> tuple[Job, ...]:
        largest = max(self._sizes.values())
        batch = [self._waiting.popleft()]
        frames = batch[0].frames
        while self._waiting and (frames + self._waiting[0].frames) * largest <= _MOST_BYTES:
            batch.append(self._waiting.popleft())
            frames += batch[-1].frames
        return tuple(batch)

    def _run(self, batch: tuple[Job, ...]) -> None:
        try:
            self._compute(batch)
        except Exception as error:  # noqa: BLE001 - it is raised again for each request
            for job in batch:
                job.error = job.error or error
        finally:
            with self._lock:
                self._running -= 1
                self._appoint()
            for job in batch:
                job.wake.set()

    def _compute(self, batch: Sequence[Job]) -> None:
        frames = sum(job.frames for job in batch)
        capacity = 1 << (frames - 1).bit_length()
        with ExitStack() as stack:
            buffers = {
                at: self._buffer(stack, at, capacity * size) for at, size in self._sizes.items()
            }
            for at in sorted(self._inputs):
                self._each(batch, at, buffers[at], to_board=True)
                buffers[at].memory.to_board()
            arguments = self._lane.kernel.arguments
            values: list[Value] = [buffers.get(at, frames) for at in range(len(arguments))]
            self._lane.run(values)
            for at in sorted(set(buffers) - self._inputs):
                buffers[at].memory.to_host()
                self._each(batch, at, buffers[at], to_board=False)

    def _each(self, batch: Sequence[Job], at: int, buffer: Buffer, *, to_board: bool) -> None:
        """Copy every job's part; a job whose array fails has an error of its own."""
        start = 0
        for job in batch:
            cube, offset = job.arrays[at]
            part = buffer.view[start : start + job.frames * self._sizes[at]]
            start += part.size
            try:
                if to_board:
                    cube.read(offset, part)
                elif job.error is None:
                    cube.write(offset, part)
            except ElasticDFError as error:
                job.error = error

    def _buffer(self, stack: ExitStack, at: int, size: int) -> Buffer:
        key = (at, size)
        found = self._pool.take(key, (0, 0))
        buffer = found[0] if found else self._lane.create_buffer(at, size)
        stack.callback(self._pool.give, key, buffer, None)
        return buffer

    def close(self) -> None:
        """Release the buffers."""
        self._pool.clear()
