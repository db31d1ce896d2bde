"""An emulated board seen from the host: a process of its own, memory shared with it.

The process dies with its host, however that ends. Refuses binaries without emulation data.
"""

from __future__ import annotations

import json
import logging
import mmap
import os
import subprocess
import sys
import threading
from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from itertools import count
from typing import Any

import numpy as np
from numpy.typing import NDArray

from elasticdf.artifact.axlf import Xclbin
from elasticdf.artifact.deployment import DeployedBoard, Deployment
from elasticdf.artifact.emulation import is_emulated
from elasticdf.errors import InternalError, UserError
from elasticdf.runtime.board import PAGE_BYTES, Argument, LinkCount, Word
from elasticdf.runtime.emulated.allocator import BankAllocator
from elasticdf.runtime.emulated.cable import Faults
from elasticdf.runtime.emulated.channel import Channel
from elasticdf.runtime.emulated.link import (
    LinkCounters,
    LinkEnd,
    counter_pages,
    counters_in,
)
from elasticdf.runtime.emulated.machine import Window
from elasticdf.runtime.emulated.started import EmulatedRun
from elasticdf.runtime.emulated.switch import Switch
from elasticdf.runtime.failures import BoardError

ANSWER_SECONDS = 60.0
"""A board that does not answer a message for so long is taken for dead."""

_END_SECONDS = 10.0
"""A process that hung up has ended within so long, however busy the machine is."""

_EMULATED_WATTS = 25.0
_EMULATED_CELSIUS = 40.0
_WORDS_PER_MESSAGE = 256
_COUNTS = tuple(name for name, _ in LinkCounters._fields_)

log = logging.getLogger(__name__)


class EmulatedBuffer:
    """A range of a bank, mapped into the host: both sides see the same bytes."""

    def __init__(self, board: EmulatedBoard, memory: int, size: int, offset: int) -> None:
        self.memory = memory
        self.size = size
        self._board = board
        self._offset = offset
        self._map = mmap.mmap(
            board.arena, max(size, 1), offset=board.windows[memory].offset + offset
        )
        self.view: NDArray[np.uint8] = np.frombuffer(self._map, np.uint8, size)

    @property
    def address(self) -> int:
        """Physical address on the board."""
        return self._board.windows[self.memory].base + self._offset

    def to_board(self) -> None:
        """Nothing to do."""

    def to_host(self) -> None:
        """Nothing to do."""

    def release(self) -> None:
        """Give the memory back."""
        self._board.give_back(self.memory, self._offset)


