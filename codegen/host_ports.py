"""Which memory bank each host stream uses: the banks the plan pays for, least crowded first."""

from __future__ import annotations

from collections import Counter

from elasticdf.errors import UserError
from elasticdf.hardware import Board, MemoryBank, MemoryKind

_HOST_BUFFERS = (MemoryKind.HBM, MemoryKind.DDR)
"""Kinds that hold host buffers; on-chip RAM and slave bridges are too small or too special."""


class BankPicker:
    """Hands out the banks of one board, keeping count."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self._uses: Counter[str] = Counter()

    def take(self) -> str:
        """Return the tag of the bank for one more DMA.

        Raises:
            UserError: Every bank has as many interfaces as it can take.
        """
        limit = self._board.max_interfaces_per_bank
        free = [
            bank
            for bank in self._board.memory
            if bank.kind in _HOST_BUFFERS and self._uses[bank.tag] < limit
        ]
        if not free:
            raise UserError(
                f"board {self._board.name}: more than {limit} host streams on each memory bank; "
                "use fewer replicas or more boards"
            )
        best = min(free, key=self._rank)
        self._uses[best.tag] += 1
        return best.tag

    def _rank(self, bank: MemoryBank) -> tuple[bool, int, int]:
        home = self._board.home_controller
        foreign = home is not None and bank.tag not in home.banks
        return foreign, self._uses[bank.tag], self._board.memory.index(bank)
