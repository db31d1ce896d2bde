"""What is asked of the partitioner, as one value."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from elasticdf.errors import UserError
from elasticdf.hardware.cluster import AutoTarget, Cluster
from elasticdf.ir import Graph
from partitioner.plan import Mode
from partitioner.solver import SolverOptions


class Objective(StrEnum):
    """What counts first once the frame rate is settled."""

    THROUGHPUT = "throughput"
    LATENCY = "latency"


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchor:
    """Keeps a layer of every replica on a board, or on one of its dies."""

    layer: str
    board: int
    die: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A network, a target and what is wanted of them.

    Attributes:
        graph: The layers.
        target: Boards, or one kind of board of which the fewest are wanted.
        mode: How the network may be spread.
        clock_hz: Of the kernels.
        fps: At least so many frames per second at the least cost; None for the highest rate.
        as_is: Keep the folding attributes the graph carries.
        replicas: Copies of the network; None leaves the number to the search.
        anchors: Where layers must sit.
        together: Groups of layers that share a die.
        linear_cuts: No board or die boundary may run through a branch.
        variants: Whether implementation variants may be chosen.
        limits: Changed fractions by resource name (and ``mean``).
        objective: What counts after throughput.
        costs: Name or file of the cost profile.
        through_boards: Whether a stream may pass through a third board.
        options: Solver, time limit and seed.
        progress: Told of every step in a few words.
        memory: Choices found for requests on the same graph, handed from request to request.
        fifo_bits: Bits each input of a layer must store, by layer; for those it does not name an
            allowance counts.
    """

    graph: Graph
    target: Cluster | AutoTarget
    mode: Mode = Mode.HARDWARE
    clock_hz: int = 200_000_000
    fps: float | None = None
    as_is: bool = False
    replicas: int | None = None
    anchors: tuple[Anchor, ...] = ()
    together: tuple[tuple[str, ...], ...] = ()
    linear_cuts: bool = False
    variants: bool = True
    limits: Mapping[str, float] = field(default_factory=dict)
    objective: Objective = Objective.THROUGHPUT
    costs: str = "corrected"
    through_boards: bool = False
    options: SolverOptions = field(default_factory=SolverOptions)
    progress: Callable[[str], None] | None = None
    memory: dict[object, Any] | None = None
    fifo_bits: Mapping[str, tuple[int, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.fps is not None and not 0 < self.fps < 1e12:
            raise UserError(
                f"--fps {self.fps:g} is not a sensible frame rate; give more than 0 and below 1e12"
            )
        if self.replicas is not None and not 1 <= self.replicas <= 1024:
            raise UserError(f"--replicas {self.replicas} is not between 1 and 1024; change it")
        if self.clock_hz <= 0:
            raise UserError(f"clock {self.clock_hz} Hz is not positive; give for example 200MHz")
