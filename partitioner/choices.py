"""Every way to build every layer, asked for once per cycle target and FPGA part.

Refuses to decide between them; that is the optimisation's work.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from elasticdf import folding
from elasticdf.costs.profile import CostProfile, load_profile
from elasticdf.errors import InfeasibleError
from elasticdf.hardware.board import Board
from elasticdf.hardware.cluster import Cluster
from elasticdf.ir import AttributeValue, Graph, Layer
from elasticdf.layers import kind_of
from elasticdf.layers.kind import FpgaPart
from partitioner.lower import Choice
from partitioner.request import Request

Choices = tuple[tuple[Choice, ...], ...]
"""Per layer of the graph, its choices."""

FOLDING_ATTRIBUTES = ("PE", "SIMD", "parallel_window")
"""Attributes every assignment states, whether they were changed or not."""


@dataclass(slots=True, kw_only=True)
class ChoiceTable:
    """The choices of a request at any cycle target, remembered.

    Attributes:
        graph: The layers.
        parts: The FPGA parts of the cluster.
        profile: Cost profile.
        variants: Whether implementation variants are offered.
        as_is: Whether the graph's own folding stays.
        targets: Every interval worth trying, ascending; at least one.
        fifo_bits: Bits each input of a layer must store, where that is known.
        offered: Choices of several targets together, remembered by those who ask for them.
    """

    graph: Graph
    parts: tuple[FpgaPart, ...]
    profile: CostProfile
    variants: bool
    as_is: bool
    targets: tuple[int, ...]
    fifo_bits: Mapping[str, tuple[int, ...]]
    offered: dict[tuple[int, int], Choices] = field(default_factory=dict)
    _found: dict[int, Choices | None] = field(default_factory=dict)
    _memory: dict[object, Any] = field(default_factory=dict)

    @staticmethod
    def of(request: Request, cluster: Cluster) -> ChoiceTable:
        """Return the table of a request on a cluster, the same one for requests alike."""
        named = {board.part: _part(board) for board in cluster.boards}
        parts = tuple(named[name] for name in sorted(named))
        profile = load_profile(request.costs)
        memory = {} if request.memory is None else request.memory
        stored = tuple(sorted(request.fifo_bits.items()))
        alike = (request.graph, parts, repr(profile), request.variants, request.as_is, stored)
        if alike not in memory:
            own = max((kind_of(layer).cycles(layer) for layer in request.graph), default=1)
            memory[alike] = ChoiceTable(
                graph=request.graph,
                parts=parts,
                profile=profile,
                variants=request.variants,
                as_is=request.as_is,
                targets=(max(own, 1),) if request.as_is else folding.cycle_targets(request.graph),
                fifo_bits=request.fifo_bits,
            )
        found: ChoiceTable = memory[alike]
        return found

    def at(self, cycles: int) -> Choices | None:
        """Return the choices with at most so many cycles per frame.

        Returns:
            None if some layer cannot be so fast.
        """
        if cycles not in self._found:
            self._found[cycles] = self._build(cycles)
        return self._found[cycles]

    def _build(self, cycles: int) -> Choices | None:
        rows: list[list[Choice]] = [[] for _ in self.graph.layers]
        for part in self.parts:
            try:
                options = folding.options(
                    self.graph,
                    cycles=None if self.as_is else cycles,
                    profile=self.profile,
                    part=part,
                    variants=self.variants,
                    memory=self._memory,
                    fifo_bits=self.fifo_bits,
                )
            except InfeasibleError:
                return None
            for row, layer in zip(rows, self.graph.layers, strict=True):
                row += [self._choice(layer, option, part) for option in options[layer.name]]
        return tuple(tuple(row) for row in rows) if all(rows) else None

    def _choice(self, layer: Layer, option: folding.LayerOption, part: FpgaPart) -> Choice:
        stated: dict[str, AttributeValue] = {
            name: layer.attributes[name] for name in FOLDING_ATTRIBUTES if name in layer.attributes
        }
        return Choice(
            attributes={**stated, **option.attributes},
            cycles=option.cycles,
            resources=option.resources,
            output_bits=option.output_bits,
            parts=(part.name,) if len(self.parts) > 1 else (),
        )


def _part(board: Board) -> FpgaPart:
    return FpgaPart(
        name=board.part, has_uram=board.has_uram, dsp58=board.dsp58, series7=board.series7
    )
