"""The strong formulation: items laid monotonically along given walks.

``g[j,k]`` is 1 if item j sits at stop k of its walk or later. It grows along the pipeline and falls
along the walk, so the relaxation is almost integral. The cost of the main path of arcs is the
weight of the walk; other arcs pay for every step between their ends. Whether walks are worth trying
is decided in `partitioner.exact`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise

from partitioner.limits import limit_region
from partitioner.model import Model
from partitioner.problem import Problem, Vector
from partitioner.routes import RouteTable, assign_routes
from partitioner.solution import Hop, Placement
from partitioner.solver import Answer, SolverOptions, minimise
from partitioner.walks.tree import Ground, Walk

Expression = dict[int, float]


@dataclass(slots=True)
class WalkModel:
    """The model of laying one replica along each of some walks.

    Attributes:
        ground: The regions.
        walks: One per replica.
        model: Under construction.
    """

    ground: Ground
    walks: tuple[Walk, ...]
    loads: bool = True
    model: Model = field(init=False)
    _later: dict[tuple[int, int, int], int] = field(default_factory=dict)
    _option: dict[tuple[int, int, int, int], int] = field(default_factory=dict)
    _memory: dict[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.model = Model(f"{self.problem.name} along {self.walks}")
        for replica in range(len(self.walks)):
            self._positions(replica)
            self._order(replica)
            self._options(replica)
            self._anchors(replica)
            self._groups(replica)
            self._passages(replica)
        self._capacities()
        if self.loads:
            self._links()
        self._memories()
        self._extra_cost()

    @property
    def problem(self) -> Problem:
        """What is solved."""
        return self.ground.problem

    def _positions(self, replica: int) -> None:
        """Name the variables ``g``; at stop 0 every item has arrived, after the last none has."""
        walk = self.walks[replica]
        for j in range(len(self.problem.items)):
            for k in range(1, len(walk)):
                self._later[replica, j, k] = self.model.binary(f"g[{replica},{j},{k}]")

    def _g(self, replica: int, item: int, stop: int, sign: float = 1.0) -> tuple[Expression, float]:
        """Return ``sign * g`` as terms and a constant."""
        if stop == 0:
            return {}, sign
        if stop >= len(self.walks[replica]):
            return {}, 0.0
        return {self._later[replica, item, stop]: sign}, 0.0

    def _order(self, replica: int) -> None:
        """Rows ``g[j,k+1] <= g[j,k]`` and, along every arc, ``g[source,k] <= g[target,k]``."""
        stops = len(self.walks[replica])
        for j in range(len(self.problem.items)):
            for k in range(1, stops - 1):
                self._below(f"walk[{replica},{j},{k}]", (replica, j, k + 1), (replica, j, k))
        for arc in self.problem.arcs:
            for k in range(1, stops):
                self._below(
                    f"order[{replica},{arc.source},{arc.target},{k}]",
                    (replica, arc.source, k),
                    (replica, arc.target, k),
                )

    def _below(self, name: str, low: tuple[int, int, int], high: tuple[int, int, int]) -> None:
        self.model.at_most(name, {self._later[low]: 1.0, self._later[high]: -1.0}, 0.0)

    def _at(self, replica: int, item: int, region: int) -> tuple[Expression, float]:
        """Return terms and constant of "item sits in this region" (0 or 1)."""
        terms: Expression = defaultdict(float)
        constant = 0.0
        for k, stop in enumerate(self.walks[replica]):
            if stop != region:
                continue
            for stop_index, sign in ((k, 1.0), (k + 1, -1.0)):
                part, extra = self._g(replica, item, stop_index, sign)
                constant += extra
                for index, value in part.items():
                    terms[index] += value
        return {i: c for i, c in terms.items() if c}, constant

    def _regions(self, replica: int) -> tuple[int, ...]:
        return tuple(sorted(set(self.walks[replica])))

    def _options(self, replica: int) -> None:
        """Rows ``choice``: an item that sits in a region is built by one option there."""
        for j, item in enumerate(self.problem.items):
            if len(item.options) == 1:
                continue
            for region in self._regions(replica):
                part = self.problem.regions[region].part
                terms, constant = self._at(replica, j, region)
                row = {index: -value for index, value in terms.items()}
                for v, option in enumerate(item.options):
                    if option.fits_part(part) and not self.problem.regions[region].is_hub:
                        index = self.model.binary(f"x[{replica},{j},{region},{v}]")
                        self._option[replica, j, region, v] = index
                        row[index] = 1.0
                self.model.equal(f"choice[{replica},{j},{region}]", row, constant)

    def _anchors(self, replica: int) -> None:
        """Rows ``place``: nothing sits on a hub or outside its anchor."""
        for j in range(len(self.problem.items)):
            allowed = self.problem.allowed_regions(j)
            for region in self._regions(replica):
                if region not in allowed:
                    self._zero(f"place[{replica},{j},{region}]", *self._at(replica, j, region))

    def _zero(self, name: str, terms: Expression, constant: float) -> None:
        self.model.equal(name, terms, -constant)

    def _groups(self, replica: int) -> None:
        """Rows ``together`` and ``same_board``: equal places of all members of a group."""
        for group in self.problem.together:
            for first, second in pairwise(group):
                for region in self._regions(replica):
                    self._equal_places(replica, first, second, (region,), "together")
        for group in self.problem.same_board:
            for first, second in pairwise(group):
                for board in self.problem.boards:
                    regions = self.problem.regions_of(board)
                    self._equal_places(replica, first, second, regions, "same_board")

    def _equal_places(
        self, replica: int, first: int, second: int, regions: tuple[int, ...], name: str
    ) -> None:
        terms: Expression = defaultdict(float)
        constant = 0.0
        for item, sign in ((first, 1.0), (second, -1.0)):
            for region in regions:
                part, extra = self._at(replica, item, region)
                constant += sign * extra
                for index, value in part.items():
                    terms[index] += sign * value
        row = {i: c for i, c in terms.items() if c}
        if row or constant:
            self.model.equal(f"{name}[{replica},{first},{second},{regions[0]}]", row, -constant)

    def _passages(self, replica: int) -> None:
        """Rows ``passage``: no stream passes through a board that holds neither of its ends."""
        if self.problem.through_boards:
            return
        walk = self.walks[replica]
        boards = [self.problem.regions[r].board for r in walk]
        start = 0
        for k in range(1, len(walk) + 1):
            if k < len(walk) and boards[k] == boards[start]:
                continue
            if start > 0 and k < len(walk) and boards[start] is not None:
                for arc in self.problem.arcs:
                    self._below(
                        f"passage[{replica},{arc.source},{arc.target},{start}]",
                        (replica, arc.target, k),
                        (replica, arc.source, start),
                    )
            start = k

    def _step(self, replica: int, source: int, target: int, step: int) -> Expression:
        """Return terms of "the arc takes the step to this stop": ``g[target] - g[source]``."""
        return {self._later[replica, target, step]: 1.0, self._later[replica, source, step]: -1.0}

    def _capacities(self) -> None:
        """Rows ``capacity`` and ``mean`` per region, with ports, adapters and controllers."""
        used = sorted({r for walk in self.walks for r in walk if r in self.problem.places})
        homes = {self.problem.regions[r].memory for r in used} - {None}
        for home in sorted(h for h in homes if h is not None):
            self._memory[home] = self.model.binary(f"memory[{home}]")
        for region in sorted({*used, *self._memory}):
            amounts, fixed = self._use(region)
            limit_region(self.model, self.problem, region, amounts, fixed)

    def _use(self, region: int) -> tuple[list[Expression], list[float]]:
        """Return, per resource, the terms and the constant of what the region holds."""
        width = len(self.problem.resources)
        amounts: list[Expression] = [defaultdict(float) for _ in range(width)]
        fixed = [0.0] * width

        def add(terms: Expression, constant: float, vector: Vector) -> None:
            for r, amount in enumerate(vector):
                if amount:
                    fixed[r] += constant * amount
                    for index, value in terms.items():
                        amounts[r][index] += value * amount

        for replica in range(len(self.walks)):
            if region in self.walks[replica]:
                for terms, constant, vector in self._items_at(replica, region):
                    add(terms, constant, vector)
        self._add_ends(region, add)
        if region in self._memory:
            add({self._memory[region]: 1.0}, 0.0, self.problem.regions[region].memory_charge)
        return [dict(terms) for terms in amounts], fixed

    def _items_at(self, replica: int, region: int) -> Iterator[tuple[Expression, float, Vector]]:
        """Yield (terms, constant, resources) of every option of every item in a region."""
        for j, item in enumerate(self.problem.items):
            if len(item.options) == 1:
                yield (*self._at(replica, j, region), item.options[0].resources)
                continue
            for v, option in enumerate(item.options):
                index = self._option.get((replica, j, region, v))
                if index is not None:
                    yield {index: 1.0}, 0.0, option.resources

    def _add_ends(self, region: int, add: object) -> None:
        """Charge the ports a walk uses in full and an adapter per stream that passes them."""
        charged: set[tuple[int, int]] = set()
        for replica, walk in enumerate(self.walks):
            for step, (link_index, _) in enumerate(self.ground.hops(walk), start=1):
                link = self.problem.links[link_index]
                for number, end in enumerate(link.ends):
                    if end.region != region or not callable(add):
                        continue
                    if (link_index, number) not in charged:
                        charged.add((link_index, number))
                        add({}, 1.0, end.charge)
                    if any(end.adapter):
                        for arc in self.problem.arcs:
                            terms = self._step(replica, arc.source, arc.target, step)
                            add(terms, 0.0, end.adapter)

    def _links(self) -> None:
        """Rows ``wires``, ``payload`` and ``sockets`` per hop that some walk takes."""
        wires: dict[Hop, Expression] = defaultdict(lambda: defaultdict(float))
        bits: dict[Hop, Expression] = defaultdict(lambda: defaultdict(float))
        streams: dict[int, Expression] = defaultdict(lambda: defaultdict(float))
        for replica, walk in enumerate(self.walks):
            for step, hop in enumerate(self.ground.hops(walk), start=1):
                for arc in self.problem.arcs:
                    widest = max(
                        self.problem.arc_wires(arc, v)
                        for v in range(len(self.problem.items[arc.source].options))
                    )
                    for index, value in self._step(replica, arc.source, arc.target, step).items():
                        wires[hop][index] += value * widest
                        bits[hop][index] += value * arc.bits_per_second / 1e6
                        streams[hop[0]][index] += value
        for hop in sorted(wires):
            link = self.problem.links[hop[0]]
            if link.wires is not None:
                self.model.at_most(f"wires[{hop}]", dict(wires[hop]), link.wires)
            if link.bits_per_second is not None:
                self.model.at_most(f"payload[{hop}]", dict(bits[hop]), link.bits_per_second / 1e6)
        for index in sorted(streams):
            sockets = [e.sockets for e in self.problem.links[index].ends if e.sockets is not None]
            if sockets:
                self.model.at_most(f"sockets[{index}]", dict(streams[index]), min(sockets))

    def _memories(self) -> None:
        """Rows ``memory``: a port at a region with this home builds the home's controller."""
        for home, index in self._memory.items():
            ports: Expression = defaultdict(float)
            constant = 0.0
            for replica in range(len(self.walks)):
                for j, item in enumerate(self.problem.items):
                    if not item.memory_ports:
                        continue
                    terms: Expression = defaultdict(float)
                    here = 0.0
                    for region in self._regions(replica):
                        if self.problem.regions[region].memory == home:
                            part, extra = self._at(replica, j, region)
                            here += extra
                            for i, value in part.items():
                                terms[i] += value
                    row = dict(terms)
                    row[index] = row.get(index, 0.0) - 1.0
                    self.model.at_most(f"memory[{replica},{j},{home}]", row, -here)
                    constant += here * item.memory_ports
                    for i, value in terms.items():
                        ports[i] += value * item.memory_ports
            most = self.problem.regions[home].memory_ports
            if most is not None and ports:
                self.model.at_most(f"memory_ports[{home}]", dict(ports), most - constant)

    def _extra_cost(self) -> None:
        """Objective: the steps of arcs beside the main path; the main path costs the weight."""
        main = set(pairwise(self.ground.backbone))
        for replica, walk in enumerate(self.walks):
            for step, (link, _) in enumerate(self.ground.hops(walk), start=1):
                cost = self.problem.links[link].cost
                for arc in self.problem.arcs:
                    if (arc.source, arc.target) not in main:
                        terms = self._step(replica, arc.source, arc.target, step)
                        self.model.charge(terms, float(cost))

    @property
    def weight(self) -> int:
        """Cost of the main paths."""
        return sum(self.ground.weight(walk) for walk in self.walks)

    def below(self, cost: int) -> None:
        """Add the row ``cutoff``: only placements that cost less than this."""
        charges = self.model.objective_terms
        if charges:
            self.model.at_most("cutoff", charges, cost - 1 - self.weight)

    def solve(self, options: SolverOptions, seconds: float) -> Answer:
        """Return what the solver finds."""
        return minimise(self.model, options, seconds=seconds)

    def placement(self, answer: Answer) -> Placement | None:
        """Return the placement of an answer, None if its streams find no routes."""
        regions: list[int] = []
        options: list[int] = []
        for replica, walk in enumerate(self.walks):
            for j, item in enumerate(self.problem.items):
                stop = max(
                    (k for k in range(1, len(walk)) if self._is_later(answer, replica, j, k)),
                    default=0,
                )
                region = walk[stop]
                regions.append(region)
                options.append(
                    0
                    if len(item.options) == 1
                    else next(
                        v
                        for v in range(len(item.options))
                        if (index := self._option.get((replica, j, region, v))) is not None
                        and answer.chosen(index)
                    )
                )
        routes = assign_routes(RouteTable(problem=self.problem), regions, options)
        if routes is None:
            return None
        return Placement(regions=tuple(regions), options=tuple(options), routes=routes)

    def _is_later(self, answer: Answer, replica: int, item: int, stop: int) -> bool:
        return answer.chosen(self._later[replica, item, stop])
