"""The run directory that ``partition -o DIR`` leaves, and its manifest.

Refuses to touch a folder that is not ours or belongs to another network, before any work is done.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from importlib.metadata import version
from pathlib import Path, PurePosixPath
from typing import Any

from codegen.build_plan import BuildPlan
from elasticdf import __version__
from elasticdf.artifact.deployment import Deployment
from elasticdf.artifact.manifest import Loader
from elasticdf.documents import json_bytes, read_json
from elasticdf.errors import UserError
from elasticdf.records import decode, expect_table
from partitioner.consistent import read_plan
from partitioner.plan import Plan

MANIFEST = "manifest.json"
MANIFEST_SCHEMA = "elasticdf.manifest/1"
NETWORK = "network.onnx"
PLAN = "plan.json"
DEPLOYMENT = "deployment.json"
_PACKAGES = ("elasticdf", "highspy", "numpy", "onnx", "onnxruntime", "pulp", "qonnx")


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """Where a run directory comes from.

    Attributes:
        network: Name of the network.
        network_sha256: Of the model file.
        options: The request, as JSON values.
        seed: Given to the solver.
    """

    network: str
    network_sha256: str
    options: Mapping[str, Any]
    seed: int

    def manifest(self, files: BuildPlan) -> bytes:
        """Return the content of manifest.json: inputs, versions, and a digest per file."""
        document = {
            "schema": MANIFEST_SCHEMA,
            "network": self.network,
            "network_sha256": self.network_sha256,
            "options": dict(self.options),
            "seed": self.seed,
            "versions": {"python": platform.python_version(), **_versions()},
            "files": {name: sha256(content) for name, content in files.files.items()},
        }
        return json_bytes(document)


def check_output(folder: Path, network_sha256: str) -> None:
    """Check that the folder can take this network's project.

    Raises:
        UserError: It is a file, cannot be written, is not ours, or holds another network's project.
    """
    if folder.exists() and not folder.is_dir():
        raise UserError(f"output {folder} is a file; name a folder with -o")
    parent = folder if folder.is_dir() else _nearest_existing(folder)
    if not os.access(parent, os.W_OK | os.X_OK):
        raise UserError(f"output folder {folder} cannot be written; choose another with -o")
    if not folder.is_dir() or not any(folder.iterdir()):
        return
    owner = read_json(folder / MANIFEST).get("network_sha256") if _is_ours(folder) else None
    if owner is None and not _holds_only_a_verdict(folder):
        raise UserError(
            f"output folder {folder} is not empty and was not made by elasticdf; "
            "choose an empty one with -o"
        )
    if owner not in (None, network_sha256):
        raise UserError(
            f"output folder {folder} holds the project of another network; "
            "choose another with -o, or remove it first"
        )


def write_project(folder: Path, files: BuildPlan) -> None:
    """Write a project; a folder that is new appears whole or not at all.

    Raises:
        UserError: The folder cannot be written.
    """
    if folder.is_dir():
        stale = _files_of(folder) - files.files.keys()
        _remove(folder, _outdated_binaries(folder, files, stale))
        files.write(folder)
        _remove(folder, stale)
        return
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    except OSError as error:
        raise UserError(f"cannot write {folder}: {error.strerror}; choose another -o") from error
    try:
        files.write(temporary)
        temporary.chmod(0o755)
        temporary.rename(folder)
    except OSError as error:
        raise UserError(f"cannot write {folder}: {error.strerror}; choose another -o") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _outdated_binaries(folder: Path, files: BuildPlan, stale: set[str]) -> set[str]:
    """Return the binaries of boards whose sources change, or packing would take them for new."""
    changed = stale | {
        name for name, text in files.files.items() if not _holds(folder / name, text)
    }
    boards = {PurePosixPath(name).parts[0] for name in changed}
    return {
        binary.relative_to(folder).as_posix()
        for binary in folder.glob("board*/*.xclbin")
        if binary.parent.name in boards
    }


def _holds(path: Path, content: bytes) -> bool:
    return path.is_file() and path.read_bytes() == content


def require_project(folder: Path) -> None:
    """Check that the folder is a run directory.

    Raises:
        UserError: It is not.
    """
    if not _is_ours(folder):
        raise UserError(
            f"{folder} is not a project folder (it has no {MANIFEST} of ours); "
            "make one with: elasticdf partition MODEL --target TARGET -o DIR"
        )


def project_plan(folder: Path) -> Plan:
    """Return the plan of a project.

    Raises:
        UserError: The folder is no project, or its plan is missing or contradicts itself.
    """
    require_project(folder)
    return read_plan(read_json(folder / PLAN), str(folder / PLAN))


def project_deployment(folder: Path) -> Deployment:
    """Return what a project is built from.

    Raises:
        UserError: The folder is no project, its plan contradicts itself, or the deployment was
            edited or made from another plan.
    """
    plan, path = project_plan(folder), folder / DEPLOYMENT
    deployment = Deployment.from_json(read_json(path), str(path))
    if _listed(folder).get(DEPLOYMENT) not in (None, sha256(path.read_bytes())):
        raise UserError(f"{path} was edited; make the project again with elasticdf partition")
    if deployment.plan_digest != plan.digest:
        raise UserError(
            f"{folder / PLAN} is not the plan that {path} was made from, so it was edited; "
            "make the project again with elasticdf partition"
        )
    return deployment


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What later stages need to know of the request that a project was made by.

    Attributes:
        network: Its name.
        network_sha256: Of its file, hexadecimal.
        costs: The cost profile; the network is read as it asks.
        loader: Who will load the artifact.
        external_weights: Layers whose weights come with every request.
    """

    network: str
    network_sha256: str
    costs: str = "calibrated"
    loader: Loader = Loader.ELASTICDF
    external_weights: tuple[str, ...] = ()


def project_request(folder: Path) -> Asked:
    """Return what a project was asked for.

    Raises:
        UserError: The folder is no project, or its manifest was edited.
    """
    require_project(folder)
    path = folder / MANIFEST
    manifest = read_json(path)
    options = expect_table(manifest.get("options"), f"{path}, options")
    said = {**options, **manifest}
    known = {field.name for field in fields(Asked)}
    return decode(Asked, {key: said[key] for key in said if key in known}, str(path))


def sha256(content: bytes) -> str:
    """Return the digest in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def _is_ours(folder: Path) -> bool:
    manifest = folder / MANIFEST
    return manifest.is_file() and read_json(manifest).get("schema") == MANIFEST_SCHEMA


def _files_of(folder: Path) -> set[str]:
    """Return the files an earlier run wrote here, by its manifest."""
    return set(_listed(folder)) if _is_ours(folder) else set()


def _listed(folder: Path) -> Mapping[str, Any]:
    """Return the digests of the manifest, by file."""
    path = folder / MANIFEST
    return expect_table(read_json(path).get("files"), f"{path}, files")


def _remove(folder: Path, names: Iterable[str]) -> None:
    """Remove what an earlier plan left and this one does not write, and folders left empty."""
    for name in sorted(names):
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts:
            continue
        (folder / path).unlink(missing_ok=True)
        for parent in path.parents[:-1]:
            with contextlib.suppress(OSError):
                (folder / parent).rmdir()


def _holds_only_a_verdict(folder: Path) -> bool:
    """An infeasible request leaves its plan.json alone in the folder."""
    return [path.name for path in folder.iterdir()] == [PLAN]


def _nearest_existing(path: Path) -> Path:
    return next(parent for parent in path.absolute().parents if parent.exists())


def _versions() -> dict[str, str]:
    return {name: __version__ if name == "elasticdf" else version(name) for name in _PACKAGES}
