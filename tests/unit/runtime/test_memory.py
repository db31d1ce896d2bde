from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from elasticdf.artifact.sections import MemoryBank
from elasticdf.runtime.emulated.allocator import BankAllocator
from elasticdf.runtime.memory import Topology


def bank(tag: str, kind: int = 6, *, used: bool = True) -> MemoryBank:
    return MemoryBank(type=kind, used=used, size_kib=64, base=0, tag=tag)


def test_indices_count_through_the_boards_unused_banks_included() -> None:
    first = (bank("HBM[0]"), bank("HBM[1]", used=False))
    second = (bank("bank0", 1), bank("PLRAM[0]", 2), bank("DDR[1]", 1))
    topology = Topology.of([first, second])
    assert topology.offsets == (0, 2, 5)
    places = [topology.place(index) for index in range(6)]
    assert [(p.board, p.index, p.kind) for p in places if p] == [
        (0, 0, "HBM"),
        (0, 1, "HBM"),
        (1, 0, "DDR"),
        (1, 1, "PLRAM"),
        (1, 2, "DDR"),
    ]
    assert places[5] is None
    assert topology.place(-1) is None


def test_a_page_of_every_bank_is_kept_back() -> None:
    place = Topology.of([(bank("HBM[0]"),)]).place(0)
    assert place is not None
    assert place.size == 60 * 1024


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 9), st.integers(1, 20_000)), max_size=60))
def test_allocations_never_overlap_and_all_comes_back(steps: list[tuple[bool, int, int]]) -> None:
    allocator = BankAllocator(64 * 4096)
    held: dict[int, int] = {}
    for take, which, size in steps:
        if take:
            start = allocator.take(size)
            if start is not None:
                end = start + size
                assert end <= 64 * 4096
                assert all(end <= s or s + n <= start for s, n in held.items())
                held[start] = size
        elif held:
            start = sorted(held)[which % len(held)]
            allocator.give_back(start)
            del held[start]
    for start in held:
        allocator.give_back(start)
    assert allocator.take(64 * 4096) == 0
