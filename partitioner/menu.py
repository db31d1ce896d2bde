"""Every folding worth considering per layer, from the fastest the network allows to the slowest.

The throughput search looks at one interval at a time; for latency a layer may be folded apart from
the others, so the foldings of many intervals are put side by side, each with the curve that says
when parts of a frame leave it. Refuses to choose.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import product
from typing import TypeAlias

import networkx as nx

from elasticdf.folding import coupled
from elasticdf.folding.coupling import window_folding
from elasticdf.ir import Graph, Layer
from elasticdf.layers.kind import padded
from elasticdf.simulation.curve import Curve, curve_of
from partitioner.choices import FOLDING_ATTRIBUTES, Choices, ChoiceTable
from partitioner.lower import Choice

_RUNGS = 24
"""Intervals whose foldings are offered; between two neighbours little changes."""

Key: TypeAlias = tuple[object, ...]
"""The values of a folding's attributes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fold:
    """A folding of a layer.

    Attributes:
        key: Tells it from the layer's others.
        choices: Its implementation variants.
        curve: When parts of a frame leave it.
    """

    key: Key
    choices: tuple[Choice, ...]
    curve: Curve

    @property
    def cycles(self) -> int:
        """Cycles per frame of its slowest variant."""
        return max(choice.cycles for choice in self.choices)


@dataclass(frozen=True, slots=True, kw_only=True)
class Menu:
    """The foldings offered.

    Attributes:
        graph: The layers.
        folds: Per layer, fastest first; at least one.
        pairs: Layers whose foldings go together: (window, consumer, pairs of indices of theirs).
    """

    graph: Graph
    folds: tuple[tuple[Fold, ...], ...]
    pairs: tuple[tuple[int, int, frozenset[tuple[int, int]]], ...]

    @property
    def size(self) -> int:
        """Foldings of all layers that have a choice."""
        return sum(len(folds) for folds in self.folds if len(folds) > 1)

    @property
    def groups(self) -> tuple[tuple[int, ...], ...]:
        """Layers that can only be folded anew together, each layer in one group."""
        bound = nx.Graph((window, consumer) for window, consumer, _ in self.pairs)
        bound.add_nodes_from(range(len(self.folds)))
        return tuple(sorted(tuple(sorted(group)) for group in nx.connected_components(bound)))

    def between(self, group: tuple[int, ...], pick: Sequence[int]) -> list[dict[int, int]]:
        """Return the foldings of a group by layer, from those of a pick to the slowest."""
        rows = [range(pick[j], len(self.folds[j])) for j in group]
        legal = (dict(zip(group, folds, strict=True)) for folds in product(*rows))
        bound = [pair for pair in self.pairs if pair[0] in group]
        return sorted(
            (f for f in legal if all((f[i], f[j]) in allowed for i, j, allowed in bound)),
            key=lambda folds: (sum(folds.values()), sorted(folds.items())),
        )

    def changed(self, choices: Choices, folds: Mapping[int, int]) -> Choices:
        """Return choices with those of some layers' foldings in their place."""
        return tuple(
            self.folds[j][folds[j]].choices if j in folds else row for j, row in enumerate(choices)
        )


def menu(table: ChoiceTable, fastest: int, slowest: int) -> Menu:
    """Return the foldings of a table between two of its targets.

    Args:
        table: Choices by interval.
        fastest: Index of the first target that all layers reach.
        slowest: Index of the last target to consider.
    """
    graph = table.graph
    found: list[dict[Key, dict[str, Choice]]] = [{} for _ in graph.layers]
    for target in _rungs(fastest, slowest):
        for row, choices in zip(found, table.at(table.targets[target]) or (), strict=True):
            for choice in choices:
                row.setdefault(key_of(choice), {})[repr(choice)] = choice
    curves: dict[str, Curve] = {}
    folds = tuple(
        tuple(_folds(layer, row, curves)) for layer, row in zip(graph.layers, found, strict=True)
    )
    return Menu(graph=graph, folds=folds, pairs=tuple(_pairs(graph, folds)))


