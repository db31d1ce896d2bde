"""All replicas at once: how many copies of each item sit in each region, whichever replica's.

Replicas are alike, so counting copies leaves out their symmetry: the model does not grow with their
number. Streams become flows between the counts. Every placement has such counts, so what they
refuse is impossible; on chains the reverse holds as well, and copies are matched to replicas.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise
from math import inf

from partitioner.clock import Clock
from partitioner.counting.matching import placed
from partitioner.kernels import count_runs
from partitioner.limits import Row, limit_region
from partitioner.model import Model
from partitioner.plan import CrossingKind
from partitioner.problem import PORT_KERNELS, Link, Problem, Vector
from partitioner.solution import Hop, Placement
from partitioner.solver import Answer, SolverOptions, Status, minimise
from partitioner.verify import measure
from partitioner.walks.tree import Ground

_MEGABIT = 1e6

STRAIN_TOLERANCE = 1e-6
"""Share by which limits may be exceeded without being so, for solvers count with fractions."""


@dataclass(slots=True)
class Census:
    """The model of a problem's counts.

    Attributes:
        problem: What is solved.
        charged: Whether crossings cost; without it any placement is as good as any other.
        split: Boards on which copies may be split between options and dies, which leaves a much
            smaller search; what is refused is impossible all the same.
        counted: Whether kernels are counted even where replicas that visit every die twice at most
            could not use them up.
        spare: Where it is given, limits on resources may be exceeded by a share of them, which is
            made as small as can be, or until so much of them is left.
        model: Under construction, complete after creation.
    """

    problem: Problem
    charged: bool = False
    split: frozenset[int] = frozenset()
    counted: bool = False
    spare: float | None = None
    model: Model = field(init=False)
    _copies: dict[tuple[int, int, int], int] = field(default_factory=dict)
    _on_board: dict[tuple[int, int], int] = field(default_factory=dict)
    _flow: dict[tuple[int, int, bool], int] = field(default_factory=dict)
    _used: dict[int, int] = field(default_factory=dict)
    _memory: dict[int, int] = field(default_factory=dict)
    _segments: dict[int, int] = field(default_factory=dict)
    _begun: dict[int, list[int]] = field(default_factory=dict)
    _strain: int | None = None

    def __post_init__(self) -> None:
        self.model = Model(f"counts of {self.problem.name}")
        if self.spare is not None:
            self._strain = self.model.continuous("strain", -1.0, 1.0)
            self.model.charge({self._strain: 1.0})
        self._place_items()
        self._keep_whole()
        self._route_arcs()
        self._keep_groups()
        self._build_ends()
        ports = self._build_memories()
        self._respect_capacities()
        self._respect_links()
        self._respect_kernels(ports)
        self._break_symmetry()

    def solve(
        self,
        options: SolverOptions,
        seconds: float,
        *,
        gap: float = 1.0,
        nodes: float = inf,
    ) -> Answer:
        """Return an answer; what even fractions of copies refuse is told at once."""
        clock = Clock(seconds, options.meter, options.stop)
        target, most = -inf, inf
        if self.spare is not None:
            target, most = -self.spare, STRAIN_TOLERANCE
        fractions = minimise(self.model, options, seconds=seconds, relaxed=True)
        if fractions.status is Status.OPTIMAL and fractions.objective > most:
            return replace(fractions, status=Status.INFEASIBLE, values=None)
        if fractions.status is Status.INFEASIBLE:
            return fractions
        answer = minimise(
            self.model,
            options,
            seconds=clock.left(),
            gap=gap,
            nodes=nodes,
            target=target,
            enough=most,
        )
        refused = answer.bound > most
        return replace(answer, status=Status.INFEASIBLE, values=None) if refused else answer

    def _place_items(self) -> None:
        """Rows ``every``: every item is placed once per replica."""
        problem = self.problem
        for j, item in enumerate(problem.items):
            row: Row = {}
            for region in problem.allowed_regions(j):
                for v, option in enumerate(item.options):
                    if option.fits_part(problem.regions[region].part):
                        self._copies[j, region, v] = self._number(region, f"n[{j},{region},{v}]")
                row |= self._at(j, region)
            self.model.equal(f"every[{j}]", row, float(problem.replicas))

    def _keep_whole(self) -> None:
        """Rows ``whole``: split or not, a board holds a whole number of copies of every item."""
        for j in range(len(self.problem.items)):
            for board in sorted(self.split):
                row: Row = {}
                for region in self.problem.regions_of(board):
                    row |= self._at(j, region)
                whole = self.model.whole(f"n[{j},{board}]", self.problem.replicas)
                self._on_board[j, board] = whole
                self.model.equal(f"whole[{j},{board}]", {**row, whole: -1.0}, 0.0)

    def _number(self, region: int, name: str) -> int:
        most = self.problem.replicas
        if self.problem.board_of(region) in self.split:
            return self.model.continuous(name, 0.0, most)
        return self.model.whole(name, most)

    def _at(self, item: int, region: int, sign: float = 1.0) -> Row:
        return {
            index: sign
            for v in range(len(self.problem.items[item].options))
            if (index := self._copies.get((item, region, v))) is not None
        }

    def _route_arcs(self) -> None:
        """Rows ``flow``: copies of producer and consumer differ by what flows in and out."""
        for a, arc in enumerate(self.problem.arcs):
            balance: list[Row] = [defaultdict(float) for _ in self.problem.regions]
            for number, link in enumerate(self.problem.links):
                if self.problem.usable(arc, link):
                    self._flows(a, number, balance)
            for region, row in enumerate(balance):
                row.update(self._at(arc.source, region, -1.0))
                for index in self._at(arc.target, region):
                    row[index] += 1.0
                if row:
                    self.model.equal(f"flow[{a},{region}]", dict(row), 0.0)

    def _flows(self, a: int, number: int, balance: list[Row]) -> None:
        link = self.problem.links[number]
        for forward in (True, False):
            name = f"flow[{a},{number},{int(forward)}]"
            index = self.model.continuous(name, 0.0, float(self.problem.replicas))
            self._flow[a, number, forward] = index
            near, far = link.regions if forward else link.regions[::-1]
            balance[near][index] += 1.0
            balance[far][index] -= 1.0
            if self.charged:
                self.model.charge({index: float(link.cost)})

    def _keep_groups(self) -> None:
        """Rows ``together`` and ``same_board``: members have equal counts everywhere."""
        for group in self.problem.together:
            for first, second in pairwise(group):
                for region in self.problem.places:
                    self._equal("together", first, second, (region,))
        for group in self.problem.same_board:
            for first, second in pairwise(group):
                for board in self.problem.boards:
                    self._equal("same_board", first, second, self.problem.regions_of(board))

    def _equal(self, name: str, first: int, second: int, regions: tuple[int, ...]) -> None:
        row: Row = {}
        for region in regions:
            row |= self._at(first, region)
            row |= self._at(second, region, -1.0)
        if row:
            self.model.equal(f"{name}[{first},{second},{regions[0]}]", row, 0.0)

    def _build_ends(self) -> None:
        """Rows ``port``: a link that carries anything is built at both ends."""
        for number, link in enumerate(self.problem.links):
            if not any(any(end.charge) or end.port is not None for end in link.ends):
                continue
            self._used[number] = self.model.binary(f"used[{number}]")
            for (a, other, forward), index in self._flow.items():
                if other == number:
                    self._implies(f"port[{a},{number},{int(forward)}]", {index: 1.0}, number)

    def _implies(self, name: str, row: Row, link: int) -> None:
        self.model.at_most(name, {**row, self._used[link]: -float(self.problem.replicas)}, 0.0)

    def _build_memories(self) -> dict[int, Row]:
        """Rows ``memory`` and ``memory_ports``; return the ports per memory."""
        ports: dict[int, Row] = defaultdict(lambda: defaultdict(float))
        for j, item in enumerate(self.problem.items):
            users: dict[int, Row] = defaultdict(dict)
            for region in self.problem.places if item.memory_ports else ():
                home = self.problem.regions[region].memory
                if home is not None:
                    users[home] |= self._at(j, region)
            for home, row in users.items():
                self._need_memory(f"memory[{j},{home}]", home, row)
                for index in row:
                    ports[home][index] += item.memory_ports
        for (a, number, forward), index in self._flow.items():
            home = _host_memory(self.problem, self.problem.links[number])
            if home is not None:
                self._need_memory(f"copy[{a},{number},{int(forward)}]", home, {index: 1.0})
                ports[home][index] += 1
        for home, row in sorted(ports.items()):
            most = self.problem.regions[home].memory_ports
            if most is not None:
                self.model.at_most(f"memory_ports[{home}]", dict(row), float(most))
        return ports

    def _need_memory(self, name: str, home: int, row: Row) -> None:
        if home not in self._memory:
            self._memory[home] = self.model.binary(f"controller[{home}]")
        self.model.at_most(name, {**row, self._memory[home]: -float(self.problem.replicas)}, 0.0)

    def _respect_capacities(self) -> None:
        amounts: list[list[Row]] = [
            [defaultdict(float) for _ in self.problem.resources] for _ in self.problem.regions
        ]
        for region, index, vector in self._charges():
            for r, amount in enumerate(vector):
                if amount:
                    amounts[region][r][index] += amount
        for region in self.problem.places:
            rows = [dict(row) for row in amounts[region]]
            limit_region(self.model, self.problem, region, rows, strain=self._strain)

    def _charges(self) -> Iterator[tuple[int, int, Vector]]:
        """Yield (region, variable, resources each unit of it takes there)."""
        for (j, region, v), index in self._copies.items():
            yield region, index, self.problem.items[j].options[v].resources
        for number, index in self._used.items():
            for end in self.problem.links[number].ends:
                yield end.region, index, end.charge
        for (_, number, _), index in self._flow.items():
            for end in self.problem.links[number].ends:
                yield end.region, index, end.adapter
        for home, index in self._memory.items():
            yield home, index, self.problem.regions[home].memory_charge

    def _respect_links(self) -> None:
        """Rows ``wires`` and ``payload`` per hop, ``sockets`` per link; the narrowest count."""
        wires: dict[Hop, Row] = defaultdict(dict)
        bits: dict[Hop, Row] = defaultdict(dict)
        streams: dict[int, Row] = defaultdict(dict)
        for (a, number, forward), index in self._flow.items():
            arc = self.problem.arcs[a]
            options = range(len(self.problem.items[arc.source].options))
            narrowest = min(self.problem.arc_wires(arc, v) for v in options)
            wires[number, forward][index] = float(narrowest)
            bits[number, forward][index] = arc.bits_per_second / _MEGABIT
            streams[number][index] = 1.0
        for (number, forward), row in sorted(wires.items()):
            link, hop = self.problem.links[number], (number, forward)
            if link.wires is not None:
                self.model.at_most(f"wires[{hop}]", row, float(link.wires))
            if link.bits_per_second is not None:
                self.model.at_most(f"payload[{hop}]", bits[hop], link.bits_per_second / _MEGABIT)
        for number, row in sorted(streams.items()):
            sockets = [e.sockets for e in self.problem.links[number].ends if e.sockets is not None]
            if sockets:
                self.model.at_most(f"sockets[{number}]", row, float(min(sockets)))

    def _respect_kernels(self, ports: dict[int, Row]) -> None:
        """Rows ``kernels`` per board: a region holds as many segments as copies of any item.

        A segment ends where its stream leaves the region. Segments are counted as one kernel each,
        or all together as their control ports.
        """
        problem, most = self.problem, self.problem.compute_units
        if most is None or not (self.counted or self._kernels_bind(most)):
            return
        path = problem.longest_path
        rows: dict[int, Row] = {board: defaultdict(float) for board in problem.boards}
        for region in problem.places:
            segments = self.model.continuous(f"segments[{region}]")
            self._segments[region] = segments
            rows[problem.board_of(region)][segments] += 1.0
            for j in range(len(problem.items)):
                row = {**self._at(j, region), segments: -1.0}
                self.model.at_most(f"segments[{j},{region}]", row, 0.0)
            along = [self._at(j, region) for j in path]
            self._begun[region] = count_runs(self.model, str(region), segments, along)
            ports_here = self._control_ports(region)
            self.model.at_most(f"control[{region}]", {**ports_here, segments: -1.0}, 0.0)
        for home, movers in ports.items():
            for index, count in movers.items():
                rows[problem.board_of(home)][index] += count
        self._count_network(rows)
        for board, kernels in rows.items():
            self.model.at_most(f"kernels[{board}]", dict(kernels), float(most))

    def _control_ports(self, region: int) -> Row:
        return {
            index: float(ports)
            for (j, place, v), index in self._copies.items()
            if place == region and (ports := self.problem.items[j].options[v].control_ports)
        }

    def _count_network(self, rows: dict[int, Row]) -> None:
        """Add the kernels of network ports in use and one per stream on them."""
        counted = [(number, index, 1.0) for (_, number, _), index in self._flow.items()]
        ports = float(PORT_KERNELS)
        counted += [(number, index, ports) for number, index in self._used.items()]
        for number, index, kernels in counted:
            for end in self.problem.links[number].ends:
                if end.port is not None:
                    rows[self.problem.board_of(end.region)][index] += kernels

    def _kernels_bind(self, most: int) -> bool:
        """Whether a board could run out of kernels without many more crossings than dies."""
        problem = self.problem
        segments = 2 * max(len(problem.regions_of(board)) for board in problem.boards)
        movers = sum(item.memory_ports for item in problem.items)
        return problem.replicas * (segments + movers + len(problem.boards)) > most

    def _break_symmetry(self) -> None:
        """Rows ``equal``: of two interchangeable boards the first holds no less."""
        problem = self.problem
        for renaming in Ground(problem=problem).symmetries:
            moved = sorted({problem.board_of(r) for r in problem.places if renaming[r] != r})
            if len(moved) == 2:
                row: Row = {}
                for board, sign in zip(moved, (-1.0, 1.0), strict=True):
                    for region in problem.regions_of(board):
                        for j in range(len(problem.items)):
                            row |= self._at(j, region, sign)
                self.model.at_most(f"equal[{moved[0]},{moved[1]}]", row, 0.0)

    def boards(self, answer: Answer) -> dict[tuple[int, int], int]:
        """Return how many copies of each item are on each board, by item and board."""
        if answer.values is None:
            return {}
        return {key: round(answer.values[index]) for key, index in self._on_board.items()}

    def keep_boards(self, copies: Mapping[tuple[int, int], int]) -> None:
        """Rows ``kept``: so many copies of each item on each board."""
        for (j, board), count in copies.items():
            row: Row = {}
            for region in self.problem.regions_of(board):
                row |= self._at(j, region)
            self.model.equal(f"kept[{j},{board}]", row, float(count))

    def begin_with(self, placement: Placement) -> None:
        """Give the solver a placement to begin with."""
        size, arcs = len(self.problem.items), len(self.problem.arcs)
        values = [0.0] * len(self.model.variables)
        for position, (region, option) in enumerate(
            zip(placement.regions, placement.options, strict=True)
        ):
            values[self._copies[position % size, region, option]] += 1.0
        for number, route in enumerate(placement.routes):
            for link, forward in route:
                values[self._flow[number % arcs, link, forward]] += 1.0
                if link in self._used:
                    values[self._used[link]] = 1.0
        loads = measure(self.problem, placement)
        for home in loads.memory_ports:
            values[self._memory[home]] = 1.0
        path = self.problem.longest_path
        for region, index in self._segments.items():
            copies = [sum(values[i] for i in self._at(j, region)) for j in range(size)]
            ports = self._control_ports(region).items()
            runs = copies[path[0]] if path else 0.0
            for begun, (j, after) in zip(self._begun[region], pairwise(path), strict=True):
                values[begun] = max(0.0, copies[after] - copies[j])
                runs += values[begun]
            values[index] = max(*copies, runs, sum(values[i] * count for i, count in ports))
        self.model.first = values

    def join(self, board: int) -> None:
        """Rows ``joined``: some network port of a board is built."""
        ports = [
            self._used[number]
            for number, link in enumerate(self.problem.links)
            if number in self._used
            and any(self.problem.regions[region].board == board for region in link.regions)
        ]
        if ports:
            self.model.at_most(f"joined[{board}]", dict.fromkeys(ports, -1.0), -1.0)

    def counts(self, answer: Answer) -> dict[tuple[int, int, int], int]:
        """Return the copies by item, region and option, where they are whole."""
        if answer.values is None:
            return {}
        return {
            key: copies
            for key, index in self._copies.items()
            if self.problem.board_of(key[1]) not in self.split
            and (copies := round(answer.values[index]))
        }

    def placement(self, answer: Answer) -> Placement | None:
        """Return a placement with these counts, None if copies or streams find no way."""
        if answer.values is None or self.split:
            return None
        return placed(self.problem, self.counts(answer))


def _host_memory(problem: Problem, link: Link) -> int | None:
    """Return the memory that copies over a link to the host use, None for other links."""
    if link.kind is not CrossingKind.HOST:
        return None
    return next((r.memory for i in link.regions if not (r := problem.regions[i]).is_hub), None)
