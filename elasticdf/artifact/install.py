"""A local repository of artifacts: install, list, remove.

Every change is one rename under a lock on the repository's root, so a reader and the next writer
find the old state or the new one, whoever was killed. Refuses artifacts that lint refuses.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from elasticdf.artifact.bitstream import Bitstream
from elasticdf.artifact.blob import Blob
from elasticdf.artifact.lint import LintReport, lint
from elasticdf.artifact.lint_codes import Severity
from elasticdf.artifact.opening import (
    NETWORK_NAME,
    described,
    find_artifacts,
    locate,
    read_description,
)
from elasticdf.artifact.publish import publish, staging, undisturbed
from elasticdf.errors import UserError

HANDLE_DIGITS = 12
_HANDLE = re.compile(r"[0-9a-f]{4,32}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Installed:
    """An artifact of a repository.

    Attributes:
        handle: First digits of the MD5 of its bitstream.json, as the orchestrator shows it.
        folder: Relative to the root, with '/'.
        bitstream: Its description, or None where it cannot be read.
        problem: Why it cannot be read; empty if it can.
    """

    handle: str
    folder: str
    bitstream: Bitstream | None
    problem: str = ""

    @property
    def kernel_ids(self) -> tuple[str, ...]:
        """Public names, each once."""
        kernels = self.bitstream.kernels if self.bitstream else ()
        return tuple(dict.fromkeys(kernel.kernel_id for kernel in kernels))

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form."""
        bitstream = self.bitstream
        return {
            "handle": self.handle,
            "folder": self.folder,
            "bitstream_id": bitstream.bitstream_id if bitstream else None,
            "version": bitstream.version if bitstream else None,
            "kernel_ids": list(self.kernel_ids),
            "platform": bitstream.platform.to_json() if bitstream else None,
            "problem": self.problem or None,
        }

    def to_text(self) -> str:
        """Return one line."""
        if self.bitstream is None:
            return f"{self.handle}  {self.folder}: {self.problem}"
        platform = self.bitstream.platform
        return "  ".join(
            (
                self.handle,
                self.bitstream.bitstream_id,
                self.bitstream.version,
                ",".join(self.kernel_ids),
                f"{platform.vendor}/{platform.name}/{platform.version}",
            )
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """What a repository holds.

    Attributes:
        root: Of the repository.
        artifacts: By folder.
    """

    root: str
    artifacts: tuple[Installed, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "schema": "elasticdf.repository/1",
            "root": self.root,
            "artifacts": [artifact.to_json() for artifact in self.artifacts],
        }

    def to_text(self) -> str:
        """Return one line per artifact."""
        return "\n".join(artifact.to_text() for artifact in self.artifacts) or "no artifacts"


def install(path: Path, root: Path) -> Installed:
    """Copy an artifact into a repository; an older one in its place is replaced.

    Args:
        path: The artifact, as `opening.open_artifact` takes it.
        root: Of the repository; made if it is not there.

    Raises:
        UserError: Lint finds errors, or the repository cannot be written.
    """
    description = locate(path)
    _refuse_errors(lint(description))
    content = read_description(description)
    bitstream = Bitstream.parse(content, str(description))
    archive = Blob.of(description.parent / bitstream.name)
    with staging(root) as folder:
        built = folder / "artifact"
        built.mkdir()
        with open(built / bitstream.name, "wb") as copy:
            archive.copy(copy.fileno())
            os.fsync(copy.fileno())
        (built / description.name).write_bytes(content)
        network = description.parent / NETWORK_NAME
        if network.is_file():
            shutil.copyfile(network, built / NETWORK_NAME)
        _refuse_nesting(root, root / bitstream.folder)
        publish(built, root / bitstream.folder)
    return Installed(handle=_handle(content), folder=bitstream.folder, bitstream=bitstream)


def installed(root: Path) -> Listing:
    """Return what a repository holds.

    Raises:
        UserError: The root is not a folder.
    """
    if not root.is_dir():
        raise UserError(f"{root} is not a folder; give the root of a repository")
    entries = _entries(root)
    if any(entry.problem for entry in entries):
        with undisturbed(root):  # it may only have been replaced while we looked
            entries = _entries(root)
    return Listing(root=str(root), artifacts=entries)


def remove(handle: str, root: Path) -> Installed:
    """Remove the artifact with that handle.

    Args:
        handle: At least 4 digits of the MD5 of its bitstream.json.
        root: Of the repository.

    Raises:
        UserError: No artifact has the handle, or more than one.
    """
    if _HANDLE.fullmatch(handle) is None:
        raise UserError(f"handle {handle!r} is not 4 to 32 hexadecimal digits; see the listing")
    installed(root)
    with staging(root) as folder:
        matching = [
            description
            for description in find_artifacts(root)
            if hashlib.md5(read_description(description), usedforsecurity=False)
            .hexdigest()
            .startswith(handle)
        ]
        if len(matching) != 1:
            raise UserError(
                f"{len(matching)} artifacts in {root} have a handle that starts with {handle}, "
                "one is needed; see the listing"
            )
        target = matching[0].parent
        entry = _entry(root, matching[0])
        target.rename(folder / "removed")
        _prune(target.parent, root)
    return entry


def _refuse_nesting(root: Path, target: Path) -> None:
    """Refuse a folder inside or around another artifact's: replacing one would lose the other."""
    inside = [path.parent for path in find_artifacts(target) if path.parent != target]
    around = [path for path in target.parents if root in path.parents and described(path)]
    for other in (*inside, *around):
        raise UserError(
            f"{target} would share its folder with the artifact in {other}; remove that one, or "
            "package with another --bitstream-id"
        )


def _refuse_errors(report: LintReport) -> None:
    errors = [f for f in report.findings if f.rule.severity is Severity.ERROR]
    faults = [f for f in errors if f.concerns(report.loader)]
    if faults:
        raise UserError(
            f"{report.path} is not installed: {faults[0].what} [{faults[0].code}]"
            f"{f' and {len(faults) - 1} more' if len(faults) > 1 else ''}; "
            "see: elasticdf lint ARTIFACT"
        )


def _entries(root: Path) -> tuple[Installed, ...]:
    return tuple(_entry(root, description) for description in find_artifacts(root))


def _entry(root: Path, description: Path) -> Installed:
    folder = description.parent.relative_to(root).as_posix()
    try:
        content = read_description(description)
        bitstream = Bitstream.parse(content)
    except UserError as error:
        return Installed(
            handle="-" * HANDLE_DIGITS, folder=folder, bitstream=None, problem=str(error)
        )
    problem = "" if (description.parent / bitstream.name).is_file() else "its archive is missing"
    return Installed(handle=_handle(content), folder=folder, bitstream=bitstream, problem=problem)


def _handle(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()[:HANDLE_DIGITS]


def _prune(folder: Path, root: Path) -> None:
    """Remove folders that became empty, up to the root."""
    while folder != root and root in folder.parents:
        if any(folder.iterdir()):
            return
        shutil.rmtree(folder)
        folder = folder.parent