class EmulatedBoard:
    """See `elasticdf.runtime.board.Board`.

    Args:
        index: Position in the resource.
        deployed: What it pretends to be.
        switch: What its network ports are plugged into.
        threads: onnxruntime may use so many in this board.
    """

    def __init__(
        self, index: int, deployed: DeployedBoard, switch: Switch, threads: int = 1
    ) -> None:
        self.index = index
        self.vendor = deployed.vendor
        self.name = deployed.board
        self.shell = deployed.shell_version
        self.serial = f"EMULATED{index:04d}"
        self.arena = -1
        self._counters = -1
        self._counts: dict[LinkEnd, LinkCounters] = {}
        self.windows: dict[int, Window] = {}
        self._switch = switch
        self._threads = threads
        self._numbers = count(1)
        self._answers: dict[int, Future[Any]] = {}
        self._runs: dict[int, EmulatedRun] = {}
        self._lock = threading.Lock()
        self._failure: BoardError | None = None
        self._end: BoardError | None = None
        self._allocators: dict[int, BankAllocator] = {}
        self._program: tuple[Xclbin, Deployment, int] | None = None
        self._start_process()

    def _start_process(self) -> None:
        self._channel, there = Channel.pair()
        command = [
            sys.executable,
            "-m",
            __name__.replace(".board", ".process"),
            str(there.fileno()),
        ]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
        with there:
            self._process = subprocess.Popen(
                command, pass_fds=[there.fileno()], stdin=subprocess.DEVNULL, env=environment
            )
        self._failure = self._end = None
        reader = threading.Thread(
            target=self._read_events,
            args=(self._channel, self._process),
            name=f"board {self.index}",
            daemon=True,
        )
        reader.start()
        self._reader = reader

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    @property
    def failure(self) -> BoardError | None:
        """Why the board cannot go on, or None."""
        return self._end or self._failure

    @property
    def label(self) -> str:
        """How messages call the board."""
        return f"board {self.index} ({self.name}, emulated)"

    def _read_events(self, channel: Channel, process: subprocess.Popen[bytes]) -> None:
        while True:
            try:
                message, _ = channel.receive()
            except (EOFError, OSError):
                break
            self._take(message)
        status = process.wait()
        ended = f"killed by signal {-status}" if status < 0 else f"ended with status {status}"
        self._end = self._error(f"{self.label}: its process was {ended}")
        self._fail(self._end)

    def _take(self, message: dict[str, Any]) -> None:
        if message["op"] == "fault":
            text = self._fault_text(message["link"], message["text"])
            self._fail(BoardError(text, board=self.index, link=message["link"]))
            return
        with self._lock:
            if message["op"] == "answer":
                waiting: Any = self._answers.pop(message["id"], None)
            else:
                waiting = self._runs.pop(message["run"], None)
        if isinstance(waiting, EmulatedRun):
            failed = message["op"] == "failed"
            waiting.finish(self._error(f"{self.label}: {message['text']}") if failed else None)
        elif waiting is not None and "error" in message:
            waiting.set_exception(self._error(f"{self.label}: {message['error']}"))
        elif waiting is not None:
            waiting.set_result(message["value"])

    def _fault_text(self, link: int | None, text: str) -> str:
        if link is None or self._program is None:
            return f"{self.label}: {text}"
        stream = next(entry for entry in self._program[1].links if entry.id == link)
        return (
            f"{self.label}, link {link} (board {stream.source_board} port {stream.source_qsfp} "
            f"to board {stream.target_board} port {stream.target_qsfp}): {text}"
        )

    def _error(self, text: str) -> BoardError:
        return BoardError(text, board=self.index)

    def _fail(self, error: BoardError) -> None:
        with self._lock:
            if self._failure is None:
                self._failure = error
            answers, self._answers = self._answers, {}
            runs, self._runs = self._runs, {}
        for answer in answers.values():
            answer.set_exception(error)
        for run in runs.values():
            run.finish(error)

    def call(self, operation: str, descriptors: Iterable[int] = (), **values: Any) -> Any:
        """Send a message and return the answer.

        Raises:
            BoardError: The board refuses, is gone, or does not answer.
        """
        answer: Future[Any] = Future()
        number = next(self._numbers)
        with self._lock:
            self._answers[number] = answer
        try:
            self._send({"op": operation, "id": number, **values}, descriptors)
            return answer.result(ANSWER_SECONDS)
        except FutureTimeoutError as error:
            raise self._error(
                f"{self.label}: no answer to {operation!r} for {ANSWER_SECONDS:g} s"
            ) from error
        finally:
            with self._lock:
                self._answers.pop(number, None)

    def _send(self, message: dict[str, Any], descriptors: Iterable[int] = ()) -> None:
        try:
            self._channel.send(message, descriptors)
        except OSError as error:
            self._reader.join(_END_SECONDS)  # it knows how the process ended, a moment later
            raise self._end or self._error(f"{self.label}: its process hung up") from error

    def power_watts(self) -> float:
        """Return a plausible constant."""
        return _EMULATED_WATTS

    def temperature_celsius(self) -> float:
        """Return a plausible constant."""
        return _EMULATED_CELSIUS

    def program(self, binary: Xclbin, deployment: Deployment | None, board: int) -> None:
        """Load an emulation binary."""
        if deployment is None or not is_emulated(binary):
            raise UserError(
                f"{binary.name} is no emulation binary with a manifest beside it, so "
                f"{self.label} cannot run it; build the project with --emulate or use real boards"
            )
        self._program = (binary, deployment, board)
        self._make_arena(binary)
        self._make_counters(deployment, board)
        self._load()

    def _make_counters(self, deployment: Deployment, board: int) -> None:
        if self._counters >= 0:
            os.close(self._counters)
        self._counters = _memory_file(bytes(counter_pages(deployment, board)))
        self._counts = counters_in(mmap.mmap(self._counters, 0), deployment, board)

    def _make_arena(self, binary: Xclbin) -> None:
        if self.arena >= 0:
            os.close(self.arena)
        self.windows, offset = {}, 0
        for memory, bank in enumerate(binary.memories):
            if bank.used:
                size = bank.size_kib * 1024
                self.windows[memory] = Window(base=bank.base, size=size, offset=offset)
                offset += size
        self._allocators = {
            memory: BankAllocator(window.size - PAGE_BYTES)
            for memory, window in self.windows.items()
        }
        self.arena = os.memfd_create(f"elasticdf board {self.index}", os.MFD_CLOEXEC)
        os.ftruncate(self.arena, max(offset, PAGE_BYTES))

    def _load(self) -> None:
        assert self._program is not None, "only after program()"
        binary, deployment, board = self._program
        contents = (binary.to_bytes(), json.dumps(deployment.to_json()).encode())
        files = [_memory_file(content) for content in contents]
        windows = [
            {"base": window.base, "size": window.size, "offset": window.offset}
            for window in self.windows.values()
        ]
        try:
            ends = self.call(
                "program",
                (*files, self.arena, self._counters),
                name=binary.name,
                board=board,
                windows=windows,
                threads=self._threads,
            )
        finally:
            for file in files:
                os.close(file)
        self._switch.plug(self, tuple(ends.values()))

    def reset(self) -> None:
        """Bring the board back to where it was after programming; start it again if it is gone."""
        self._fail(self._error(f"{self.label}: it was reset"))
        try:
            ends = self.call("reset")
        except BoardError:
            if self._end is None:
                raise
            self._channel.close()
            self._reader.join()
            self._start_process()
            self._load()
            return
        self._failure = None
        self._switch.plug(self, tuple(ends.values()))

    def allocate(self, memory: int, size: int) -> EmulatedBuffer | None:
        """Return memory of a bank, or None if it has no room left or is not in use."""
        allocator = self._allocators.get(memory)
        offset = None if allocator is None else allocator.take(size)
        return None if offset is None else EmulatedBuffer(self, memory, size, offset)

    def give_back(self, memory: int, offset: int) -> None:
        """Free memory that `allocate` lent."""
        self._allocators[memory].give_back(offset)

    def start(self, kernel: str, unit: str, arguments: Sequence[Argument]) -> EmulatedRun:
        """Start a DMA engine: a buffer and a number of frames."""
        del kernel  # compute units have names of their own
        match list(arguments):
            case [EmulatedBuffer() as buffer, int() as frames]:
                pass
            case _:
                raise InternalError(f"DMA engine {unit} takes a buffer and a number of frames")
        run = EmulatedRun()
        number = next(self._numbers)
        with self._lock:
            self._runs[number] = run
        self._send(
            {
                "op": "start",
                "unit": unit,
                "run": number,
                "address": buffer.address,
                "frames": frames,
            }
        )
        return run

    def write(self, words: Iterable[Word]) -> None:
        """Write registers, in order."""
        listed = [(word.unit, word.offset, word.value) for word in words]
        for start in range(0, len(listed), _WORDS_PER_MESSAGE):
            self.call("write", words=listed[start : start + _WORDS_PER_MESSAGE])

    def read(self, words: Iterable[Word]) -> tuple[int, ...]:
        """Read registers."""
        listed = [(word.unit, word.offset) for word in words]
        values: list[int] = []
        for start in range(0, len(listed), _WORDS_PER_MESSAGE):
            values += self.call("read", words=listed[start : start + _WORDS_PER_MESSAGE])
        return tuple(values)

    def link_counts(self) -> tuple[LinkCount, ...]:
        """Return the counters of every link end on the board."""
        return tuple(
            LinkCount(
                link=link, sending=sending, **{name: getattr(counts, name) for name in _COUNTS}
            )
            for (link, sending), counts in self._counts.items()
        )

    def progress(self) -> int:
        """Return the number of frames that have moved."""
        return int(self.call("progress"))

    def inject(self, qsfp: int, faults: Faults) -> None:
        """Let the cable at a network port misbehave."""
        values = {name: getattr(faults, name) for name in faults.__slots__}
        self.call("inject", qsfp=qsfp, faults=values)

    def pause_receiver(self, link: int, seconds: float) -> None:
        """Let the receiving end of a link sleep before everything it takes."""
        self.call("pause", link=link, seconds=seconds)

    def close(self) -> None:
        """End the process."""
        self._switch.unplug(self)
        self._channel.close()
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join(timeout=5)
        for descriptor in (self.arena, self._counters):
            if descriptor >= 0:
                os.close(descriptor)
        self.arena = self._counters = -1


def _memory_file(content: bytes) -> int:
    descriptor = os.memfd_create("elasticdf", os.MFD_CLOEXEC)
    view = memoryview(content)
    while view:
        view = view[os.write(descriptor, view) :]
    return descriptor
