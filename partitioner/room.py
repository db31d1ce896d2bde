"""How many replicas there is room for at most, at one interval, without any search.

Either every replica sits whole on a board, or streams join some boards, and each of those builds a
port. With prices per resource (Lagrangian relaxation) the boards' rooms add up, so one set of
prices bounds every choice of boards to join.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import floor, inf

import numpy as np

from partitioner.bounds import (
    Amounts,
    Pool,
    least_controller,
    pooled_loads,
    priced_share,
    smallest_share,
)
from partitioner.packing.whole import copies_by_kernels
from partitioner.plan import CrossingKind
from partitioner.problem import Problem, Vector

MOST_REPLICAS = 1024

_SLACK = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """How many replicas at most there is room for at an interval.

    Attributes:
        whole: Per board, replicas that sit on it whole while no stream joins it to others.
        beside_port: Per board, what is left beside a network port, in replicas, whole or not;
            minus infinity where no replica can span boards from it.
        controller: What one memory controller takes of that.
        served: Replicas that kernels and memories serve where some replica spans boards.
    """

    whole: tuple[int, ...]
    beside_port: tuple[float, ...]
    controller: float = 0.0
    served: int = MOST_REPLICAS

    @property
    def most(self) -> int:
        """Replicas there is room for in any way."""
        return max(sum(self.whole), self.joined)

    @property
    def joined(self) -> int:
        """Replicas there is room for if some replica spans boards."""
        return self._joined(apart=None)

    def must_join(self, replicas: int) -> tuple[int, ...]:
        """Return the boards that some stream joins to others if so many replicas are placed."""
        if sum(self.whole) >= replicas:
            return ()
        boards = range(len(self.whole))
        return tuple(board for board in boards if self._joined(apart=board) < replicas)

    def _joined(self, apart: int | None) -> int:
        """Return the replicas there is room for if two or more boards are joined, one not."""
        gains = sorted(
            (
                beside - whole
                for board, (beside, whole) in enumerate(
                    zip(self.beside_port, self.whole, strict=True)
                )
                if board != apart
            ),
            reverse=True,
        )
        most = sum(self.whole) + sum(gains[:2]) + sum(max(0.0, gain) for gain in gains[2:])
        if len(gains) < 2 or most == -inf:
            return 0
        return max(0, min(self.served, floor(most - self.controller + _SLACK)))


def room_of(problem: Problem, *, spanning: bool, serving_apart: bool) -> Room:
    """Return the room for replicas of a problem, however many it asks for.

    Args:
        problem: What to place.
        spanning: Whether a replica may span boards.
        serving_apart: Whether every replica is served by one board's memory.
    """
    problem = replace(problem, replicas=MOST_REPLICAS)
    kernels = [copies_by_kernels(problem, (board,)) for board in problem.boards]
    whole = tuple(
        min(most, _replicas(problem, problem.regions_of(board)))
        for board, most in zip(problem.boards, kernels, strict=True)
    )
    if len(problem.boards) == 1 or not spanning:
        return Room(whole=whole, beside_port=(-inf,) * len(whole))
    beside, controller = _beside_ports(problem)
    served = sum(kernels) if serving_apart else copies_by_kernels(problem, problem.boards)
    return Room(whole=whole, beside_port=beside, controller=controller, served=served)


def _replicas(problem: Problem, regions: tuple[int, ...]) -> int:
    """Return how many replicas at most fit into some regions poured into one."""
    controller = least_controller(problem, regions)
    share = smallest_share(pooled_loads(problem, regions, taken=controller))
    return MOST_REPLICAS if share <= 0 else min(MOST_REPLICAS, floor(1 / share + _SLACK))


def _beside_ports(problem: Problem) -> tuple[tuple[float, ...], float]:
    """Return what every board's room beside a port amounts to in replicas, and a controller's."""
    pool = Pool(problem=problem, regions=problem.places)
    ports = [_least_port(problem, board) for board in problem.boards]
    controller = pool.rows(np.array(least_controller(problem, problem.places), dtype=float))
    taken = [
        np.zeros(len(controller)) if p is None else pool.rows(np.array(p, float)) for p in ports
    ]
    room = pool.allowed() - np.sum(taken, axis=0) - controller
    room = np.where(room > 0, room, pool.allowed())  # any scale is valid, this one is tight
    share, prices = priced_share(pool.loads(room))
    worth = np.divide(prices, room, out=np.zeros_like(prices), where=room > 0)

    def replicas(amounts: Amounts) -> float:
        return float(np.maximum(amounts, 0.0) @ worth) / share if share > 0 else MOST_REPLICAS

    beside = tuple(
        -inf if port is None else replicas(pool.allowed(problem.regions_of(board)) - gone)
        for board, port, gone in zip(problem.boards, ports, taken, strict=True)
    )
    return beside, replicas(controller)


def _least_port(problem: Problem, board: int) -> Vector | None:
    """Return what one stream to other boards takes of a board at least; None without a way."""
    nothing = (0,) * len(problem.resources)
    ends = [
        tuple(map(sum, zip(end.charge or nothing, end.adapter or nothing, strict=True)))
        for link in problem.links
        if link.kind is not CrossingKind.DIE
        for end in link.ends
        if problem.regions[end.region].board == board
    ]
    return tuple(map(min, zip(*ends, strict=True))) if ends else None
