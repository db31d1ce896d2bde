"""Small requests that wait together start together, as one run of the compute units.

A start costs the same for one frame as for a thousand. What arrives while a run is under way is
gathered; the next run takes all of it, once it is as much as what is under way, or nothing is. So a
lone request never waits for others (the thought is Nagle's, RFC 896). Two runs overlap like that;
more do once each is so large that its start hardly matters, so that client, server and every board
have one to work on.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from elasticdf.artifact.deployment import Port
from elasticdf.errors import ElasticDFError
from elasticdf.runtime.accelerator import Lane, Value
from elasticdf.runtime.coral.cube import Cube, CubeFolder
from elasticdf.runtime.coral.pool import BufferPool, WriteCounter
from elasticdf.runtime.coral.protocol import ArrayArgument
from elasticdf.runtime.objects import Buffer
from elasticdf.runtime.packing import frame_bytes
from elasticdf.runtime.scheduling import wait_for_a_processor

SMALL_BYTES = 1 << 18
"""Of a request's largest array; larger ones are run alone."""

_MOST_BYTES = 1 << 21
_RUNS_OF_ANY_SIZE = 2
_MOST_RUNS = 4
_WORTH_FRAMES = 2048
"""Of every run beside more others."""

_STOP_SECONDS = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What all requests share: the clients' arrays and the server's writes to them."""

    cubes: CubeFolder
    writes: WriteCounter = field(default_factory=WriteCounter)


class Reply(Protocol):
    """What a request's result is told to."""

    def settle(self, error: Exception | None) -> None:
        """Take the result; it may wait for `flush`."""
        ...

    def flush(self) -> None:
        """Send it, and with it every other result for the same client."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SmallRequest:
    """A request that may run together with others, its arguments checked.

    Attributes:
        frames: How many.
        client: Whose arrays they are.
        arrays: Its arrays by argument.
    """

    frames: int
    client: str
    arrays: Mapping[int, ArrayArgument]


@dataclass(slots=True, eq=False)
class _Job:
    """A request that waits for its run; `reply` is told of the end, `error` is why it failed."""

    request: SmallRequest
    reply: Reply
    error: Exception | None = None


class Gatherer:
    """The queue before one lane, and the threads that empty it.

    Args:
        lane: Where the runs go.
        ports: Stream of every array argument, by position.
        inputs: Positions of the arguments that are read.
        context: The clients' arrays.
    """

    def __init__(
        self, lane: Lane, ports: Mapping[int, Port], inputs: frozenset[int], context: Context
    ) -> None:
        self._lane = lane
        self._sizes = {at: frame_bytes(port) for at, port in ports.items()}
        self._largest = max(self._sizes.values(), default=0)
        self._inputs = inputs
        self._context = context
        self._waiting: deque[_Job] = deque()
        self._change = threading.Condition()
        self._threads: list[threading.Thread] = []
        self._closed = False
        self._pool = BufferPool()
        self.load = 0
        self._frames_waiting = 0
        self._frames_under_way = 0
        self._runs = 0

    def put(self, request: SmallRequest, reply: Reply) -> None:
        """Queue a request; its reply is told when it is done."""
        with self._change:
            self.load += 1
            self._waiting.append(_Job(request, reply))
            self._frames_waiting += request.frames
            self._wake()
            if len(self._threads) < _MOST_RUNS:
                thread = threading.Thread(target=self._work, name="gathered runs", daemon=True)
                self._threads.append(thread)
                thread.start()

    def _work(self) -> None:
        wait_for_a_processor()
        while batch := self._next_batch():
            self._run(batch)

    def _next_batch(self) -> tuple[_Job, ...]:
        """Wait for requests and return those of the next run; none at the end."""
        with self._change:
            while not self._closed and not self._enough():
                self._change.wait()
            batch: list[_Job] = []
            frames = 0
            while self._waiting:
                more = frames + self._waiting[0].request.frames
                if batch and more * self._largest > _MOST_BYTES:
                    break
                batch.append(self._waiting.popleft())
                frames = more
            self._frames_waiting -= frames
            self._frames_under_way += frames
            self._runs += 1
            self._wake()
            return tuple(batch)

    def _enough(self) -> bool:
        """Whether the requests that wait are worth a run beside those under way."""
        worth = _WORTH_FRAMES
        if self._runs < _RUNS_OF_ANY_SIZE:
            worth = min(worth, self._frames_under_way)
        return bool(self._waiting) and self._frames_waiting >= worth

    def _wake(self) -> None:
        if self._enough():
            self._change.notify()

    def _run(self, batch: tuple[_Job, ...]) -> None:
        try:
            with ExitStack() as stack:
                self._compute(batch, stack)
        except Exception as error:  # noqa: BLE001 - it is told to each request
            for job in batch:
                job.error = job.error or error
        with self._change:
            self.load -= len(batch)
            self._frames_under_way -= sum(job.request.frames for job in batch)
            self._runs -= 1
            self._wake()
        for job in batch:
            job.reply.settle(job.error)
        for job in batch:
            job.reply.flush()

    def _compute(self, batch: Sequence[_Job], stack: ExitStack) -> None:
        opened: list[Cube] = []
        stack.callback(_close_all, opened)
        cubes = {id(job): self._open(job, opened) for job in batch}
        ready = [job for job in batch if job.error is None]
        frames = sum(job.request.frames for job in ready)
        if not frames:
            return
        self._lane.recover()
        capacity = 1 << (frames - 1).bit_length()
        buffers = {at: self._buffer(stack, at, capacity * size) for at, size in self._sizes.items()}
        for at in sorted(self._inputs):
            for job, part in self._parts(ready, at, buffers[at]):
                self._exchange(job, cubes[id(job)][at].read, job.request.arrays[at].offset, part)
            buffers[at].memory.to_board()
        arguments = self._lane.kernel.arguments
        values: list[Value] = [buffers.get(at, frames) for at in range(len(arguments))]
        self._lane.run(values)
        for at in sorted(set(buffers) - self._inputs):
            buffers[at].memory.to_host()
            for job, part in self._parts(ready, at, buffers[at]):
                if job.error is None:
                    cube = cubes[id(job)][at]
                    self._exchange(job, cube.write, job.request.arrays[at].offset, part)
                    self._context.writes.written(cube.identity)

    def _open(self, job: _Job, opened: list[Cube]) -> dict[int, Cube]:
        """Open a job's arrays and list them as opened; one that cannot be is the job's error."""
        asked = job.request
        cubes: dict[int, Cube] = {}
        try:
            for at, given in asked.arrays.items():
                size = asked.frames * self._sizes[at]
                cubes[at] = self._context.cubes.open(asked.client, given.id, given.offset, size)
                opened.append(cubes[at])
        except ElasticDFError as error:
            job.error = error
        return cubes

    def _parts(
        self, batch: Iterable[_Job], at: int, buffer: Buffer
    ) -> Iterator[tuple[_Job, NDArray[np.uint8]]]:
        """Yield every job with its part of a buffer."""
        start, view = 0, buffer.view
        for job in batch:
            end = start + job.request.frames * self._sizes[at]
            yield job, view[start:end]
            start = end

    @staticmethod
    def _exchange(
        job: _Job,
        copy: Callable[[int, NDArray[np.uint8]], None],
        offset: int,
        part: NDArray[np.uint8],
    ) -> None:
        """Copy a job's part; a job whose array fails has an error of its own."""
        try:
            copy(offset, part)
        except ElasticDFError as error:
            job.error = error

    def _buffer(self, stack: ExitStack, at: int, size: int) -> Buffer:
        key = (at, size)
        found = self._pool.take(key, (0, 0))
        buffer = found[0] if found else self._lane.create_buffer(at, size)
        stack.callback(self._pool.give, key, buffer, None)
        return buffer

    def close(self) -> None:
        """End the threads and release the buffers."""
        with self._change:
            self._closed = True
            self._change.notify_all()
        for thread in self._threads:
            thread.join(_STOP_SECONDS)  # a run that hangs ends with its boards
        self._pool.clear()


def _close_all(cubes: Iterable[Cube]) -> None:
    for cube in cubes:
        cube.close()
