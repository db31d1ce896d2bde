"""The client's messages: protobuf, described here by the client's field numbers.

Refuses bytes that are no such message, in one sentence; unknown fields are skipped, as protobuf
asks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeAlias

from google.protobuf.descriptor_pb2 import FieldDescriptorProto as Field
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.message import DecodeError
from google.protobuf.message_factory import GetMessages

from elasticdf.errors import UserError

METHOD = "/inaccel.Coral/Serve"
MAX_ARGUMENTS = 256


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


def _file() -> FileDescriptorProto:
    """Describe the messages; text is read as bytes, because the client may leave rubbish in it."""
    file = FileDescriptorProto(name="elasticdf/coral.proto", package="elasticdf", syntax="proto3")
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for number, (field, kind) in fields.items():
            entry = message.field.add(name=field, number=number, label=Field.LABEL_OPTIONAL)
            if isinstance(kind, str):
                entry.type, entry.type_name = Field.TYPE_MESSAGE, f".elasticdf.{kind}"
            else:
                entry.type = kind
    arguments = next(m for m in file.message_type if m.name == "Arguments")
    arguments.field[0].label = Field.LABEL_REPEATED
    argument = next(m for m in file.message_type if m.name == "Argument")
    argument.oneof_decl.add(name="kind")
    for entry in argument.field:
        entry.oneof_index = 0
    return file


_MESSAGES: Mapping[str, Mapping[int, tuple[str, int | str]]] = {
    "Array": {
        2: ("id", Field.TYPE_BYTES),
        3: ("offset", Field.TYPE_UINT64),
        4: ("size", Field.TYPE_UINT64),
        5: ("version", Field.TYPE_UINT32),
    },
    "Scalar": {1: ("value", Field.TYPE_BYTES)},
    "Argument": {1: ("array", "Array"), 2: ("scalar", "Scalar")},
    "Arguments": {1: ("each", "Argument")},
    "Metadata": {1: ("client", Field.TYPE_BYTES)},
    "Request": {
        1: ("accelerator", Field.TYPE_BYTES),
        2: ("arguments", "Arguments"),
        3: ("metadata", "Metadata"),
    },
}
"""Fields by number: name, and type or message. What is not read here is skipped."""

_Request: Any = GetMessages([_file()])["elasticdf.Request"]


def without_number(content: bytes) -> bytes:
    """Return a request without what is not read here.

    The client numbers its requests; without the numbers, requests that ask for the same are the
    same bytes.

    Raises:
        UserError: The bytes are no request.
    """
    message = _message(content)
    message.DiscardUnknownFields()
    return bytes(message.SerializeToString())


def parse_request(content: bytes) -> Request:
    """Read a request.

    Raises:
        UserError: The bytes are no request.
    """
    message = _message(content)
    given = message.arguments.each
    if len(given) > MAX_ARGUMENTS:
        raise UserError(f"a request has {len(given)} arguments, at most {MAX_ARGUMENTS} are")
    return Request(
        accelerator=_text(message.accelerator),
        arguments=tuple(_argument(item) for item in given),
        client=_text(message.metadata.client),
    )


def _message(content: bytes) -> Any:
    try:
        return _Request.FromString(content)
    except DecodeError as error:
        raise UserError(f"the request of {len(content)} bytes is cut short or damaged") from error


def _argument(item: Any) -> RequestArgument:
    kind = item.WhichOneof("kind")
    if kind == "scalar":
        return ScalarArgument(value=item.scalar.value)
    if kind is None:
        return None
    array = item.array
    return ArrayArgument(
        id=_text(array.id), offset=array.offset, size=array.size, version=array.version
    )


@lru_cache(maxsize=4096)
def _text(value: bytes) -> str:
    """Return text; the client may leave bytes after its end."""
    return value.partition(b"\0")[0].decode("utf-8", "replace")


def write_request(request: Request) -> bytes:
    """Return the bytes of a request, as a client sends it."""
    message = _Request(
        accelerator=request.accelerator.encode(), metadata={"client": request.client.encode()}
    )
    for argument in request.arguments:
        match argument:
            case None:
                message.arguments.each.add()
            case ScalarArgument():
                message.arguments.each.add(scalar={"value": argument.value})
            case ArrayArgument():
                message.arguments.each.add(
                    array={
                        "id": argument.id.encode(),
                        "offset": argument.offset,
                        "size": argument.size,
                        "version": argument.version,
                    }
                )
    return bytes(message.SerializeToString())


def safe_message(text: str) -> str:
    """Return an error message as this client can bear it: it takes it for a printf format."""
    return text.replace("%", "%%")
