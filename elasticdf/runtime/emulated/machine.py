"""A programmed emulated board: its memory, its segments, and the wiring between resets.

A reset wires everything anew, so nothing that was under way survives it; the ONNX sessions do.
"""

from __future__ import annotations

import mmap
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from elasticdf.artifact.axlf import Xclbin
from elasticdf.artifact.deployment import Deployment
from elasticdf.artifact.emulation import segments_of
from elasticdf.errors import UserError
from elasticdf.runtime.emulated.chains import chains, join_models
from elasticdf.runtime.emulated.kernels import Relay, Segment
from elasticdf.runtime.emulated.wiring import Report, Wiring


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


class Machine:
    """One programmed board.

    Args:
        board: Board id in the deployment.
        deployment: The wiring that the binary stands for.
        binary: The emulation binary.
        memory: What the DMA engines read and write.
        counters: Memory for the links' counters.
        report: Called from any thread with an event: ``done`` or ``fault``.
        threads: onnxruntime may use so many.
    """

    def __init__(
        self,
        board: int,
        deployment: Deployment,
        binary: Xclbin,
        memory: ArenaMemory,
        counters: mmap.mmap,
        report: Report,
        threads: int = 1,
    ) -> None:
        self._board = board
        self._deployment = deployment
        self._binary = binary
        self._memory = memory
        self._counters = counters
        self._report = report
        models = segments_of(binary)
        self._segments: dict[str, Segment | Relay] = {}
        for chain in chains(deployment, board):
            if not chain[0].layers:
                self._segments[chain[0].name] = Relay(chain[0])
                continue
            missing = [kernel.name for kernel in chain if kernel.name not in models]
            if missing:
                raise UserError(
                    f"{binary.name} holds no segment for kernel {missing[0]}; it is no emulation "
                    "binary of this deployment, build it with --emulate"
                )
            model = join_models([models[kernel.name].read() for kernel in chain])
            self._segments[chain[0].name] = Segment(chain, model, threads)
        self._wiring = self._wire()

    def _wire(self) -> Wiring:
        return Wiring(
            self._board,
            self._deployment,
            self._binary,
            self._segments,
            self._memory,
            self._counters,
            self._report,
        )

    def reset(self) -> None:
        """Forget everything under way; cables get new ends and registers their reset values."""
        self._wiring.close()
        self._wiring = self._wire()

    @property
    def wiring(self) -> Wiring:
        """The running logic."""
        return self._wiring
