"""The packer: a built project becomes one archive and the orchestrator's description of it.

Binaries are streamed, never held, each by a thread of its own, because hashing takes longer than
copying. The artifact's folder appears whole or not at all, and the same binaries give the same
bytes everywhere. Refuses what the chosen loader could not load.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import accumulate
from pathlib import Path
from typing import Any, BinaryIO

from codegen.bundle.host import read_host
from codegen.bundle.kernels import kernel_objects
from codegen.bundle.loaders import for_loader
from codegen.bundle.weights import read_weights
from codegen.deployment import binary_stem
from elasticdf import __version__
from elasticdf.artifact import axlf, tarwalk
from elasticdf.artifact.bitstream import Bitstream, Platform, platform_name, platform_version
from elasticdf.artifact.blob import Blob, write_at
from elasticdf.artifact.deployment import DeployedBoard, Deployment
from elasticdf.artifact.emulation import is_emulated
from elasticdf.artifact.lint import faults
from elasticdf.artifact.manifest import (
    MANIFEST_NAME,
    MAX_MANIFEST_BYTES,
    EntryRecord,
    Loader,
    Manifest,
    UnitWeights,
)
from elasticdf.artifact.opening import BITSTREAM_NAME, NETWORK_NAME, Binary
from elasticdf.artifact.publish import publish, staging
from elasticdf.documents import read_json
from elasticdf.errors import UserError, located
from partitioner.plan import Mode

DEFAULT_BITSTREAM_ID = "org.elasticdf"
DEFAULT_VERSIONS = {
    Mode.TRANSPARENT: "1.0",
    Mode.HARDWARE: "1.1",
    Mode.SOFTWARE: "1.2",
    Mode.DATA_PARALLEL: "1.3",
}
"""The version tells the mode, as the published artifacts have it; ``dp`` is ours."""

_BITSTREAM_ID = re.compile(r"[A-Za-z0-9_]+(\.[A-Za-z0-9_]+)*")
_VERSION = re.compile(r"[A-Za-z0-9_]+(\.[A-Za-z0-9_]+)*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Labels:
    """How an artifact is called.

    Attributes:
        bitstream_id: Dotted package name.
        version: Of the artifact; None takes the one that tells the mode.
        description: For people.
    """

    bitstream_id: str = DEFAULT_BITSTREAM_ID
    version: str | None = None
    description: str | None = None

    def __post_init__(self) -> None:
        for what, form, value in (
            ("bitstream id", _BITSTREAM_ID, self.bitstream_id),
            ("version", _VERSION, self.version),
        ):
            if value is not None and form.fullmatch(value) is None:
                raise UserError(
                    f"{what} {value!r} cannot be a path of folders; "
                    "use words of letters, digits and _ joined by dots"
                )


@dataclass(frozen=True, slots=True, kw_only=True)
class Packaged:
    """What the packer wrote.

    Attributes:
        folder: The artifact's folder.
        archive: Its archive.
        size: Of the archive, bytes.
        bitstream: The description beside it.
    """

    folder: Path
    archive: Path
    size: int
    bitstream: Bitstream

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "schema": "elasticdf.packaged/1",
            "folder": str(self.folder),
            "archive": str(self.archive),
            "bytes": self.size,
            "bitstream": self.bitstream.to_json(),
        }

    def to_text(self) -> str:
        """Return a few lines for people."""
        ids = dict.fromkeys(
            f"{self.bitstream.bitstream_id}.{kernel.kernel_id}" for kernel in self.bitstream.kernels
        )
        platform = self.bitstream.platform
        return "\n".join(
            (
                f"artifact  {self.folder}",
                f"archive   {self.archive.name}, {self.size} bytes",
                f"platform  {platform.vendor} {platform.name} {platform.version}",
                f"requests  {', '.join(ids)}",
            )
        )


def package(
    project: Path,
    output: Path | None = None,
    *,
    loader: Loader = Loader.ELASTICDF,
    labels: Labels | None = None,
) -> Packaged:
    """Write the artifact of a built project.

    Args:
        project: Folder with ``deployment.json`` and ``board<i>/<binary>``.
        output: Root of the repository layout. None means ``artifact`` in the project, which is
            the packer's own: it holds this artifact and nothing else afterwards.
        loader: Which runtime it is for.
        labels: How it is called.

    Raises:
        UserError: A binary is missing or from another plan, the loader cannot do what the plan
            needs, or the output cannot be written.
    """
    deployment = for_loader(_deployment(project / "deployment.json"), loader)
    binaries = _binaries(project, deployment)
    bitstream = _bitstream(deployment, binaries, labels or Labels())
    _refuse_faults(bitstream, deployment, binaries, loader)
    weights = _weights(project, binaries, loader)
    root = output or project / "artifact"
    target = root / bitstream.folder if output else root
    with staging(target.parent) as folder:
        built = folder / "artifact"
        leaf = built if output else built / bitstream.folder
        leaf.mkdir(parents=True)
        size = _write_archive(leaf / bitstream.name, project, deployment, binaries, loader, weights)
        (leaf / BITSTREAM_NAME).write_bytes(bitstream.to_bytes())
        network = project / NETWORK_NAME
        if network.is_file():
            shutil.copyfile(network, leaf / NETWORK_NAME)
        publish(built, target)
    final = root / bitstream.folder
    return Packaged(folder=final, archive=final / bitstream.name, size=size, bitstream=bitstream)


def _write_archive(
    path: Path,
    project: Path,
    deployment: Deployment,
    binaries: dict[int, Binary],
    loader: Loader,
    weights: tuple[UnitWeights, ...],
) -> int:
    """Write the binaries in board order, then the manifest; return the bytes written."""
    prologue, epilogue = read_host(project)
    boards = deployment.boards
    contents = [binaries[board.id] for board in boards]
    *starts, end = accumulate((tarwalk.entry_bytes(b.content.size) for b in contents), initial=0)
    with open(path, "wb") as archive, ThreadPoolExecutor() as threads:
        write = partial(_write_entry, archive.fileno())
        entries = tuple(threads.map(write, boards, contents, starts))
        archive.seek(end)
        manifest = Manifest(
            loader=loader,
            versions=(("elasticdf", __version__),),
            plan_digest=deployment.plan_digest,
            network_sha256=_digest_if_there(project / NETWORK_NAME),
            entries=entries,
            deployment=deployment,
            prologue=prologue,
            epilogue=epilogue,
            weights=weights,
        )
        return _write_end(archive, manifest.to_bytes(), path.name)


def _weights(project: Path, binaries: dict[int, Binary], loader: Loader) -> tuple[UnitWeights, ...]:
    """Return what the host loads onto the real boards."""
    real = [number for number, binary in binaries.items() if not is_emulated(binary.xclbin)]
    weights = read_weights(project, real)
    if weights and loader is Loader.ORIGINAL:
        raise UserError(
            f"the original loader loads no weights, layer {weights[0].layer} on board "
            f"{weights[0].board} needs them; package with --loader elasticdf, or partition with "
            "--no-variants"
        )
    return weights


def _deployment(path: Path) -> Deployment:
    document = read_json(path, advice="partition the network again")
    return Deployment.from_json(document, str(path))


def _binaries(project: Path, deployment: Deployment) -> dict[int, Binary]:
    binaries: dict[int, Binary] = {}
    memories = 0
    for position, board in enumerate(deployment.boards):
        path = project / f"board{board.id}" / board.binary
        if not path.is_file():
            raise UserError(
                f"{path} does not exist; build it with: make -C {project}, or emulated with: "
                f"elasticdf build {project} --emulate"
            )
        content = Blob.of(path)
        with located(str(path.parent)):
            xclbin = axlf.parse(content, board.binary)
        binary = Binary(
            name=board.binary,
            position=position,
            content=content,
            xclbin=xclbin,
            memory_offset=memories,
        )
        memories += len(binary.xclbin.memories)
        binaries[board.id] = binary
    return binaries


def _bitstream(deployment: Deployment, binaries: dict[int, Binary], labels: Labels) -> Bitstream:
    boards = deployment.boards
    vendors = sorted({board.vendor for board in boards})
    if len(vendors) != 1:
        raise UserError(f"boards of {' and '.join(vendors)} cannot be one resource; use one vendor")
    count = len(boards)
    description = f"{deployment.network}, mode {deployment.mode}, {count} board(s)"
    bitstream = Bitstream(
        name=f"{binary_stem(deployment.network)}.tar",
        bitstream_id=labels.bitstream_id,
        version=labels.version or DEFAULT_VERSIONS[Mode(deployment.mode)],
        description=description if labels.description is None else labels.description,
        platform=Platform(
            vendor=vendors[0],
            name=platform_name(board.board for board in boards),
            version=platform_version(board.shell_version for board in boards),
        ),
        kernels=kernel_objects(deployment, binaries),
    )
    return Bitstream.parse(bitstream.to_bytes(), "the deployment's description")


def _refuse_faults(
    bitstream: Bitstream, deployment: Deployment, binaries: dict[int, Binary], loader: Loader
) -> None:
    contents = {binary.name: binary.content for binary in binaries.values()}
    found = faults(bitstream, deployment, contents, loader)
    if found:
        raise UserError(
            f"this artifact would not load: {found[0].what} [{found[0].code}]; "
            f"{found[0].rule.why}; {found[0].rule.mend}"
        )


def _write_entry(archive: int, board: DeployedBoard, binary: Binary, start: int) -> EntryRecord:
    """Write a binary with its header at an offset of the archive."""
    header = tarwalk.pack_header(binary.name, binary.content.size)
    content = start + len(header)
    write_at(archive, header, start)
    digest = binary.content.copy(archive, content)
    write_at(archive, tarwalk.padding(binary.content.size), content + binary.content.size)
    return EntryRecord(
        name=binary.name,
        board=board.id,
        size=binary.content.size,
        sha256=digest,
        uuid=binary.xclbin.uuid,
        memories=len(binary.xclbin.memories),
    )


def _write_end(archive: BinaryIO, manifest: bytes, name: str) -> int:
    if len(manifest) > MAX_MANIFEST_BYTES:
        raise UserError(
            f"{MANIFEST_NAME} would have {len(manifest)} bytes, {MAX_MANIFEST_BYTES} are allowed: "
            "too many weights are to be loaded by the host; partition with --no-variants"
        )
    for piece in _manifest_pieces(manifest):
        archive.write(piece)
    size = archive.tell()
    if size >= tarwalk.MAX_TAR_BYTES:
        raise UserError(
            f"{name} would have {size} bytes, loaders take less than {tarwalk.MAX_TAR_BYTES}; "
            "build smaller binaries or spread them over several artifacts"
        )
    return size


def _manifest_pieces(manifest: bytes) -> Iterable[bytes]:
    yield tarwalk.pack_header(MANIFEST_NAME, len(manifest))
    yield manifest
    yield tarwalk.padding(len(manifest))
    yield tarwalk.END_MARK


def _digest_if_there(path: Path) -> str | None:
    return Blob.of(path).sha256() if path.is_file() else None
