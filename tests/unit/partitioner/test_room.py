"""How many replicas there is room for when boards are joined, on numbers small enough to follow."""

from __future__ import annotations

from math import inf

from partitioner.room import Room


def test_rooms_beside_ports_add_up() -> None:
    room = Room(whole=(1, 1, 1), beside_port=(1.7, 1.7, 1.7), controller=0.02)
    assert room.joined == room.most == 5
    assert room.must_join(5) == (0, 1, 2)
    assert room.must_join(4) == ()  # 3.4 on any two of them and a whole one on the third
    assert room.must_join(3) == ()  # one on each


def test_a_board_that_loses_more_to_a_port_than_it_gains_stays_apart() -> None:
    room = Room(whole=(2, 2, 1), beside_port=(1.9, 2.6, 1.5))
    assert room.joined == 6
    assert room.must_join(6) == (1, 2)


def test_boards_without_a_way_between_them_hold_whole_replicas_only() -> None:
    room = Room(whole=(2, 3), beside_port=(-inf, 9.0))
    assert (room.joined, room.most) == (0, 5)


def test_kernels_and_memories_limit_what_is_joined() -> None:
    assert Room(whole=(1, 1), beside_port=(4.0, 4.0), served=3).most == 3
