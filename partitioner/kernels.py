"""In how many kernels the items of a board are built, as rows of models.

Kernels must not form circles, so a pipeline that comes back to a region is another kernel there
(`partitioner.verify.segment_kernels`). Rows count what no placement can have fewer of; where a
placement has more, `Kernels.learn` says so to the model.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise, product

import networkx as nx

from partitioner.limits import Row
from partitioner.model import Model
from partitioner.plan import CrossingKind
from partitioner.problem import PORT_KERNELS, Problem
from partitioner.solution import Placement
from partitioner.verify import compute_units, measure, segment_kernels


def count_runs(model: Model, name: str, kernels: int, path: Sequence[Row]) -> list[int]:
    """Add the rows ``begun`` and ``runs``: no fewer kernels than runs of a path's items.

    Where a path comes back to a region, what sits there is another kernel.

    Args:
        model: Gets the rows.
        name: Of the region, in rows.
        kernels: Variable of the kernels there.
        path: Per item of the path, the variables that count its copies there.

    Returns:
        Per further item of the path, the variable of how many runs begin with it.
    """
    begun: list[int] = []
    for number, (before, here) in enumerate(pairwise(path)):
        index = model.continuous(f"begun[{name},{number}]")
        came = dict.fromkeys(before, -1.0)
        model.at_most(f"begun[{name},{number}]", {**here, **came, index: -1.0}, 0.0)
        begun.append(index)
    runs = {**dict.fromkeys(begun, 1.0), kernels: -1.0}
    model.at_most(f"runs[{name}]", {**(path[0] if path else {}), **runs}, 0.0)
    return begun


@dataclass(slots=True, kw_only=True)
class Kernels:
    """The kernels of every replica in the general model.

    Attributes:
        problem: What is solved.
        model: Gets the rows.
        sits: Variable by replica, item, region and option.
        flow: Variable by replica, arc, link and direction.
        used: Variable by link.
        at: Returns the variables of a replica's item in a region, whichever option it has.
    """

    problem: Problem
    model: Model
    sits: Mapping[tuple[int, int, int, int], int]
    flow: Mapping[tuple[int, int, int, bool], int]
    used: Mapping[int, int]
    at: Callable[[int, int, int], Row]
    _here: dict[tuple[int, int], int] = field(default_factory=dict)

    def respect(self) -> None:
        """Rows ``kernels`` per board, if so many could be that the limit matters.

        Kernels of a replica in a region are no fewer than one if anything sits there, than the runs
        of items along its longest path, than its control ports; `learn` says where more are.
        """
        most = self.problem.compute_units
        if most is None or not self._bind(most):
            return
        rows: dict[int, Row] = {board: defaultdict(float) for board in self.problem.boards}
        path = self.problem.longest_path
        for replica in range(self.problem.replicas):
            for region in self.problem.places:
                name = f"{replica},{region}"
                kernels = self.model.continuous(f"kernels[{name}]")
                self._here[replica, region] = kernels
                rows[self.problem.board_of(region)][kernels] += 1.0
                for j in range(len(self.problem.items)):
                    row = {**self.at(replica, j, region), kernels: -1.0}
                    self.model.at_most(f"kernel[{replica},{j},{region}]", row, 0.0)
                along = [self.at(replica, j, region) for j in path]
                count_runs(self.model, name, kernels, along)
                ports = self._control_ports(replica, region)
                self.model.at_most(f"control[{name}]", {**ports, kernels: -1.0}, 0.0)
        self._count_movers(rows)
        for board, row in rows.items():
            self.model.at_most(f"kernels[{board}]", dict(row), float(most))

    def learn(self, placement: Placement) -> bool:
        """Add the rows ``learned`` if a placement has too many kernels; return whether it has.

        A replica that has these items in these regions, with no fewer control ports, has as many.
        """
        problem = self.problem
        most, loads = problem.compute_units, measure(problem, placement)
        if most is None or max(compute_units(problem, placement, loads).values()) <= most:
            return False
        found = segment_kernels(problem, placement)
        for like, board in product(range(problem.replicas), problem.boards):
            places = problem.regions_of(board)
            count = sum(found.get((like, region), 0) for region in places)
            row, items = self._as_placed(placement, like, places)
            for replica in range(problem.replicas) if count else ():
                name = f"learned[{len(self.model.rows)},{replica},{board}]"
                kernels = {self._here[replica, region]: -1.0 for region in places}
                same = {self.sits[replica, *key]: float(count) for key in row}
                self.model.at_most(name, {**same, **kernels}, float(count * (items - 1)))
        return True

    def _as_placed(
        self, placement: Placement, replica: int, places: tuple[int, ...]
    ) -> tuple[list[tuple[int, int, int]], int]:
        """Return what says how many kernels a replica has in some regions, and of how many items.

        Those there and all before them, each as (item, region, option), with every option that has
        no fewer control ports than the one placed.
        """
        problem, offset = self.problem, replica * len(self.problem.items)
        there = {j for j in range(len(problem.items)) if placement.regions[offset + j] in places}
        there |= {before for j in there for before in nx.ancestors(problem.flow, j)}
        keys = []
        for j in sorted(there):
            region, chosen = placement.regions[offset + j], placement.options[offset + j]
            ports = problem.items[j].options[chosen].control_ports
            for v, option in enumerate(problem.items[j].options):
                if (replica, j, region, v) in self.sits and option.control_ports >= ports:
                    keys.append((j, region, v))
        return keys, len(there)

    def _bind(self, most: int) -> bool:
        """Whether a board could run out of kernels at all, were no two items in one."""
        problem, links = self.problem, len(self.problem.links)
        items = sum(max(1, *(o.control_ports for o in item.options)) for item in problem.items)
        movers = sum(item.memory_ports for item in problem.items)
        ends = 2 * links * len(problem.arcs)
        return problem.replicas * (items + movers + ends) + 2 * PORT_KERNELS * links > most

    def _control_ports(self, replica: int, region: int) -> Row:
        return {
            index: float(ports)
            for j, item in enumerate(self.problem.items)
            for v, option in enumerate(item.options)
            if (ports := option.control_ports)
            and (index := self.sits.get((replica, j, region, v))) is not None
        }

    def _count_movers(self, rows: dict[int, Row]) -> None:
        """Add memory movers, network kernels and adapters to the kernels of each board."""
        regions, links = self.problem.regions, self.problem.links
        for (_, j, region, _), index in self.sits.items():
            memory, board = regions[region].memory, regions[region].board
            if memory is not None and board is not None:
                rows[board][index] += self.problem.items[j].memory_ports
        for (_, _, number, _), index in self.flow.items():
            for end in links[number].ends:
                board = regions[end.region].board
                is_copy = links[number].kind is CrossingKind.HOST
                copies = is_copy and regions[end.region].memory is not None
                if board is not None and (end.port is not None or copies):
                    rows[board][index] += 1.0
        for number, index in self.used.items():
            for end in links[number].ends:
                board = regions[end.region].board
                if board is not None and end.port is not None:
                    rows[board][index] += PORT_KERNELS
