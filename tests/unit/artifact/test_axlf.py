from __future__ import annotations

import hashlib
import random
import struct
from pathlib import Path

import pytest

from elasticdf.artifact import axlf, sections
from elasticdf.artifact.axlf import Header, SectionKind, assemble, parse
from elasticdf.artifact.blob import CHUNK_BYTES, Blob
from elasticdf.artifact.kernel_metadata import (
    Argument,
    KernelMetadata,
    Qualifier,
    parse_metadata,
    write_metadata,
)
from elasticdf.errors import UserError
from tests.truth import needs_shared, shared

SECTION_TABLE = 456


def sample() -> axlf.Xclbin:
    contents = (
        (SectionKind.BITSTREAM, "bits", b"\x01\x02\x03"),
        (
            SectionKind.MEM_TOPOLOGY,
            "mem",
            sections.pack_memory_topology(
                (
                    sections.MemoryBank(type=6, used=True, size_kib=4, base=0, tag="HBM[0]"),
                    sections.MemoryBank(type=1, used=False, size_kib=0, base=4096, tag="bank1"),
                )
            ),
        ),
        (
            SectionKind.IP_LAYOUT,
            "ip",
            sections.pack_ip_layout(
                (sections.Ip(type=1, properties=2 << 8, base=None, name="kernel:unit"),)
            ),
        ),
    )
    return assemble(Header(platform=b"p" * 64, uuid=bytes(range(16))), contents, "s.xclbin")


def patched(content: bytes, offset: int, form: str, value: int) -> bytes:
    size = struct.calcsize(form)
    return content[:offset] + struct.pack(form, value) + content[offset + size :]


@needs_shared
@pytest.mark.parametrize("name", ["pynq_default.xclbin", "xrt_filecheck_valid.xclbin"])
def test_real_files_come_back_byte_for_byte(name: str) -> None:
    path = shared("xclbin") / name
    assert parse(path).to_bytes() == path.read_bytes()


@needs_shared
def test_a_real_file_without_an_ip_layout_has_memories_and_metadata() -> None:
    xclbin = parse(shared("xclbin/pynq_default.xclbin"))
    assert xclbin.uuid == "5fc9fd7e642c4b41a7625ee6f5f7ac29"
    assert xclbin.platform == ""
    assert [(bank.tag, bank.used, bank.size_kib) for bank in xclbin.memories] == [
        ("PSDDR", True, 0x20000000)
    ]
    assert xclbin.ips == ()
    assert xclbin.metadata is not None
    assert xclbin.metadata.part == "zynquplusRFSOC:xczu28dr:ffvg1517:-2:e"


@needs_shared
def test_a_real_file_with_nothing_we_know_is_still_read() -> None:
    xclbin = parse(shared("xclbin/xrt_filecheck_valid.xclbin"))
    assert xclbin.platform == "xilinx.com_xd_xilinx_vck190_base_202410_1_202410_1"
    assert [section.label for section in xclbin.sections] == ["DEBUG_IP_LAYOUT"]
    assert xclbin.memories == ()
    assert xclbin.metadata is None
    assert xclbin.build_metadata is None


def test_what_is_written_is_read_back() -> None:
    xclbin = parse(sample().to_bytes())
    assert xclbin.platform == "p" * 64
    assert xclbin.uuid == bytes(range(16)).hex()
    assert [bank.tag for bank in xclbin.memories] == ["HBM[0]", "bank1"]
    assert [bank.used for bank in xclbin.memories] == [True, False]
    (ip,) = xclbin.ips
    assert (ip.kernel, ip.compute_unit, ip.base, ip.control) == (
        "kernel",
        "unit",
        None,
        sections.Control.AP_CTRL_NONE,
    )
    assert xclbin.header.length == len(xclbin.to_bytes())
    assert all(section.offset % 8 == 0 for section in xclbin.sections)


def test_the_file_ends_with_the_mirror() -> None:
    content = sample().to_bytes()
    assert content.endswith(b"XCLBIN_MIRROR_DATA_END")
    assert b'"Kind":"6","Name":"mem"' in content


def test_bytes_nobody_reads_survive() -> None:
    content = bytearray(sample().to_bytes())
    content[452:456] = b"pad!"
    content[SECTION_TABLE + 20 : SECTION_TABLE + 24] = b"more"
    content += b"a signature"
    assert parse(bytes(content)).to_bytes() == bytes(content)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            b"",
            "x is not an xclbin: it must start with 'xclbin2' and a header of 456 bytes; "
            "take the file that v++ --link wrote",
        ),
        (
            b"xclbin2\0" + bytes(100),
            "x is not an xclbin: it must start with 'xclbin2' and a header of 456 bytes; "
            "take the file that v++ --link wrote",
        ),
        (
            patched(sample().to_bytes(), 448, "<I", 2**32 - 1),
            "x: 4294967295 sections are announced, the file holds at most 50; "
            "the file is damaged, build or copy it again",
        ),
        (
            patched(sample().to_bytes(), 304, "<Q", 2**40),
            "x: the header says 1099511627776 bytes, the file has 2468; "
            "it is cut short, copy it again",
        ),
        (
            patched(sample().to_bytes(), SECTION_TABLE + 24, "<Q", 2**63),
            "x, section of kind 0: bytes 9223372036854775808 to 9223372036854775811 are "
            "announced, the file has 2468; it is cut short, copy it again",
        ),
        (
            patched(sample().to_bytes(), SECTION_TABLE + 24, "<Q", 456),
            "x, section BITSTREAM: it starts at byte 456, inside what ends at 576; "
            "the file is damaged, build or copy it again",
        ),
    ],
)
def test_contradictions_are_refused(content: bytes, message: str) -> None:
    with pytest.raises(UserError) as caught:
        parse(content, "x")
    assert str(caught.value) == message.replace("2468", str(len(sample().to_bytes()))).replace(
        "at most 50", f"at most {(len(sample().to_bytes()) - 456) // 40}"
    )


