"""Layers whose folding FINN ties together: depthwise windows and what they feed."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod

from elasticdf.errors import UserError
from elasticdf.ir import Graph, Layer
from elasticdf.layers import kind_of
from elasticdf.layers.kind import Attributes


def cycles_with(layer: Layer, changes: Attributes) -> int:
    """Return the cycles per frame of the layer with some attributes changed."""
    changed = layer.with_attributes(changes)
    return kind_of(changed).cycles(changed)


def check_couplings(graph: Graph) -> None:
    """Check that depthwise window generators are folded like their consumers.

    Raises:
        UserError: A window generator's SIMD differs from its consumer's PE.
    """
    for window, consumer in coupled(graph):
        simd, pe = graph.layer(window).integer("SIMD"), graph.layer(consumer).integer("PE")
        if simd != pe:
            raise UserError(
                f"layer {window}: SIMD={simd} differs from PE={pe} of {consumer}, which it feeds; "
                "depthwise windows need both equal"
            )


def coupled(graph: Graph) -> tuple[tuple[str, str], ...]:
    """Return the pairs (depthwise window generator, its consumer) whose folding FINN ties."""
    return tuple(
        (stream.source, stream.target)
        for stream in graph.arcs
        if stream.source is not None
        and stream.target is not None
        and graph.layer(stream.target).family in ("VVAU", "Pool")
        and graph.layer(stream.source).family == "ConvolutionInputGenerator"
    )


def window_of(graph: Graph, layer: Layer) -> Layer | None:
    """Return the depthwise window generator that feeds a VVAU or Pool, if there is one.

    Raises:
        UserError: The layer needs one (its kernel is larger than 1x1) and has none.
    """
    producers = [graph.layer(name) for name in graph.predecessors(layer.name)]
    if producers and producers[0].family == "ConvolutionInputGenerator":
        return producers[0]
    kernel = layer.integers("Kernel" if layer.family == "VVAU" else "KernelSize")
    if prod(kernel) != 1:
        raise UserError(
            f"layer {layer.name} ({layer.op_type}) with a kernel of {kernel} is not fed by a "
            "ConvolutionInputGenerator directly; remove what stands between them (fold before "
            "FIFOs are inserted)"
        )
    return None


def window_folding(window: Layer, consumer: Layer) -> Attributes:
    """Return the folding a depthwise window generator must have for its consumer's."""
    folding: Attributes = {"SIMD": consumer.integer("PE")}
    if not window.op_type.endswith("_rtl"):
        return folding
    wide = consumer.family == "VVAU" and consumer.integer("SIMD") > 1
    return {**folding, "parallel_window": int(wide)}


def pair_foldings(window: Layer, consumer: Layer) -> Iterator[tuple[Attributes, Attributes, int]]:
    """Yield (consumer's folding, window's folding, cycles of the slower), least parallel first."""
    for folding in kind_of(consumer).foldings(consumer):
        follows = window_folding(window, consumer.with_attributes(folding))
        reached = max(cycles_with(consumer, folding), cycles_with(window, follows))
        yield folding, follows, reached
