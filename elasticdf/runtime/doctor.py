"""`elasticdf doctor`: what this machine has for building, running and serving, and what it lacks.

Only looks; changes nothing and needs no rights. A finding says what is missing and how to get it.
"""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import socket
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from elasticdf.records import encode

DOCTOR_SCHEMA = "elasticdf.doctor/1"
_XILINX_VENDOR = "0x10ee"
_RECEIVE_BUFFER_BYTES = 212_992
_OLDEST_PYTHON = (3, 11)


class Status(StrEnum):
    """How a finding is meant."""

    OK = "ok"
    MISSING = "missing"
    WARNING = "warning"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing looked at.

    Attributes:
        topic: What it is for: ``python``, ``emulate``, ``images``, ``mlperf``, ``build`` or
            ``boards``.
        what: What was looked at.
        status: Whether it is there.
        found: What was found.
        remedy: How to get it; empty where nothing is to be done.
    """

    topic: str
    what: str
    status: Status
    found: str
    remedy: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DoctorReport:
    """All findings, by topic."""

    findings: tuple[Finding, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {"schema": DOCTOR_SCHEMA, "findings": [encode(finding) for finding in self.findings]}

    def can(self, topic: str) -> bool:
        """Return whether nothing needed for a topic is missing."""
        return all(f.status is not Status.MISSING for f in self.findings if f.topic == topic)


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What is looked at; another one stands in for it in tests.

    Attributes:
        root: Of the file system.
        environment: Variables.
        which: Path of a program, or None.
        version: Version of a Python package, or None.
        python: Version of the interpreter.
    """

    root: Path = Path("/")
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    which: Callable[[str], str | None] = shutil.which
    version: Callable[[str], str | None] = _version
    python: tuple[int, ...] = tuple(sys.version_info[:3])


_PACKAGES = (
    ("emulate", "numpy", "pip install elasticdf"),
    ("emulate", "onnx", "pip install elasticdf"),
    ("emulate", "onnxruntime", "pip install elasticdf"),
    ("images", "pillow", "pip install 'elasticdf[images]'"),
    ("mlperf", "coral-api", "pip install 'elasticdf[mlperf]'"),
    ("mlperf", "mlcommons-loadgen", "pip install 'elasticdf[mlperf]'"),
)
_PROGRAMS = (
    ("build", "v++", "install AMD Vitis and source its settings64.sh"),
    ("build", "vivado", "install AMD Vivado (comes with Vitis) and source its settings64.sh"),
    ("build", "xclbinutil", "install XRT and source its setup.sh"),
)
_MANAGERS = ("xrt-smi", "xbutil")


def examine(machine: Machine | None = None) -> DoctorReport:
    """Look at everything and return the findings."""
    here = machine or Machine()
    parts = (_python, _packages, _sockets, _programs, _shells, _boards, _xrt)
    return DoctorReport(findings=tuple(finding for part in parts for finding in part(here)))


def _finding(topic: str, what: str, found: str | None, remedy: str) -> Finding:
    if found is None:
        return Finding(
            topic=topic, what=what, status=Status.MISSING, found="not found", remedy=remedy
        )
    return Finding(topic=topic, what=what, status=Status.OK, found=found)


def _python(machine: Machine) -> Iterator[Finding]:
    enough = machine.python >= _OLDEST_PYTHON
    yield Finding(
        topic="python",
        what="interpreter",
        status=Status.OK if enough else Status.MISSING,
        found=".".join(str(part) for part in machine.python),
        remedy="" if enough else "use Python 3.11 or newer",
    )


def _packages(machine: Machine) -> Iterator[Finding]:
    for topic, package, remedy in _PACKAGES:
        yield _finding(topic, package, machine.version(package), remedy)


def _sockets(machine: Machine) -> Iterator[Finding]:
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind(("127.0.0.1", 0))
        found: str | None = "UDP on 127.0.0.1 works"
    except OSError:
        found = None
    yield _finding(
        "emulate", "loopback", found, "bring the loopback interface up: ip link set lo up"
    )
    limit = _text(machine.root / "proc/sys/net/core/rmem_max")
    if limit is not None and limit.isdecimal() and int(limit) < _RECEIVE_BUFFER_BYTES:
        yield Finding(
            topic="emulate",
            what="socket buffers",
            status=Status.WARNING,
            found=f"{limit} bytes at most",
            remedy=f"sysctl net.core.rmem_max={_RECEIVE_BUFFER_BYTES}, or links may lose packets",
        )


def _programs(machine: Machine) -> Iterator[Finding]:
    for topic, program, remedy in _PROGRAMS:
        yield _finding(topic, program, machine.which(program), remedy)
    licence = machine.environment.get("XILINXD_LICENSE_FILE") or machine.environment.get(
        "LM_LICENSE_FILE"
    )
    yield _finding(
        "build",
        "licence variable",
        licence,
        "set XILINXD_LICENSE_FILE; the 100G MAC's licence is free and needed for the bitstream",
    )


def _shells(machine: Machine) -> Iterator[Finding]:
    places = [str(machine.root / "opt/xilinx/platforms")]
    places += machine.environment.get("PLATFORM_REPO_PATHS", "").split(os.pathsep)
    shells = sorted(
        {path.stem for place in places if place for path in Path(place).glob("*/*.xpfm")}
    )
    yield _finding(
        "build",
        "platforms",
        ", ".join(shells) or None,
        "install the board's development platform package and set PLATFORM_REPO_PATHS",
    )


def _boards(machine: Machine) -> Iterator[Finding]:
    cards = []
    for device in sorted((machine.root / "sys/bus/pci/devices").glob("*")):
        if _text(device / "vendor") == _XILINX_VENDOR:
            cards.append(f"{device.name} ({_text(device / 'device') or 'unknown'})")
    remedy = "plug a board in, or use emulated ones: elasticdf build --emulate"
    yield _finding("boards", "PCIe cards", ", ".join(cards) or None, remedy)
    if cards:
        yield from _nodes(machine)


def _nodes(machine: Machine) -> Iterator[Finding]:
    nodes = sorted((machine.root / "dev/dri").glob("renderD*"))
    yield _finding(
        "boards",
        "device nodes",
        ", ".join(node.name for node in nodes) or None,
        "load the driver: modprobe xocl (package xrt)",
    )
    for node in nodes:
        if not os.access(node, os.R_OK | os.W_OK):
            yield Finding(
                topic="boards",
                what=str(node),
                status=Status.MISSING,
                found="no permission to read and write",
                remedy="usermod -aG render $USER, then log in again",
            )


def _xrt(machine: Machine) -> Iterator[Finding]:
    folder = machine.environment.get("XILINX_XRT")
    default = machine.root / "opt/xilinx/xrt"
    found = folder or (str(default) if default.is_dir() else None)
    yield _finding("boards", "XRT", found, "install XRT and source /opt/xilinx/xrt/setup.sh")
    version = _text(Path(found) / "version.json") if found else None
    if version is not None:
        yield _finding("boards", "XRT version", " ".join(version.split())[:200], "")
    managers = [path for name in _MANAGERS if (path := machine.which(name))]
    yield _finding("boards", "board manager", next(iter(managers), None), "source XRT's setup.sh")
    pyxrt = sorted(Path(found).glob("python/pyxrt*")) if found else []
    yield _finding(
        "boards",
        "pyxrt",
        str(pyxrt[0]) if pyxrt else machine.version("pyxrt"),
        "source XRT's setup.sh with a Python that XRT was built for; it is not on PyPI",
    )


def _text(path: Path) -> str | None:
    try:
        return path.read_text().strip()
    except (OSError, UnicodeDecodeError):
        return None
