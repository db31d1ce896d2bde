"""Would a loader accept this artifact, and would it run.

Looks at the bytes as a loader does, then at everything that must agree: directives, memories,
shells, sockets, checksums. Never raises for a broken artifact: everything found is a finding.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from elasticdf.artifact.bitstream import Bitstream, EscapingNameError
from elasticdf.artifact.blob import Blob
from elasticdf.artifact.deployment import Deployment
from elasticdf.artifact.lint_binaries import (
    Facts,
    binary_notes,
    directive_notes,
    platform_notes,
    read_facts,
)
from elasticdf.artifact.lint_codes import RULES, Rule, Severity
from elasticdf.artifact.lint_network import link_notes, manifest_notes, original_notes
from elasticdf.artifact.lint_tar import Note, walk_leniently
from elasticdf.artifact.manifest import MANIFEST_NAME, MAX_MANIFEST_BYTES, Loader, Manifest
from elasticdf.artifact.opening import (
    BITSTREAM_NAME,
    DESCRIPTION_NAMES,
    NETWORK_NAME,
    described,
    locate,
    read_description,
)
from elasticdf.artifact.sections import printable
from elasticdf.artifact.tarwalk import BLOCK_BYTES, TarEntry, read_header
from elasticdf.errors import UserError

LINT_SCHEMA = "elasticdf.lint/1"
_ORDER = (Severity.ERROR, Severity.WARNING, Severity.NOTE)


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is wrong.

    Attributes:
        code: Of the rule; see `lint_codes`.
        what: What was found, where.
    """

    code: str
    what: str

    @property
    def rule(self) -> Rule:
        """How bad it is, why it matters, how to mend it."""
        return RULES[self.code]

    def concerns(self, loader: Loader) -> bool:
        """Whether it matters to that loader."""
        return self.rule.loader in (None, loader)

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form."""
        rule = self.rule
        return {
            "code": self.code,
            "severity": rule.severity.value,
            "what": self.what,
            "why": rule.why,
            "mend": rule.mend,
            "loader": None if rule.loader is None else rule.loader.value,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class LintReport:
    """What lint found.

    Attributes:
        path: Of the artifact, as given.
        loader: The loader the verdict is for.
        findings: Errors first; those of other loaders included.
    """

    path: str
    loader: Loader
    findings: tuple[Finding, ...]

    def accepted(self, loader: Loader | None = None) -> bool:
        """Return whether a loader would accept and run the artifact."""
        asked = loader or self.loader
        return not any(
            f.rule.severity is Severity.ERROR and f.concerns(asked) for f in self.findings
        )

    @property
    def exit_code(self) -> int:
        """0 if the loader would accept it, else 2."""
        return 0 if self.accepted() else 2

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "schema": LINT_SCHEMA,
            "path": self.path,
            "loader": self.loader.value,
            "accepted": {loader.value: self.accepted(loader) for loader in Loader},
            "findings": [finding.to_json() for finding in self.findings],
        }

    def to_text(self) -> str:
        """Return the findings that concern the loader, and the verdict for every loader."""
        lines = []
        for finding in self.findings:
            if finding.concerns(self.loader):
                rule = finding.rule
                what = printable(finding.what)
                lines.append(f"{rule.severity.value}: {what} [{finding.code}]")
                lines.append(f"  why:  {rule.why}")
                lines.append(f"  mend: {rule.mend}")
        for loader in Loader:
            verdict = "accepts it" if self.accepted(loader) else "would fail"
            lines.append(f"loader {loader.value}: {verdict}")
        return "\n".join(lines)


def lint(path: Path, loader: Loader | None = None) -> LintReport:
    """Examine an artifact.

    Args:
        path: Its folder, its archive or its bitstream.json.
        loader: Which loader the verdict is for; None takes the one it was packaged for, the
            original one where no manifest says so.

    Raises:
        UserError: The path does not exist, or more than one artifact is there.
    """
    description = _description(path)
    notes: list[Note] = list(_link_notes(description.parent))
    bitstream = _read_bitstream(description, notes)
    archive = _archive(description, bitstream, path, notes)
    manifest = None if archive is None else _examine(archive, bitstream, notes)
    made_for = manifest.loader if manifest else Loader.ORIGINAL
    if loader not in (None, made_for):
        notes.append(("loader-mismatch", f"it was packaged for the loader {made_for.value}"))
    if bitstream is not None and not _in_its_folder(description, bitstream):
        notes.append(("folder-mismatch", f"its folder should end in {bitstream.folder}"))
    unique = dict.fromkeys(Finding(code, what) for code, what in notes)
    return LintReport(
        path=str(path),
        loader=loader or made_for,
        findings=tuple(sorted(unique, key=lambda f: _ORDER.index(f.rule.severity))),
    )


def _description(path: Path) -> Path:
    if path.is_file() and path.name not in DESCRIPTION_NAMES:
        _refuse_other_files(path)
        return described(path.parent) or path.parent / BITSTREAM_NAME
    if path.is_dir() and described(path) is None and any(path.glob("*.tar")):
        return path / BITSTREAM_NAME
    return locate(path)


def _refuse_other_files(path: Path) -> None:
    """Refuse what nobody meant as an archive; a damaged one is for the walk to judge."""
    start = Blob.of(path)
    block = start.read(0, min(start.size, BLOCK_BYTES))
    if ".tar" not in path.suffixes and not read_header(block.ljust(BLOCK_BYTES, b"\0")).ustar:
        raise UserError(
            f"{path} is no archive; give the artifact's folder, its {BITSTREAM_NAME} or its .tar "
            "(elasticdf inspect shows plans and binaries)"
        )


def _link_notes(folder: Path) -> Iterator[Note]:
    for name in (*DESCRIPTION_NAMES, NETWORK_NAME):
        if (folder / name).is_symlink():
            yield "archive-is-link", f"{name} is a symbolic link"


def _read_bitstream(description: Path, notes: list[Note]) -> Bitstream | None:
    if not description.is_file():
        notes.append(("bitstream-missing", f"there is no {description.name} beside the archive"))
        return None
    try:
        return Bitstream.parse(read_description(description))
    except EscapingNameError as error:
        notes.append(("bitstream-path-escape", str(error)))
    except UserError as error:
        notes.append(("bitstream-invalid", str(error)))
    return None


def _archive(
    description: Path, bitstream: Bitstream | None, path: Path, notes: list[Note]
) -> Blob | None:
    archive = path if path.is_file() and path.name not in DESCRIPTION_NAMES else None
    if bitstream is not None:
        archive = description.parent / bitstream.name
    elif archive is None:
        archive = next(iter(sorted(description.parent.glob("*.tar"))), None)
    if archive is None or not archive.exists():
        name = archive.name if archive else "the archive"
        notes.append(("archive-missing", f"{name} is not beside {description.name}"))
        return None
    if archive.is_symlink():
        notes.append(("archive-is-link", f"{archive.name} is a symbolic link"))
    try:
        return Blob.of(archive)
    except UserError as error:
        notes.append(("archive-missing", str(error)))
        return None


def _examine(archive: Blob, bitstream: Bitstream | None, notes: list[Note]) -> Manifest | None:
    walked = walk_leniently(archive)
    notes += walked.notes
    manifest = _read_manifest(walked.entries, notes)
    entries = tuple(entry for entry in walked.entries if entry.name != MANIFEST_NAME)
    facts = read_facts(entries, notes)
    if walked.complete or facts:
        notes += _content_notes(bitstream, manifest.deployment if manifest else None, facts)
    if manifest is not None and (walked.complete or facts):
        notes += manifest_notes(manifest, bitstream, entries, facts)
    return manifest


def _content_notes(
    bitstream: Bitstream | None, deployment: Deployment | None, facts: tuple[Facts, ...]
) -> Iterator[Note]:
    yield from binary_notes(facts)
    if bitstream is not None:
        yield from platform_notes(bitstream, facts)
        yield from directive_notes(bitstream, facts)
    if deployment is not None:
        yield from link_notes(deployment, facts)
    yield from original_notes(bitstream, deployment, facts)


def faults(
    bitstream: Bitstream, deployment: Deployment, contents: Mapping[str, Blob], loader: Loader
) -> tuple[Finding, ...]:
    """Return the errors an archive of these binaries would have, before it is written.

    Args:
        bitstream: The description to be.
        deployment: What is to run where.
        contents: Binaries by entry name, in board order.
        loader: Which loader the archive is for.
    """
    notes: list[Note] = []
    entries = tuple(
        TarEntry(name=name, header_offset=0, content=blob) for name, blob in contents.items()
    )
    facts = read_facts(entries, notes)
    notes += _content_notes(bitstream, deployment, facts)
    found = (Finding(code, what) for code, what in notes)
    return tuple(f for f in found if f.rule.severity is Severity.ERROR and f.concerns(loader))


def _read_manifest(entries: tuple[TarEntry, ...], notes: list[Note]) -> Manifest | None:
    names = [entry.name for entry in entries]
    if MANIFEST_NAME not in names:
        notes.append(("manifest-missing", f"the archive has no {MANIFEST_NAME}"))
        return None
    position = names.index(MANIFEST_NAME)
    if position != len(names) - 1:
        what = f"{MANIFEST_NAME} is entry {position} of {len(names)}, not the last"
        notes.append(("manifest-not-last", what))
    content = entries[position].content
    try:
        return Manifest.parse(content.read_at_most(MAX_MANIFEST_BYTES, MANIFEST_NAME))
    except UserError as error:
        notes.append(("manifest-invalid", str(error)))
        return None


def _in_its_folder(description: Path, bitstream: Bitstream) -> bool:
    wanted = bitstream.folder.split("/")
    return list(description.absolute().parent.parts[-len(wanted) :]) == wanted