def test_two_sections_may_not_share_bytes() -> None:
    content = sample().to_bytes()
    (offset,) = struct.unpack_from("<Q", content, SECTION_TABLE + 40 + 24)
    with pytest.raises(UserError, match=r"section IP_LAYOUT: it starts at byte \d+, inside what"):
        parse(patched(content, SECTION_TABLE + 80 + 24, "<Q", offset), "x")


@pytest.mark.parametrize("count", [-1, 3, 2**31 - 1])
def test_tables_longer_than_their_section_are_refused(count: int) -> None:
    content = sample().to_bytes()
    (offset,) = struct.unpack_from("<Q", content, SECTION_TABLE + 40 + 24)
    xclbin = parse(patched(content, offset, "<i", count), "x")
    with pytest.raises(UserError) as caught:
        _ = xclbin.memories
    assert str(caught.value) == (
        f"x, section MEM_TOPOLOGY: {count} entries are announced, 88 bytes hold at most 2; "
        "build the binary again"
    )


def test_metadata_round_trip() -> None:
    kernel = KernelMetadata(
        name='odd "<name>"',
        control="ap_ctrl_hs",
        arguments=(
            Argument(
                name="addr", id=0, offset=16, qualifier=Qualifier.GLOBAL, type="void*", size=8
            ),
            Argument(name="status", id=None, offset=0x810),
        ),
        instances=(("unit_0", 0x1800000), ("unit_1", None)),
    )
    content = write_metadata(name="b", part="part", clock_mhz=200, kernels=(kernel,))
    metadata = parse_metadata(content, "x")
    assert metadata.part == "part"
    assert metadata.kernels == (kernel,)


BOMB = b'<!DOCTYPE a [<!ENTITY b "bbbbbbbbbb"><!ENTITY c "&b;&b;&b;">]><project>&c;</project>'


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            BOMB,
            "x: the XML declares a document type, which no linker writes; do not use this binary",
        ),
        (b"<project>", "x: it is not XML (no element found: line 1, column 9); build the binary"),
        (b"<a>" * 100, "x: more than 64 levels or 100000 elements of XML; build the binary again"),
        (b"<a>" + b"<b/>" * 100_001, "x: more than 64 levels or 100000 elements of XML"),
        (
            b'<core><kernel name="k"><arg name="a" offset="-1"/></kernel></core>',
            "x: attribute offset is '-1', a number of 64 bits is needed; build the binary again",
        ),
        (b'<?xml version="1.0" encoding="no-such"?><a/>', "x: it is not XML (unknown encoding"),
    ],
)
def test_hostile_metadata_is_refused(content: bytes, message: str) -> None:
    with pytest.raises(UserError) as caught:
        parse_metadata(content, "x")
    assert str(caught.value).startswith(message)


def test_build_metadata_must_be_an_object() -> None:
    header = Header()
    xclbin = assemble(header, ((SectionKind.BUILD_METADATA, "build", b"[1]\0"),), "x")
    with pytest.raises(UserError) as caught:
        _ = xclbin.build_metadata
    assert str(caught.value) == (
        "x, section BUILD_METADATA: it is not a JSON object; build the binary again"
    )


def test_names_that_do_not_fit_are_refused() -> None:
    with pytest.raises(UserError) as caught:
        sections.pack_memory_topology(
            (sections.MemoryBank(type=0, used=True, size_kib=1, base=0, tag="x" * 16),)
        )
    assert str(caught.value) == (
        "memory 'xxxxxxxxxxxxxxxx' does not fit an xclbin; use at most 15 ASCII characters"
    )


def test_a_missing_file_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        parse(tmp_path / "none.xclbin")
    assert str(caught.value) == f"cannot read {tmp_path / 'none.xclbin'}: No such file or directory"


def test_a_file_that_changes_between_reads_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.xclbin"
    path.write_bytes(sample().to_bytes())
    xclbin = parse(path)
    path.write_bytes(sample().to_bytes() + b"x")
    with pytest.raises(UserError) as caught:
        xclbin.to_bytes()
    assert str(caught.value) == f"{path} changed while it was being read; try again"


def test_a_file_that_changes_while_it_is_copied_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.xclbin"
    path.write_bytes(bytes(3 * CHUNK_BYTES))
    pieces = Blob.of(path).chunks()
    assert next(pieces) == bytes(CHUNK_BYTES)
    with open(path, "r+b") as file:
        file.write(b"x")
    with pytest.raises(UserError) as caught:
        next(pieces)
    assert str(caught.value) == f"{path} changed while it was being read; try again"


def test_a_blob_is_copied_to_an_offset_and_its_digest_is_of_what_was_written(
    tmp_path: Path,
) -> None:
    content = random.Random(0).randbytes(2 * CHUNK_BYTES + 7)
    (tmp_path / "a").write_bytes(content)
    for blob in (Blob.of(content), Blob.of(tmp_path / "a")):
        with open(tmp_path / "copy", "wb") as target:
            digest = blob.window(1, len(content) - 2).copy(target.fileno(), 512)
        written = (tmp_path / "copy").read_bytes()
        assert written == bytes(512) + content[1:-1]
        assert digest == hashlib.sha256(written[512:]).hexdigest()
