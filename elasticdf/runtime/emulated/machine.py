"""What an emulated board computes: kernels, DMA engines, links, wired as its binary says.

One thread per kernel, DMA engine and link end. A reset ends them all and wires everything anew, so
nothing that was under way survives it; the ONNX sessions do.
"""

from __future__ import annotations

import logging
import mmap
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from queue import SimpleQueue

import numpy as np
from numpy.typing import NDArray

from elasticdf.artifact.axlf import Xclbin
from elasticdf.artifact.deployment import (
    Deployment,
    Direction,
    HostStream,
    Kernel,
    NetworkStream,
    Port,
    StreamEnd,
)
from elasticdf.artifact.emulation import segments_of
from elasticdf.errors import UserError
from elasticdf.runtime.emulated.frames import ClosedError, FrameQueue
from elasticdf.runtime.emulated.kernels import (
    Relay,
    RunDma,
    Segment,
    Sink,
    Transfer,
    chunk_frames,
    run_input,
    run_output,
    run_segment,
)
from elasticdf.runtime.emulated.link import LinkCounters, Receiver, Transmitter
from elasticdf.runtime.emulated.network import NetworkPort
from elasticdf.runtime.emulated.registers import RegisterFile
from elasticdf.runtime.vnx_registers import port_instances

TICK_SECONDS = 0.02
_CHUNKS_PER_QUEUE = 4

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A bank of board memory inside the arena the host shares with the board.

    Attributes:
        base: Physical address of the first byte.
        size: Bytes.
        offset: Of its first byte in the arena.
    """

    base: int
    size: int
    offset: int


class ArenaMemory:
    """The board's memory: a file both processes map."""

    def __init__(self, arena: int, windows: tuple[Window, ...]) -> None:
        total = sum(window.size for window in windows)
        self._map = mmap.mmap(arena, max(total, mmap.PAGESIZE))
        self._windows = windows

    def view(self, address: int, size: int) -> NDArray[np.uint8]:
        """Return the bytes at a physical address.

        Raises:
            UserError: They are not all inside one bank that is in use.
        """
        for window in self._windows:
            if window.base <= address and address + size <= window.base + window.size:
                start = window.offset + address - window.base
                return np.frombuffer(self._map, np.uint8, size, start)
        raise UserError(f"bytes {address:#x} to {address + size:#x} lie in no memory bank in use")


Report = Callable[[dict[str, object]], None]


class Machine:
    """One programmed board.

    Args:
        board: Board id in the deployment.
        deployment: The wiring that the binary stands for.
        binary: The emulation binary.
        memory: What the DMA engines read and write.
        report: Called from any thread with an event: ``done`` or ``fault``.
        threads: onnxruntime may use so many.
    """

    def __init__(
        self,
        board: int,
        deployment: Deployment,
        binary: Xclbin,
        memory: ArenaMemory,
        report: Report,
        threads: int = 1,
    ) -> None:
        self._board = board
        self._deployment = deployment
        self._binary = binary
        self._memory = memory
        self._report = report
        models = segments_of(binary)
        self._segments: dict[str, Segment | Relay] = {}
        for kernel in deployment.kernels_of(board):
            if not kernel.layers:
                self._segments[kernel.name] = Relay(kernel)
                continue
            if kernel.name not in models:
                raise UserError(
                    f"{binary.name} holds no segment for kernel {kernel.name}; it is no emulation "
                    "binary of this deployment, build it with --emulate"
                )
            self._segments[kernel.name] = Segment(kernel, models[kernel.name].read(), threads)
        self._wiring = self._wire()

    def _wire(self) -> Wiring:
        return Wiring(
            self._board, self._deployment, self._binary, self._segments, self._memory, self._report
        )

    def reset(self) -> None:
        """Forget everything under way; cables get new ends and registers their reset values."""
        self._wiring.close()
        self._wiring = self._wire()

    @property
    def wiring(self) -> Wiring:
        """The running logic."""
        return self._wiring


