"""Stand-ins for pyxrt and XRT's core library that check every call and remember it."""

from __future__ import annotations

import ctypes
import enum
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from elasticdf.artifact import axlf

SHELL = "shell_of_tests"


class State(enum.IntEnum):
    ERT_CMD_STATE_NEW = 1
    ERT_CMD_STATE_QUEUED = 2
    ERT_CMD_STATE_COMPLETED = 4
    ERT_CMD_STATE_ERROR = 5
    ERT_CMD_STATE_ABORT = 6
    ERT_CMD_STATE_SUBMITTED = 7
    ERT_CMD_STATE_TIMEOUT = 8
    ERT_CMD_STATE_NORESPONSE = 9
    ERT_CMD_STATE_SKERROR = 10
    ERT_CMD_STATE_SKCRASHED = 11


class Direction(enum.IntEnum):
    XCL_BO_SYNC_BO_TO_DEVICE = 0
    XCL_BO_SYNC_BO_FROM_DEVICE = 1


class Info(enum.IntEnum):
    bdf = 0
    name = 1
    electrical = 2
    thermal = 3


class Device:
    def __init__(self, index: int) -> None:
        self.index = index
        self.loaded: axlf.Xclbin | None = None

    def get_info(self, key: Info) -> str:
        return {
            Info.bdf: f"0000:0{self.index}:00.1",
            Info.name: SHELL,
            Info.electrical: json.dumps({"power_consumption_watts": "23.5"}),
            Info.thermal: json.dumps({"thermals": [{"temp_C": "41"}, {"temp_C": "47"}, {}]}),
        }[key]

    def load_xclbin(self, binary: Binary) -> str:
        self.loaded = binary.content
        return binary.content.uuid


class Binary:
    def __init__(self, path: str) -> None:
        self.content = axlf.parse(Path(path).read_bytes())


class Buffer:
    normal = 0
    room_bytes = 1 << 20

    def __init__(self, device: Device, size: int, flags: int, group: int) -> None:
        assert device.loaded is not None, "a buffer before programming"
        assert flags == Buffer.normal
        if group >= len(device.loaded.memories):
            raise RuntimeError("invalid memory group")
        if size > Buffer.room_bytes:
            raise RuntimeError("std::bad_alloc")
        self.group = group
        self.host, self.board = bytearray(size), bytearray(size)

    def map(self) -> memoryview:
        return memoryview(self.host)

    def sync(self, direction: Direction, size: int, offset: int) -> None:
        assert offset == 0
        assert size == len(self.host)
        source, target = (
            (self.host, self.board)
            if direction is Direction.XCL_BO_SYNC_BO_TO_DEVICE
            else (self.board, self.host)
        )
        target[:] = source


class Kernel:
    """Copies its buffer through a wire that the whole test shares, plus 1 per byte."""

    cu_access_mode = SimpleNamespace(exclusive=0, shared=1)
    wire: bytes = b""
    next_state: State = State.ERT_CMD_STATE_COMPLETED
    starts: list[tuple[str, int]] = []  # noqa: RUF012 - the tests read it
    contents: list[tuple[str, bytes]] = []  # noqa: RUF012 - of the buffers at the start

    def __init__(self, device: Device, uuid: str, name: str, mode: int) -> None:
        assert device.loaded is not None
        assert uuid == device.loaded.uuid
        assert mode == Kernel.cu_access_mode.exclusive
        kernel, _, unit = name.partition(":")
        assert f"{kernel}:{unit.strip('{}')}" in [ip.name for ip in device.loaded.ips], name
        self.name = kernel

    def __call__(self, *arguments: Any) -> Run:
        buffer, frames = arguments
        assert isinstance(buffer, Buffer)
        assert isinstance(frames, int)
        Kernel.starts.append((self.name, frames))
        Kernel.contents.append((self.name, bytes(buffer.board)))
        return Run(self.name, buffer)


