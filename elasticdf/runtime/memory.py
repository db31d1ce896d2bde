"""One memory topology over several boards.

Memory indices count through the boards: a board's banks start where the banks of the boards before
it end, unused ones included. That is how the orchestrator's ``memory`` indices are to be read.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import accumulate

from elasticdf.artifact.sections import MemoryBank, MemoryType
from elasticdf.runtime.board import PAGE_BYTES

_KINDS = {
    MemoryType.DDR3: "DDR",
    MemoryType.DDR4: "DDR",
    MemoryType.DRAM: "PLRAM",
    MemoryType.HBM: "HBM",
    MemoryType.HOST: "HOST",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A bank of one board.

    Attributes:
        board: Position of the board in the resource.
        index: Of the bank on that board.
        bank: As its binary has it.
    """

    board: int
    index: int
    bank: MemoryBank

    @property
    def kind(self) -> str:
        """The bank's type as the orchestrator spells it: ``bank1`` is DDR, ``HBM[0]`` is HBM."""
        known = _KINDS.get(MemoryType(self.bank.type)) if self.bank.type in _TYPES else None
        return known or self.bank.tag.partition("[")[0]

    @property
    def size(self) -> int:
        """Bytes that can be allocated; a page per bank is kept back."""
        return max(0, self.bank.size_kib * 1024 - PAGE_BYTES)


_TYPES = frozenset(kind.value for kind in MemoryType)


@dataclass(frozen=True, slots=True)
class Topology:
    """The banks of all boards.

    Attributes:
        boards: The banks of each board, in board order.
    """

    boards: tuple[tuple[MemoryBank, ...], ...]

    @staticmethod
    def of(boards: Iterable[tuple[MemoryBank, ...]]) -> Topology:
        """Join the topologies of the boards."""
        return Topology(tuple(boards))

    @property
    def offsets(self) -> tuple[int, ...]:
        """Index of each board's first bank, and at the end the number of banks."""
        return tuple(accumulate((len(banks) for banks in self.boards), initial=0))

    def place(self, index: int) -> Place | None:
        """Return the bank with an index, or None beyond the last."""
        offsets = self.offsets
        if not 0 <= index < offsets[-1]:
            return None
        board = bisect_right(offsets, index) - 1
        within = index - offsets[board]
        return Place(board=board, index=within, bank=self.boards[board][within])
