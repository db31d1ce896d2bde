"""Readers of the artifact under random and mutated bytes: an answer or a sentence, nothing else."""

from __future__ import annotations

import json
import random
import time
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codegen.bundle.emulation import emulation_binary
from codegen.bundle.pack import package
from elasticdf.artifact import axlf, sections, tarwalk
from elasticdf.artifact.bitstream import Bitstream
from elasticdf.artifact.blob import Blob
from elasticdf.artifact.emulation import pack_segments, segments_of
from elasticdf.artifact.kernel_metadata import parse_metadata
from elasticdf.artifact.lint import lint
from elasticdf.artifact.lint_tar import walk_leniently
from elasticdf.artifact.manifest import Manifest
from elasticdf.errors import UserError
from elasticdf.hardware.load import load_board
from tests.artifact_samples import BOARD, deployment, write_project
from tests.original_loader import split

SLOW_SECONDS = 120
NUMBERS = (0, 1, 2, 7, 8, 0x7F, 0x80, 0xFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 2**63, 2**64 - 1)

Edit = tuple[float, int, int]
"""Where (fraction of the length), how (0 byte, 1 bit, 2 number, 3 cut, 4 repeat), with what."""

edits = st.lists(
    st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 4), st.integers(0, 255)),
    min_size=1,
    max_size=6,
)


@lru_cache(maxsize=1)
def binary() -> bytes:
    return emulation_binary(deployment("hw"), 0, {"seg_r0_s0": b"model"}, load_board(BOARD))


@lru_cache(maxsize=1)
def archive() -> bytes:
    return tarwalk.pack((("a.xclbin", binary()), ("b.xclbin", binary()), ("manifest.json", b"{}")))


@lru_cache(maxsize=1)
def artifact() -> tuple[bytes, bytes]:
    with TemporaryDirectory() as folder:
        packed = package(write_project(Path(folder), deployment("hw")))
        return (packed.folder / "bitstream.json").read_bytes(), packed.archive.read_bytes()


def mutated(content: bytes, changes: list[Edit]) -> bytes:
    result = bytearray(content)
    for where, how, value in changes:
        at = int(where * len(result))
        if how == 0:
            result[at : at + 1] = bytes([value])
        elif how == 1 and result:
            result[at] ^= 1 << value % 8
        elif how == 2:
            at = at // 4 * 4
            number = NUMBERS[value % len(NUMBERS)].to_bytes(8, "little")
            result[at : at + 8] = number
        elif how == 3:
            del result[at : at + 1 + value * value]
        else:
            result[at:at] = result[at : at + value]
    return bytes(result)


def read_everything(content: bytes) -> None:
    """Read an xclbin as every user of it does; refusals are sentences."""
    with suppress(UserError):
        xclbin = axlf.parse(content, "x")
        assert xclbin.to_bytes() == content
        _ = (xclbin.uuid, xclbin.platform)
        for look in ("memories", "ips", "connections", "clocks", "metadata", "build_metadata"):
            with suppress(UserError):
                getattr(xclbin, look)
        with suppress(UserError):
            segments_of(xclbin)


def walk_everything(content: bytes) -> None:
    """Walk an archive strictly and leniently; the two agree on what is sound."""
    blob = Blob.of(content)
    walked = walk_leniently(blob)
    for entry in walked.entries:
        assert entry.header_offset + 512 + entry.content.size <= len(content)
    with suppress(UserError):
        entries = tarwalk.walk(blob, "x")
        assert entries == walked.entries
        devices = [(device.name, device.binary) for device in split(content)]
        assert devices == [(entry.name, entry.content.read()) for entry in entries[:2]]


@given(st.binary(max_size=2000))
def test_random_bytes(content: bytes) -> None:
    read_everything(content)
    read_everything(axlf.MAGIC + content)
    walk_everything(content)
    with suppress(UserError):
        parse_metadata(content, "x")
    with suppress(UserError):
        Bitstream.parse(content)
    with suppress(UserError):
        Manifest.parse(content)


@given(edits)
def test_mutated_binaries(changes: list[Edit]) -> None:
    read_everything(mutated(binary(), changes))


@given(edits)
def test_mutated_headers(changes: list[Edit]) -> None:
    """The first KiB holds every offset and count; the rest is left alone."""
    content = binary()
    read_everything(mutated(content[:1024], changes) + content[1024:])


