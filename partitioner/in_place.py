"""Other foldings where everything sits: the regions and routes of a placement stay.

A placement leaves room in every region that its foldings do not need. Refuses to move anything.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from operator import add

import numpy as np

from partitioner.choices import Choices
from partitioner.lower import Choice
from partitioner.menu import key_of
from partitioner.packing.chain import Loads, Room, pack
from partitioner.problem import Problem, Vector
from partitioner.space import Found, Space
from partitioner.verify import copies, measure, violations

_SECONDS_PER_SIZE = 1e-5
"""Nominal work of building anew in place, by a problem's size; measured 5 to 10 microseconds."""


def rebuilt(space: Space, found: Found, choices: Choices, interval: int) -> Found | None:
    """Return a placement with layers built by some of these choices, every one where it was.

    Args:
        space: A request on a cluster.
        found: Where layers sit.
        choices: Per layer.
        interval: Cycles between two frames of a replica.

    Returns:
        None if no choice was found that fits.
    """
    problem = space.problem(choices, interval, found.replicas)
    space.clock.charge(_SECONDS_PER_SIZE * problem.size)
    options = _packed(found, choices, problem)
    if options is None:
        return None
    placement = replace(found.placement, options=options)
    if violations(problem, placement):
        return None
    return space.found(choices, interval, problem, placement)


def other_variants(found: Found, beside: Sequence[Vector]) -> Found | None:
    """Return a placement with something else in its regions, every copy folded as it was.

    Copies in a region with too little room are built in other ways; those elsewhere stay.

    Args:
        found: Where layers sit; its problem has the limits that count.
        beside: What each region holds beside.

    Returns:
        None if no variants were found that fit.
    """
    problem, size = found.problem, len(found.problem.items)
    reserved = [
        tuple(map(add, now, more)) for now, more in zip(_reserved(found), beside, strict=True)
    ]
    options = list(found.placement.options)
    for region, positions in _held(found).items():
        items = tuple(problem.items[position % size] for position in positions)
        loads = Room(region=region, reserved=reserved[region]).loads(problem, items)
        now = [options[position] for position in positions]
        if (loads[range(len(now)), now].sum(axis=0) <= 1).all():
            continue
        for i, position in enumerate(positions):
            loads[i, _folded_otherwise(found.choices[position % size], now[i])] = np.inf
        choice = pack(loads)
        if choice is None:
            return None
        for position, option in zip(positions, choice, strict=True):
            options[position] = int(option)
    placement = replace(found.placement, options=tuple(options))
    return None if violations(problem, placement) else replace(found, placement=placement)


def _folded_otherwise(row: Sequence[Choice], now: int) -> list[int]:
    """Return the choices of a layer with another folding, or other words, than one of them."""
    own = (key_of(row[now]), row[now].output_bits)
    return [v for v, choice in enumerate(row) if (key_of(choice), choice.output_bits) != own]


def _held(found: Found) -> dict[int, list[int]]:
    """Return the positions of the copies that sit in each region."""
    held: dict[int, list[int]] = defaultdict(list)
    for position, region in enumerate(found.placement.regions):
        held[region].append(position)
    return held


def loads_in_place(problem: Problem, found: Found) -> Loads:
    """Return the share of every region's every limit that all copies of an item take.

    Args:
        problem: Whose options are asked for.
        found: Where the copies sit.

    Shape (items, options, rows of all regions); infinite if illegal.
    """
    held = np.zeros((len(problem.items), len(problem.regions)))
    for position, _, item in copies(problem):
        held[item, found.placement.regions[position]] += 1
    blocks = []
    for region, reserved in enumerate(_reserved(found)):
        present = held[:, region] > 0
        if present.any():
            loads = Room(region=region, reserved=reserved).loads(problem, problem.items)
            loads[~present] = 0.0
            loads[present] *= held[present, region][:, None, None]
            blocks.append(loads)
    return np.concatenate(blocks, axis=2)


def _reserved(found: Found) -> list[Vector]:
    """Return what ports, streams between regions and controllers take of each region."""
    problem, placement = found.problem, found.placement
    left = [list(amounts) for amounts in measure(problem, placement).resources]
    for position, _, item in copies(problem):
        resources = problem.items[item].options[placement.options[position]].resources
        for r, amount in enumerate(resources):
            left[placement.regions[position]][r] -= amount
    return [tuple(amounts) for amounts in left]


def _packed(found: Found, choices: Choices, problem: Problem) -> tuple[int, ...] | None:
    """Return an option for every copy of every item so that each region's limits hold.

    What is offered already stays as it is built, unless only other variants leave room.
    """
    reserved, size = _reserved(found), len(problem.items)
    options = list(found.placement.options)
    for region, positions in _held(found).items():
        items = tuple(problem.items[position % size] for position in positions)
        loads = Room(region=region, reserved=reserved[region]).loads(problem, items)
        kept = loads.copy()
        for i, position in enumerate(positions):
            row = choices[position % size]
            now = found.choices[position % size][found.placement.options[position]]
            if now in row:
                kept[i, [v for v, choice in enumerate(row) if choice != now]] = np.inf
        choice = pack(kept)
        if choice is None:
            choice = pack(loads)
        if choice is None:
            return None
        for position, option in zip(positions, choice, strict=True):
            options[position] = int(option)
    return tuple(options)
