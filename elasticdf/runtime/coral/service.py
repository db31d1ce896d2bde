"""What a request means: which accelerator, which arrays, which lane.

Every accelerator of every artifact is served by its public name; replicas take turns by load. In
``sw`` mode the whole network is served too, under the name it has in the other modes, so that an
application need not know how it is spread. Refuses arguments that do not fit, each in a sentence.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache, partial
from itertools import repeat

import numpy as np

from elasticdf.artifact.bitstream import Argument
from elasticdf.artifact.deployment import Direction, Port
from elasticdf.errors import UserError
from elasticdf.runtime.accelerator import Lane, Value
from elasticdf.runtime.coral.cube import Cube
from elasticdf.runtime.coral.gather import SMALL_BYTES, Context, Gatherer, Reply, SmallRequest
from elasticdf.runtime.coral.pool import BufferPool, Stamp
from elasticdf.runtime.coral.protocol import ArrayArgument, Request, RequestArgument, ScalarArgument
from elasticdf.runtime.objects import Buffer
from elasticdf.runtime.packing import frame_bytes
from elasticdf.runtime.pipeline import Step, StreamArgument, run_steps
from elasticdf.runtime.resource import Resource

MOST_FRAMES = 1 << 20

_SCALAR_BYTES: Mapping[str, int] = {
    "char": 1,
    "short": 2,
    "int": 4,
    "long": 8,
    "float": 4,
    "double": 8,
    "bool": 1,
}


class UnknownAcceleratorError(UserError):
    """No artifact holds the accelerator."""


class Shares:
    """Gives requests to the least busy of several equals."""

    def __init__(self, count: int) -> None:
        self._busy = [0] * count
        self._lock = threading.Lock()

    def least(self, loads: Iterable[int]) -> int:
        """Return the one that has the least to do, with what else each has to do."""
        totals = [busy + load for busy, load in zip(self._busy, loads, strict=True)]
        return totals.index(min(totals))

    @contextmanager
    def one(self, loads: Iterable[int]) -> Iterator[int]:
        """Hold the one that has the least to do."""
        with self._lock:
            chosen = self.least(loads)
            self._busy[chosen] += 1
        try:
            yield chosen
        finally:
            with self._lock:
                self._busy[chosen] -= 1


@cache
def _plain_type(text: str) -> str:
    return text.removeprefix("unsigned ").removeprefix("u")


def _where(name: str, position: int, described: Argument) -> str:
    return f"{name}, argument {position} ({described.name or described.type})"


def _scalar(name: str, position: int, described: Argument, given: RequestArgument) -> int:
    size = _SCALAR_BYTES.get(_plain_type(described.type))
    if not isinstance(given, ScalarArgument):
        where = _where(name, position, described)
        raise UserError(f"{where} is the scalar {described.type}, an array or nothing came")
    if size is not None and len(given.value) != size:
        raise UserError(
            f"{_where(name, position, described)} is {described.type}, {size} bytes; "
            f"{len(given.value)} bytes came, pass a NumPy scalar of that type"
        )
    return int.from_bytes(given.value[:8], "little")


def _array(name: str, position: int, described: Argument, given: RequestArgument) -> ArrayArgument:
    if isinstance(given, ScalarArgument):
        raise UserError(
            f"{_where(name, position, described)} is an array in shared memory, "
            f"{len(given.value)} bytes of plain memory came; allocate it under inaccel.allocator"
        )
    if given is None:
        raise UserError(f"{_where(name, position, described)} is missing")
    return given


def _frames(name: str, count: int) -> int:
    if not 1 <= count <= MOST_FRAMES:
        raise UserError(f"{name}: {count} frames are asked for, 1 to {MOST_FRAMES} are possible")
    return count


def _check_count(name: str, described: Sequence[Argument], request: Request) -> None:
    if len(request.arguments) != len(described):
        kinds = ", ".join(f"{a.type} {a.name}".strip() for a in described)
        raise UserError(
            f"{name} takes {len(described)} arguments ({kinds}), {len(request.arguments)} came"
        )


def _weight_bytes(name: str, position: int, port: Port, given: ArrayArgument) -> int:
    """Return the bytes of a weight matrix; another number is another matrix."""
    size = frame_bytes(port)
    if given.size != size:
        outputs, inputs = port.shape[1:]
        raise UserError(
            f"{name}, argument {position}: the weights are {outputs} x {inputs}, {size} bytes, "
            f"the array has {given.size}"
        )
    return size


def _needed(name: str, position: int, port: Port, given: ArrayArgument, frames: int) -> int:
    size = frames * frame_bytes(port)
    if given.size < size:
        raise UserError(
            f"{name}, argument {position}: {frames} frames of {frame_bytes(port)} bytes are "
            f"{size} bytes, the array has {given.size}"
        )
    return size


class LaneAccelerator:
    """An accelerator of bitstream.json with its replicas."""

    def __init__(
        self,
        name: str,
        resource: Resource,
        lanes: Sequence[Lane],
        streams: Sequence[StreamArgument],
        context: Context,
    ) -> None:
        self.name = name
        self._resource = resource
        self._lanes = tuple(lanes)
        self._ports = ports = {stream.position: stream.port for stream in streams}
        self._weights = {stream.position for stream in streams if stream.weights is not None}
        self._context = context
        self._arguments = self._lanes[0].kernel.arguments
        self._shares = Shares(len(self._lanes))
        self._pools = tuple(BufferPool() for _ in self._lanes)
        inputs = frozenset(at for at in ports if self._arguments[at].access == "r")
        self._gatherers = tuple(Gatherer(lane, ports, inputs, context) for lane in self._lanes)
        self._gathers = bool(ports) and not self._weights and len(ports) + 1 == len(self._arguments)

    def _scalars(self, request: Request) -> dict[int, int]:
        _check_count(self.name, self._arguments, request)
        return {
            at: _scalar(self.name, at, described, given)
            for at, (described, given) in enumerate(
                zip(self._arguments, request.arguments, strict=True)
            )
            if not described.is_array
        }

    def _loads(self) -> Iterator[int]:
        return (gatherer.load for gatherer in self._gatherers)

    def small(self, request: Request) -> Callable[[Reply], None] | None:
        """Return what lets a small request run together with others, None if it is large.

        Nothing happens until it is called, each time with what is told of the end.

        Raises:
            UserError: An argument does not fit.
        """
        if not self._gathers:
            return None
        (count,) = self._scalars(request).values()
        frames = _frames(self.name, count)
        if any(frames * frame_bytes(port) > SMALL_BYTES for port in self._ports.values()):
            return None
        arrays = {}
        for at, port in self._ports.items():
            arrays[at] = _array(self.name, at, self._arguments[at], request.arguments[at])
            _needed(self.name, at, port, arrays[at], frames)
        return partial(
            self._gather, SmallRequest(frames=frames, client=request.client, arrays=arrays)
        )

    def _gather(self, request: SmallRequest, reply: Reply) -> None:
        lane = self._shares.least(self._loads())
        self._gatherers[lane].put(request, reply)

    def serve(self, request: Request) -> None:
        """Serve a request.

        Raises:
            UserError: An argument does not fit.
            BoardError: A board or a link failed.
        """
        scalars = self._scalars(request)
        frames = _frames(self.name, next(iter(scalars.values()), 1)) if self._ports else 1
        self._resource.recover()
        with self._shares.one(self._loads()) as lane, ExitStack() as stack:
            slots = {
                at: stack.enter_context(self._slot(lane, at, request, frames))
                for at, described in enumerate(self._arguments)
                if described.is_array
            }
            values: list[Value] = [
                slots[at].buffer if at in slots else scalars[at]
                for at in range(len(self._arguments))
            ]
            self._lanes[lane].run(values)
            for slot in slots.values():
                slot.finish(self._context)

    @contextmanager
    def _slot(self, lane: int, at: int, request: Request, frames: int) -> Iterator[Slot]:
        """Hold a buffer with the array's content; it goes back to the pool at the end."""
        described = self._arguments[at]
        given = _array(self.name, at, described, request.arguments[at])
        port = self._ports.get(at)
        if port is None:
            size = given.size
        elif at in self._weights:
            size = _weight_bytes(self.name, at, port, given)
        else:
            size = _needed(self.name, at, port, given, frames)
        with self._context.cubes.open(request.client, given.id, given.offset, size) as cube:
            key = (at, cube.identity, given.offset, size)
            stamp = (given.version, self._context.writes.of(cube.identity))
            pool = self._pools[lane]
            found = pool.take(key, stamp)
            buffer, current = found or (self._lanes[lane].create_buffer(at, size), False)
            slot = Slot(buffer=buffer, cube=cube, given=given, access=described.access or "rw")
            try:
                if slot.reads and not current:
                    cube.read(given.offset, buffer.view)
                    buffer.memory.to_board()
                slot.stamp = stamp
                yield slot
            except BaseException:
                slot.stamp = None
                raise
            finally:
                pool.give(key, buffer, slot.stamp)

    def close(self) -> None:
        """Release everything."""
        for gatherer in self._gatherers:
            gatherer.close()
        for pool in self._pools:
            pool.clear()
        for lane in self._lanes:
            lane.release()


