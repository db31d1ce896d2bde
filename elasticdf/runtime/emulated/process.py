"""The process of one emulated board: obeys the host's messages, ends when the host is gone.

Started as ``python -m elasticdf.runtime.emulated.process FD``; FD is its end of the channel.
"""

from __future__ import annotations

import json
import logging
import mmap
import os
import signal
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from elasticdf.artifact.axlf import parse
from elasticdf.artifact.deployment import Deployment
from elasticdf.errors import UserError
from elasticdf.runtime.emulated.cable import Faults
from elasticdf.runtime.emulated.channel import Channel
from elasticdf.runtime.emulated.kernels import Transfer
from elasticdf.runtime.emulated.machine import ArenaMemory, Machine, Window
from elasticdf.runtime.emulated.receiver import Receiver
from elasticdf.runtime.failures import BoardError
from elasticdf.runtime.garbage import keep_what_is_loaded
from elasticdf.runtime.scheduling import wait_for_a_processor

log = logging.getLogger(__name__)

Message = dict[str, Any]


def _content(descriptor: int) -> bytes:
    with os.fdopen(descriptor, "rb") as handle:
        handle.seek(0)
        return handle.read()


class Board:
    """Answers one message after the other."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._machine: Machine | None = None
        self._actions: dict[str, Callable[[Message, tuple[int, ...]], Any]] = {
            "program": self._program,
            "reset": self._reset,
            "plug": self._plug,
            "write": self._write,
            "read": self._read,
            "progress": self._progress,
            "inject": self._inject,
            "pause": self._pause,
        }

    def serve(self) -> None:
        """Answer until the host is gone."""
        while True:
            try:
                message, descriptors = self._channel.receive()
            except EOFError:
                return
            if message["op"] == "start":
                self._start(message)
            else:
                self._channel.send(self._answer(message, descriptors))

    def _answer(self, message: Message, descriptors: tuple[int, ...]) -> Message:
        answer: Message = {"op": "answer", "id": message["id"]}
        try:
            answer["value"] = self._actions[message["op"]](message, descriptors)
        except UserError as error:
            answer["error"] = str(error)
        except Exception as error:
            log.exception("%s failed", message.get("op"))
            answer["error"] = f"{type(error).__name__}: {error}"
        return answer

    @property
    def _programmed(self) -> Machine:
        if self._machine is None:
            raise BoardError("the board is not programmed")
        return self._machine

    def _program(self, message: Message, descriptors: tuple[int, ...]) -> Message:
        binary, deployment, arena, counters = descriptors
        if self._machine is not None:
            self._machine.wiring.close()
            self._machine = None
        try:
            memory = ArenaMemory(arena, tuple(Window(**window) for window in message["windows"]))
            counts = mmap.mmap(counters, 0)
        finally:
            os.close(arena)
            os.close(counters)
        self._machine = Machine(
            message["board"],
            Deployment.from_json(json.loads(_content(deployment))),
            parse(_content(binary), message["name"]),
            memory,
            counts,
            self._report,
            message["threads"],
        )
        keep_what_is_loaded()
        return self._cable_ends()

    def _report(self, event: dict[str, object]) -> None:
        with suppress(OSError):  # the host is gone; serve() sees it too
            self._channel.send(event)

    def _cable_ends(self) -> Message:
        ports = self._programmed.wiring.ports
        return {str(qsfp): port.cable.port for qsfp, port in ports.items()}

    def _reset(self, message: Message, _: tuple[int, ...]) -> Message:
        del message
        self._programmed.reset()
        return self._cable_ends()

    def _plug(self, message: Message, _: tuple[int, ...]) -> None:
        for port in self._programmed.wiring.ports.values():
            port.cable.plug(tuple(message["peers"]))

    def _write(self, message: Message, _: tuple[int, ...]) -> None:
        files = self._programmed.wiring.registers
        for unit, offset, value in message["words"]:
            if unit not in files:
                raise BoardError(f"compute unit {unit} has no registers")
            files[unit].write(offset, value)

    def _read(self, message: Message, _: tuple[int, ...]) -> list[int]:
        files = self._programmed.wiring.registers
        for unit, _offset in message["words"]:
            if unit not in files:
                raise BoardError(f"compute unit {unit} has no registers")
        return [files[unit].read(offset) for unit, offset in message["words"]]

    def _start(self, message: Message) -> None:
        """Start a DMA engine; nothing is answered, ``done`` or ``failed`` follows."""
        transfer = Transfer(address=message["address"], frames=message["frames"])
        try:
            self._programmed.wiring.start(message["unit"], message["run"], transfer)
        except UserError as error:
            self._report({"op": "failed", "run": message["run"], "text": str(error)})

    def _progress(self, message: Message, _: tuple[int, ...]) -> int:
        del message
        return self._programmed.wiring.progress()

    def _inject(self, message: Message, _: tuple[int, ...]) -> None:
        faults = Faults(**message["faults"])
        self._programmed.wiring.ports[message["qsfp"]].cable.inject(faults)

    def _pause(self, message: Message, _: tuple[int, ...]) -> None:
        receiver = self._programmed.wiring.links.get((message["link"], False))
        if isinstance(receiver, Receiver):
            receiver.pause_seconds = message["seconds"]


def main() -> None:
    """Run the board until the host is gone."""
    logging.basicConfig(stream=sys.stderr, level=logging.ERROR)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the host, which then closes us
    wait_for_a_processor()
    end = socket.socket(fileno=int(sys.argv[1]))
    Board(Channel(end)).serve()
    os._exit(0)  # worker threads may sit in native code; nothing is left to save


if __name__ == "__main__":
    main()
