"""HTTP/2's header blocks: which method a call names.

A block builds on those before it, so each must be read, in order. One that cannot be read ends the
connection.
"""

from __future__ import annotations

from functools import lru_cache

from hpack import Decoder, HPACKError

from elasticdf.errors import UserError

_CLOSES = b"\x20"
"""A header block that begins so empties the table and lets nothing in (RFC 7541, 6.3)."""

_SHORT_BYTES = 1024
_MOST_KEPT = 64


class ProtocolError(UserError):
    """The client does not speak HTTP/2; its connection is closed."""


class HeaderReader:
    """Finds the method in the header blocks of one connection, in order."""

    def __init__(self) -> None:
        self._decoder = Decoder()
        self._closed = False

    def path(self, block: bytes) -> bytes:
        """Return what a block calls.

        Raises:
            ProtocolError: It is no header block.
        """
        if len(block) <= _SHORT_BYTES and (self._closed or block.startswith(_CLOSES)):
            path, closed = _beside_a_closed_table(block)
            if closed:
                self._close()
                return path
        self._closed = False
        return _path(self._decoder, block)

    def _close(self) -> None:
        if not self._closed:
            self._decoder.header_table_size = 0
            self._closed = True


@lru_cache(_MOST_KEPT)
def _beside_a_closed_table(block: bytes) -> tuple[bytes, bool]:
    """Return what a block calls where the table is closed, and whether it leaves it closed.

    Such a block says the same on every connection, and a client's first call is on a new one.
    """
    decoder = Decoder()
    decoder.header_table_size = 0
    return _path(decoder, block), decoder.header_table_size == 0


def _path(decoder: Decoder, block: bytes) -> bytes:
    try:
        headers = decoder.decode(block, raw=True)
    except HPACKError as error:
        raise ProtocolError(f"the client's headers cannot be read: {error}") from error
    return next((bytes(value) for name, value in headers if name == b":path"), b"")
