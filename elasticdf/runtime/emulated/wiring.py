"""The running logic of an emulated board: kernels, DMA engines, links, joined as its binary says.

Frames are pushed: whoever has some computes on through every kernel that waits for nothing else, up
to a link, memory, or a kernel with several inputs. Such a kernel, every DMA engine that reads and
every receiving end of a link has a thread of its own.
"""

from __future__ import annotations

import logging
import mmap
import threading
from collections.abc import Callable, Mapping
from queue import SimpleQueue
from typing import TypeAlias

from elasticdf.artifact.axlf import Xclbin
from elasticdf.artifact.deployment import (
    Deployment,
    Direction,
    HostStream,
    NetworkStream,
    Port,
    StreamEnd,
)
from elasticdf.errors import InternalError, UserError
from elasticdf.runtime.emulated.frames import ClosedError, FrameQueue
from elasticdf.runtime.emulated.kernels import (
    InlineKernel,
    Memory,
    OutputEngine,
    Relay,
    Segment,
    Sink,
    Transfer,
    chunk_frames,
    run_input,
    run_segment,
    run_weights,
)
from elasticdf.runtime.emulated.link import LinkEnd, counters_in
from elasticdf.runtime.emulated.network import NetworkPort
from elasticdf.runtime.emulated.receiver import Receiver
from elasticdf.runtime.emulated.registers import RegisterFile
from elasticdf.runtime.emulated.transmitter import Transmitter
from elasticdf.runtime.vnx_registers import port_instances

TICK_SECONDS = 0.02
_CHUNKS_PER_QUEUE = 4

Report: TypeAlias = Callable[[dict[str, object]], None]
Starts: TypeAlias = "SimpleQueue[tuple[int, Transfer] | None]"

log = logging.getLogger(__name__)


