"""The original two-board loader, written again from its published behaviour, for tests only.

Knows nothing of the project's own readers: it walks bytes with ``struct`` as the C program does,
including what it does not check. Register reads answer as VNx of that time would.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass, field

BOARDS = 2
HEADER = 512
NULL = None


@dataclass
class Device:
    """One card: its binary's name, bytes and tables."""

    name: str
    binary: bytes
    memories: list[tuple[str, bool, int]] = field(default_factory=list)
    units: list[str] = field(default_factory=list)

    def program(self) -> bool:
        if self.binary[:8] != b"xclbin2\0":
            return False
        sections = {}
        (count,) = struct.unpack_from("<I", self.binary, 448)
        for index in range(count):
            kind, offset, size = struct.unpack_from("<I16x4xQQ", self.binary, 456 + 40 * index)
            sections.setdefault(kind, self.binary[offset : offset + size])
        topology, layout = sections.get(6, bytes(8)), sections.get(8, bytes(8))
        for row in range(struct.unpack_from("<i", topology)[0]):
            _, used, size, _, tag = struct.unpack_from("<BB6xQQ16s", topology, 8 + 40 * row)
            self.memories.append((tag.split(b"\0")[0].decode(), bool(used), size))
        for row in range(struct.unpack_from("<i", layout)[0]):
            kind, _, _, name = struct.unpack_from("<IIQ64s", layout, 8 + 80 * row)
            if kind == 1:
                self.units.append(name.split(b"\0")[0].decode())
        self.xml = sections.get(2, b"").decode()
        return True

    def kernel(self, text: str) -> str | None:
        """What clCreateKernel finds for ``kernel`` or ``kernel:{cu}``."""
        kernel, _, unit = text.partition(":")
        for candidate in self.units:
            owner, _, name = candidate.partition(":")
            if owner == kernel and unit.strip("{}") in ("", name):
                return candidate
        return NULL

    def socket_count(self) -> int:
        """What reading 0x2210 of the network layer gives."""
        start = self.xml.find('<kernel name="networklayer"')
        body = self.xml[start : self.xml.find("</kernel>", start)]
        match = re.search(r'name="udp_number_sockets"[^>]*offset="(0x[0-9a-f]+)"', body)
        return 16 if match and int(match[1], 16) == 0x2210 else 0


def split(artifact: bytes) -> list[Device]:
    """The walk: exactly two headers are looked at, and only their names and sizes."""
    devices: list[Device] = []
    offset = 0
    for _ in range(BOARDS):
        header = artifact[offset : offset + HEADER]
        digits = header[124:135]
        if len(header) < HEADER or not digits or digits.strip(b"01234567"):
            break
        size = int(digits, 8)
        data = artifact[offset + HEADER : offset + HEADER + size]
        if len(data) != size:
            break
        offset += HEADER + (size + HEADER - 1) // HEADER * HEADER
        devices.append(Device(header[:100].split(b"\0")[0].decode("latin-1"), data))
    return devices


@dataclass
class Resource:
    """Two cards that software sees as one."""

    devices: list[Device] = field(default_factory=list)
    network_up: bool = False

    def program(self, artifact: bytes) -> int:
        """0 if it worked, 1 if not; a network that is not there is no failure."""
        self.devices = split(artifact)
        if len(self.devices) < BOARDS or not all(device.program() for device in self.devices):
            return 1
        return self._set_up_network()

    def _set_up_network(self) -> int:
        for device in self.devices:
            if device.kernel("cmac_1") is NULL or device.kernel("networklayer") is NULL:
                return 0
        if any(device.socket_count() != 16 for device in self.devices):
            return 1
        self.network_up = True
        return 0

    def memory(self, index: int) -> tuple[int, str] | None:
        """Device and bank, or NULL where none is or the bank is unused."""
        for number, device in enumerate(self.devices):
            if index < len(device.memories):
                tag, used, _ = device.memories[index]
                return (number, tag) if used else NULL
            index -= len(device.memories)
        return NULL

    def compute_unit(self, directive: str) -> tuple[int, str] | None:
        """Device and compute unit; the text is split at every '-', as strtok does."""
        parts = [part for part in directive.split("-") if part]
        if len(parts) < 2:
            return NULL
        for number, device in enumerate(self.devices):
            if device.name == parts[1]:
                unit = device.kernel(parts[0])
                return NULL if unit is NULL else (number, unit)
        return NULL
