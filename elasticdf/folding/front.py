"""Options of a layer and their Pareto front over resources."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import log1p

from elasticdf.ir import RESOURCE_NAMES, AttributeValue, Resources


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerOption:
    """One way to build a layer.

    Attributes:
        attributes: Changes to the layer's attributes; empty means the layer as it is.
        cycles: Cycles per frame.
        resources: What the limits are held against (the profile's upper estimate).
        input_bits: Bits per transfer of each stream input, unpadded.
        output_bits: The same for each output.
    """

    attributes: Mapping[str, AttributeValue] = field(default_factory=dict)
    cycles: int
    resources: Resources
    input_bits: tuple[int, ...]
    output_bits: tuple[int, ...]


def _vector(option: LayerOption) -> tuple[int, ...]:
    """Return the resources as numbers; unknown flip-flops do not tell options apart."""
    return tuple(amount or 0 for _, amount in option.resources.items())


def pareto_front(candidates: Iterable[LayerOption]) -> tuple[LayerOption, ...]:
    """Return the options no other is at least as good as in every resource.

    Of options with equal resources the one with the narrower streams stays, then the earlier.
    """
    best: dict[tuple[int, ...], LayerOption] = {}
    for option in candidates:
        vector = _vector(option)
        if vector not in best or _stream_bits(option) < _stream_bits(best[vector]):
            best[vector] = option
    front: list[tuple[int, ...]] = []
    for vector in sorted(best):
        if not any(all(a <= b for a, b in zip(kept, vector, strict=True)) for kept in front):
            front.append(vector)
    return tuple(best[vector] for vector in front)


def _stream_bits(option: LayerOption) -> int:
    return sum(option.input_bits) + sum(option.output_bits)


def thinned(front: tuple[LayerOption, ...], limit: int) -> tuple[LayerOption, ...]:
    """Return at most ``limit`` options: the cheapest per resource, then the most different.

    The difference of two options is the sum over resources of the distance of the logarithms.
    """
    if len(front) <= limit:
        return front
    vectors = [tuple(log1p(amount) for amount in _vector(option)) for option in front]
    kept: list[int] = []
    for resource in range(len(RESOURCE_NAMES)):
        cheapest = min(range(len(front)), key=lambda i: (vectors[i][resource], sum(vectors[i])))
        if cheapest not in kept:
            kept.append(cheapest)
    while len(kept) < limit:
        kept.append(
            max(
                (i for i in range(len(front)) if i not in kept),
                key=lambda i: (min(_distance(vectors[i], vectors[k]) for k in kept), -i),
            )
        )
    return tuple(front[i] for i in sorted(kept[:limit]))


def _distance(left: tuple[float, ...], right: tuple[float, ...]) -> float:
    return sum(abs(a - b) for a, b in zip(left, right, strict=True))
