"""The client's messages: protobuf, read and written by hand because there are only five.

Field numbers are the client's. Refuses bytes that are no such message, in one sentence; unknown
fields are skipped, as protobuf asks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from elasticdf.errors import UserError

METHOD = "/inaccel.Coral/Serve"
MAX_ARGUMENTS = 256

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
Field: TypeAlias = tuple[int, "int | bytes"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ArrayArgument:
    """A slice of a shared-memory array.

    Attributes:
        id: Name of the array's file.
        offset: Of the slice, bytes.
        size: Of the slice, bytes.
        version: Grows when the client has written to the array since the last request.
    """

    id: str
    offset: int
    size: int
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ScalarArgument:
    """A value, in the bytes of its C type."""

    value: bytes


RequestArgument: TypeAlias = ArrayArgument | ScalarArgument | None
"""None is an argument the client left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A request.

    Attributes:
        accelerator: Bitstream id and kernel id, joined by a dot.
        arguments: In call order.
        client: Name of the client's folder of arrays.
    """

    accelerator: str
    arguments: tuple[RequestArgument, ...]
    client: str


def parse_request(content: bytes) -> Request:
    """Read a request.

    Raises:
        UserError: The bytes are no request.
    """
    accelerator, client = "", ""
    arguments: tuple[RequestArgument, ...] = ()
    for number, value in _fields(content):
        match number, value:
            case 1, bytes():
                accelerator = _text(value)
            case 2, bytes():
                arguments = tuple(
                    _argument(item) for at, item in _fields(value) if at == 1 and _is_bytes(item)
                )
            case 3, bytes():
                client = "".join(_text(v) for at, v in _fields(value) if at == 1 and _is_bytes(v))
    if len(arguments) > MAX_ARGUMENTS:
        raise UserError(f"a request has {len(arguments)} arguments, at most {MAX_ARGUMENTS} are")
    return Request(accelerator=accelerator, arguments=arguments, client=client)


def _argument(content: int | bytes) -> RequestArgument:
    argument: RequestArgument = None
    for number, value in _fields(content):
        match number, value:
            case 1, bytes():
                argument = _array(value)
            case 2, bytes():
                scalar = [item for at, item in _fields(value) if at == 1]
                last = scalar[-1] if scalar else b""
                argument = ScalarArgument(value=last if isinstance(last, bytes) else b"")
    return argument


def _array(content: bytes) -> ArrayArgument:
    numbers = {3: 0, 4: 0, 5: 0}
    name = ""
    for number, value in _fields(content):
        match number, value:
            case 2, bytes():
                name = _text(value)
            case 3 | 4 | 5, int():
                numbers[number] = value
    return ArrayArgument(id=name, offset=numbers[3], size=numbers[4], version=numbers[5])


def _is_bytes(value: int | bytes) -> bool:
    return isinstance(value, bytes)


def _text(value: int | bytes) -> str:
    """Return text; the client may leave bytes after its end."""
    if isinstance(value, int):
        raise UserError("the request is damaged: a number where text is expected")
    return value.split(b"\0", 1)[0].decode("utf-8", "replace")


def _fields(content: int | bytes) -> list[Field]:
    """Return (field number, value) of a message, in order."""
    if isinstance(content, int):
        raise UserError("the request is damaged: a number where a message is expected")
    fields: list[Field] = []
    at, end = 0, len(content)
    while at < end:
        key, at = _varint(content, at)
        kind = key & 7
        if kind == _VARINT:
            value, at = _varint(content, at)
            fields.append((key >> 3, value))
            continue
        if kind == _BYTES:
            size, at = _varint(content, at)
        elif kind in (_FIXED32, _FIXED64):
            size = 4 if kind == _FIXED32 else 8
        else:
            raise UserError(f"the request is damaged: wire type {kind} at byte {at}")
        part = content[at : at + size]
        if at + size > end:
            raise UserError(f"the request is cut short at byte {end}")
        fields.append((key >> 3, part if kind == _BYTES else int.from_bytes(part, "little")))
        at += size
    return fields


def _varint(content: bytes, at: int) -> tuple[int, int]:
    if at < len(content) and content[at] < 0x80:
        return content[at], at + 1
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(content):
            raise UserError(f"the request is cut short at byte {at}")
        byte = content[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & 0xFFFF_FFFF_FFFF_FFFF, at
    raise UserError(f"the request is damaged: a number without end at byte {at}")


def _write_varint(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _write(number: int, value: int | bytes) -> bytes:
    if isinstance(value, int):
        return _write_varint(number << 3 | _VARINT) + _write_varint(value)
    return _write_varint(number << 3 | _BYTES) + _write_varint(len(value)) + value


def write_request(request: Request) -> bytes:
    """Return the bytes of a request, as a client sends it."""
    arguments = b"".join(_write(1, _write_argument(item)) for item in request.arguments)
    return (
        _write(1, request.accelerator.encode())
        + _write(2, arguments)
        + _write(3, _write(1, request.client.encode()))
    )


def _write_argument(argument: RequestArgument) -> bytes:
    match argument:
        case None:
            return b""
        case ScalarArgument():
            return _write(2, _write(1, argument.value))
        case ArrayArgument():
            return _write(
                1,
                _write(2, argument.id.encode())
                + _write(3, argument.offset)
                + _write(4, argument.size)
                + _write(5, argument.version),
            )


def safe_message(text: str) -> str:
    """Return an error message as this client can bear it: it takes it for a printf format."""
    return text.replace("%", "%%")
