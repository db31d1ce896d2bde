"""A build project as a value: file names and contents in memory, written once at the end.

Refuses names that leave the target folder. Writing is atomic per file and leaves untouched what is
already as it should be, so that ``make`` rebuilds only what changed.
"""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from types import MappingProxyType

from elasticdf.errors import InternalError, UserError
from elasticdf.files import write_atomically


@dataclass(frozen=True, slots=True)
class BuildPlan:
    """Relative POSIX file names and their contents.

    Attributes:
        files: Sorted by name.
    """

    files: Mapping[str, bytes]

    def __post_init__(self) -> None:
        for name in self.files:
            path = PurePosixPath(name)
            if path.is_absolute() or ".." in path.parts or not path.parts:
                raise InternalError(f"file name {name!r} leaves the project folder")
        object.__setattr__(self, "files", MappingProxyType(dict(sorted(self.files.items()))))

    @staticmethod
    def merge(plans: Iterable[BuildPlan]) -> BuildPlan:
        """Return the union.

        Raises:
            InternalError: Two plans hold different contents for one name.
        """
        files: dict[str, bytes] = {}
        for plan in plans:
            for name, content in plan.files.items():
                if files.setdefault(name, content) != content:
                    raise InternalError(f"two emitters write {name} with different contents")
        return BuildPlan(files)

    def under(self, folder: str) -> BuildPlan:
        """Return the same files inside a folder."""
        return BuildPlan({f"{folder}/{name}": content for name, content in self.files.items()})

    def digest(self) -> str:
        """Return the SHA-256 over names and contents, in hexadecimal."""
        digest = hashlib.sha256()
        for name, content in self.files.items():
            for part in (name.encode(), content):
                digest.update(len(part).to_bytes(8, "little"))
                digest.update(part)
        return digest.hexdigest()

    def write(self, folder: Path) -> tuple[str, ...]:
        """Write the files that differ from what is there and return their names.

        Raises:
            UserError: The folder cannot be written.
        """
        changed = [
            name for name, content in self.files.items() if not _holds(folder / name, content)
        ]
        try:
            for name in changed:
                write_atomically(folder / name, self.files[name])
        except OSError as error:
            raise UserError(
                f"cannot write {folder}: {error.strerror}; choose another -o"
            ) from error
        return tuple(changed)

    def archive(self) -> bytes:
        """Return a USTAR archive that is identical for identical files."""
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
            for name, content in self.files.items():
                entry = tarfile.TarInfo(name)
                entry.size = len(content)
                archive.addfile(entry, io.BytesIO(content))
        return buffer.getvalue()


def _holds(path: Path, content: bytes) -> bool:
    try:
        return path.read_bytes() == content
    except OSError:
        return False
