"""Boards driven by XRT, through ``pyxrt``; see `elasticdf.runtime.board`.

Imported only when an artifact holds real binaries. Refuses boards of another shell than the
artifact's.
"""

from __future__ import annotations

import ctypes
import json
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from elasticdf.artifact.axlf import Xclbin
from elasticdf.artifact.deployment import Deployment
from elasticdf.artifact.opening import Artifact
from elasticdf.errors import UserError
from elasticdf.hardware.linkregisters import LOSS_COUNTERS, RECEIVER
from elasticdf.runtime.board import Argument, LinkCount, Word
from elasticdf.runtime.failures import BoardError
from elasticdf.runtime.vnx_registers import Instance, instances
from elasticdf.runtime.xrt_registers import CORE_LIBRARY, XrtRegisters

_NO_ROOM = ("bad_alloc", "Cannot allocate memory", "out of memory", "No space left")
_FAILED_STATES = (
    "ERT_CMD_STATE_ERROR",
    "ERT_CMD_STATE_ABORT",
    "ERT_CMD_STATE_NORESPONSE",
    "ERT_CMD_STATE_SKERROR",
    "ERT_CMD_STATE_SKCRASHED",
)
_HANG_SECONDS = 5.0


def _load() -> tuple[Any, Any]:
    try:
        pyxrt: Any = import_module("pyxrt")
        return pyxrt, ctypes.CDLL(CORE_LIBRARY)
    except (ImportError, OSError) as error:
        raise UserError(
            f"the artifact holds binaries for real boards, which need XRT: {error}; source XRT's "
            "setup.sh, or build the project with --emulate"
        ) from error


def open_xrt_boards(artifact: Artifact) -> tuple[XrtBoard, ...]:
    """Return a board for every binary, in the order XRT enumerates devices.

    Raises:
        UserError: XRT is missing, or there are fewer devices than binaries.
    """
    pyxrt, library = _load()
    count, wanted = pyxrt.enumerate_devices(), len(artifact.binaries)
    if count < wanted:
        raise UserError(f"the artifact needs {wanted} boards, XRT sees {count}; plug in the others")
    platform = artifact.bitstream.platform
    manifest = artifact.manifest
    names = [board.board for board in manifest.deployment.boards] if manifest else []
    shells = [board.shell_version for board in manifest.deployment.boards] if manifest else []
    return tuple(
        XrtBoard(
            index,
            pyxrt,
            library,
            name=names[index] if names else platform.name,
            shell=shells[index] if shells else platform.version,
        )
        for index in range(wanted)
    )


class XrtBuffer:
    """A buffer object, mapped into the host."""

    def __init__(self, pyxrt: Any, buffer: Any, memory: int, size: int) -> None:
        self._directions = pyxrt.xclBOSyncDirection
        self.buffer = buffer
        self.memory = memory
        self.size = size
        self.view: NDArray[np.uint8] = np.frombuffer(buffer.map(), np.uint8, size)

    def to_board(self) -> None:
        """Bring the host's side to the board."""
        self.buffer.sync(self._directions.XCL_BO_SYNC_BO_TO_DEVICE, self.size, 0)

    def to_host(self) -> None:
        """Bring the board's side to the host."""
        self.buffer.sync(self._directions.XCL_BO_SYNC_BO_FROM_DEVICE, self.size, 0)

    def release(self) -> None:
        """Give the memory back."""
        self.view = self.view[:0]
        self.buffer = None


class XrtRun:
    """A start of a kernel."""

    def __init__(self, pyxrt: Any, run: Any, board: int, unit: str) -> None:
        self._states = pyxrt.ert_cmd_state
        self._run = run
        self._board = board
        self.unit = unit

    def ended(self) -> bool:
        """Return whether it is over, well or not."""
        under_way = ("NEW", "QUEUED", "SUBMITTED")
        states = [getattr(self._states, f"ERT_CMD_STATE_{name}") for name in under_way]
        return self._run.state() not in states

    def wait(self, seconds: float) -> bool:
        """Return whether it ended, waiting at most so long."""
        state = self._run.wait(max(1, round(seconds * 1000)))
        if state == self._states.ERT_CMD_STATE_COMPLETED:
            return True
        if any(state == getattr(self._states, name) for name in _FAILED_STATES):
            raise BoardError(
                f"board {self._board}: compute unit {self.unit} ended with {state}",
                board=self._board,
            )
        return False


