"""The compute units of an emulated board: segments that compute, DMA engines that move frames.

A segment runs whenever frames wait on all its inputs (``ap_ctrl_none``). A DMA engine runs when it
is started with an address and a number of frames, one start after the other (``ap_ctrl_hs``).
Refuses addresses outside the board's memory.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from elasticdf.artifact.deployment import Kernel, Port
from elasticdf.errors import UserError
from elasticdf.runtime.emulated.chains import largest_frame
from elasticdf.runtime.emulated.frames import Chunk, ClosedError, FrameQueue
from elasticdf.runtime.packing import frame_bytes, narrow_type, pack, unpack

MOST_FRAMES_PER_CHUNK = 1024
CHUNK_ELEMENTS = 1 << 20
"""A chunk holds about so many values in every layer, so that boards overlap on large frames and
what a layer leaves for the next stays in a cache."""


class Sink(Protocol):
    """Where a kernel's output port leads."""

    def put(self, chunk: Chunk) -> None:
        """Take frames, waiting while there is no room."""
        ...


class Memory(Protocol):
    """The board's memory by physical address."""

    def view(self, address: int, size: int) -> NDArray[np.uint8]:
        """Return the bytes, writable, without a copy."""
        ...


def chunk_frames(port: Port) -> int:
    """Return how many frames of a port make a chunk."""
    return _frames_of(port.transfers * port.elements)