@given(edits)
def test_mutated_archives(changes: list[Edit]) -> None:
    walk_everything(mutated(archive(), changes))


@given(edits)
def test_mutated_archive_headers(changes: list[Edit]) -> None:
    content = archive()
    walk_everything(mutated(content[:512], changes) + content[512:])


@settings(max_examples=40)
@given(edits, edits)
def test_lint_never_fails(description: list[Edit], content: list[Edit]) -> None:
    lint_mutated(description, content)


def lint_mutated(description: list[Edit], content: list[Edit]) -> None:
    with TemporaryDirectory() as folder:
        one, two = artifact()
        Path(folder, "bitstream.json").write_bytes(mutated(one, description))
        Path(folder, "tiny.tar").write_bytes(mutated(two, content))
        lint(Path(folder))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)


@given(st.data())
def test_descriptions_with_other_values(data: st.DataObject) -> None:
    """Any value at any key of a sound description is read or refused in a sentence."""
    document = json.loads(artifact()[0])
    places = [(document, key) for key in document]
    places += [(document["platform"], key) for key in document["platform"]]
    places += [(document["kernels"][0], key) for key in document["kernels"][0]]
    arguments = document["kernels"][0]["arguments"]
    places += [(argument, key) for argument in arguments for key in argument]
    table, key = data.draw(st.sampled_from(places))
    table[key] = data.draw(json_values)
    with suppress(UserError):
        bitstream = Bitstream.parse(json.dumps(document).encode())
        assert Bitstream.parse(bitstream.to_bytes()) == bitstream


names = st.from_regex(r"[A-Za-z0-9_.]{1,99}", fullmatch=True)


@settings(max_examples=40)
@given(st.lists(st.tuples(names, st.binary(max_size=1500)), max_size=4))
def test_what_is_packed_is_walked(files: list[tuple[str, bytes]]) -> None:
    entries = tarwalk.walk(Blob.of(tarwalk.pack(files)), "x")
    assert [(entry.name, entry.content.read()) for entry in entries] == files


@given(st.dictionaries(st.from_regex(r"[a-z0-9_]{1,40}", fullmatch=True), st.binary(max_size=600)))
def test_segments_come_back(segments: dict[str, bytes]) -> None:
    content = pack_segments(segments)
    kind = axlf.SectionKind.EMULATION_DATA
    xclbin = axlf.assemble(axlf.Header(), ((kind, "emulation", content),))
    assert {name: blob.read() for name, blob in segments_of(xclbin).items()} == segments


words = st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=15)
banks = st.builds(
    sections.MemoryBank,
    type=st.integers(0, 255),
    used=st.booleans(),
    size_kib=st.integers(0, 2**64 - 1),
    base=st.integers(0, 2**64 - 1),
    tag=words,
)
ips = st.builds(
    sections.Ip,
    type=st.integers(0, 2**32 - 1),
    properties=st.integers(0, 2**32 - 1),
    base=st.none() | st.integers(0, 2**64 - 2),
    name=words,
)


@given(st.lists(banks, max_size=5).map(tuple), st.lists(ips, max_size=5).map(tuple))
def test_tables_come_back(
    memories: tuple[sections.MemoryBank, ...], units: tuple[sections.Ip, ...]
) -> None:
    assert sections.memory_topology(sections.pack_memory_topology(memories), "x") == memories
    assert sections.ip_layout(sections.pack_ip_layout(units), "x") == units


@pytest.mark.campaign
def test_a_long_campaign() -> None:
    """Plain random mutation without bookkeeping: many more cases per second."""
    chance = random.Random(time.time_ns())
    end = time.monotonic() + SLOW_SECONDS
    rounds = 0
    while time.monotonic() < end:
        count = chance.randint(1, 6)
        changes = [
            (chance.random(), chance.randint(0, 4), chance.randint(0, 255)) for _ in range(count)
        ]
        content, packed = binary(), archive()
        read_everything(mutated(content, changes))
        read_everything(mutated(content[:1024], changes) + content[1024:])
        walk_everything(mutated(packed, changes))
        walk_everything(mutated(packed[:512], changes) + packed[512:])
        if rounds % 20 == 0:
            lint_mutated(changes, changes)
        rounds += 1
    assert rounds > SLOW_SECONDS