class XrtBoard:
    """See `elasticdf.runtime.board.Board`.

    Args:
        index: Of the device, and position in the resource.
        pyxrt: The module.
        library: XRT's core library.
        name: Of the kind of board.
        shell: Version of the shell the binary needs.
    """

    def __init__(self, index: int, pyxrt: Any, library: Any, *, name: str, shell: str) -> None:
        self.index = index
        self.vendor = "xilinx"
        self.name = name
        self.shell = shell
        self._pyxrt = pyxrt
        self._library = library
        self._device = pyxrt.device(index)
        self.serial = str(self._device.get_info(pyxrt.xrt_info_device.bdf))
        self._uuid: Any = None
        self._kernels: dict[str, Any] = {}
        self._runs: list[XrtRun] = []
        self._registers: XrtRegisters | None = None
        self._units: Mapping[str, Instance] = {}
        self._deployment: Deployment | None = None
        self._board = index

    @property
    def failure(self) -> BoardError | None:
        """XRT tells of failures when it is asked; nothing is known between."""
        return None

    def _report(self, what: str) -> Any:
        with suppress(ValueError, RuntimeError):
            return json.loads(self._device.get_info(getattr(self._pyxrt.xrt_info_device, what)))
        return {}

    def power_watts(self) -> float:
        """Return the power drawn; 0 where unknown."""
        with suppress(TypeError, ValueError, AttributeError):
            return float(self._report("electrical").get("power_consumption_watts", 0))
        return 0.0

    def temperature_celsius(self) -> float:
        """Return the highest temperature on the board; 0 where unknown."""
        with suppress(TypeError, ValueError, AttributeError):
            sensors = self._report("thermal").get("thermals", [])
            return max((float(s["temp_C"]) for s in sensors if "temp_C" in s), default=0.0)
        return 0.0

    def program(self, binary: Xclbin, deployment: Deployment | None, board: int) -> None:
        """Load a binary."""
        self._release()
        shell = str(self._device.get_info(self._pyxrt.xrt_info_device.name))
        if binary.platform and shell != binary.platform:
            raise UserError(
                f"{binary.name} is linked for {binary.platform}, device {self.index} has the shell "
                f"{shell}; flash that shell, or build for this one"
            )
        with tempfile.NamedTemporaryFile(suffix=".xclbin") as file:
            for chunk in binary.chunks():
                file.write(chunk)
            file.flush()
            try:
                self._uuid = self._device.load_xclbin(self._pyxrt.xclbin(file.name))
            except RuntimeError as error:
                raise BoardError(
                    f"board {self.index}: XRT refuses {binary.name}: {error}", board=self.index
                ) from error
        self._units = instances(binary)
        self._deployment, self._board = deployment, board
        self._registers = XrtRegisters(self._library, self.index, binary.header.uuid, binary.ips)

    def reset(self) -> None:
        """Check that nothing is under way; XRT has no reset of a loaded binary.

        Link adapters put frames of zeros in the place of lost ones, so a request that lost some
        ends, and nothing is left to reset.

        Raises:
            BoardError: A compute unit hangs.
        """
        hanging = [run.unit for run in self._runs if not run.wait(_HANG_SECONDS)]
        self._runs.clear()
        if hanging:
            raise BoardError(
                f"board {self.index}: compute unit {hanging[0]} hangs; reset the board "
                "(xrt-smi reset) and start again",
                board=self.index,
            )

    def allocate(self, memory: int, size: int) -> XrtBuffer | None:
        """Return memory of a bank, or None if it has no room left."""
        try:
            buffer = self._pyxrt.bo(self._device, size, self._pyxrt.bo.normal, memory)
        except (RuntimeError, MemoryError) as error:
            if isinstance(error, MemoryError) or any(text in str(error) for text in _NO_ROOM):
                return None
            raise BoardError(
                f"board {self.index}: no buffer of {size} bytes in memory {memory}: {error}",
                board=self.index,
            ) from error
        return XrtBuffer(self._pyxrt, buffer, memory, size)

    def start(self, kernel: str, unit: str, arguments: Sequence[Argument]) -> XrtRun:
        """Start a compute unit."""
        if unit not in self._kernels:
            name = f"{kernel}:{{{unit}}}"
            mode = self._pyxrt.kernel.cu_access_mode.exclusive
            self._kernels[unit] = self._pyxrt.kernel(self._device, self._uuid, name, mode)
        values = (a.buffer if isinstance(a, XrtBuffer) else a for a in arguments)
        try:
            run = self._kernels[unit](*values)
        except RuntimeError as error:
            raise BoardError(
                f"board {self.index}: compute unit {unit} does not start: {error}",
                board=self.index,
            ) from error
        self._runs = [earlier for earlier in self._runs if not earlier.ended()]
        self._runs.append(XrtRun(self._pyxrt, run, self.index, unit))
        return self._runs[-1]

    @property
    def _programmed(self) -> XrtRegisters:
        if self._registers is None:
            raise BoardError(f"board {self.index} is not programmed", board=self.index)
        return self._registers

    def write(self, words: Iterable[Word]) -> None:
        """Write registers, in order."""
        self._programmed.write(words)

    def read(self, words: Iterable[Word]) -> tuple[int, ...]:
        """Read registers."""
        return self._programmed.read(words)

    def link_counts(self) -> tuple[LinkCount, ...]:
        """Return the counters of every receiving adapter on the board."""
        links = self._deployment.links if self._deployment else ()
        found = []
        for link in links:
            adapter = self._units.get(f"edf_rx_{link.id}")
            if link.target_board == self._board and adapter is not None and adapter.offsets:
                found.append(self._receiver_count(link.id, adapter))
        return tuple(found)

    def _receiver_count(self, link: int, adapter: Instance) -> LinkCount:
        names = [register.name for register in RECEIVER if register.name in adapter.offsets]
        words = [Word(unit=adapter.unit, offset=adapter.offset(name)) for name in names]
        values = dict(zip(names, self.read(words), strict=True))
        return LinkCount(
            link=link,
            sending=False,
            packets=values["packets_taken"],
            frames=values["frames_whole"],
            lost_frames=sum(values[name] for name in LOSS_COUNTERS),
            duplicates=values["packets_repeated"],
            damaged=values["packets_bad"],
        )

    def progress(self) -> int:
        """Unknown: XRT shows only starts and ends."""
        return 0

    def _release(self) -> None:
        self._kernels.clear()
        if self._registers is not None:
            self._registers.close()
            self._registers = None

    def close(self) -> None:
        """Give the board up."""
        self._release()