class Wiring:
    """Everything that runs on a board between two resets.

    Args:
        board: Board id in the deployment.
        deployment: The wiring that the binary stands for.
        binary: For the registers of its network layer.
        segments: By the name of the kernel where frames enter them.
        memory: What the DMA engines read and write.
        counters: Memory for the links' counters, which are set to zero.
        report: Called from any thread with an event: ``done``, ``failed`` or ``fault``.
    """

    def __init__(
        self,
        board: int,
        deployment: Deployment,
        binary: Xclbin,
        segments: Mapping[str, Segment | Relay],
        memory: Memory,
        counters: mmap.mmap,
        report: Report,
    ) -> None:
        self._board = board
        counters[:] = bytes(len(counters))
        self._counters = counters_in(counters, deployment, board)
        self._deployment = deployment
        self._segments = segments
        self._memory = memory
        self._report = report
        self._closing = threading.Event()
        self._inputs: dict[StreamEnd, Sink] = {}
        self._queues: list[FrameQueue] = []
        self._starts: dict[str, Callable[[int, Transfer], None]] = {}
        self._stops: list[Callable[[], None]] = []
        self._engines: list[OutputEngine] = []
        self._threads: list[threading.Thread] = []
        self.ports: dict[int, NetworkPort] = {}
        self.links: dict[LinkEnd, Transmitter | Receiver] = {}
        self.registers: dict[str, RegisterFile] = {}
        self._make_ports(binary)
        self._outputs = self._make_outputs()
        for stream in deployment.host:
            if stream.board == board and stream.direction is Direction.IN:
                self._read_for(stream, self._input(stream.end))
        for link in deployment.links:
            if link.target_board == board:
                self._receive(link)
        self._add_thread("tick", self._tick)
        for thread in self._threads:
            thread.start()

    def _make_ports(self, binary: Xclbin) -> None:
        for port in self._deployment.ports:
            if port.board != self._board:
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

    def _make_outputs(self) -> dict[StreamEnd, Sink | StreamEnd]:
        """Return where every output of a kernel leads: a link, a DMA engine, or another kernel."""
        mine = self._board
        outputs: dict[StreamEnd, Sink | StreamEnd] = {
            stream.source: stream.target
            for stream in self._deployment.local
            if stream.board == mine
        }
        for link in self._deployment.links:
            if link.source_board == mine:
                outputs[link.source] = self._transmitter(link)
        for stream in self._deployment.host:
            if stream.board == mine and stream.direction is Direction.OUT:
                outputs[stream.end] = self._write_from(stream)
        return outputs

    def _input(self, end: StreamEnd) -> Sink:
        """Return what takes frames for a kernel's input; kernels behind it are made first."""
        if end not in self._inputs:
            self._make_kernel(end[0])
        return self._inputs[end]

    def _output(self, end: StreamEnd) -> Sink:
        if end not in self._outputs:
            raise InternalError(f"nothing takes the stream {end[0]}.{end[1]}")
        target = self._outputs[end]
        return self._input(target) if isinstance(target, tuple) else target

    def _make_kernel(self, name: str) -> None:
        segment = self._segments[name]
        kernel, last = segment.first, segment.last
        outputs = tuple(self._output((last.name, port.name)) for port in last.outputs)
        if len(kernel.inputs) == 1:
            self._inputs[name, kernel.inputs[0].name] = InlineKernel(segment, outputs)
            return
        queues = tuple(self._queue(port) for port in kernel.inputs)
        for port, queue in zip(kernel.inputs, queues, strict=True):
            self._inputs[name, port.name] = queue
        self._add_thread(f"kernel {name}", lambda: run_segment(segment, queues, outputs))

    def _queue(self, port: Port) -> FrameQueue:
        queue = FrameQueue(limit=_CHUNKS_PER_QUEUE * chunk_frames(port))
        self._queues.append(queue)
        return queue

    def _port(self, end: StreamEnd) -> Port:
        kernel = self._deployment.kernel(end[0])
        return next(p for p in (*kernel.inputs, *kernel.outputs) if p.name == end[1])

    def _transmitter(self, link: NetworkStream) -> Transmitter:
        network = self.ports[link.source_qsfp]
        end = (link.id, True)
        sender = Transmitter(
            link, self._port(link.source), network.prefix, network.send, self._counters[end]
        )
        network.attach(sender)
        self.links[end] = sender
        return sender

    def _receive(self, link: NetworkStream) -> None:
        network = self.ports[link.target_qsfp]

        def report(sentence: str) -> None:
            self._report({"op": "fault", "link": link.id, "text": sentence})

        receiver = Receiver(
            link,
            self._port(link.source),
            self._input(link.target),
            network.prefix,
            network.send,
            network.release,
            report,
            self._counters[link.id, False],
        )
        network.attach(receiver)
        self.links[link.id, False] = receiver
        self._add_thread(f"link {link.id} in", receiver.run)

    def _read_for(self, stream: HostStream, sink: Sink) -> None:
        port = self._port(stream.end)
        read = run_input if stream.weights is None else run_weights
        starts: Starts = SimpleQueue()
        self._starts[stream.dma] = lambda run, transfer: starts.put((run, transfer))
        self._stops.append(lambda: starts.put(None))

        def run() -> None:
            while (start := starts.get()) is not None:
                number, transfer = start
                try:
                    read(port, self._memory, sink, transfer)
                except UserError as error:
                    self._report({"op": "failed", "run": number, "text": str(error)})
                else:
                    self._done(number)

        self._add_thread(f"DMA {stream.dma}", run)

    def _write_from(self, stream: HostStream) -> OutputEngine:
        engine = OutputEngine(self._port(stream.end), self._memory, self._done)
        self._starts[stream.dma] = engine.start
        self._stops.append(engine.close)
        self._engines.append(engine)
        return engine

    def _done(self, run: int) -> None:
        self._report({"op": "done", "run": run})

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
            UserError: There is no such engine, or the address is outside the board's memory.
        """
        if dma not in self._starts:
            raise UserError(f"no compute unit {dma} can be started")
        self._starts[dma](run, transfer)

    def progress(self) -> int:
        """Return a number that changes as long as frames move."""
        kernels = (sink for sink in self._inputs.values() if isinstance(sink, InlineKernel))
        moved = sum(kernel.frames for kernel in kernels)
        moved += sum(queue.passed for queue in self._queues)
        moved += sum(engine.frames for engine in self._engines)
        return moved + sum(counters.packets for counters in self._counters.values())

    def close(self) -> None:
        """End every thread."""
        self._closing.set()
        for port in self.ports.values():
            port.close()
        for queue in self._queues:
            queue.close()
        for stop in self._stops:
            stop()
        for thread in self._threads:
            thread.join(timeout=5)
