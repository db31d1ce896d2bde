"""The general formulation: any links, any graph, any number of replicas.

An item sits in a region with an option; every stream is a unit of flow from its producer's region
to its consumer's over the links. One function per family of constraints, every row named. Weaker
than walks on trees, but right everywhere.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import pairwise
from math import inf

from partitioner.clock import Clock
from partitioner.kernels import Kernels
from partitioner.limits import Row, limit_region
from partitioner.model import Model
from partitioner.plan import CrossingKind
from partitioner.problem import Problem, Vector
from partitioner.solution import Hop, Placement
from partitioner.solver import Answer, SolverOptions, Status, minimise

_MEGABIT = 1e6
"""Rates enter the model in Mbit/s: solvers dislike coefficients of 1e10."""

_MOST_LESSONS = 20
"""Answers with too many kernels after which no other is asked for."""


@dataclass(slots=True)
class Formulation:
    """The model of a problem.

    Attributes:
        problem: What is solved.
        model: Under construction, complete after creation.
    """

    problem: Problem
    model: Model = field(init=False)
    _sits: dict[tuple[int, int, int, int], int] = field(default_factory=dict)
    _flow: dict[tuple[int, int, int, bool], int] = field(default_factory=dict)
    _used: dict[int, int] = field(default_factory=dict)
    _memory: dict[int, int] = field(default_factory=dict)
    _kernels: Kernels = field(init=False)

    def __post_init__(self) -> None:
        self.model = Model(self.problem.name)
        for replica in range(self.problem.replicas):
            self._place_items(replica)
            self._route_arcs(replica)
            self._keep_groups(replica)
            self._keep_segments(replica)
        self._build_ends()
        self._build_memories()
        self._respect_capacities()
        self._respect_links()
        self._kernels = Kernels(
            problem=self.problem,
            model=self.model,
            sits=self._sits,
            flow=self._flow,
            used=self._used,
            at=self._at,
        )
        self._kernels.respect()
        self._break_symmetry()

    def _place_items(self, replica: int) -> None:
        """Rows ``once``: every item sits in one region, built by one option."""
        for j, item in enumerate(self.problem.items):
            row: Row = {}
            for region in self.problem.allowed_regions(j):
                for v, option in enumerate(item.options):
                    if option.fits_part(self.problem.regions[region].part):
                        index = self.model.binary(f"x[{replica},{j},{region},{v}]")
                        self._sits[replica, j, region, v] = index
                        row[index] = 1.0
            self.model.equal(f"once[{replica},{j}]", row, 1.0)

    def _at(self, replica: int, item: int, region: int, sign: float = 1.0) -> Row:
        return {
            index: sign
            for v in range(len(self.problem.items[item].options))
            if (index := self._sits.get((replica, item, region, v))) is not None
        }

    def _route_arcs(self, replica: int) -> None:
        """Rows ``flow``: what leaves a region is what is made there and what comes in.

        Rows ``boards``: without routes through a third board a stream takes one board link (or
        two halves of one, at a switch or the host), unless the user allows more.
        """
        for a, arc in enumerate(self.problem.arcs):
            balance: list[Row] = [defaultdict(float) for _ in self.problem.regions]
            boards: Row = {}
            for number, link in enumerate(self.problem.links):
                if self.problem.usable(arc, link):
                    boards |= self._flows(replica, a, number, balance)
            for region, row in enumerate(balance):
                for index, value in self._at(replica, arc.source, region, -1.0).items():
                    row[index] += value
                for index, value in self._at(replica, arc.target, region).items():
                    row[index] += value
                if row:
                    self.model.equal(f"flow[{replica},{a},{region}]", dict(row), 0.0)
            if boards and not self.problem.through_boards:
                self.model.at_most(f"boards[{replica},{a}]", boards, 1.0)

    def _flows(self, replica: int, a: int, number: int, balance: list[Row]) -> Row:
        """Add an arc's two flows over a link; return what they count as board links."""
        link = self.problem.links[number]
        boards: Row = {}
        for forward in (True, False):
            index = self.model.binary(f"flow[{replica},{a},{number},{int(forward)}]")
            self._flow[replica, a, number, forward] = index
            near, far = link.regions if forward else link.regions[::-1]
            balance[near][index] += 1.0
            balance[far][index] -= 1.0
            self.model.charge({index: float(link.cost)})
            if link.kind is not CrossingKind.DIE:
                boards[index] = 0.5 if self._touches_hub(number) else 1.0
        return boards

    def _touches_hub(self, link: int) -> bool:
        return any(self.problem.regions[r].is_hub for r in self.problem.links[link].regions)

    def _keep_groups(self, replica: int) -> None:
        """Rows ``together`` and ``same_board``."""
        for group in self.problem.together:
            for first, second in pairwise(group):
                for region in self.problem.places:
                    self._equal(replica, first, second, (region,), "together")
        for group in self.problem.same_board:
            for first, second in pairwise(group):
                for board in self.problem.boards:
                    regions = self.problem.regions_of(board)
                    self._equal(replica, first, second, regions, "same_board")

    def _equal(
        self, replica: int, first: int, second: int, regions: tuple[int, ...], name: str
    ) -> None:
        row: Row = {}
        for region in regions:
            row |= self._at(replica, first, region)
            row |= self._at(replica, second, region, -1.0)
        if row:
            self.model.equal(f"{name}[{replica},{first},{second},{regions[0]}]", row, 0.0)

    def _keep_segments(self, replica: int) -> None:
        """Rows ``segment``: boards of a replica have levels that rise along its streams."""
        if not self.problem.segmented:
            return
        count = len(self.problem.boards)
        level = {
            b: self.model.continuous(f"level[{replica},{b}]", 0.0, count - 1.0)
            for b in self.problem.boards
        }
        for a, arc in enumerate(self.problem.arcs):
            for here in self.problem.boards:
                for there in self.problem.boards:
                    if here != there:
                        # level[there] >= level[here] + 1 if the arc goes from here to there
                        row: Row = {level[here]: 1.0, level[there]: -1.0}
                        for region in self.problem.regions_of(here):
                            row |= self._at(replica, arc.source, region, float(count))
                        for region in self.problem.regions_of(there):
                            for i in self._at(replica, arc.target, region):
                                row[i] = row.get(i, 0.0) + count
                        self.model.at_most(
                            f"segment[{replica},{a},{here},{there}]", row, 2.0 * count - 1.0
                        )

    def _build_ends(self) -> None:
        """Rows ``port``: a link that carries anything is built at both ends."""
        for number, link in enumerate(self.problem.links):
            if not any(any(end.charge) or end.port is not None for end in link.ends):
                continue
            self._used[number] = self.model.binary(f"used[{number}]")
            for (replica, a, other, forward), index in self._flow.items():
                if other == number:
                    self.model.at_most(
                        f"port[{replica},{a},{number},{int(forward)}]",
                        {index: 1.0, self._used[number]: -1.0},
                        0.0,
                    )

    def _build_memories(self) -> None:
        """Rows ``memory``: a memory port builds the controller of its region's memory.

        Rows ``memory_ports``: kernel interfaces per memory.
        """
        ports: dict[int, Row] = defaultdict(lambda: defaultdict(float))
        for (replica, j, region, v), index in self._sits.items():
            home, count = self.problem.regions[region].memory, self.problem.items[j].memory_ports
            if home is not None and count:
                self._need_memory(home, index, f"memory[{replica},{j},{region},{v}]")
                ports[home][index] += count
        for (replica, a, number, forward), index in self._flow.items():
            link = self.problem.links[number]
            ends = [r for r in link.regions if not self.problem.regions[r].is_hub]
            home = self.problem.regions[ends[0]].memory if ends else None
            if link.kind is CrossingKind.HOST and home is not None:
                self._need_memory(home, index, f"copy[{replica},{a},{number},{int(forward)}]")
                ports[home][index] += 1
        for home, row in sorted(ports.items()):
            most = self.problem.regions[home].memory_ports
            if most is not None:
                self.model.at_most(f"memory_ports[{home}]", dict(row), float(most))

    def _need_memory(self, home: int, index: int, name: str) -> None:
        if home not in self._memory:
            self._memory[home] = self.model.binary(f"controller[{home}]")
        self.model.at_most(name, {index: 1.0, self._memory[home]: -1.0}, 0.0)

    def _respect_capacities(self) -> None:
        """Rows ``capacity`` per region and resource, ``mean`` per region and limit on a mean."""
        amounts: list[list[Row]] = [
            [defaultdict(float) for _ in self.problem.resources] for _ in self.problem.regions
        ]
        for region, index, vector in self._charges():
            for r, amount in enumerate(vector):
                if amount:
                    amounts[region][r][index] += amount
        for region in self.problem.places:
            limit_region(self.model, self.problem, region, [dict(row) for row in amounts[region]])

    def _charges(self) -> Iterator[tuple[int, int, Vector]]:
        """Yield (region, variable, resources it takes there)."""
        for (_, j, region, v), index in self._sits.items():
            yield region, index, self.problem.items[j].options[v].resources
        for number, index in self._used.items():
            for end in self.problem.links[number].ends:
                yield end.region, index, end.charge
        for (_, _, number, _), index in self._flow.items():
            for end in self.problem.links[number].ends:
                yield end.region, index, end.adapter
        for home, index in self._memory.items():
            yield home, index, self.problem.regions[home].memory_charge

    def _respect_links(self) -> None:
        """Rows ``wires`` and ``payload`` per hop, ``sockets`` per link."""
        wires: dict[Hop, Row] = defaultdict(dict)
        bits: dict[Hop, Row] = defaultdict(dict)
        streams: dict[int, Row] = defaultdict(dict)
        for (replica, a, number, forward), index in self._flow.items():
            arc = self.problem.arcs[a]
            wires[number, forward] |= self._width(replica, a, number, index, forward=forward)
            bits[number, forward][index] = arc.bits_per_second / _MEGABIT
            streams[number][index] = 1.0
        for hop in sorted(wires):
            link = self.problem.links[hop[0]]
            name = f"{link.regions[0]},{link.regions[1]},{int(hop[1])}"
            if link.wires is not None:
                self.model.at_most(f"wires[{name}]", wires[hop], float(link.wires))
            if link.bits_per_second is not None:
                most = link.bits_per_second / _MEGABIT
                self.model.at_most(f"payload[{name},{hop[0]}]", bits[hop], most)
        for number in sorted(streams):
            sockets = [e.sockets for e in self.problem.links[number].ends if e.sockets is not None]
            if sockets:
                self.model.at_most(f"sockets[{number}]", streams[number], float(min(sockets)))

    def _width(self, replica: int, a: int, number: int, flow: int, *, forward: bool) -> Row:
        """Return the wires of an arc on a hop; if they depend on the option, a new variable.

        Rows ``width``: the variable is at least the chosen option's width while the arc flows.
        """
        arc = self.problem.arcs[a]
        options = range(len(self.problem.items[arc.source].options))
        widths = [self.problem.arc_wires(arc, v) for v in options]
        if self.problem.links[number].wires is None:
            return {}
        if len(set(widths)) == 1:
            return {flow: float(widths[0])}
        name = f"width[{replica},{a},{number},{int(forward)}]"
        width = self.model.continuous(name, 0.0, float(max(widths)))
        most = float(max(widths))
        row: Row = {width: -1.0, flow: most}
        for (other, j, _, v), index in self._sits.items():
            if (other, j) == (replica, arc.source):
                row[index] = float(widths[v])
        self.model.at_most(name, row, most)
        return {width: 1.0}

    def _break_symmetry(self) -> None:
        """Rows ``replica``: equal replicas are numbered by where their first item sits."""
        for replica in range(self.problem.replicas - 1):
            row: Row = {}
            for region in self.problem.places:
                row |= self._at(replica, 0, region, float(region))
                row |= self._at(replica + 1, 0, region, -float(region))
            self.model.at_most(f"replica[{replica}]", row, 0.0)

    def solve(self, options: SolverOptions, seconds: float, *, gap: float = 1e-6) -> Answer:
        """Return an answer whose kernels are counted as they are built; none where lessons end."""
        clock, bound = Clock(seconds, options.meter, options.stop), -inf
        for _ in range(_MOST_LESSONS):
            answer = minimise(self.model, options, seconds=clock.left(), gap=gap)
            bound = max(bound, answer.bound)
            if answer.values is None or not self._kernels.learn(self.placement(answer)):
                return replace(answer, bound=bound)
        return Answer(status=Status.UNKNOWN, objective=inf, bound=bound, values=None)

    def placement(self, answer: Answer) -> Placement:
        """Return the placement of an answer."""
        problem = self.problem
        size = len(problem.items)
        regions = [0] * (problem.replicas * size)
        options = [0] * (problem.replicas * size)
        for (replica, j, region, v), index in self._sits.items():
            if answer.chosen(index):
                regions[replica * size + j], options[replica * size + j] = region, v
        routes = tuple(
            self._route(answer, replica, a, regions[replica * size + arc.source])
            for replica in range(problem.replicas)
            for a, arc in enumerate(problem.arcs)
        )
        return Placement(regions=tuple(regions), options=tuple(options), routes=routes)

    def _route(self, answer: Answer, replica: int, a: int, start: int) -> tuple[Hop, ...]:
        """Follow the flow of an arc from its source; circles in it and beside it are left out."""
        taken = {
            (link, forward)
            for (r, arc, link, forward), index in self._flow.items()
            if (r, arc) == (replica, a) and answer.chosen(index)
        }
        route: list[Hop] = []
        trail = [start]
        while hop := next((h for h in sorted(taken) if self._leaves(h) == trail[-1]), None):
            taken.remove(hop)
            route.append(hop)
            arrived = self.problem.links[hop[0]].regions[1 if hop[1] else 0]
            stop = trail.index(arrived) if arrived in trail else len(route)
            del trail[stop:], route[stop:]
            trail.append(arrived)
        return tuple(route)

    def _leaves(self, hop: Hop) -> int:
        return self.problem.links[hop[0]].regions[0 if hop[1] else 1]
