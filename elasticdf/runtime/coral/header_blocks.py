"""HTTP/2's header blocks: which method a call names.

A block builds on those before it, so each must be read, in order. One that cannot be read ends the
connection.
"""

from __future__ import annotations

from hpack import Decoder, HPACKError

from elasticdf.errors import UserError

_RESIZE, _RESIZE_MASK = 0x20, 0xE0
"""A header block that begins so changes the table's size (RFC 7541, 6.3)."""
_MOST_SEEN = 64


class ProtocolError(UserError):
    """The client does not speak HTTP/2; its connection is closed."""


class HeaderReader:
    """Finds the method in the header blocks of one connection, in order."""

    def __init__(self) -> None:
        self._decoder = Decoder()
        self._seen: dict[bytes, bytes] = {}

    def path(self, block: bytes) -> bytes:
        """Return what a block calls.

        Raises:
            ProtocolError: It is no header block.
        """
        table = self._decoder.header_table.dynamic_entries
        if not table and block in self._seen:
            return self._seen[block]
        try:
            headers = self._decoder.decode(block, raw=True)
        except HPACKError as error:
            raise ProtocolError(f"the client's headers cannot be read: {error}") from error
        path = next((bytes(value) for name, value in headers if name == b":path"), b"")
        if not table and block[0] & _RESIZE_MASK != _RESIZE and len(self._seen) < _MOST_SEEN:
            self._seen[block] = path  # with nothing in the table it always says the same
        return path