@dataclass(slots=True, kw_only=True)
class Slot:
    """An array argument of a running request."""

    buffer: Buffer
    cube: Cube
    given: ArrayArgument
    access: str
    stamp: Stamp | None = None

    @property
    def reads(self) -> bool:
        """Whether the accelerator reads it."""
        return "r" in self.access

    def finish(self, context: Context) -> None:
        """Copy what the accelerator wrote to the client's array."""
        if "w" in self.access:
            self.buffer.memory.to_host()
            self.cube.write(self.given.offset, self.buffer.view)
            self.stamp = (self.given.version, context.writes.written(self.cube.identity))


class ChainAccelerator:
    """A network in mode ``sw`` under one name: inputs, outputs, weights, number of frames."""

    def __init__(
        self,
        name: str,
        resource: Resource,
        replicas: Sequence[tuple[Step, ...]],
        context: Context,
    ) -> None:
        self.name = name
        self._context = context
        self._resource = resource
        self._replicas = tuple(replicas)
        self._inputs = _ends(self._replicas[0], Direction.IN)
        self._outputs = _ends(self._replicas[0], Direction.OUT)
        streams = [s for step in self._replicas[0] for s in step.streams]
        self._weights = tuple(s.port for s in streams if s.weights is not None)
        self._arguments = (
            *(Argument(type="char*", name=port.tensor, access="r") for port in self._inputs),
            *(Argument(type="char*", name=port.tensor, access="w") for port in self._outputs),
            *(Argument(type="char*", name=port.tensor, access="r") for port in self._weights),
            Argument(type="uint", name="n"),
        )
        self._shares = Shares(len(self._replicas))

    def small(self, request: Request) -> None:
        """Return None: requests in several steps do not run together."""
        del request

    def serve(self, request: Request) -> None:
        """Serve a request.

        Raises:
            UserError: An argument does not fit.
            BoardError: A board or a link failed.
        """
        _check_count(self.name, self._arguments, request)
        last = len(self._arguments) - 1
        count = _scalar(self.name, last, self._arguments[last], request.arguments[last])
        frames = _frames(self.name, count)
        self._resource.recover()
        ports = (*self._inputs, *self._outputs, *self._weights)
        fixed = len(ports) - len(self._weights)
        with self._shares.one(repeat(0, len(self._replicas))) as replica, ExitStack() as stack:
            arrays = [
                _array(self.name, at, self._arguments[at], request.arguments[at])
                for at in range(len(ports))
            ]
            sizes = [
                _needed(self.name, at, port, arrays[at], frames)
                if at < fixed
                else _weight_bytes(self.name, at, port, arrays[at])
                for at, port in enumerate(ports)
            ]
            cubes = [
                stack.enter_context(
                    self._context.cubes.open(request.client, array.id, array.offset, size)
                )
                for array, size in zip(arrays, sizes, strict=True)
            ]
            streams = {}
            read = [at for at, argument in enumerate(self._arguments) if argument.access == "r"]
            for at in read:
                port = ports[at]
                data = np.empty((sizes[at] // frame_bytes(port), frame_bytes(port)), np.uint8)
                cubes[at].read(arrays[at].offset, data)
                streams[port.tensor] = (port, data)
            results = run_steps(self._replicas[replica], streams, frames)
            for at, port in enumerate(self._outputs, len(self._inputs)):
                cubes[at].write(arrays[at].offset, results[port.tensor][1].reshape(-1))
                self._context.writes.written(cubes[at].identity)

    def close(self) -> None:
        """Nothing is held between requests."""


def _ends(steps: Sequence[Step], direction: Direction) -> tuple[Port, ...]:
    ports = [s for step in steps for s in step.streams if s.weights is None]
    inner = {s.port.tensor for s in ports if s.direction is not direction}
    return tuple(s.port for s in ports if s.direction is direction and s.port.tensor not in inner)


Accelerator = LaneAccelerator | ChainAccelerator
