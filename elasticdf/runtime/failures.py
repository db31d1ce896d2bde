"""What can go wrong while boards run: one exception that names the board and, if any, the link.

A failure of hardware is neither bad input nor a bug of ours, but it is the user who must act, so it
ends a command the way bad input does.
"""

from __future__ import annotations

from elasticdf.errors import UserError


class BoardError(UserError):
    """A board, a link or a compute unit failed; the request has no result.

    Attributes:
        board: Board id, or None where no single board is to blame.
        link: Id of the network stream, or None.
    """

    def __init__(self, message: str, *, board: int | None = None, link: int | None = None) -> None:
        super().__init__(message)
        self.board = board
        self.link = link
