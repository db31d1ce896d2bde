"""What the runtime asks of a board, whether it is emulated or driven by XRT.

Everything above this interface is the same for both. A board is programmed with one binary, lends
memory, starts compute units and gives access to registers. None stands for "there is none" (the
specification's NULL); failures are `BoardError`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from elasticdf.artifact.axlf import Xclbin
from elasticdf.artifact.deployment import Deployment
from elasticdf.runtime.failures import BoardError

PAGE_BYTES = 4096
"""Buffers start at such addresses, and a bank keeps one page for itself (facts of the original)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """A register of a compute unit: byte offset and, to write it, a value of 32 bits."""

    unit: str
    offset: int
    value: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkCount:
    """What one end of a link has counted since the board was programmed or reset.

    Attributes:
        link: Id of the network stream.
        sending: Whether it is the sending end.
        packets: Data and control packets sent or taken.
        frames: Whole frames sent or delivered.
        lost_frames: Frames that did not arrive whole; receiving end only.
        duplicates: Packets that came again; receiving end only.
        damaged: Packets whose header was wrong.
    """

    link: int
    sending: bool
    packets: int
    frames: int
    lost_frames: int
    duplicates: int
    damaged: int


class BoardBuffer(Protocol):
    """Memory on a board, with a view of it for the host.

    Attributes:
        memory: Index of its bank on the board.
        size: Bytes.
        view: The host's side, `size` bytes.
    """

    memory: int
    size: int
    view: NDArray[np.uint8]

    def to_board(self) -> None:
        """Bring the host's side to the board."""
        ...

    def to_host(self) -> None:
        """Bring the board's side to the host."""
        ...

    def release(self) -> None:
        """Give the memory back."""
        ...


Argument: TypeAlias = BoardBuffer | int


class Run(Protocol):
    """One start of a compute unit."""

    def wait(self, seconds: float) -> bool:
        """Return whether it ended, waiting at most so long.

        Raises:
            BoardError: It failed.
        """
        ...


class Board(Protocol):
    """A board; its methods may be called from several threads.

    Attributes:
        index: Position in the resource.
        vendor: ``xilinx``.
        name: Of the kind of board, as the orchestrator spells it.
        shell: Version of its shell, spelled likewise.
        serial: Serial number.
    """

    index: int
    vendor: str
    name: str
    shell: str
    serial: str

    @property
    def failure(self) -> BoardError | None:
        """Why the board cannot go on, or None."""
        ...

    def power_watts(self) -> float:
        """Return the power drawn; 0 where unknown."""
        ...

    def temperature_celsius(self) -> float:
        """Return the temperature; 0 where unknown."""
        ...

    def program(self, binary: Xclbin, deployment: Deployment | None, board: int) -> None:
        """Load a binary.

        Args:
            binary: For this board.
            deployment: What the binary is part of; an emulated board is wired from it.
            board: Id of this board in the deployment.

        Raises:
            UserError: The binary cannot run here.
            BoardError: The board failed.
        """
        ...

    def reset(self) -> None:
        """Bring the programmed board back to where it was after programming.

        Buffers stay; whatever was under way is gone.
        """
        ...

    def allocate(self, memory: int, size: int) -> BoardBuffer | None:
        """Return memory of a bank, or None if it has no room left."""
        ...

    def start(self, kernel: str, unit: str, arguments: Sequence[Argument]) -> Run:
        """Start a compute unit."""
        ...

    def write(self, words: Iterable[Word]) -> None:
        """Write registers, in order."""
        ...

    def read(self, words: Iterable[Word]) -> tuple[int, ...]:
        """Read registers; the words' values are not used."""
        ...

    def link_counts(self) -> tuple[LinkCount, ...]:
        """Return the counters of every link end on the board."""
        ...

    def progress(self) -> int:
        """Return a number that changes while compute units get on; constant where unknown."""
        ...

    def close(self) -> None:
        """Give the board up; buffers and runs are void."""
        ...
