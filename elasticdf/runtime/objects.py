"""What a resource hands out: memories, buffers, compute units, with the checks that span boards.

Refuses a buffer on another board than the compute unit it is given to, or in a bank that the unit
is not linked to. Everything handed out is counted until it is released.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from elasticdf.artifact.sections import Ip
from elasticdf.errors import UserError
from elasticdf.runtime.board import Argument, Board, BoardBuffer, Run
from elasticdf.runtime.memory import Place


class Owner(Protocol):
    """The resource, as far as these objects know it."""

    @property
    def boards(self) -> tuple[Board, ...]:
        """The boards, in order."""
        ...

    def count_object(self, change: int) -> None:
        """Keep count of buffers and compute units that are not released."""
        ...


class Memory:
    """A bank of one of the boards."""

    def __init__(self, owner: Owner, index: int, place: Place) -> None:
        self._owner = owner
        self.index = index
        self.place = place

    @property
    def kind(self) -> str:
        """``DDR``, ``HBM``, ..."""
        return self.place.kind

    @property
    def size(self) -> int:
        """Bytes."""
        return self.place.size

    def create_buffer(self, size: int) -> Buffer | None:
        """Return a buffer of so many bytes, or None where the bank has no room."""
        board = self._owner.boards[self.place.board]
        memory = board.allocate(self.place.index, size)
        return None if memory is None else Buffer(self._owner, self.place, memory)


class Buffer:
    """Memory on a board with its two copies, to and from the host."""

    def __init__(self, owner: Owner, place: Place, memory: BoardBuffer) -> None:
        self._owner = owner
        self.place = place
        self.memory = memory
        owner.count_object(1)

    @property
    def size(self) -> int:
        """Bytes."""
        return self.memory.size

    @property
    def view(self) -> NDArray[np.uint8]:
        """The host's side; see `elasticdf.runtime.board.BoardBuffer`."""
        return self.memory.view

    def copy_to_board(self, data: NDArray[np.uint8]) -> None:
        """Copy bytes from the host to the buffer's start."""
        self._check(data)
        self.view[: data.size] = data.reshape(-1)
        self.memory.to_board()

    def copy_to_host(self, data: NDArray[np.uint8]) -> None:
        """Copy bytes from the buffer's start to the host."""
        self._check(data)
        self.memory.to_host()
        data.reshape(-1)[:] = self.view[: data.size]

    def _check(self, data: NDArray[np.uint8]) -> None:
        if data.size > self.size:
            raise UserError(f"a buffer of {self.size} bytes cannot exchange {data.size} bytes")

    def release(self) -> None:
        """Give the memory back."""
        self.memory.release()
        self._owner.count_object(-1)


class ComputeUnit:
    """A compute unit of one of the boards."""

    def __init__(self, owner: Owner, board: int, ip: Ip, banks: dict[int, int]) -> None:
        self._owner = owner
        self._ip = ip
        self._banks = banks
        self.board = board
        owner.count_object(1)

    @property
    def name(self) -> str:
        """Name of the compute unit on its board."""
        return self._ip.compute_unit

    def resolve(self, arguments: Sequence[Buffer | int]) -> tuple[Argument, ...]:
        """Check arguments in call order and return what the board takes.

        Raises:
            UserError: A buffer lies on another board, or in a bank the unit is not linked to.
        """
        return tuple(self._argument(at, value) for at, value in enumerate(arguments))

    def start(self, arguments: Sequence[Argument]) -> Run:
        """Start it with resolved arguments.

        Raises:
            BoardError: The board failed.
        """
        board = self._owner.boards[self.board]
        return board.start(self._ip.kernel, self._ip.compute_unit, arguments)

    def _argument(self, position: int, value: Buffer | int) -> Argument:
        if isinstance(value, int):
            return value
        if value.place.board != self.board:
            raise UserError(
                f"compute unit {self.name} is on board {self.board}, the buffer for its argument "
                f"{position} is on board {value.place.board}; use a memory of board {self.board}"
            )
        bank = self._banks.get(position)
        if bank is not None and bank != value.place.index:
            raise UserError(
                f"compute unit {self.name}, argument {position}: it is linked to memory {bank} of "
                f"board {self.board}, the buffer is in memory {value.place.index}"
            )
        return value.memory

    def release(self) -> None:
        """Give the compute unit up."""
        self._owner.count_object(-1)