def _frames_of(elements: int) -> int:
    return max(1, min(MOST_FRAMES_PER_CHUNK, CHUNK_ELEMENTS // elements))


_NUMPY_TYPES: Mapping[str, type[np.generic]] = {
    "tensor(float)": np.float32,
    "tensor(double)": np.float64,
    "tensor(int64)": np.int64,
    "tensor(int32)": np.int32,
    "tensor(int8)": np.int8,
    "tensor(uint8)": np.uint8,
}


class Segment:
    """The arithmetic of compute kernels that follow each other: an ONNX model in whole numbers.

    Args:
        chain: The kernels; the ports of the first name the model's inputs, the last's its outputs.
        model: Serialised ONNX.
        threads: onnxruntime may use so many.

    Attributes:
        first: Where frames enter.
        last: Where they leave.
        step: Frames to compute at once at most.

    Raises:
        UserError: The model does not load, or its inputs and outputs are not the kernel's ports.
    """

    def __init__(self, chain: Sequence[Kernel], model: bytes, threads: int = 1) -> None:
        self.first, self.last = chain[0], chain[-1]
        name = "+".join(kernel.name for kernel in chain)
        self._session = open_session(model, f"segment {name}", threads)
        self._types = {i.name: _NUMPY_TYPES[i.type] for i in self._session.get_inputs()}
        wanted = {port.tensor for port in self.first.inputs}
        produced = {output.name for output in self._session.get_outputs()}
        missing = wanted ^ set(self._types) | {p.tensor for p in self.last.outputs} - produced
        if missing:
            raise UserError(
                f"segment {name}: tensors {', '.join(sorted(missing))} are not both ports "
                "of the kernel and ends of its model; build the emulation binary again"
            )
        self._outputs = [port.tensor for port in self.last.outputs]
        self.step = _frames_of(largest_frame(model))

    def compute(self, inputs: Mapping[str, Chunk]) -> tuple[Chunk, ...]:
        """Return the output frames by output port for input frames by tensor name."""
        feeds = {name: v.astype(self._types[name], copy=False) for name, v in inputs.items()}
        return tuple(self._session.run(self._outputs, feeds))


class Relay:
    """A board that a stream only passes: no logic, what comes in goes out."""

    step = MOST_FRAMES_PER_CHUNK

    def __init__(self, kernel: Kernel) -> None:
        self.first = self.last = kernel

    def compute(self, inputs: Mapping[str, Chunk]) -> tuple[Chunk, ...]:
        """Return the frames unchanged."""
        return tuple(inputs[port.tensor] for port in self.last.outputs)


def open_session(model: bytes, what: str, threads: int) -> Any:
    """Return an onnxruntime session that uses few threads and never spins.

    Raises:
        UserError: onnxruntime does not accept the model.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise UserError(f"{what}: onnxruntime refuses its model ({error})") from error


def run_segment(
    segment: Segment | Relay, inputs: tuple[FrameQueue, ...], outputs: tuple[Sink, ...]
) -> None:
    """Compute for ever: frames from the input queues to the output sinks, in port order."""
    ports = segment.first.inputs
    while True:
        frames = min(segment.step, *(queue.ready() for queue in inputs))
        feeds = {p.tensor: q.take(frames) for p, q in zip(ports, inputs, strict=True)}
        for sink, chunk in zip(outputs, segment.compute(feeds), strict=True):
            sink.put(chunk)


class InlineKernel:
    """A kernel with one input: computes in the thread that brings the frames.

    Attributes:
        frames: Computed since the start.
    """

    def __init__(self, segment: Segment | Relay, outputs: tuple[Sink, ...]) -> None:
        self._segment = segment
        self._tensor = segment.first.inputs[0].tensor
        self._outputs = outputs
        self.frames = 0

    def put(self, chunk: Chunk) -> None:
        """Compute and pass the results on."""
        for start in range(0, len(chunk), self._segment.step):
            part = chunk[start : start + self._segment.step]
            results = self._segment.compute({self._tensor: part})
            for sink, out in zip(self._outputs, results, strict=True):
                sink.put(out)
            self.frames += len(part)


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """One start of a DMA engine: physical address and number of frames."""

    address: int
    frames: int


def run_weights(port: Port, memory: Memory, sink: Sink, transfer: Transfer) -> None:
    """Stream the same bytes into the board for every frame, as they are at the start."""
    step, kind = chunk_frames(port), narrow_type(port)
    (values,) = unpack(memory.view(transfer.address, frame_bytes(port)), port, kind)
    for start in range(0, transfer.frames, step):
        sink.put(np.broadcast_to(values, (min(step, transfer.frames - start), *values.shape)))


def run_input(port: Port, memory: Memory, sink: Sink, transfer: Transfer) -> None:
    """Stream frames from memory into the board."""
    size, step, kind = frame_bytes(port), chunk_frames(port), narrow_type(port)
    data = memory.view(transfer.address, transfer.frames * size).reshape(transfer.frames, size)
    for start in range(0, transfer.frames, step):
        sink.put(unpack(data[start : start + step], port, kind))


class OutputEngine:
    """A DMA engine that writes frames to memory, in the thread that brings them.

    Args:
        port: The stream.
        memory: Where frames go.
        done: Called with the number of every start that is complete.

    Attributes:
        frames: Written since the board was reset.
    """

    def __init__(self, port: Port, memory: Memory, done: Callable[[int], None]) -> None:
        self._port = port
        self._memory = memory
        self._done = done
        self._starts: deque[tuple[int, NDArray[np.uint8]]] = deque()
        self._closed = False
        self._change = threading.Condition()
        self.frames = 0

    def start(self, run: int, transfer: Transfer) -> None:
        """Queue a start.

        Raises:
            UserError: The address is outside the board's memory.
        """
        size = frame_bytes(self._port)
        data = self._memory.view(transfer.address, transfer.frames * size)
        with self._change:
            self._starts.append((run, data.reshape(transfer.frames, size)))
            self._change.notify()

    def put(self, chunk: Chunk) -> None:
        """Write frames, waiting for starts that want them.

        Raises:
            ClosedError: The board was reset.
        """
        rows = pack(chunk, self._port)
        while len(rows):
            run, room = self._next_start()
            count = min(len(rows), len(room))
            room[:count] = rows[:count]
            rows = rows[count:]
            self.frames += count
            if count == len(room):
                self._done(run)
            else:
                self._starts.appendleft((run, room[count:]))

    def _next_start(self) -> tuple[int, NDArray[np.uint8]]:
        with self._change:
            while not self._starts and not self._closed:
                self._change.wait()
            if self._closed:
                raise ClosedError
            return self._starts.popleft()

    def close(self) -> None:
        """End every wait."""
        with self._change:
            self._closed = True
            self._change.notify_all()
