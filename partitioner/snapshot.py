"""Problems to and from JSON: our own snapshots and ``partition-instance/1`` files.

Reading is strict. In an instance file replicas are copied out; equal copies are folded back into
one replica and a count, so that their symmetry can be used.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from elasticdf.documents import read_json
from elasticdf.errors import UserError, located
from elasticdf.records import decode, encode, expect_table
from partitioner.plan import CrossingKind
from partitioner.plausible import check_numbers
from partitioner.problem import Arc, Item, Link, LinkEnd, MeanLimit, Option, Problem, Region

PROBLEM_SCHEMA = "elasticdf.problem/1"
INSTANCE_SCHEMA = "partition-instance/1"


def to_json(problem: Problem) -> dict[str, Any]:
    """Return the snapshot of a problem."""
    return {"schema": PROBLEM_SCHEMA, **encode(problem)}


def load(path: Path) -> Problem:
    """Return the problem in a file.

    Raises:
        UserError: The file cannot be read, is not JSON, or is neither form.
    """
    return from_json(read_json(path), str(path))


def from_json(document: Any, where: str) -> Problem:
    """Return the problem of a snapshot or of an instance.

    Raises:
        UserError: It is neither, or a key is missing, unknown or of the wrong type.
    """
    table = expect_table(document, where)
    schema = table.get("schema")
    rest = {key: value for key, value in table.items() if key != "schema"}
    if schema == PROBLEM_SCHEMA:
        problem = decode(Problem, rest, where)
        check_numbers(problem, where)
        return problem
    if schema == INSTANCE_SCHEMA:
        instance = _instance(rest, where)
        _check_replicas(instance, where)
        with located(where):
            problem = _from_instance(instance)
        check_numbers(problem, where)
        return problem
    raise UserError(
        f"{where}: schema is {schema!r}; {PROBLEM_SCHEMA!r} (elasticdf partition --snapshot) "
        f"and {INSTANCE_SCHEMA!r} can be read"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Mean:
    of: tuple[int, ...]
    limit: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Region:
    board: int
    die: int
    capacity: tuple[int, ...]
    limit: tuple[float, ...]
    mean_limit: tuple[_Mean, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Link:
    between: tuple[int, int]
    cost: int
    sll_wires: int | None = None
    bits_per_second: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Item:
    options: tuple[tuple[int, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Arc:
    source: int
    target: int
    wires: int
    bits_per_second: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Instance:
    name: str
    resources: tuple[str, ...]
    regions: tuple[_Region, ...]
    links: tuple[_Link, ...]
    items: tuple[_Item, ...]
    arcs: tuple[_Arc, ...]
    replicas: int = 1
    layers_per_replica: int | None = None
    together: tuple[tuple[int, ...], ...] = ()


_WORDS = {"from": "source", "to": "target"}
_REMARKS = ("about", "published")


def _instance(table: Mapping[str, Any], where: str) -> _Instance:
    """Return the instance; remarks about it and about other solvers are left out."""
    document = {key: value for key, value in table.items() if key not in _REMARKS}
    arcs = document.get("arcs")
    if isinstance(arcs, list):
        document["arcs"] = [
            {_WORDS.get(key, key): value for key, value in expect_table(arc, where).items()}
            for arc in arcs
        ]
    return decode(_Instance, document, where)


def _check_replicas(instance: _Instance, where: str) -> None:
    if instance.replicas < 1 or len(instance.items) % instance.replicas:
        raise UserError(
            f"{where}: {len(instance.items)} items are not those of {instance.replicas} replicas; "
            "replicas are copied out in items and arcs"
        )


def _from_instance(instance: _Instance) -> Problem:
    replicas, items, arcs, together = _one_replica(instance)
    return Problem(
        name=instance.name,
        resources=instance.resources,
        regions=tuple(
            Region(
                name=f"{region.board}.{region.die}",
                board=region.board,
                die=str(region.die),
                capacity=region.capacity,
                limits=region.limit,
                mean_limits=tuple(
                    MeanLimit(resources=mean.of, limit=mean.limit) for mean in region.mean_limit
                ),
            )
            for region in instance.regions
        ),
        links=tuple(_link(instance, link) for link in instance.links),
        items=tuple(
            Item(name=f"item{i}", options=tuple(Option(resources=o) for o in item.options))
            for i, item in enumerate(items)
        ),
        arcs=tuple(
            Arc(source=a.source, target=a.target, wires=a.wires, bits_per_second=a.bits_per_second)
            for a in arcs
        ),
        replicas=replicas,
        together=together,
        # Instances have one rule for routes: the unique way, through whatever lies between.
        through_boards=True,
    )


def _link(instance: _Instance, link: _Link) -> Link:
    first, second = link.between
    boards = range(len(instance.regions))
    same = (
        first in boards
        and second in boards
        and instance.regions[first].board == instance.regions[second].board
    )
    return Link(
        kind=CrossingKind.DIE if same else CrossingKind.BOARD,
        ends=(LinkEnd(region=first), LinkEnd(region=second)),
        cost=link.cost,
        wires=link.sll_wires,
        bits_per_second=link.bits_per_second,
    )


def _one_replica(
    instance: _Instance,
) -> tuple[int, tuple[_Item, ...], tuple[_Arc, ...], tuple[tuple[int, ...], ...]]:
    """Return the number of replicas and one of them; everything as one if they differ."""
    count, size = instance.replicas, len(instance.items) // max(instance.replicas, 1)
    whole = 1, instance.items, instance.arcs, instance.together
    if count < 2 or size * count != len(instance.items):
        return whole
    blocks = [_block(instance, replica * size, size) for replica in range(count)]
    inside = sum(len(block[1]) for block in blocks) == len(instance.arcs)
    if not inside or any(block != blocks[0] for block in blocks):
        return whole
    items, arcs, together = blocks[0]
    return count, items, arcs, together


def _block(
    instance: _Instance, start: int, size: int
) -> tuple[tuple[_Item, ...], tuple[_Arc, ...], tuple[tuple[int, ...], ...]]:
    """Return the items from ``start`` on, with the arcs and groups among them, counted from 0."""
    own = range(start, start + size)
    return (
        instance.items[start : start + size],
        tuple(
            _Arc(
                source=a.source - start,
                target=a.target - start,
                wires=a.wires,
                bits_per_second=a.bits_per_second,
            )
            for a in instance.arcs
            if a.source in own and a.target in own
        ),
        tuple(
            tuple(item - start for item in group)
            for group in instance.together
            if all(item in own for item in group)
        ),
    )
