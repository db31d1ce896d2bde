"""Limits on wall time and on counted work."""

from __future__ import annotations

from partitioner.clock import Clock, Meter


def test_counted_work_is_all_that_a_metered_clock_sees() -> None:
    meter = Meter()
    meter.add(5.0)  # before the clock starts
    clock = Clock(2.0, meter)
    assert clock.left() == 2.0
    clock.charge(0.5)
    meter.add(1.0)
    assert (clock.spent(), clock.left()) == (1.5, 0.5)
    clock.charge(1.0)
    assert clock.left() == 0.0


def test_wall_time_passes_by_itself_and_cannot_be_charged() -> None:
    clock = Clock(1000.0)
    clock.charge(1000.0)
    assert 999.0 < clock.left() <= 1000.0


def test_a_part_of_a_metered_clock_is_metered_too() -> None:
    meter = Meter()
    part = Clock(8.0, meter).part(0.25)
    meter.add(1.5)
    assert part.left() == 0.5


def test_counted_work_ends_with_the_time_it_was_taken_from() -> None:
    outer, inner = Meter(), Meter()
    counted = Clock(4.0, outer).counted(2.0, inner)
    part = counted.part(0.5)
    outer.add(3.0)
    assert (counted.left(), part.left()) == (2.0, 1.0)  # time of another kind takes none
    outer.add(1.0)
    assert (counted.left(), part.left()) == (0.0, 0.0)
