"""Requests on a programmed resource: which compute units a request starts, in which order.

A lane is one accelerator of bitstream.json: compute units that serve a request together (``dp``,
``hw``, ``tmp``: a whole replica; ``sw``: one step of it). Outputs are started before inputs, and no
two requests of a lane interleave their starts, so frames meet their own request's buffers.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass

from elasticdf.artifact.bitstream import KernelObject
from elasticdf.errors import UserError
from elasticdf.runtime.board import Run
from elasticdf.runtime.failures import BoardError
from elasticdf.runtime.objects import Buffer, ComputeUnit
from elasticdf.runtime.resource import Resource

Value = Buffer | int


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A compute unit and the request arguments it takes, by position in its own call."""

    unit: ComputeUnit
    arguments: tuple[int, ...]
    writes: bool


class Lane:
    """One accelerator, ready to take requests from several threads."""

    def __init__(self, resource: Resource, kernel: KernelObject) -> None:
        self.kernel = kernel
        self._resource = resource
        calls = [self._call(number) for number in range(len(kernel.directives))]
        self._calls = tuple(sorted(calls, key=lambda call: not call.writes))
        self._starting = threading.Lock()

    def _call(self, number: int) -> Call:
        directive = self.kernel.directives[number]
        unit = self._resource.create_compute_unit(directive)
        if unit is None:
            raise UserError(
                f"kernel {self.kernel.kernel_id}: {directive} names no compute unit of the "
                "artifact's binaries; package it again"
            )
        order = tuple(position for _, position in self.kernel.call_of(number))
        writes = any(
            self.kernel.arguments[position].is_array
            and self.kernel.arguments[position].access != "r"
            for position in order
        )
        return Call(unit=unit, arguments=order, writes=writes)

    def create_buffer(self, argument: int, size: int) -> Buffer:
        """Return a buffer for an array argument, in the memory bitstream.json gives it.

        Raises:
            UserError: There is no such memory, or it has no room left.
        """
        described = self.kernel.arguments[argument]
        index = described.memory or 0
        memory = self._resource.create_memory(index)
        buffer = memory.create_buffer(size) if memory is not None else None
        if buffer is None:
            reason = "has no room left" if memory is not None else "does not exist or is not used"
            raise UserError(
                f"kernel {self.kernel.kernel_id}, argument {argument} ({described.name}): "
                f"{size} bytes are needed, memory {index} {reason}"
            )
        return buffer

    def recover(self) -> None:
        """Make the boards usable again if they failed.

        Raises:
            BoardError: They cannot be.
        """
        self._resource.recover()

    def start(self, values: Sequence[Value]) -> tuple[Run, ...]:
        """Start a request; the arguments are those of bitstream.json, in its order.

        Raises:
            UserError: An argument does not fit; nothing was started.
            BoardError: A board or a link failed.
        """
        resolved = [
            (call.unit, call.unit.resolve([values[position] for position in call.arguments]))
            for call in self._calls
        ]
        with self._starting:
            generation = self._resource.generation
            self._resource.raise_failure()
            try:
                return tuple(unit.start(arguments) for unit, arguments in resolved)
            except BoardError as error:
                self._resource.fail(error, generation)  # units already started would take others'
                raise

    def run(self, values: Sequence[Value]) -> None:
        """Start a request and wait for its end.

        Raises:
            BoardError: A board or a link failed.
        """
        generation = self._resource.generation
        self._resource.await_runs(self.start(values), generation)

    def release(self) -> None:
        """Give the compute units up."""
        for call in self._calls:
            call.unit.release()
