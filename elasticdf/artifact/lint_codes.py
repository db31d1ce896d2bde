"""Every way an artifact can fail to load, or load and not run: code, weight, reason, remedy.

The one table that ``lint`` speaks from and that the documentation lists. A rule with a loader
matters only to artifacts for that loader.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from elasticdf.artifact.manifest import Loader

_PACK = "package the artifact again with: elasticdf package DIR"
_BUILD = "build the binary again, then package"
_COPY = "copy the artifact again, or package it again"


class Severity(StrEnum):
    """An error keeps the artifact from running; a warning may; a note is for the curious."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Rule:
    """Why a finding matters and what to do about it.

    Attributes:
        severity: How bad it is.
        why: What happens if nothing is done.
        mend: What to do.
        loader: The loader it matters to, or None for every one.
    """

    severity: Severity
    why: str
    mend: str
    loader: Loader | None = None


def _error(why: str, mend: str = _PACK, loader: Loader | None = None) -> Rule:
    return Rule(Severity.ERROR, why, mend, loader)


def _warning(why: str, mend: str = _PACK, loader: Loader | None = None) -> Rule:
    return Rule(Severity.WARNING, why, mend, loader)


def _note(why: str, mend: str = _PACK) -> Rule:
    return Rule(Severity.NOTE, why, mend)


