"""Tensors to and from the bytes a FINN stream carries.

A transfer holds ``elements`` values side by side, the first in the least significant bits, padded
to whole bytes, little endian; signed values are two's complement, BIPOLAR -1 is the bit 0 (FINN's
``finnpy_to_packed_bytearray`` with ``reverse_inner`` and ``reverse_endian``). Frames follow each
other without gaps. Refuses values that the port's data type cannot hold.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from elasticdf.artifact.deployment import Port
from elasticdf.errors import InternalError, UserError
from elasticdf.ir import DataType

Bytes = NDArray[np.uint8]

_WHOLE_BYTES = (8, 16, 32, 64)
_PARTS_OF_A_BYTE = (2, 4)
_SINGLE_BITS = 24


def transfer_bytes(port: Port) -> int:
    """Return the bytes of one transfer, padding included."""
    return (port.bits + 7) // 8


def frame_bytes(port: Port) -> int:
    """Return the bytes of one frame on the port's stream."""
    return port.transfers * transfer_bytes(port)


def narrow_type(port: Port) -> type[np.generic]:
    """Return the smallest of a few types that holds the values of a stream."""
    datatype = _checked_type(port)
    if datatype.bits > 8 or datatype.name == "FLOAT32":
        return np.float32 if datatype.bits <= _SINGLE_BITS else np.float64
    return np.int8 if datatype.minimum < 0 else np.uint8


def pack(values: NDArray[Any], port: Port) -> Bytes:
    """Return the stream's bytes, shape (frames, frame bytes).

    Args:
        values: Whole numbers (any type) of shape (frames, *port.shape[1:]).
        port: The stream's shape, data type and width.

    Raises:
        UserError: A value lies outside the data type, or the shape is not the port's.
    """
    datatype = _checked_type(port)
    frames = len(values)
    if values.shape[1:] != port.shape[1:]:
        raise UserError(
            f"stream {port.tensor}: frames have shape {values.shape[1:]}, "
            f"{port.shape[1:]} is needed"
        )
    if datatype.name == "FLOAT32":
        return _as_bytes(values.astype("<f4"), frames)
    _check_range(values, datatype, port)
    rows = values.reshape(frames, port.transfers, port.elements)
    if datatype.bits in _WHOLE_BYTES:
        return _as_bytes(rows.astype(_whole_type(datatype), copy=False), frames)
    return _pack_bits(_codes(rows, datatype), datatype.bits, port, frames)


def unpack(
    data: Bytes, port: Port, dtype: np.dtype[np.generic] | type = np.float32
) -> NDArray[Any]:
    """Return the values of shape (frames, *port.shape[1:]); the inverse of `pack`.

    Args:
        data: Bytes of shape (frames, frame bytes) or any shape with as many bytes.
        port: The stream's shape, data type and width.
        dtype: NumPy type of the result.

    Raises:
        UserError: The bytes are not a whole number of frames.
    """
    datatype = _checked_type(port)
    size = frame_bytes(port)
    if data.size % size:
        raise UserError(
            f"stream {port.tensor}: {data.size} bytes are not a whole number of frames "
            f"of {size} bytes"
        )
    frames = data.size // size
    shape = (frames, *port.shape[1:])
    data = np.ascontiguousarray(data).reshape(-1)
    if datatype.name == "FLOAT32":
        return data.view("<f4").astype(dtype).reshape(shape)
    if datatype.bits in _WHOLE_BYTES:
        return data.view(_whole_type(datatype)).astype(dtype).reshape(shape)
    codes = _unpack_bits(data, datatype.bits, port, frames)
    return _values(codes, datatype).astype(dtype, copy=False).reshape(shape)


@lru_cache(maxsize=256)
def _checked_type(port: Port) -> DataType:
    datatype = DataType.parse(port.datatype)
    if port.bits != port.elements * datatype.bits:
        raise InternalError(
            f"stream {port.tensor}: {port.elements} elements of {datatype} are not {port.bits} bits"
        )
    if port.transfers * port.elements != int(np.prod(port.shape[1:], dtype=np.int64)):
        raise InternalError(
            f"stream {port.tensor}: {port.transfers} transfers of {port.elements} elements do not "
            f"carry a frame of shape {port.shape[1:]}"
        )
    return datatype


