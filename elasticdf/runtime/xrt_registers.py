"""Registers of free-running compute units through XRT's C interface.

``pyxrt`` reaches kernels that can be started, not the network layer and the MAC, which cannot.
XRT's core library can: ``xclOpen``, ``xclOpenContext``, ``xclRegRead`` and ``xclRegWrite`` (xrt.h).
Those end after 64 KiB of a compute unit; further words of large memories go by their address on the
board (``xclRead``, ``xclWrite``).
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterable, Sequence
from typing import Any

from elasticdf.artifact.sections import Ip
from elasticdf.runtime.board import Word
from elasticdf.runtime.failures import BoardError

CORE_LIBRARY = "libxrt_core.so.2"
_QUIET = 0
_WINDOW_BYTES = 64 << 10
"""What ``xclRegRead`` and ``xclRegWrite`` map of a compute unit (XRT, shim.h)."""

_KERNEL_CONTROL = 2
"""``XCL_ADDR_KERNEL_CTRL`` of ``xclAddressSpace``: addresses as IP_LAYOUT gives them."""

_WORD_BYTES = 4


class XrtRegisters:
    """The registers of one device.

    Args:
        library: XRT's core library, loaded; a stand-in in tests.
        device: Index of the device.
        uuid: Of the binary it runs, 16 bytes.
        ips: Its IP_LAYOUT.
    """

    def __init__(self, library: Any, device: int, uuid: bytes, ips: Sequence[Ip]) -> None:
        self._library = library
        self._device = device
        self._uuid = (ctypes.c_ubyte * 16).from_buffer_copy(uuid)
        self._units = {ip.compute_unit: number for number, ip in enumerate(ips)}
        self._bases = {ip.compute_unit: ip.base for ip in ips}
        self._open: set[str] = set()
        library.xclOpen.restype = ctypes.c_void_p
        handle = library.xclOpen(ctypes.c_uint(device), None, ctypes.c_int(_QUIET))
        if not handle:
            raise BoardError(f"XRT does not open device {device}", board=device)
        self._handle = ctypes.c_void_p(handle)

    def _index(self, unit: str) -> ctypes.c_uint:
        index = ctypes.c_uint(self._units[unit])
        if unit not in self._open:
            shared = ctypes.c_bool(False)
            self._check(
                self._library.xclOpenContext(self._handle, self._uuid, index, shared),
                f"open {unit}",
            )
            self._open.add(unit)
        return index

    def _check(self, status: int, what: str) -> None:
        if status:
            raise BoardError(
                f"device {self._device}: XRT could not {what} (status {status})", board=self._device
            )

    def read(self, words: Iterable[Word]) -> tuple[int, ...]:
        """Read registers."""
        values = []
        for word in words:
            value = ctypes.c_uint32()
            if word.offset < _WINDOW_BYTES:
                status = self._library.xclRegRead(
                    self._handle,
                    self._index(word.unit),
                    ctypes.c_uint32(word.offset),
                    ctypes.byref(value),
                )
            else:
                status = self._by_address(self._library.xclRead, word, value)
            self._check(status, f"read {word.offset:#x} of {word.unit}")
            values.append(value.value)
        return tuple(values)

    def _by_address(self, function: Any, word: Word, value: ctypes.c_uint32) -> int:
        """Move a word by its address on the board; return 0 if it was moved."""
        base = self._bases[word.unit]
        if base is None:
            return -1
        self._index(word.unit)  # holds the compute unit while its memory is written
        function.restype = ctypes.c_size_t
        moved = function(
            self._handle,
            ctypes.c_int(_KERNEL_CONTROL),
            ctypes.c_uint64(base + word.offset),
            ctypes.byref(value),
            ctypes.c_size_t(_WORD_BYTES),
        )
        return 0 if moved == _WORD_BYTES else -1

    def write(self, words: Iterable[Word]) -> None:
        """Write registers, in order."""
        for word in words:
            value = ctypes.c_uint32(word.value)
            if word.offset < _WINDOW_BYTES:
                status = self._library.xclRegWrite(
                    self._handle, self._index(word.unit), ctypes.c_uint32(word.offset), value
                )
            else:
                status = self._by_address(self._library.xclWrite, word, value)
            self._check(status, f"write {word.offset:#x} of {word.unit}")

    def close(self) -> None:
        """Close contexts and device."""
        for unit in sorted(self._open):
            index = ctypes.c_uint(self._units[unit])
            self._library.xclCloseContext(self._handle, self._uuid, index)
        self._open.clear()
        self._library.xclClose(self._handle)
