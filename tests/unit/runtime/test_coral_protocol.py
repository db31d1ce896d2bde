from __future__ import annotations

import errno
import os
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from elasticdf.errors import UserError
from elasticdf.runtime.coral.cube import CubeFolder
from elasticdf.runtime.coral.pool import WriteCounter
from elasticdf.runtime.coral.protocol import (
    ArrayArgument,
    Request,
    RequestArgument,
    ScalarArgument,
    parse_request,
    safe_message,
    without_number,
    write_request,
)

numbers = st.integers(0, 2**64 - 1)
arguments = st.one_of(
    st.none(),
    st.builds(ScalarArgument, value=st.binary(max_size=20)),
    st.builds(
        ArrayArgument,
        id=st.text("abcXYZ019", min_size=6, max_size=6),
        offset=numbers,
        size=numbers,
        version=st.integers(0, 2**32 - 1),
    ),
)


@given(st.text("abc.-", max_size=30), st.lists(arguments, max_size=8))
def test_requests_survive_the_wire(name: str, given_arguments: list[RequestArgument]) -> None:
    request = Request(accelerator=name, arguments=tuple(given_arguments), client="abcdef")
    assert parse_request(write_request(request)) == request


@given(st.binary(max_size=200))
def test_hostile_bytes_give_a_request_or_a_sentence(content: bytes) -> None:
    with suppress(UserError):
        assert isinstance(parse_request(content), Request)


def test_a_request_as_protobuf_writes_it_is_read() -> None:
    array = b"\x08\x80\x01\x12\x06ABCdef\x18\x10\x20\x80\x02\x28\x03"
    inner = b"\x0a" + bytes([len(array)]) + array
    values = b"\x0a" + bytes([len(inner)]) + inner + b"\x0a\x05\x12\x03\x0a\x01\x07"
    content = b"\x0a\x03a.b" + b"\x12" + bytes([len(values)]) + values + b"\x1a\x08\x0a\x06client"
    assert parse_request(content) == Request(
        accelerator="a.b",
        arguments=(
            ArrayArgument(id="ABCdef", offset=16, size=256, version=3),
            ScalarArgument(value=b"\x07"),
        ),
        client="client",
    )


def varint(number: int) -> bytes:
    """Return a whole number as protobuf writes it."""
    low, rest = number & 0x7F, number >> 7
    return bytes([low | 0x80]) + varint(rest) if rest else bytes([low])


@given(st.lists(arguments, max_size=8), st.integers(0, 2**64 - 1))
def test_requests_are_alike_but_for_what_is_not_read(
    given_arguments: list[RequestArgument], number: int
) -> None:
    plain = Request(accelerator="a.b", arguments=tuple(given_arguments), client="")
    content = write_request(plain)
    metadata = b"\x0a\x06client\x10" + varint(number)
    numbered = content + b"\x1a" + bytes([len(metadata)]) + metadata
    assert without_number(numbered) == without_number(
        write_request(replace(plain, client="client"))
    )
    assert parse_request(without_number(numbered)) == replace(plain, client="client")


def test_messages_cannot_be_taken_for_formats() -> None:
    assert safe_message("100% of %s") == "100%% of %%s"


@pytest.fixture
def shm(tmp_path: Path) -> Path:
    (tmp_path / "client").mkdir()
    (tmp_path / "client" / "array1").write_bytes(bytes(range(100)))
    return tmp_path


def test_slices_of_arrays_are_read_and_written(shm: Path) -> None:
    cubes = CubeFolder(shm)
    with cubes.open("client\0junk", "array1", 10, 20) as cube:
        data = np.zeros(20, np.uint8)
        cube.read(10, data)
        assert data.tolist() == list(range(10, 30))
        cube.write(10, np.full(20, 7, np.uint8))
    assert (shm / "client" / "array1").read_bytes()[9:31] == bytes([9, *[7] * 20, 30])
    cubes.close()


@pytest.mark.parametrize(
    ("client", "array", "offset", "size", "message"),
    [
        ("../etc", "array1", 0, 1, "client name '../etc' is not 6 letters or digits"),
        ("client", "../../", 0, 1, "array name '../../' is not 6 letters or digits"),
        ("client", "", 0, 1, "array name '' is not 6 letters or digits"),
        ("client", "absent", 0, 1, "cannot be opened: No such file or directory"),
        ("nobody", "array1", 0, 1, "cannot be opened: No such file or directory"),
        ("client", "array1", 90, 11, "array array1 has 100 bytes, the request names bytes 90 to"),
        ("client", "array1", 2**63, 1, "array array1 has 100 bytes"),
        ("client", "aalink", 0, 1, "cannot be opened: Too many levels of symbolic links"),
        ("linked", "array1", 0, 1, "cannot be opened: Not a directory"),
        ("client", "apipe1", 0, 1, "array apipe1 is not a plain file of this user"),
        ("client", "folder", 0, 1, "cannot be opened: Is a directory"),
    ],
)
def test_nothing_but_the_clients_own_arrays_is_reached(
    shm: Path, client: str, array: str, offset: int, size: int, message: str
) -> None:
    (shm / "client" / "aalink").symlink_to("/etc/passwd")
    (shm / "linked").symlink_to(shm / "client")
    (shm / "client" / "folder").mkdir()
    os.mkfifo(shm / "client" / "apipe1")
    cubes = CubeFolder(shm)
    with pytest.raises(UserError) as error, cubes.open(client, array, offset, size):
        pass
    assert message in str(error.value)
    cubes.close()


def test_an_array_that_shrinks_meanwhile_is_an_error_not_a_crash(shm: Path) -> None:
    cubes = CubeFolder(shm)
    with cubes.open("client", "array1", 0, 100) as cube:
        os.truncate(shm / "client" / "array1", 10)
        with pytest.raises(UserError, match="became shorter while the request ran"):
            cube.read(0, np.zeros(100, np.uint8))
        with pytest.raises(UserError, match="became shorter while the request ran"):
            cube.write(0, np.zeros(100, np.uint8))
    cubes.close()


def test_a_full_folder_is_an_error_of_the_array(shm: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "pwrite", full)
    cubes = CubeFolder(shm)
    with (
        cubes.open("client", "array1", 0, 100) as cube,
        pytest.raises(UserError, match="array1 of client client cannot be written: No space left"),
    ):
        cube.write(0, np.zeros(100, np.uint8))
    cubes.close()


def test_every_write_of_the_server_is_seen() -> None:
    writes = WriteCounter()
    before = writes.of("a")
    assert writes.written("a") != before
    stamps = {writes.written("a") for _ in range(5)}
    assert len(stamps) == 5
    last = writes.of("a")
    for other in range(5000):
        writes.written(other)
    assert writes.of("a") != last or writes.of("a") == last >= 5
    assert writes.of("never seen") != 0
