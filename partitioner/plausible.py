"""Numbers of a problem that came from a file: nothing negative, endless, or without meaning.

`Problem` itself checks structure only; problems made here are right by construction.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

from elasticdf.errors import UserError
from partitioner.problem import Problem

_Number: TypeAlias = tuple[str, float, int]
"""A number's name, its value and the most it may be."""

_MOST = 10**15
"""More of anything than a machine has; beyond it solvers lose whole numbers."""


def check_numbers(problem: Problem, where: str) -> None:
    """Check every number of a problem from a file.

    Raises:
        UserError: One is out of range, or refers to nothing.
    """
    for what, value, most in _numbers(problem):
        if not 0 <= value <= most:  # a NaN is not either
            raise UserError(f"{where}: {what} is {_short(value)}; 0 to {most} can be, change it")
    for number, link in enumerate(problem.links):
        if link.regions[0] == link.regions[1]:
            raise UserError(f"{where}: link {number} joins region {link.regions[0]} with itself")
    for number, arc in enumerate(problem.arcs):
        if arc.source == arc.target:
            raise UserError(f"{where}: arc {number} leads from item {arc.source} to itself")
    if any(not group for group in (*problem.together, *problem.same_board)):
        raise UserError(f"{where}: a group without items; leave it out")


def _short(value: float) -> str:
    text = str(value)
    return text if len(text) <= 24 else f"{text[:8]}... ({len(text)} digits)"


def _numbers(problem: Problem) -> Iterator[_Number]:
    yield from _region_numbers(problem)
    yield from _link_numbers(problem)
    yield from _stream_numbers(problem)


def _region_numbers(problem: Problem) -> Iterator[_Number]:
    for region in problem.regions:
        name = f"region {region.name}"
        yield from ((f"{name}, capacity", amount, _MOST) for amount in region.capacity)
        yield from ((f"{name}, limit", limit, 1) for limit in region.limits)
        yield from ((f"{name}, memory_charge", amount, _MOST) for amount in region.memory_charge)
        yield f"{name}, memory_ports", region.memory_ports or 0, _MOST
        yield f"{name}, memory", region.memory or 0, len(problem.regions) - 1
        for mean in region.mean_limits:
            yield f"{name}, limit on a mean", mean.limit, 1
            last = len(problem.resources) - 1
            yield from ((f"{name}, resource of a mean", r, last) for r in mean.resources)


def _link_numbers(problem: Problem) -> Iterator[_Number]:
    for number, link in enumerate(problem.links):
        name = f"link {number}"
        for what, value in (
            ("cost", link.cost),
            ("wires", link.wires or 0),
            ("bits_per_second", link.bits_per_second or 0),
        ):
            yield f"{name}, {what}", value, _MOST
        for end in link.ends:
            yield from ((f"{name}, end", x, _MOST) for x in (*end.charge, *end.adapter))
            yield f"{name}, sockets", end.sockets or 0, _MOST


def _stream_numbers(problem: Problem) -> Iterator[_Number]:
    for item in problem.items:
        for option in item.options:
            for value in (*option.resources, option.cycles, option.wires, item.memory_ports):
                yield f"item {item.name}, option", value, _MOST
    for number, arc in enumerate(problem.arcs):
        for what, value in (
            ("wires", arc.wires or 0),
            ("bits_per_second", arc.bits_per_second),
            ("bits_per_frame", arc.bits_per_frame),
        ):
            yield f"arc {number}, {what}", value, _MOST
    yield "replicas", problem.replicas, 1024
    yield "compute_units", problem.compute_units or 0, _MOST