RULES: Mapping[str, Rule] = MappingProxyType(
    {
        # the description
        "bitstream-missing": _error("the orchestrator finds artifacts by this file"),
        "bitstream-invalid": _error("the orchestrator cannot read the description"),
        "bitstream-path-escape": _error("it would make the loader read a file elsewhere"),
        "archive-missing": _error("there is nothing to load"),
        "archive-is-link": _error("a link can point anywhere when the artifact is installed"),
        "archive-compressed": _error("loaders take the bytes as a plain tar"),
        "folder-mismatch": _warning("an orchestrator looks for artifacts by their folder"),
        # the archive
        "tar-empty": _error("there is no binary to load"),
        "tar-truncated": _error("a loader reads past the end of the archive", _COPY),
        "tar-no-end-mark": _warning("it may be cut short after the last entry", _COPY),
        "tar-trailing-data": _warning("bytes after the end mark are never loaded", _COPY),
        "tar-extension-header": _error("loaders take this header as the binary of a board"),
        "tar-not-a-file": _error("loaders take this entry as the binary of a board"),
        "tar-not-ustar": _error("another format puts names and sizes elsewhere"),
        "tar-header-checksum": _error("the header was damaged or changed by hand", _COPY),
        "tar-size-field": _error("loaders read eleven octal digits and take what they get"),
        "tar-name-length": _error("loaders look at the first 100 bytes of a name only"),
        "tar-name-dash": _error("loaders split '<kernel>-<entry>' at every '-'"),
        "tar-name-path": _error("a folder in a name is part of what the directive must spell"),
        "tar-name-characters": _error("a name the directive cannot spell is never found"),
        "tar-duplicate-entry": _error("the loader takes the first, whichever was meant"),
        "tar-too-large": _error(
            "the original loader keeps offsets in 32 bits", loader=Loader.ORIGINAL
        ),
        "tar-too-many-entries": _error("no resource has so many boards"),
        "tar-not-normalised": _note("the same binaries would not give the same archive"),
        # the binaries
        "xclbin-invalid": _error("the board refuses it", _BUILD),
        "xclbin-no-memories": _error("without a memory topology no buffer can be made", _BUILD),
        "xclbin-no-kernels": _error("without an IP layout no kernel can be found", _BUILD),
        "xclbin-no-uuid": _warning("loaders tell programmed boards apart by the UUID", _BUILD),
        "xclbin-connectivity": _warning("a connection points outside its tables", _BUILD),
        "xclbin-table": _error("a table of the binary contradicts itself", _BUILD),
        "xclbin-metadata": _warning("register offsets cannot be looked up", _BUILD),
        "xclbin-too-many-units": _warning(
            "more than 60 compute units may not link or load", _BUILD
        ),
        "xclbin-same-uuid": _note("two boards run the same binary; right for replicas only"),
        # platform
        "platform-board-count": _error("the resource has another number of boards"),
        "platform-board": _error("the shell refuses a binary of another board", _BUILD),
        "platform-shell": _error("the shell refuses a binary linked for another one", _BUILD),
        "platform-version": _warning(
            "an orchestrator offers the artifact to boards with that shell"
        ),
        "loader-board-count": _error(
            "the original loader reads exactly two entries for two boards",
            "package with --loader elasticdf, or partition over two boards",
            Loader.ORIGINAL,
        ),
        "loader-platform": _error(
            "the original loader pairs equal boards with one shell",
            "package with --loader elasticdf",
            Loader.ORIGINAL,
        ),
        # directives, arguments, memories
        "directive-entry": _error("the loader answers that there is no such kernel"),
        "directive-kernel": _error("the loader answers that there is no such kernel"),
        "directive-unit": _error("the loader answers that there is no such compute unit"),
        "argument-index": _error(
            "several compute units and no word on which of them takes the argument",
            loader=Loader.ELASTICDF,
        ),
        "argument-position": _error("the kernel would be started with wrong arguments"),
        "memory-range": _error("the loader answers that there is no such memory"),
        "memory-unused": _error("the loader answers that there is no such memory"),
        "memory-board": _error("a buffer on one board cannot be given to a kernel on another"),
        "memory-connection": _error("the kernel has no wires to that bank"),
        "memory-on-scalar": _warning("only arrays live in a memory"),
        # network
        "network-missing": _error(
            "loaders skip the network set-up and report success; the boards never talk", _BUILD
        ),
        "network-port": _error(
            "the original loader opens cmac_1 only; it skips the network and reports success",
            "partition with --loader original, or package with --loader elasticdf",
            Loader.ORIGINAL,
        ),
        "network-unasked": _error(
            "the original loader brings up a link that does not exist, and fails",
            "partition again without network ports, or package with --loader elasticdf",
            Loader.ORIGINAL,
        ),
        "network-unknown": _warning(
            "without a manifest nobody can tell whether the boards must talk to each other"
        ),
        "network-registers": _error(
            "the original loader writes fixed offsets of an older network layer",
            "link with that network layer (emulated: build --emulate --loader original)",
            Loader.ORIGINAL,
        ),
        "network-sockets": _error(
            "the socket table has 16 rows", "use fewer streams between boards"
        ),
        "network-socket-row": _error(
            "the original loader fills socket row 0 only",
            "package with --loader elasticdf",
            Loader.ORIGINAL,
        ),
        "network-row": _error("packets would not leave, or be taken for another stream's"),
        "network-asymmetric": _error("packets of one end are dropped silently at the other"),
        "network-address": _error("two ports would answer to one address"),
        "network-rsfec": _error("the link never comes up when the ends disagree"),
        # manifest
        "manifest-missing": _error(
            "the elasticdf loader takes links and addresses from it", loader=Loader.ELASTICDF
        ),
        "manifest-invalid": _error("the elasticdf loader cannot set up the boards"),
        "manifest-not-last": _error("loaders take it as the binary of a board"),
        "manifest-order": _error("order in the archive is placement on boards"),
        "manifest-checksum": _error("the binary is damaged or was exchanged", _COPY),
        "manifest-size": _error("the binary is damaged or was exchanged", _COPY),
        "manifest-uuid": _error("the binary was exchanged", _COPY),
        "manifest-memories": _error("memory indices of the later boards would be wrong"),
        "manifest-kernel": _error("a compute unit of the plan is not in its binary", _BUILD),
        "manifest-platform": _error("the description and the manifest name different boards"),
        "manifest-host-model": _error("the host cannot compute its part of the network"),
        "manifest-weights": _error(
            "the host cannot load the weights the boards compute with", _BUILD
        ),
        "weights-loader": _error(
            "the original loader loads no weights; every result would be wrong",
            "package with --loader elasticdf, or partition with --no-variants",
            Loader.ORIGINAL,
        ),
        "loader-mismatch": _note("the artifact was made for another loader"),
    }
)
