"""Which foldings let a frame through soonest: a linear model of curves under pooled resources.

Every layer picks one folding; times of its output points are at least what its curve and its
producers' times say; all regions are one. That is a relaxation of every placement, so the solver's
bound is a bound on latency. Where things sit is left to the caller.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from elasticdf.errors import InternalError
from elasticdf.simulation.curve import POINTS, STREAM_LATENCY, point_transfers
from partitioner.menu import Menu
from partitioner.model import Model
from partitioner.packing.chain import Loads
from partitioner.solver import Answer

Pick = tuple[int, ...]
"""Per layer, the index of its folding."""


@dataclass(slots=True)
class Wavefront:
    """The model.

    Attributes:
        menu: What layers offer.
        loads: Share of each limit of all regions that each choice takes, shape (layers, choices,
            limits), the choices of a layer in the order of its foldings; infinite if illegal.
        room: What may be used of each limit; above 1 for nothing.
        unit: Cycles that count as 1 in the model, to keep its numbers small.
        taken: Picks not to be made again.
    """

    menu: Menu
    loads: Loads
    room: float
    unit: float
    taken: Sequence[Pick] = ()
    model: Model = field(init=False)
    _folds: list[list[int]] = field(default_factory=list)
    _times: list[list[int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.model = Model("wavefront")
        self._fold_layers()
        self._keep_pairs()
        self._respect_resources()
        self._let_a_frame_through()
        for number, pick in enumerate(self.taken):
            self._exclude(number, pick)

    def _fold_layers(self) -> None:
        """Rows ``once``: every layer has one folding."""
        for j, folds in enumerate(self.menu.folds):
            row = [self.model.binary(f"fold[{j},{f}]") for f in range(len(folds))]
            self.model.equal(f"once[{j}]", dict.fromkeys(row, 1.0), 1.0)
            self._folds.append(row)

    def _keep_pairs(self) -> None:
        """Rows ``pair``: a folding of one layer needs one of its partners' at the other."""
        for first, second, allowed in self.menu.pairs:
            for here, there, pairs in (
                (first, second, allowed),
                (second, first, {(j, i) for i, j in allowed}),
            ):
                for f, index in enumerate(self._folds[here]):
                    row = {self._folds[there][g]: -1.0 for i, g in pairs if i == f}
                    self.model.at_most(f"pair[{here},{f},{there}]", {index: 1.0, **row}, 0.0)

    def _respect_resources(self) -> None:
        """Rows ``variant``: a folding is built in one way; rows ``room`` per limit."""
        rows: list[dict[int, float]] = [{} for _ in range(self.loads.shape[2])]
        for j, folds in enumerate(self.menu.folds):
            place = 0
            for f, fold in enumerate(folds):
                legal = [
                    v
                    for v in range(place, place + len(fold.choices))
                    if not np.isinf(self.loads[j, v]).any()
                ]
                place += len(fold.choices)
                picked = self._variants(j, f, legal)
                for v, index in zip(legal, picked, strict=True):
                    for row, share in zip(rows, self.loads[j, v], strict=True):
                        if share:
                            row[index] = float(share)
        for number, row in enumerate(rows):
            if row:
                self.model.at_most(f"room[{number}]", row, self.room)

    def _variants(self, j: int, f: int, legal: list[int]) -> list[int]:
        """Return a variable per variant; a share of each is enough for a relaxation."""
        if len(legal) == 1:
            return [self._folds[j][f]]
        found = [self.model.continuous(f"built[{j},{v}]", 0.0, 1.0) for v in legal]
        self.model.equal(
            f"variant[{j},{f}]", {**dict.fromkeys(found, 1.0), self._folds[j][f]: -1.0}, 0.0
        )
        return found

    def _let_a_frame_through(self) -> None:
        """Rows ``wait`` and ``pace``: when each point of each layer's output leaves it."""
        number = {layer.name: j for j, layer in enumerate(self.menu.graph.layers)}
        latency = self.model.continuous("latency")
        self.model.charge({latency: 1.0})
        for j, layer in enumerate(self.menu.graph.layers):
            self._times.append([self.model.continuous(f"leaves[{j},{k}]") for k in range(POINTS)])
            before = [number[name] for name in self.menu.graph.predecessors(layer.name)]
            for k in range(POINTS):
                self._wait(j, k, before)
        outputs = set(self.menu.graph.outputs)
        for j, layer in enumerate(self.menu.graph.layers):
            if outputs & set(layer.outputs):
                self._after(f"end[{j}]", latency, {self._times[j][-1]: 1.0}, STREAM_LATENCY)

    def _wait(self, j: int, k: int, before: list[int]) -> None:
        curves = [fold.curve for fold in self.menu.folds[j]]
        here = self._times[j][k]
        if k:
            pace = {i: c.gaps[k] / self.unit for i, c in zip(self._folds[j], curves, strict=True)}
            self._after(f"pace[{j},{k}]", here, {self._times[j][k - 1]: 1.0, **pace}, 0)
        waits = [wait for curve in curves if (wait := curve.waits[k]) is not None]
        if len(waits) < len(curves):
            return
        point = min(wait.point for wait in waits)
        for name, at, cycles in (
            ("wait", point, [wait.cycles for wait in waits]),
            ("first", 0, [wait.from_first for wait in waits]),
        ):
            own = {i: c / self.unit for i, c in zip(self._folds[j], cycles, strict=True)}
            if not before:
                came = min(int(point_transfers(curve.inputs)[at]) for curve in curves)
                self._after(f"{name}[{j},{k}]", here, own, STREAM_LATENCY + came)
            for p in before:
                terms = {self._times[p][at]: 1.0, **own}
                self._after(f"{name}[{j},{k},{p}]", here, terms, STREAM_LATENCY)

    def _after(self, name: str, later: int, terms: dict[int, float], cycles: int) -> None:
        """Add the row "this time is at least those terms and so many cycles"."""
        row = {**terms, later: -1.0}
        self.model.at_most(name, row, -cycles / self.unit)

    def _exclude(self, number: int, pick: Pick) -> None:
        row = {self._folds[j][f]: 1.0 for j, f in enumerate(pick)}
        self.model.at_most(f"taken[{number}]", row, len(pick) - 1.0)

    def pick(self, answer: Answer) -> Pick:
        """Return each layer's folding; of fractions the largest, the slower of equal ones."""
        if answer.values is None:
            raise InternalError("a wavefront without an answer was read")
        share = [[round(answer.values[i], 6) for i in row] for row in self._folds]
        found = [max(range(len(row)), key=lambda f: (row[f], f)) for row in share]
        for first, second, allowed in self.menu.pairs:
            found[first], found[second] = max(
                allowed, key=lambda pair: (min(share[first][pair[0]], share[second][pair[1]]), pair)
            )
        return tuple(found)

    def cycles(self, objective: float) -> float:
        """Return an objective in cycles."""
        return objective * self.unit
