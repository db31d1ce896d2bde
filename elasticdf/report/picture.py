"""The cluster as rectangles and lines: where everything is drawn, and nothing of how.

To scale: the area of a die is its LUTs, the area of a block the LUTs of a layer, so the height to
which a die is filled is its utilisation. Dies are stacked as on the chip, the first at the bottom.
Lengths are SVG user units.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

from elasticdf.errors import UserError
from elasticdf.hardware import Board, load_board
from elasticdf.report.loads import Fullness, link_share
from elasticdf.report.record import PlanReport
from elasticdf.report.strips import strips
from partitioner.plan import Assignment, CrossingKind, Plan, PlannedBoard

SCALE_RESOURCE = "lut"
_PAGE_WIDTH = 1360.0
_NARROWEST_DIE = 200.0
_WIDEST_DIE = 540.0
_TALLEST_DIE = 190.0
_SIDE = 56.0
_DIE_GAP = 26.0
_BOARD_GAP = 24.0
_HEADER = 46.0
_LINK_SPACE = 70.0
_BOARDS_PER_ROW = 4
_MARK = 20.0
_NOTE_HEIGHT = 16.0
_LETTER = 5.6
_LOOKS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """A rectangle.

    Attributes:
        x: Left edge.
        y: Upper edge.
        width: To the right.
        height: Downwards.
        kind: What it stands for; the style sheet's class.
        label: Text inside, empty if there is no room.
        title: Full description.
        layer: Number of the layer, or None.
    """

    x: float
    y: float
    width: float
    height: float
    kind: str
    label: str
    title: str
    layer: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """A text; ``anchor`` is SVG's text-anchor."""

    x: float
    y: float
    text: str
    kind: str = ""
    anchor: str = "start"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wire:
    """A line that carries something.

    Attributes:
        path: SVG path data.
        kind: The style sheet's class.
        title: Full description.
        width: Of the line: wider with load.
        layers: Numbers of the layers at its ends.
    """

    path: str
    kind: str
    title: str
    width: float = 2.0
    layers: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A drawing, bottom-most first."""

    width: float
    height: float
    boxes: tuple[Box, ...]
    wires: tuple[Wire, ...]
    notes: tuple[Note, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """Where a die is drawn."""

    x: float
    y: float
    height: float


def cluster_picture(report: PlanReport) -> Picture:
    """Return the boards with everything on them, and what runs between."""
    plan = report.plan
    if plan is None or not plan.boards:
        return Picture(width=0, height=0, boxes=(), wires=(), notes=())
    drawing = _Drawing(report, plan)
    drawing.draw()
    return Picture(
        width=drawing.width,
        height=drawing.height,
        boxes=tuple(drawing.boxes),
        wires=tuple(drawing.wires),
        notes=tuple(drawing.notes),
    )


class _Drawing:
    """Collects shapes board by board."""

    def __init__(self, report: PlanReport, plan: Plan) -> None:
        self.boxes: list[Box] = []
        self.wires: list[Wire] = []
        self.notes: list[Note] = []
        self._plan = plan
        self._numbers = {layer.name: layer.number for layer in report.layers}
        self._fullness = {
            (row.board, row.die): row for row in report.fullness if row.resource == SCALE_RESOURCE
        }
        largest = max((row.available for row in self._fullness.values()), default=1) or 1
        self._unit = _TALLEST_DIE / largest
        self._layers: dict[tuple[int, str], list[Assignment]] = defaultdict(list)
        for assignment in plan.assignments:
            self._layers[assignment.board, assignment.die].append(assignment)
        self._hardware = {board.id: _hardware(board) for board in plan.boards}
        self._ports: dict[tuple[int, int], tuple[float, float]] = {}
        self._places: dict[tuple[int, str], _Place] = {}
        row_height = max(self._board_height(board) for board in plan.boards)
        self._above = _LINK_SPACE if plan.links else 8.0
        self._row = row_height + self._above
        rows = -(-len(plan.boards) // _BOARDS_PER_ROW)
        across = min(len(plan.boards), _BOARDS_PER_ROW)
        room = _PAGE_WIDTH / across - 2 * _SIDE - _BOARD_GAP
        self._die_width = min(_WIDEST_DIE, max(_NARROWEST_DIE, room))
        self._pitch = self._die_width + 2 * _SIDE + _BOARD_GAP
        self.width = across * self._pitch
        self.height = rows * self._row

    def draw(self) -> None:
        for position, board in enumerate(self._plan.boards):
            row, column = divmod(position, _BOARDS_PER_ROW)
            self._board(board, column * self._pitch + _BOARD_GAP / 2, row * self._row + self._above)
        self._boundaries()
        self._links()
        self._through_host()

    def _die_height(self, board: int, die: str) -> float:
        row = self._fullness.get((board, die))
        return max(row.available * self._unit, 24.0) if row else 24.0

    def _board_height(self, board: PlannedBoard) -> float:
        dies = sum(self._die_height(board.id, die) + _DIE_GAP for die in board.dies)
        return _HEADER + dies + 8

    def _board(self, board: PlannedBoard, x: float, y: float) -> None:
        title = f"board {board.id}: {board.board}"
        width, height = self._die_width + 2 * _SIDE, self._board_height(board) - 16
        self.boxes.append(
            Box(x=x, y=y, width=width, height=height, kind="board", label="", title=title)
        )
        self.notes.append(Note(x=x + 10, y=y + 20, text=title, kind="head"))
        top = y + _HEADER
        for die in reversed(board.dies):
            height = self._die_height(board.id, die)
            self._places[board.id, die] = _Place(x=x + _SIDE, y=top, height=height)
            self._die(board.id, die)
            top += height + _DIE_GAP

    def _die(self, board: int, die: str) -> None:
        place = self._places[board, die]
        row = self._fullness.get((board, die))
        title = f"board {board} {die}" + (f": {row.fraction:.1%} of LUTs" if row else "")
        self.boxes.append(
            Box(
                x=place.x, y=place.y, width=self._die_width, height=place.height,
                kind="die", label="", title=title,
            )
        )  # fmt: skip
        if row is not None:
            self._contents(row, place)
        name = f"{die}: {row.fraction:.0%}" if row else die
        self.notes.append(Note(x=place.x + 4, y=place.y - 4, text=name))
        self._memory(board, die, place)
        self._network(board, die, place)

    def _contents(self, row: Fullness, place: _Place) -> None:
        floor = place.y + place.height
        deep = min(place.height, row.other * self._unit)
        if row.other:
            self.boxes.append(
                Box(
                    x=place.x, y=floor - deep, width=self._die_width, height=deep, kind="other",
                    label="network, memory, adapters" if deep >= 12 else "",
                    title=f"network, memory controllers, adapters: {row.other:,} LUT",
                )
            )  # fmt: skip
        room = min(place.height - deep, row.layers * self._unit)
        chosen = self._layers[row.board, row.die]
        sizes = [float(max(a.resources.lut, 0)) for a in chosen]
        top = floor - deep - room
        for a, (x, y, w, h) in zip(chosen, strips(sizes, self._die_width, room), strict=True):
            self.boxes.append(self._block(a, place.x + x, top + y, w, h))
        limit = floor - min(1.0, max(0.0, row.limit)) * place.height
        if limit - place.y >= _NOTE_HEIGHT:
            text = f"limit {row.limit:.0%}"
            x = place.x + self._die_width - 4
            self.notes.append(Note(x=x, y=limit - 4, text=text, anchor="end", kind="small"))
        self.wires.append(
            Wire(
                path=f"M{place.x:.1f} {limit:.1f}h{self._die_width:.1f}",
                kind="limit",
                title=f"limit: {row.limit:.0%} of LUTs",
                width=1.5,
            )
        )

    def _block(self, a: Assignment, x: float, y: float, width: float, height: float) -> Box:
        number = self._numbers[a.layer]
        labels = (f"{a.replica}.{number} {a.layer}", f"{a.replica}.{number}")
        room = (width - 4) / _LETTER if height >= 11 else 0
        return Box(
            x=x, y=y, width=width, height=height,
            kind=f"block look{a.replica % _LOOKS}",
            label=next((label for label in labels if len(label) <= room), ""),
            title=f"{a.layer}, copy {a.replica}: {a.resources.lut:,} LUT, {a.cycles:,} cycles",
            layer=number,
        )  # fmt: skip

    def _memory(self, board: int, die: str, place: _Place) -> None:
        hardware = self._hardware[board]
        if hardware is None:
            return
        kinds: dict[str, int] = defaultdict(int)
        for bank in hardware.memory:
            if bank.dies[:1] == (die,):
                kinds[bank.kind.value] += 1
        for index, (kind, count) in enumerate(kinds.items()):
            y = place.y + index * (_MARK + 4)
            self.boxes.append(
                Box(
                    x=place.x - _SIDE + 5, y=y, width=_SIDE - 10, height=_MARK, kind="memory",
                    label=f"{count} {kind}" if count > 1 else kind,
                    title=f"board {board} {die}: {count} bank(s) of {kind}",
                )
            )  # fmt: skip

    def _network(self, board: int, die: str, place: _Place) -> None:
        hardware = self._hardware[board]
        ports = () if hardware is None else hardware.ports
        used = {end for link in self._plan.links for end in (link.origin, link.destination)}
        for index, port in enumerate(port for port in ports if port.die == die):
            x, y = place.x + self._die_width + 5, place.y + index * (_MARK + 4)
            busy = (board, port.number) in used
            self._ports[board, port.number] = (x + (_SIDE - 10) / 2, y)
            self.boxes.append(
                Box(
                    x=x, y=y, width=_SIDE - 10, height=_MARK,
                    kind="port busy" if busy else "port",
                    label=f"QSFP {port.number}",
                    title=f"board {board} network port {port.number}, "
                    f"{port.rate_bits_per_second / 1e9:g} Gb/s, {'used' if busy else 'unused'}",
                )
            )  # fmt: skip

    def _boundaries(self) -> None:
        crossing = wires_by_boundary(self._plan)
        for (board, low, high), wires in crossing.items():
            lower = self._places.get((board, low))
            upper = self._places.get((board, high))
            if lower is None or upper is None:
                continue
            a, b = sorted((lower, upper), key=lambda place: place.y)
            capacity = self._boundary_capacity(board, low, high)
            of = f" of {capacity:,}" if capacity is not None else ""
            x = a.x + self._die_width - 30
            self.wires.append(
                Wire(
                    path=f"M{x:.1f} {a.y + a.height:.1f}V{b.y:.1f}",
                    kind="sll",
                    title=f"board {board}, {low} to {high}: {wires:,}{of} wires",
                    width=4,
                )
            )
            self.notes.append(
                Note(x=x - 6, y=b.y - 4, text=f"{wires:,}{of} wires", anchor="end", kind="small")
            )

    def _boundary_capacity(self, board: int, low: str, high: str) -> int | None:
        hardware = self._hardware[board]
        boundaries = () if hardware is None else hardware.boundaries
        return next((b.sll_wires for b in boundaries if set(b.dies) == {low, high}), None)

    def _links(self) -> None:
        for index, link in enumerate(self._plan.links):
            start, end = self._ports.get(link.origin), self._ports.get(link.destination)
            if start is None or end is None:
                continue
            (x0, y0), (x1, y1) = start, end
            lift = min(y0, y1) - 92 - 16 * (index % 3)
            share = link_share(link)
            title = (
                f"board {link.origin[0]} to board {link.destination[0]}: "
                f"{link.load_bits_per_second / 1e9:.3g} of "
                f"{link.capacity_bits_per_second / 1e9:.3g} Gb/s ({share:.1%})"
            )
            self.wires.append(
                Wire(
                    path=f"M{x0:.1f} {y0:.1f}C{x0:.1f} {lift:.1f} {x1:.1f} {lift:.1f} "
                    f"{x1:.1f} {y1:.1f}",
                    kind="link",
                    title=title,
                    width=2 + 6 * min(1.0, max(0.0, share)),
                )
            )
            self.notes.append(
                Note(
                    x=(x0 + x1) / 2,
                    y=(min(y0, y1) + 3 * lift) / 4 - 5,
                    text=f"{'→' if x1 >= x0 else '←'} {share:.1%}",
                    anchor="middle",
                    kind="small",
                )
            )

    def _through_host(self) -> None:
        for crossing in self._plan.crossings:
            start = self._places.get(crossing.origin)
            end = self._places.get(crossing.destination)
            if crossing.kind is not CrossingKind.HOST or start is None or end is None:
                continue
            x0, y0 = start.x + self._die_width / 2, start.y + start.height
            x1, y1 = end.x + self._die_width / 2, end.y + end.height
            layers = (self._numbers.get(name) for name in (crossing.source, crossing.target))
            self.wires.append(
                Wire(
                    path=f"M{x0:.1f} {y0:.1f}C{x0:.1f} {y0 + 40:.1f} {x1:.1f} {y1 + 40:.1f} "
                    f"{x1:.1f} {y1:.1f}",
                    kind="host",
                    title=f"through the host: {crossing.source} to {crossing.target}, "
                    f"{crossing.bits_per_frame:,} bits per frame",
                    layers=tuple(number for number in layers if number is not None),
                )
            )


def wires_by_boundary(plan: Plan) -> Mapping[tuple[int, str, str], int]:
    """Return the wires used between neighbouring dies, by board and the two names in order."""
    used: dict[tuple[int, str, str], int] = defaultdict(int)
    for crossing in plan.crossings:
        for (board, die), (next_board, next_die) in pairwise(crossing.route):
            if board == next_board and die != next_die:
                low, high = sorted((die, next_die))
                used[board, low, high] += crossing.wires
    return dict(sorted(used.items()))


def _hardware(board: PlannedBoard) -> Board | None:
    """Return what is known of a board; a plan may name one this installation does not have."""
    try:
        return load_board(board.board)
    except UserError:
        return None
