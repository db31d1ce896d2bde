"""Board files: every one loads, says where its numbers come from, and nothing wrong slips in."""

from __future__ import annotations

from importlib.resources import files

import pytest

from elasticdf.errors import UserError
from elasticdf.hardware import BuildFlow, board_names, load_board
from elasticdf.hardware.load import read_board

U250 = (files("elasticdf.hardware") / "boards/u250.toml").read_text()


def test_the_known_boards() -> None:
    assert board_names() == (
        "kv260",
        "pynq-z1",
        "pynq-z2",
        "rfsoc4x2",
        "u200",
        "u250",
        "u280",
        "u50",
        "u55c",
        "ultra96",
        "zcu102",
        "zcu104",
        "zcu111",
    )


@pytest.mark.parametrize("name", board_names())
def test_every_board_loads_and_is_whole(name: str) -> None:
    board = load_board(name)
    assert board.name == name
    assert board.memory
    assert len(board.boundaries) == len(board.dies) - 1
    assert (board.flow is BuildFlow.VITIS) == bool(board.ports)
    assert board.has_uram == (board.capacity.uram > 0)
    driven = [tag for controller in board.controllers for tag in controller.banks]
    assert len(driven) == len(set(driven)), "a bank has one controller"


@pytest.mark.parametrize(
    ("name", "ports"),
    [
        ("u50", [(0, "SLR1")]),
        ("u55c", [(0, "SLR1"), (1, "SLR1")]),
        ("u200", [(0, "SLR2"), (1, "SLR2")]),
        ("u250", [(0, "SLR2"), (1, "SLR2")]),
        ("u280", [(0, "SLR2"), (1, "SLR2")]),
    ],
)
def test_ports_sit_where_vnx_places_them(name: str, ports: list[tuple[int, str]]) -> None:
    assert [(port.number, port.die) for port in load_board(name).ports] == ports


def test_the_smaller_dynamic_region_wins_over_the_published_total() -> None:
    assert load_board("u55c").die("SLR0").capacity.lut == 288_800
    assert load_board("u250").die("SLR0").capacity.bram18 == 1000


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("series7 = false", "series7 = 0", "u250.toml, series7 is 0, true or false is needed"),
        (
            "lut = 345000",
            "lut = -1",
            "u250.toml, die[0], capacity, lut is -1; amounts are 0 to 2^63-1",
        ),
        (
            "lut = 345000",
            "luts = 345000",
            "u250.toml, die[0], capacity: key 'luts' is not known; did you mean 'lut'?",
        ),
        (
            'number = 0\ndie = "SLR2"',
            'number = 0\ndie = "SLR9"',
            "u250.toml: port 0 is on die 'SLR9', which does not exist; "
            "dies: SLR0, SLR1, SLR2, SLR3",
        ),
        (
            'name = "SLR1"',
            'name = "SLR0"',
            "u250.toml: die 'SLR0' is there 2 times; names are unique",
        ),
        (
            'tag = "DDR"\nkind = "DDR"\ndies = ["SLR1"]',
            'tag = "DDR"\nkind = "DRAM"\ndies = ["SLR1"]',
            "u250.toml, memory[1], kind is 'DRAM', one of HBM, DDR, PLRAM, HOST is needed",
        ),
        (
            'dies = ["SLR0", "SLR1"]',
            'dies = ["SLR1", "SLR2"]',
            "u250.toml: boundary 'SLR1-SLR2' is there 2 times; names are unique",
        ),
        ("sockets = 16", "", "u250.toml, port[0]: key 'sockets' is missing; add it"),
        (
            'rate = "100Gbps"',
            'rate = "fast"',
            "u250.toml, port 0: rate 'fast' is not a number with a unit; write it like 100Gbps",
        ),
        ("vendor", "[vendor", "u250.toml is not TOML ("),
    ],
)
def test_a_wrong_file_is_one_sentence(old: str, new: str, message: str) -> None:
    assert old in U250
    with pytest.raises(UserError) as error:
        read_board("u250", U250.replace(old, new, 1).encode(), "u250.toml")
    assert str(error.value).startswith(message)


@pytest.mark.parametrize(
    "content",
    [b"\xff\xfe", b"a = " + b"[" * 100_000, b"a = " + b"9" * 10_000, b"\x00", b""],
)
def test_hostile_files_get_a_sentence(content: bytes) -> None:
    with pytest.raises(UserError, match=r"^x\.toml"):
        read_board("x", content, "x.toml")


def test_a_misspelt_board_is_suggested() -> None:
    with pytest.raises(UserError, match=r"^board 'U280x' is not known; did you mean u280\?$"):
        load_board("U280x")


def test_each_tool_gets_the_newest_shell_it_supports() -> None:
    board = load_board("u280")
    assert board.shell_for("2022.2").name == "xilinx_u280_gen3x16_xdma_1_202211_1"
    assert board.shell_for("2021.1").version == "xdma_201920.3"
    with pytest.raises(UserError) as error:
        board.shell_for("2031.1")
    assert str(error.value) == (
        "board u280 has no shell for Vitis 2031.1; it has xilinx_u280_gen3x16_xdma_1_202211_1 "
        "(2022.1 to 2023.1), xilinx_u280_xdma_201920_3 (2020.1 to 2021.2)"
    )
    with pytest.raises(UserError, match=r"^Vitis release 'new' is not a year and a number"):
        board.shell_for("new")
