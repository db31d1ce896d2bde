"""The independent reader finds what it is there to find."""

from __future__ import annotations

import pytest

from tests.link_cfg import faults, read

GOOD = """
platform=p
[connectivity]
nk=a:1:a
nk=b:2:b0.b1
slr=a:SLR0
sp=a.m_axi_gmem0:DDR[0]
stream_connect=a.m:b0.s:16
stream_connect=b0.m:b1.s
[clock]
freqHz=100:a.ap_clk
"""
PORTS = {"a": (set(), {"m"}), "b0": ({"s"}, {"m"}), "b1": ({"s"}, set())}


def test_a_sound_file_has_no_faults() -> None:
    assert faults(read(GOOD), PORTS) == []


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("nk=a:1:a\n", "", "a.m belongs to no nk"),
        ("nk=b:2", "nk=b:3", "nk of b counts 3 but names 2"),
        ("b0.m:b1.s", "b0.m:b0.s", "b0.s is connected 2 times"),
        ("stream_connect=b0.m:b1.s\n", "", "b0.m dangles"),
        ("slr=a", "slr=c", "c is placed but has no nk"),
        ("platform", "platfrom", "unknown line in []: platfrom=p"),
        ("100:a", "100:z", "z.ap_clk is clocked but has no nk"),
        ("nk=a:1:a", "nk=a:1:a\nnk=x:1:x", "x is not wanted"),
    ],
)
def test_a_fault_is_found(old: str, new: str, fault: str) -> None:
    assert fault in faults(read(GOOD.replace(old, new, 1)), PORTS)


def test_crowds_are_found() -> None:
    many = "[connectivity]\n" + "".join(f"nk=k{i}:1:k{i}\nsp=k{i}.m:DDR[0]\n" for i in range(61))
    found = faults(read(many), {f"k{i}": (set(), set()) for i in range(61)})
    assert found == ["bank DDR[0] has 61 interfaces", "61 compute units"]