def _check_range(values: NDArray[Any], datatype: DataType, port: Port) -> None:
    if not values.size or (values.dtype == np.uint8 and datatype.name == "UINT8"):
        return
    too_low = values.dtype.kind != "u" and bool(values.min() < datatype.minimum)
    high = values.max()
    whole = values.dtype.kind in "iub" or bool(np.all(values == np.rint(values)))
    gap = datatype.name == "BIPOLAR" and bool(np.any(values == 0))
    if not whole or gap or too_low or high > datatype.maximum:
        raise UserError(
            f"stream {port.tensor}: values from {values.min()} to {high} are not all of type "
            f"{datatype}; give the accelerator what its input type can hold"
        )


def _whole_type(datatype: DataType) -> str:
    return f"<{'i' if datatype.signed else 'u'}{datatype.bits // 8}"


def _as_bytes(values: NDArray[Any], frames: int) -> Bytes:
    return np.ascontiguousarray(values).reshape(frames, -1).view(np.uint8)


def _codes(values: NDArray[Any], datatype: DataType) -> NDArray[Any]:
    """Return the bit patterns of the values, which the type can hold, as unsigned numbers."""
    if datatype.name == "BIPOLAR":
        positive: NDArray[Any] = values > 0
        return positive.astype(np.uint8)
    if values.dtype == np.uint8:
        return values
    if datatype.bits < 8:
        return values.astype(np.int8).view(np.uint8) & np.uint8((1 << datatype.bits) - 1)
    return values.astype(np.int64).view(np.uint64) & np.uint64((1 << datatype.bits) - 1)


def _values(codes: NDArray[Any], datatype: DataType) -> NDArray[Any]:
    """Return the values of bit patterns; the inverse of `_codes`."""
    if datatype.name == "BIPOLAR":
        return codes.astype(np.int8) * np.int8(2) - np.int8(1)
    if not datatype.signed:
        return codes
    wide = codes.astype(np.int64)
    return wide - ((wide >> (datatype.bits - 1)) << datatype.bits)


def _pack_bits(codes: NDArray[Any], bits: int, port: Port, frames: int) -> Bytes:
    if port.elements == 1 and bits < 8:
        return codes.reshape(frames, -1)
    if bits in _PARTS_OF_A_BYTE and port.bits % 8 == 0:
        parts = codes.reshape(-1, 8 // bits)
        packed: NDArray[Any] = parts[:, 0].copy()
        for place in range(1, 8 // bits):
            packed |= parts[:, place] << np.uint8(place * bits)
        return packed.reshape(frames, -1)
    if bits == 1 and port.bits % 8 == 0:  # transfers without padding: one row, which is faster
        return np.packbits(codes.reshape(-1), bitorder="little").reshape(frames, -1)
    if bits == 1:
        planes = codes.reshape(frames, port.transfers, port.elements)
    else:
        little = codes[..., None].astype("<u8").view(np.uint8)
        planes = np.unpackbits(little, axis=-1, bitorder="little")[..., :bits]
        planes = planes.reshape(frames, port.transfers, port.bits)
    return np.packbits(planes, axis=-1, bitorder="little").reshape(frames, -1)


def _unpack_bits(data: Bytes, bits: int, port: Port, frames: int) -> NDArray[Any]:
    if port.elements == 1 and bits < 8:
        return data & np.uint8((1 << bits) - 1)
    if bits in _PARTS_OF_A_BYTE and port.bits % 8 == 0:
        places = np.arange(0, 8, bits, dtype=np.uint8)
        return (data[:, None] >> places) & np.uint8((1 << bits) - 1)
    if bits == 1 and port.bits % 8 == 0:
        return np.unpackbits(data, bitorder="little")
    rows = data.reshape(frames * port.transfers, -1)
    planes = np.unpackbits(rows, axis=-1, count=port.bits, bitorder="little")
    if bits == 1:
        return planes
    packed = np.packbits(planes.reshape(-1, bits), axis=-1, bitorder="little")
    padded = np.zeros((len(packed), 8), np.uint8)
    padded[:, : packed.shape[1]] = packed
    return padded.view("<u8")[:, 0]