def offered(table: ChoiceTable, fastest: int, slowest: int) -> Choices:
    """Return every choice of the targets between two that no other undercuts, per layer.

    With them is one whose words take the fewest bits to pad. Foldings that FINN ties together may
    be mixed, so only what has no place with these is proven to have none.
    """
    if (fastest, slowest) in table.offered:
        return table.offered[fastest, slowest]
    found: list[dict[str, Choice]] = [{} for _ in table.graph.layers]
    for target in _rungs(fastest, slowest):
        for row, choices in zip(found, table.at(table.targets[target]) or (), strict=True):
            row |= {repr(choice): choice for choice in choices}
    table.offered[fastest, slowest] = tuple(_undercut_by_none(tuple(row.values())) for row in found)
    return table.offered[fastest, slowest]


def _undercut_by_none(choices: tuple[Choice, ...]) -> tuple[Choice, ...]:
    sizes = sorted(
        ((*option.resources, option.wires, option.control_ports), option.parts, i)
        for i, choice in enumerate(choices)
        for option in (choice.option(),)
    )
    kept: list[tuple[tuple[int, ...], tuple[str, ...], int]] = []
    for size, parts, i in sizes:
        if not any(
            parts == others and all(a <= b for a, b in zip(other, size, strict=True))
            for other, others, _ in kept
        ):
            kept.append((size, parts, i))
    outputs = zip(*(choice.output_bits for choice in choices), strict=True)
    least_padded = [min(enumerate(widths), key=_growth)[0] for widths in outputs]
    return tuple(choices[i] for i in dict.fromkeys((*(i for _, _, i in kept), *least_padded)))


def _growth(word: tuple[int, int]) -> Fraction:
    """Return how many times wider a word is when padded; the word comes with its index."""
    return Fraction(padded(word[1]), max(word[1], 1))


def _rungs(fastest: int, slowest: int) -> list[int]:
    """Return indices of targets, evenly spread, both ends included."""
    count = min(_RUNGS, slowest - fastest + 1)
    if count < 2:
        return [fastest]
    return sorted({fastest + (slowest - fastest) * i // (count - 1) for i in range(count)})


def key_of(choice: Choice) -> Key:
    """Return what tells a choice's folding from the layer's others."""
    return tuple(choice.attributes.get(name) for name in FOLDING_ATTRIBUTES)


def _folds(
    layer: Layer, row: dict[Key, dict[str, Choice]], curves: dict[str, Curve]
) -> Iterator[Fold]:
    """Yield the foldings of a layer; equal layers share their curves."""
    by_speed = sorted(
        row.items(), key=lambda entry: min((c.cycles, repr(c)) for c in entry[1].values())
    )
    for key, choices in by_speed:
        first = next(iter(choices.values()))
        built = layer.with_attributes(first.attributes)
        same = repr((built.op_type, built.attributes))
        if same not in curves:
            curves[same] = curve_of(built)
        yield Fold(key=key, choices=tuple(choices.values()), curve=curves[same])


def _pairs(
    graph: Graph, folds: tuple[tuple[Fold, ...], ...]
) -> Iterator[tuple[int, int, frozenset[tuple[int, int]]]]:
    number = {layer.name: i for i, layer in enumerate(graph.layers)}
    for window_name, consumer_name in coupled(graph):
        window, consumer = number[window_name], number[consumer_name]
        layers = graph.layers[window], graph.layers[consumer]
        yield (
            window,
            consumer,
            frozenset(
                (i, j)
                for i, mine in enumerate(folds[window])
                for j, theirs in enumerate(folds[consumer])
                if _match(layers, mine, theirs)
            ),
        )


def _match(layers: tuple[Layer, Layer], window: Fold, consumer: Fold) -> bool:
    built = layers[1].with_attributes(consumer.choices[0].attributes)
    wanted = window_folding(layers[0], built)
    mine = layers[0].with_attributes(window.choices[0].attributes)
    return all(mine.attributes.get(name, 0) == value for name, value in wanted.items())