class Wiring:
    """The running logic of a board between two resets."""

    def __init__(
        self,
        board: int,
        deployment: Deployment,
        binary: Xclbin,
        segments: Mapping[str, Segment | Relay],
        memory: ArenaMemory,
        report: Report,
    ) -> None:
        self._deployment = deployment
        self._report = report
        self._memory = memory
        self._closing = threading.Event()
        self._queues: dict[StreamEnd, FrameQueue] = {}
        self._sinks: dict[StreamEnd, Sink] = {}
        self._starts: dict[str, SimpleQueue[tuple[int, Transfer] | None]] = {}
        self._threads: list[threading.Thread] = []
        self.ports: dict[int, NetworkPort] = {}
        self.links: dict[tuple[int, str], Transmitter | Receiver] = {}
        self.registers: dict[str, RegisterFile] = {}
        self._make_ports(board, binary)
        kernels = deployment.kernels_of(board)
        for kernel in kernels:
            for port in kernel.inputs:
                self._queues[kernel.name, port.name] = _queue(port)
        self._join_local(board)
        self._join_links(board)
        dmas = tuple(stream for stream in deployment.host if stream.board == board)
        for stream in dmas:
            self._join_dma(stream)
        for kernel in kernels:
            self._add_kernel(kernel, segments[kernel.name])
        self._add_thread("tick", self._tick)
        for thread in self._threads:
            thread.start()

    def _make_ports(self, board: int, binary: Xclbin) -> None:
        for port in self._deployment.ports:
            if port.board != board:
                continue
            units = port_instances(binary, port.qsfp)
            if units is None:
                raise UserError(
                    f"{binary.name} has no network layer and MAC for port {port.qsfp}, which the "
                    "deployment uses; build the binary again"
                )
            made = NetworkPort(port.qsfp, units)
            self.ports[port.qsfp] = made
            self.registers[units.network.unit] = made.layer.file
            self.registers[units.cmac.unit] = made.cmac.file
            self._add_thread(f"port {port.qsfp}", made.run)

    def _port(self, end: StreamEnd) -> Port:
        kernel = self._deployment.kernel(end[0])
        return next(p for p in (*kernel.inputs, *kernel.outputs) if p.name == end[1])

    def _join_local(self, board: int) -> None:
        for stream in self._deployment.local:
            if stream.board == board:
                self._sinks[stream.source] = self._queues[stream.target]

    def _join_links(self, board: int) -> None:
        for link in self._deployment.links:
            wire_form = self._port(link.source)
            if link.source_board == board:
                network = self.ports[link.source_qsfp]
                sender = Transmitter(link, wire_form, network.prefix, network.send)
                network.attach(sender)
                self.links[link.id, "out"] = sender
                queue = _queue(wire_form)
                self._queues[link.source] = queue
                self._sinks[link.source] = queue
                self._add_thread(f"link {link.id} out", self._pump(queue, sender))
            if link.target_board == board:
                self._receive(link, wire_form)

    def _receive(self, link: NetworkStream, wire_form: Port) -> None:
        network = self.ports[link.target_qsfp]

        def report(sentence: str) -> None:
            self._report({"op": "fault", "link": link.id, "text": sentence})

        receiver = Receiver(
            link,
            wire_form,
            self._queues[link.target],
            network.prefix,
            network.send,
            network.release,
            report,
        )
        network.attach(receiver)
        self.links[link.id, "in"] = receiver
        self._add_thread(f"link {link.id} in", receiver.run)

    def _pump(self, queue: FrameQueue, sender: Transmitter) -> Callable[[], None]:
        def run() -> None:
            while True:
                sender.put(queue.take(1 << 30))

        return run

    def _join_dma(self, stream: HostStream) -> None:
        port = self._port(stream.end)
        if stream.direction is Direction.IN:
            queue = self._queues[stream.end]
            work: RunDma = run_input
        else:
            queue = _queue(port)
            self._queues[stream.end] = queue
            self._sinks[stream.end] = queue
            work = run_output
        starts: SimpleQueue[tuple[int, Transfer] | None] = SimpleQueue()
        self._starts[stream.dma] = starts

        def run() -> None:
            while (start := starts.get()) is not None:
                number, transfer = start
                try:
                    work(port, self._memory, queue, transfer)
                except UserError as error:
                    self._report({"op": "failed", "run": number, "text": str(error)})
                else:
                    self._report({"op": "done", "run": number})

        self._add_thread(f"DMA {stream.dma}", run)

    def _add_kernel(self, kernel: Kernel, segment: Segment | Relay) -> None:
        inputs = tuple(self._queues[kernel.name, port.name] for port in kernel.inputs)
        outputs = tuple(self._sinks[kernel.name, port.name] for port in kernel.outputs)
        self._add_thread(f"kernel {kernel.name}", lambda: run_segment(segment, inputs, outputs))

    def _add_thread(self, name: str, run: Callable[[], None]) -> None:
        def guarded() -> None:
            try:
                run()
            except ClosedError:
                pass
            except Exception as error:
                if not self._closing.is_set():
                    log.exception("%s failed", name)
                    self._report({"op": "fault", "link": None, "text": f"{name}: {error}"})

        self._threads.append(threading.Thread(target=guarded, name=name, daemon=True))

    def _tick(self) -> None:
        while not self._closing.wait(TICK_SECONDS):
            for port in self.ports.values():
                port.tick()

    def start(self, dma: str, run: int, transfer: Transfer) -> None:
        """Start a DMA engine; the event ``done`` with the run's number follows.

        Raises:
            UserError: There is no such engine.
        """
        if dma not in self._starts:
            raise UserError(f"no compute unit {dma} can be started")
        self._starts[dma].put((run, transfer))

    def progress(self) -> int:
        """Return a number that changes as long as frames move."""
        return sum(queue.passed for queue in self._queues.values())

    def counters(self) -> dict[tuple[int, str], LinkCounters]:
        """Return the counters of every link end on this board, by link id and ``in``/``out``."""
        return {end: adapter.counters for end, adapter in self.links.items()}

    def close(self) -> None:
        """End every thread."""
        self._closing.set()
        for port in self.ports.values():
            port.close()
        for queue in self._queues.values():
            queue.close()
        for starts in self._starts.values():
            starts.put(None)
        for thread in self._threads:
            thread.join(timeout=5)


def _queue(port: Port) -> FrameQueue:
    return FrameQueue(limit=_CHUNKS_PER_QUEUE * chunk_frames(port))