class Run:
    waiting: list[Run] = []  # noqa: RUF012 - outputs that wait for their input

    def __init__(self, name: str, buffer: Buffer) -> None:
        self._buffer = buffer
        self._done = Kernel.next_state
        if name.startswith("odma"):
            Run.waiting.append(self)
            self._done = State.ERT_CMD_STATE_SUBMITTED
        else:
            for output in Run.waiting:
                output.take(bytes(buffer.board))
            Run.waiting.clear()

    def take(self, content: bytes) -> None:
        room = self._buffer.board
        room[:] = bytes((value + 1) % 256 for value in content[: len(room)])
        self._done = Kernel.next_state

    def state(self) -> State:
        return self._done

    def wait(self, milliseconds: int) -> State:
        assert milliseconds >= 1
        if self._done is State.ERT_CMD_STATE_SUBMITTED:
            return State.ERT_CMD_STATE_TIMEOUT
        return self._done


def pyxrt(devices: int = 2) -> SimpleNamespace:
    Kernel.starts.clear()
    Kernel.contents.clear()
    Run.waiting.clear()
    Kernel.next_state = State.ERT_CMD_STATE_COMPLETED
    return SimpleNamespace(
        enumerate_devices=lambda: devices,
        device=Device,
        xclbin=Binary,
        bo=Buffer,
        kernel=Kernel,
        ert_cmd_state=State,
        xclBOSyncDirection=Direction,
        xrt_info_device=Info,
    )


class _Function:
    """A C function: attributes can be set on it as on ctypes' own."""

    def __init__(self, call: Any) -> None:
        self._call = call
        self.restype: Any = None

    def __call__(self, *arguments: Any) -> Any:
        return self._call(*arguments)


class CoreLibrary:
    """Registers by (device, IP index, offset); the network layer's and the MAC's live values."""

    def __init__(self) -> None:
        self.words: dict[tuple[int, int, int], int] = {}
        self.default: dict[int, int] = {}
        self.contexts: set[tuple[int, int]] = set()
        self.status = 0
        self.xclOpen = _Function(self._open)
        self.xclClose = _Function(lambda handle: None)
        self.xclOpenContext = _Function(self._open_context)
        self.xclCloseContext = _Function(self._close_context)
        self.xclRegRead = _Function(self._read)
        self.xclRegWrite = _Function(self._write)
        self.bar: dict[tuple[int, int], int] = {}
        self.xclRead = _Function(self._read_bar)
        self.xclWrite = _Function(self._write_bar)

    def _open(self, index: Any, log: Any, level: Any) -> int:
        assert self.xclOpen.restype is ctypes.c_void_p, "a handle is a pointer, not an int"
        assert log is None
        return int(index.value) + 1000

    def _key(self, handle: Any, index: Any) -> tuple[int, int]:
        return int(handle.value) - 1000, int(index.value)

    def _open_context(self, handle: Any, uuid: Any, index: Any, shared: Any) -> int:
        assert len(uuid) == 16
        assert shared.value is False
        assert self._key(handle, index) not in self.contexts, "opened twice"
        self.contexts.add(self._key(handle, index))
        return 0

    def _close_context(self, handle: Any, uuid: Any, index: Any) -> int:
        self.contexts.remove(self._key(handle, index))
        return 0

    def _read(self, handle: Any, index: Any, offset: Any, value: Any) -> int:
        key = self._key(handle, index)
        assert key in self.contexts, "a register without a context"
        assert offset.value < 1 << 16, "XRT maps 64 KiB of a compute unit"
        value._obj.value = self.words.get((*key, offset.value), self.default.get(offset.value, 0))
        return self.status

    def _write(self, handle: Any, index: Any, offset: Any, value: Any) -> int:
        key = self._key(handle, index)
        assert key in self.contexts, "a register without a context"
        assert offset.value < 1 << 16, "XRT maps 64 KiB of a compute unit"
        self.words[*key, offset.value] = value.value
        return self.status

    def _bar_key(self, handle: Any, space: Any, address: Any, size: Any) -> tuple[int, int]:
        assert space.value == 2, "XCL_ADDR_KERNEL_CTRL"
        assert size.value == 4
        return int(handle.value) - 1000, int(address.value)

    def _read_bar(self, handle: Any, space: Any, address: Any, value: Any, size: Any) -> int:
        assert self.xclRead.restype is ctypes.c_size_t
        value._obj.value = self.bar.get(self._bar_key(handle, space, address, size), 0)
        return int(size.value)

    def _write_bar(self, handle: Any, space: Any, address: Any, value: Any, size: Any) -> int:
        assert self.xclWrite.restype is ctypes.c_size_t
        self.bar[self._bar_key(handle, space, address, size)] = value._obj.value
        return int(size.value)
