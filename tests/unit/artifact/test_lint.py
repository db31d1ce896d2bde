"""A corpus of broken artifacts: each is refused with the code that names its fault."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import struct
import tarfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from codegen.bundle.pack import package
from elasticdf.artifact import axlf, sections, tarwalk
from elasticdf.artifact.axlf import SectionKind
from elasticdf.artifact.lint import LintReport, lint
from elasticdf.artifact.lint_codes import RULES, Severity
from elasticdf.artifact.manifest import Loader
from elasticdf.artifact.opening import open_artifact
from elasticdf.errors import UserError
from tests.artifact_samples import BOARD, deployment, write_project
from tests.truth import ROOT

Json = dict[str, Any]


@dataclass
class Draft:
    """An artifact taken apart; the breakers change it, `write` puts it together."""

    bitstream: Json
    binaries: list[tuple[str, bytes]]
    manifest: Json
    archive: Callable[[list[tuple[str, bytes]]], bytes] = tarwalk.pack
    extra: dict[str, str] = field(default_factory=dict)

    def files(self) -> list[tuple[str, bytes]]:
        return [*self.binaries, ("manifest.json", json.dumps(self.manifest).encode())]

    def write(self, folder: Path) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "bitstream.json").write_text(json.dumps(self.bitstream))
        (folder / "tiny.tar").write_bytes(self.archive(self.files()))
        return folder

    def rebuilt(self, index: int, kind: SectionKind, content: bytes | None) -> None:
        """Exchange or drop a section of a binary; the manifest keeps up."""
        name, old = self.binaries[index]
        xclbin = axlf.parse(old, name)
        contents = [
            (SectionKind(s.kind), sections.text(s.name), s.content.read())
            for s in xclbin.sections
            if s.kind != kind
        ]
        if content is not None:
            contents.append((kind, "new", content))
        self.exchange(index, axlf.assemble(xclbin.header, contents, name).to_bytes())

    def exchange(self, index: int, content: bytes) -> None:
        """Put another binary in place and make the manifest agree with it."""
        name, _ = self.binaries[index]
        self.binaries[index] = (name, content)
        record = self.manifest["entries"][index]
        blob = axlf.Blob.of(content)
        record.update(size=blob.size, sha256=blob.sha256())

    def kernel(self) -> Json:
        kernel: Json = self.bitstream["kernels"][0]
        return kernel


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folders = {}
    for mode in ("hw", "sw"):
        for release in ("current", "original"):
            loader = Loader.ORIGINAL if release == "original" else Loader.ELASTICDF
            project = tmp_path_factory.mktemp(f"{mode}-{release}")
            write_project(project, deployment(mode), release=release)
            folders[f"{mode}-{release}"] = package(project, loader=loader).folder
    return folders


def draft(folder: Path) -> Draft:
    artifact = open_artifact(folder)
    return Draft(
        bitstream=json.loads((folder / "bitstream.json").read_bytes()),
        binaries=[(b.name, b.content.read()) for b in artifact.binaries],
        manifest=json.loads(artifact.entries[-1].content.read()),
    )


def codes(report: LintReport) -> set[str]:
    return {finding.code for finding in report.findings if finding.concerns(report.loader)}


def with_tarfile(form: int, change: Callable[[tarfile.TarInfo], None]) -> Callable[..., bytes]:
    def archive(files: list[tuple[str, bytes]]) -> bytes:
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w", format=form) as tar:
            for name, content in files:
                info = tarfile.TarInfo(name)
                info.size = len(content)
                change(info)
                tar.addfile(info, io.BytesIO(content))
        return buffer.getvalue()

    return archive


def patch(at: int, content: bytes, *, fix: bool = True) -> Callable[..., bytes]:
    """Change bytes of the first header; the checksum is made right again unless told not to."""

    def archive(files: list[tuple[str, bytes]]) -> bytes:
        packed = bytearray(tarwalk.pack(files))
        packed[at : at + len(content)] = content
        if fix:
            packed[148:156] = b" " * 8
            packed[148:156] = b"%06o\0 " % sum(packed[:512])
        return bytes(packed)

    return archive


def typed(letter: bytes) -> Callable[[Draft], None]:
    return lambda d: setattr(d, "archive", patch(156, letter))


def mtime(info: tarfile.TarInfo) -> None:
    info.mtime = 1.5


def _compressed(compress: Callable[[bytes], bytes]) -> Callable[[Draft], None]:
    return lambda d: setattr(d, "archive", lambda files: compress(tarwalk.pack(files)))


def _renamed(name: bytes) -> Callable[[Draft], None]:
    return lambda d: setattr(d, "archive", patch(0, name.ljust(100, b"\0")))


def _folder_first(draft_: Draft) -> None:
    def archive(files: list[tuple[str, bytes]]) -> bytes:
        folder = bytearray(tarwalk.pack_header("x", 0))
        folder[0:2], folder[156:157] = b"./", b"5"
        folder[148:156] = b" " * 8
        folder[148:156] = b"%06o\0 " % sum(folder)
        return bytes(folder) + tarwalk.pack(files)

    draft_.archive = archive


def _swap_entries(draft_: Draft) -> None:
    draft_.binaries.reverse()


def _swap_contents(draft_: Draft) -> None:
    (one, first), (two, second) = draft_.binaries
    draft_.binaries = [(one, second), (two, first)]


def _manifest_first(draft_: Draft) -> None:
    draft_.archive = lambda files: tarwalk.pack([files[-1], *files[:-1]])


def _twice(draft_: Draft) -> None:
    draft_.archive = lambda files: tarwalk.pack([files[0], files[0], *files[1:]])


def _cut(count: int) -> Callable[[Draft], None]:
    return lambda d: setattr(d, "archive", lambda files: tarwalk.pack(files)[:count])


def _flip(draft_: Draft) -> None:
    name, content = draft_.binaries[0]
    changed = bytearray(content)
    changed[800] ^= 1
    draft_.binaries[0] = (name, bytes(changed))


def _other_uuid(draft_: Draft) -> None:
    content = bytearray(draft_.binaries[1][1])
    content[416:432] = b"u" * 16
    draft_.exchange(1, bytes(content))


def _no_uuid(draft_: Draft) -> None:
    content = bytearray(draft_.binaries[1][1])
    content[416:432] = bytes(16)
    draft_.exchange(1, bytes(content))


def _platform(text: bytes) -> Callable[[Draft], None]:
    def change(draft_: Draft) -> None:
        content = bytearray(draft_.binaries[1][1])
        content[352:416] = text.ljust(64, b"\0")
        draft_.exchange(1, bytes(content))

    return change


def _without(kind: SectionKind) -> Callable[[Draft], None]:
    return lambda d: d.rebuilt(0, kind, None)


def _units(keep: Callable[[str], bool]) -> Callable[[Draft], None]:
    """Drop compute units from both binaries, metadata left alone."""

    def change(draft_: Draft) -> None:
        for index, (name, content) in enumerate(draft_.binaries):
            ips = axlf.parse(content, name).ips
            kept = sections.pack_ip_layout(
                ip if keep(ip.kernel) else sections.Ip(type=0, properties=0, base=None, name="")
                for ip in ips
            )
            draft_.rebuilt(index, SectionKind.IP_LAYOUT, kept)

    return change


def _many_units(draft_: Draft) -> None:
    ips = list(axlf.parse(draft_.binaries[0][1], "x").ips)
    ips += [sections.Ip(type=1, properties=0, base=None, name=f"k:u{i}") for i in range(60)]
    draft_.rebuilt(0, SectionKind.IP_LAYOUT, sections.pack_ip_layout(ips))


def _connections(rows: tuple[tuple[int, int, int], ...]) -> Callable[[Draft], None]:
    table = tuple(sections.Connection(argument=a, ip=i, memory=m) for a, i, m in rows)
    content = sections.pack_connectivity(table)
    return lambda d: d.rebuilt(0, SectionKind.CONNECTIVITY, content)


def _unused_banks(draft_: Draft) -> None:
    banks = axlf.parse(draft_.binaries[0][1], "x").memories
    unused = (
        sections.MemoryBank(type=b.type, used=False, size_kib=b.size_kib, base=b.base, tag=b.tag)
        for b in banks
    )
    draft_.rebuilt(0, SectionKind.MEM_TOPOLOGY, sections.pack_memory_topology(unused))


def _fewer_banks(draft_: Draft) -> None:
    banks = axlf.parse(draft_.binaries[0][1], "x").memories[:8]
    draft_.rebuilt(0, SectionKind.MEM_TOPOLOGY, sections.pack_memory_topology(banks))


def _kernel(key: str, value: object) -> Callable[[Draft], None]:
    return lambda d: d.kernel().__setitem__(key, value)


def _argument(index: int, key: str, value: object) -> Callable[[Draft], None]:
    return lambda d: d.kernel()["arguments"][index].__setitem__(key, value)


def _first_name(name: str) -> Callable[[Draft], None]:
    return lambda d: d.kernel()["name"].__setitem__(0, name)


def _top(key: str, value: object) -> Callable[[Draft], None]:
    return lambda d: d.bitstream.__setitem__(key, value)


def _of_platform(key: str, value: object) -> Callable[[Draft], None]:
    return lambda d: d.bitstream["platform"].__setitem__(key, value)


def _in_manifest(*path: str | int, value: object) -> Callable[[Draft], None]:
    def change(draft_: Draft) -> None:
        place: Any = draft_.manifest
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = value

    return change


def _socket(**fields: object) -> Callable[[Draft], None]:
    return lambda d: d.manifest["deployment"]["ports"][0]["sockets"][0].update(fields)


def _port(**fields: object) -> Callable[[Draft], None]:
    return lambda d: d.manifest["deployment"]["ports"][1].update(fields)


def _link(index: int, **fields: object) -> Callable[[Draft], None]:
    return lambda d: d.manifest["deployment"]["links"][index].update(fields)


def _twice_sent(draft_: Draft) -> None:
    links = draft_.manifest["deployment"]["links"]
    links.append({**links[0], "id": 1})


def _many_sockets(draft_: Draft) -> None:
    for port in draft_.manifest["deployment"]["ports"]:
        (socket,) = port["sockets"]
        port["sockets"] = [{**socket, "row": row} for row in range(17)]


def _no_manifest(draft_: Draft) -> None:
    draft_.archive = lambda files: tarwalk.pack(files[:-1])


DIRECTIVE = "idma_seg_r0_s0-board0.xclbin"
BROKEN: dict[str, tuple[str, Callable[[Draft], None]]] = {
    # the archive
    "Python's default tar": (
        "tar-extension-header",
        lambda d: setattr(d, "archive", with_tarfile(tarfile.PAX_FORMAT, mtime)),
    ),
    "a folder entry first": ("tar-not-a-file", _folder_first),
    "a hard link": ("tar-not-a-file", typed(b"1")),
    "a symbolic link": ("tar-not-a-file", typed(b"2")),
    "a character device": ("tar-not-a-file", typed(b"3")),
    "a pipe": ("tar-not-a-file", typed(b"6")),
    "an unheard-of type": ("tar-not-a-file", typed(b"Z")),
    "a PAX global header": ("tar-extension-header", typed(b"g")),
    "a GNU long name": ("tar-extension-header", typed(b"L")),
    "gzip": ("archive-compressed", _compressed(gzip.compress)),
    "bzip2": ("archive-compressed", _compressed(bz2.compress)),
    "xz": ("archive-compressed", _compressed(lzma.compress)),
    "a dash in the name": ("tar-name-dash", _renamed(b"board-0.xclbin")),
    "a folder in the name": ("tar-name-path", _renamed(b"./board0.xclbin")),
    "a path out of here": ("tar-name-path", _renamed(b"../../etc/passwd")),
    "an absolute name": ("tar-name-path", _renamed(b"/etc/passwd")),
    "a name that is a folder": ("tar-name-path", _renamed(b"..")),
    "a space in the name": ("tar-name-characters", _renamed(b"board 0.xclbin")),
    "no name": ("tar-name-characters", _renamed(b"")),
    "a name of 100 bytes": ("tar-name-length", _renamed(b"n" * 100)),
    "a name in two parts": (
        "tar-name-length",
        lambda d: setattr(d, "archive", patch(345, b"folder")),
    ),
    "no magic": ("tar-not-ustar", lambda d: setattr(d, "archive", patch(257, bytes(8)))),
    "a wrong header sum": (
        "tar-header-checksum",
        lambda d: setattr(d, "archive", patch(100, b"7", fix=False)),
    ),
    "a binary size": ("tar-size-field", lambda d: setattr(d, "archive", patch(124, b"\x80"))),
    "a size that is no number": (
        "tar-size-field",
        lambda d: setattr(d, "archive", patch(124, b"0000000x000")),
    ),
    "a huge declared size": (
        "tar-truncated",
        lambda d: setattr(d, "archive", patch(124, b"77777777777")),
    ),
    "cut in a header": ("tar-truncated", _cut(100)),
    "cut in the data": ("tar-truncated", _cut(5000)),
    "cut in the last block": (
        "tar-truncated",
        lambda d: setattr(d, "archive", lambda files: tarwalk.pack(files)[:-1700]),
    ),
    "nothing at all": ("tar-empty", _cut(0)),
    "an end mark only": ("tar-empty", lambda d: setattr(d, "archive", lambda _: bytes(1024))),
    "an entry twice": ("tar-duplicate-entry", _twice),
    "the manifest first": ("manifest-not-last", _manifest_first),
    # the binaries
    "no xclbin": ("xclbin-invalid", lambda d: d.exchange(0, b"not an xclbin" * 100)),
    "half an xclbin": ("xclbin-invalid", lambda d: d.exchange(0, d.binaries[0][1][:3000])),
    "no memory topology": ("xclbin-no-memories", _without(SectionKind.MEM_TOPOLOGY)),
    "no IP layout": ("xclbin-no-kernels", _without(SectionKind.IP_LAYOUT)),
    "a table that lies": (
        "xclbin-table",
        lambda d: d.rebuilt(0, SectionKind.IP_LAYOUT, struct.pack("<i", 99) + bytes(4)),
    ),
    "a flipped bit": ("manifest-checksum", _flip),
    "another UUID": ("manifest-uuid", _other_uuid),
    "another board": ("platform-board", _platform(b"xilinx_u50_gen3x16_xdma_5_202210_1")),
    "another shell": ("platform-shell", _platform(f"xilinx_{BOARD}_other_1".encode())),
    # order and number
    "swapped boards": ("manifest-order", _swap_entries),
    "swapped contents": ("directive-kernel", _swap_contents),
    "a board too few": ("platform-board-count", lambda d: d.binaries.pop()),
    "another number of boards in the platform": (
        "platform-board-count",
        _of_platform("name", f"3x{BOARD}"),
    ),
    "another board in the platform": ("platform-board", _of_platform("name", "2xu55c")),
    "another shell in the platform": ("manifest-platform", _of_platform("version", "xdma_1")),
    # the description
    "two dashes in a directive": ("bitstream-invalid", _first_name("idma-x-board0.xclbin")),
    "no dash in a directive": ("bitstream-invalid", _first_name("idma_seg_r0_s0")),
    "an entry nobody has": ("directive-entry", _first_name("idma_seg_r0_s0-board7.xclbin")),
    "a kernel nobody has": ("directive-kernel", _first_name("idma_other-board0.xclbin")),
    "a compute unit nobody has": (
        "directive-unit",
        _first_name("idma_seg_r0_s0:{other}-board0.xclbin"),
    ),
    "a kernel on the other board": (
        "directive-kernel",
        _first_name(f"{DIRECTIVE[:15]}board1.xclbin"),
    ),
    "a memory nobody has": ("memory-range", _argument(0, "memory", ["999"])),
    "a memory not in use": ("memory-unused", _argument(0, "memory", ["3"])),
    "a memory of the other board": ("memory-board", _argument(0, "memory", ["39"])),
    "a memory without wires": ("memory-connection", _connections(((0, 1, 4),))),
    "banks all unused": ("memory-unused", _unused_banks),
    "fewer banks": ("manifest-memories", _fewer_banks),
    "arguments in the wrong order": ("argument-position", _argument(2, "index", ["0", "1"])),
    "an argument missing": ("argument-position", lambda d: d.kernel()["arguments"].pop()),
    "an argument without index": ("argument-index", _argument(0, "index", [])),
    "an index for one unit of two": ("bitstream-invalid", _argument(0, "index", ["0"])),
    "an archive elsewhere": ("bitstream-path-escape", _top("name", "../tiny.tar")),
    "an archive that is not there": ("archive-missing", _top("name", "other.tar")),
    "no kernels": ("bitstream-invalid", _top("kernels", [])),
    "a bare number": ("bitstream-invalid", _top("version", 1)),
    "an unknown key": ("bitstream-invalid", _top("checksum", "x")),
    # the network
    "no network in the binaries": (
        "network-missing",
        _units(lambda kernel: not kernel.startswith(("cmac", "networklayer"))),
    ),
    "no MAC in the binaries": ("network-missing", _units(lambda name: not name.startswith("cmac"))),
    "seventeen sockets": ("network-sockets", _many_sockets),
    "a row nothing sets up": ("network-row", _link(0, source_row=9)),
    "two streams on a row": ("network-row", _twice_sent),
    "ports that do not match": ("network-asymmetric", _socket(their_port=1)),
    "an address nobody has": ("network-asymmetric", _socket(their_ip="192.168.10.99")),
    "two equal addresses": ("network-address", _port(ip="192.168.10.11")),
    "two equal MAC addresses": ("network-address", _port(mac="00:0a:35:ed:00:0b")),
    "error correction at one end": ("network-rsfec", _port(rsfec=True)),
    # the manifest
    "no manifest": ("manifest-missing", _no_manifest),
    "a manifest of another kind": ("manifest-invalid", _in_manifest("schema", value="x/1")),
    "a manifest with another key": ("manifest-invalid", _in_manifest("more", value=1)),
    "another size in the manifest": ("manifest-size", _in_manifest("entries", 0, "size", value=1)),
    "a kernel the binary lacks": ("manifest-kernel", _units(lambda name: name != "seg_r0_s0")),
    "a host model that is none": (
        "manifest-host-model",
        _in_manifest("prologue", value={"model": "!", "input": "a", "output": "b"}),
    ),
}
WARNED: dict[str, tuple[str, Callable[[Draft], None]]] = {
    "no end mark": (
        "tar-no-end-mark",
        lambda d: setattr(d, "archive", lambda files: tarwalk.pack(files)[:-1024]),
    ),
    "data after the end": (
        "tar-trailing-data",
        lambda d: setattr(d, "archive", lambda files: tarwalk.pack(files) + b"more" * 128),
    ),
    "the packer's own time": (
        "tar-not-normalised",
        lambda d: setattr(d, "archive", patch(136, b"14000000000")),
    ),
    "a shell nobody linked for": ("platform-version", _of_platform("version", "xdma_201830.2")),
    "a UUID of zeros": ("xclbin-no-uuid", _no_uuid),
    "a connection to nowhere": ("xclbin-connectivity", _connections(((0, 1, 2), (0, 99, 1)))),
    "no metadata": ("xclbin-metadata", _without(SectionKind.EMBEDDED_METADATA)),
    "metadata with a document type": (
        "xclbin-metadata",
        lambda d: d.rebuilt(0, SectionKind.EMBEDDED_METADATA, b"<!DOCTYPE a><a/>"),
    ),
    "too many compute units": ("xclbin-too-many-units", _many_units),
    "a memory on a scalar": ("memory-on-scalar", _argument(2, "memory", ["1"])),
}


def test_the_corpus_is_large_and_its_codes_exist() -> None:
    assert len(BROKEN) >= 40
    for code, _ in (*BROKEN.values(), *WARNED.values()):
        assert code in RULES
    assert all(RULES[code].severity is Severity.ERROR for code, _ in BROKEN.values())
    assert all(RULES[code].severity is not Severity.ERROR for code, _ in WARNED.values())


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_artifact_is_refused(name: str, template: dict[str, Path], tmp_path: Path) -> None:
    code, breaker = BROKEN[name]
    broken = draft(template["hw-current"])
    breaker(broken)
    report = lint(broken.write(tmp_path), Loader.ELASTICDF)
    assert code in codes(report), report.to_text()
    assert report.exit_code == 2


@pytest.mark.parametrize("name", WARNED)
def test_a_doubtful_artifact_is_remarked_upon(
    name: str, template: dict[str, Path], tmp_path: Path
) -> None:
    code, breaker = WARNED[name]
    doubtful = draft(template["hw-current"])
    breaker(doubtful)
    report = lint(doubtful.write(tmp_path))
    assert code in codes(report), report.to_text()


@pytest.mark.parametrize("kind", ["hw-current", "hw-original", "sw-current", "sw-original"])
def test_a_good_artifact_has_no_findings(kind: str, template: dict[str, Path]) -> None:
    report = lint(template[kind])
    assert codes(report) == set()
    assert report.exit_code == 0
    assert report.accepted(Loader.ELASTICDF)
    assert report.accepted(Loader.ORIGINAL) == (kind != "hw-current")


ORIGINAL_BROKEN: dict[str, tuple[str, str, Callable[[Draft], None]]] = {
    "no network": (
        "hw-original",
        "network-port",
        _units(lambda kernel: not kernel.startswith("cmac")),
    ),
    "a newer network layer": ("hw-current", "network-registers", lambda _: None),
    "another socket row": ("hw-original", "network-socket-row", _socket(row=1)),
    "a network nobody asked for": (
        "hw-original",
        "network-unasked",
        _in_manifest("deployment", "links", value=[]),
    ),
    "two kinds of boards": (
        "sw-original",
        "loader-platform",
        _of_platform("name", f"1x{BOARD}+1xu50"),
    ),
}


@pytest.mark.parametrize("name", ORIGINAL_BROKEN)
def test_what_only_the_original_loader_stumbles_over(
    name: str, template: dict[str, Path], tmp_path: Path
) -> None:
    kind, code, breaker = ORIGINAL_BROKEN[name]
    broken = draft(template[kind])
    breaker(broken)
    report = lint(broken.write(tmp_path), Loader.ORIGINAL)
    assert code in codes(report), report.to_text()
    assert not report.accepted(Loader.ORIGINAL)


def test_without_a_manifest_the_silent_success_is_named(
    template: dict[str, Path], tmp_path: Path
) -> None:
    doubtful = draft(template["sw-original"])
    _no_manifest(doubtful)
    report = lint(doubtful.write(tmp_path))
    assert report.loader is Loader.ORIGINAL
    assert "network-unknown" in codes(report)


def test_three_boards_are_too_many_for_the_original_loader(tmp_path: Path) -> None:
    project = write_project(tmp_path, deployment("sw", 3))
    report = lint(package(project).folder, Loader.ORIGINAL)
    assert {"loader-board-count", "loader-mismatch"} <= codes(report)


def test_a_link_in_place_of_the_archive(template: dict[str, Path], tmp_path: Path) -> None:
    folder = draft(template["hw-current"]).write(tmp_path)
    (folder / "tiny.tar").rename(tmp_path / "elsewhere")
    (folder / "tiny.tar").symlink_to(tmp_path / "elsewhere")
    assert "archive-is-link" in codes(lint(folder))


def test_no_description(template: dict[str, Path], tmp_path: Path) -> None:
    folder = draft(template["hw-current"]).write(tmp_path)
    (folder / "bitstream.json").unlink()
    assert {"bitstream-missing"} <= codes(lint(folder / "tiny.tar")) == codes(lint(folder))


def test_a_description_that_is_no_json(template: dict[str, Path], tmp_path: Path) -> None:
    folder = draft(template["hw-current"]).write(tmp_path)
    for content in (b"{", b"\xff\xfe", b"[" * 100_000, b"null"):
        (folder / "bitstream.json").write_bytes(content)
        assert "bitstream-invalid" in codes(lint(folder))


def test_an_archive_of_more_than_32_bits(template: dict[str, Path], tmp_path: Path) -> None:
    folder = draft(template["sw-original"]).write(tmp_path)
    with open(folder / "tiny.tar", "r+b") as archive:
        archive.truncate(2**32)  # sparse
        archive.seek(2**32 - 1)
    report = lint(folder, Loader.ORIGINAL)
    assert "tar-too-large" in codes(report)


def test_truncation_at_every_boundary_is_found(template: dict[str, Path], tmp_path: Path) -> None:
    whole = draft(template["hw-current"])
    content = tarwalk.pack(whole.files())
    last = tarwalk.walk(axlf.Blob.of(content), "x")[-1]
    end = last.header_offset + 512 + last.content.size
    cuts = [at + step for at in range(0, end, 512) for step in (-1, 0, 1) if 0 <= at + step < end]
    assert len(cuts) > 100
    for cut in cuts:
        whole.archive = lambda _, end=cut: content[:end]
        report = lint(whole.write(tmp_path))
        assert report.exit_code == 2, f"{cut}: {report.to_text()}"


def test_flipped_bits_never_pass_unseen(template: dict[str, Path], tmp_path: Path) -> None:
    """Bits of headers and binaries; the zeros between them no sum covers."""
    whole = draft(template["sw-current"])
    content = tarwalk.pack(whole.files())
    offsets: list[int] = []
    for entry in tarwalk.walk(axlf.Blob.of(content), "x"):
        data = entry.header_offset + 512
        offsets += range(entry.header_offset, data - 167, 11)
        if entry.name != "manifest.json":
            offsets += range(data, data + entry.content.size, 487)
    for offset in offsets:
        changed = bytearray(content)
        changed[offset] ^= 1 << offset % 8
        whole.archive = lambda _, result=bytes(changed): result
        report = lint(whole.write(tmp_path))
        assert report.findings, f"bit {offset % 8} of byte {offset}"


def test_every_rule_says_why_and_how(template: dict[str, Path], tmp_path: Path) -> None:
    for rule in RULES.values():
        assert rule.why
        assert rule.mend
    broken = draft(template["hw-current"])
    _flip(broken)
    report = lint(broken.write(tmp_path))
    assert report.to_json() == {
        "schema": "elasticdf.lint/1",
        "path": str(tmp_path),
        "loader": "elasticdf",
        "accepted": {"original": False, "elasticdf": False},
        "findings": [
            {
                "code": finding.code,
                "severity": finding.rule.severity.value,
                "what": finding.what,
                "why": finding.rule.why,
                "mend": finding.rule.mend,
                "loader": finding.rule.loader.value if finding.rule.loader else None,
            }
            for finding in report.findings
        ],
    }
    assert (
        "error: board0.xclbin has another SHA-256 than the manifest says [manifest-checksum]\n"
        "  why:  the binary is damaged or was exchanged\n"
        "  mend: copy the artifact again, or package it again\n"
    ) in report.to_text()


def test_as_much_as_a_description_can_hold_is_examined_in_seconds(
    template: dict[str, Path], tmp_path: Path
) -> None:
    crowded = draft(template["hw-current"])
    kernel = {**crowded.kernel(), "name": ["k:{u9}-board0.xclbin", "k-board1.xclbin"]}
    copies = (4 << 20) // (len(json.dumps(kernel)) + 2) - 100
    crowded.bitstream["kernels"] = [kernel] * copies
    units = (
        sections.Ip(type=1, properties=0, base=None, name=f"k:u{index}") for index in range(4096)
    )
    crowded.rebuilt(0, SectionKind.IP_LAYOUT, sections.pack_ip_layout(units))
    rows = tuple((0, index, 0) for index in range(4096))
    _connections(rows)(crowded)
    folder = crowded.write(tmp_path)
    start = time.monotonic()
    report = lint(folder)
    assert time.monotonic() - start < 30
    assert "directive-kernel" in codes(report)


def test_a_path_that_is_not_there_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        lint(tmp_path / "none")
    assert (
        str(caught.value) == f"{tmp_path / 'none'} does not exist; give the folder of an artifact"
    )


def test_the_documentation_lists_every_rule() -> None:
    text = (ROOT / "docs/artifact.md").read_text()
    rows = [line for line in text.splitlines() if line.startswith("| `") and line.count("|") == 6]
    assert rows == [
        f"| `{code}` | {rule.severity.value} | {rule.loader.value if rule.loader else 'every'} "
        f"| {rule.why} | {rule.mend} |"
        for code, rule in RULES.items()
    ]
