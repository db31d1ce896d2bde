"""HTTP/2's header compression (RFC 7541), reading side.

The server must read header blocks to learn the method that is called, and must follow the client's
table to read the next one. It writes its own headers plainly and needs no table for that.
"""

from __future__ import annotations

from collections import deque

from elasticdf.errors import UserError

Header = tuple[bytes, bytes]

DEFAULT_TABLE_BYTES = 4096
_ENTRY_BYTES = 32
_END_OF_STRING = 256
_LONGEST_CODE = 30
_MOST_INTEGER_BYTES = 6


class HeaderError(UserError):
    """The block is none; the table is lost and the connection with it."""


def _plain(names: str) -> list[Header]:
    return [(name.encode(), b"") for name in names.split()]


_STATIC: tuple[Header, ...] = (
    (b":authority", b""),
    (b":method", b"GET"),
    (b":method", b"POST"),
    (b":path", b"/"),
    (b":path", b"/index.html"),
    (b":scheme", b"http"),
    (b":scheme", b"https"),
    *((b":status", code) for code in b"200 204 206 304 400 404 500".split()),
    (b"accept-charset", b""),
    (b"accept-encoding", b"gzip, deflate"),
    *_plain(
        "accept-language accept-ranges accept access-control-allow-origin age allow authorization "
        "cache-control content-disposition content-encoding content-language content-length "
        "content-location content-range content-type cookie date etag expect expires from host "
        "if-match if-modified-since if-none-match if-range if-unmodified-since last-modified link "
        "location max-forwards proxy-authenticate proxy-authorization range referer refresh "
        "retry-after server set-cookie strict-transport-security transfer-encoding user-agent vary "
        "via www-authenticate"
    ),
)
"""RFC 7541, appendix A; indices start at 1."""

_CODE_LENGTHS = bytes.fromhex(
    "0d171c1c1c1c1c1c1c181e1c1c1e1c1c1c1c1c1c1c1c1e1c1c1c1c1c1c1c1c1c"
    "060a0a0c0d06080b0a0a080b08060606050505060606060606060708" + "0f060c0a"
    "0d06070707070707070707070707070707070707070707070807080d130d0e06"
    "0f0506050605060606050707060606050607060505060707070707" + "0f0b0e0d1c"
    "1416141416161617161717171717181718181617181717171715161716171718"
    "1615141616171715171616181516171715151615171617171416161617161617"
    "1a1a141316171619" + "1a1a1a1b1b1a181913151a1b1b1a1b1815151a1a1c1b1b1b"
    "1418141516151517161619191818" + "1a171a1b1a1a1b1b1b1b1b1c1b1b1b1b1b1a1e"
)
"""Bits of the Huffman code of every byte and of the end of a string (RFC 7541, appendix B)."""


def _huffman_codes() -> dict[tuple[int, int], int]:
    """Return symbols by (length, code); the code is canonical, so the lengths give it."""
    code, before = 0, 0
    found = {}
    for length, symbol in sorted((length, s) for s, length in enumerate(_CODE_LENGTHS)):
        code <<= length - before
        found[length, code] = symbol
        code, before = code + 1, length
    return found


_SYMBOLS = _huffman_codes()


def huffman(content: bytes) -> bytes:
    """Return what a Huffman-coded string says.

    Raises:
        HeaderError: It is none.
    """
    out = bytearray()
    code = length = 0
    for byte in content:
        for place in range(7, -1, -1):
            code, length = code << 1 | byte >> place & 1, length + 1
            symbol = _SYMBOLS.get((length, code))
            if symbol is not None:
                if symbol == _END_OF_STRING:
                    raise HeaderError("a header holds the mark for the end of a string")
                out.append(symbol)
                code = length = 0
            elif length > _LONGEST_CODE:
                raise HeaderError("a header is not Huffman-coded")
    if length > 7 or code != (1 << length) - 1:
        raise HeaderError("a header's Huffman code is cut short")
    return bytes(out)


class HeaderReader:
    """Reads the header blocks of one connection, in order.

    Args:
        most_bytes: Of the table; what the connection's settings allow the client.
    """

    def __init__(self, most_bytes: int = DEFAULT_TABLE_BYTES) -> None:
        self._allowed = most_bytes
        self._limit = most_bytes
        self._table: deque[Header] = deque()
        self._bytes = 0
        self._seen: dict[bytes, tuple[Header, ...]] = {}

    def read(self, block: bytes) -> tuple[Header, ...]:
        """Return the headers of a block.

        Raises:
            HeaderError: It is none.
        """
        if not self._table and block in self._seen:
            return self._seen[block]
        headers = tuple(self._each(block))
        if not self._table and len(self._seen) < 64:
            self._seen[block] = headers  # with nothing in the table it always says the same
        return headers

    def _each(self, block: bytes) -> list[Header]:
        headers, at = [], 0
        while at < len(block):
            first = block[at]
            if first & 0x80:
                index, at = self._integer(block, at, 7)
                headers.append(self._entry(index))
            elif first & 0xE0 == 0x20:
                self._limit, at = self._integer(block, at, 5)
                if self._limit > self._allowed:
                    raise HeaderError("a header table is made larger than the settings allow")
                self._shrink()
            else:
                kept = first & 0x40 != 0
                index, at = self._integer(block, at, 6 if kept else 4)
                if index:
                    name = self._entry(index)[0]
                else:
                    name, at = self._string(block, at)
                value, at = self._string(block, at)
                headers.append((name, value))
                if kept:
                    self._keep(name, value)
        return headers

    def _entry(self, index: int) -> Header:
        if 1 <= index <= len(_STATIC):
            return _STATIC[index - 1]
        place = index - len(_STATIC) - 1
        if not 0 <= place < len(self._table):
            raise HeaderError(f"header table entry {index} does not exist")
        return self._table[place]

    def _keep(self, name: bytes, value: bytes) -> None:
        self._table.appendleft((name, value))
        self._bytes += _ENTRY_BYTES + len(name) + len(value)
        self._shrink()

    def _shrink(self) -> None:
        while self._bytes > self._limit:
            name, value = self._table.pop()
            self._bytes -= _ENTRY_BYTES + len(name) + len(value)

    def _string(self, block: bytes, at: int) -> tuple[bytes, int]:
        coded = at < len(block) and block[at] & 0x80
        size, at = self._integer(block, at, 7)
        if at + size > len(block):
            raise HeaderError("a header block is cut short")
        content = block[at : at + size]
        return huffman(content) if coded else content, at + size

    @staticmethod
    def _integer(block: bytes, at: int, bits: int) -> tuple[int, int]:
        if at >= len(block):
            raise HeaderError("a header block is cut short")
        most = (1 << bits) - 1
        value, at = block[at] & most, at + 1
        if value < most:
            return value, at
        for shift in range(0, 7 * _MOST_INTEGER_BYTES, 7):
            if at >= len(block):
                raise HeaderError("a header block is cut short")
            byte, at = block[at], at + 1
            value += (byte & 0x7F) << shift
            if byte < 0x80:
                return value, at
        raise HeaderError("a header block holds a number without end")
