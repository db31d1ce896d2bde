"""Plans by hand with everything a report shows: utilisation, crossings, links."""

from __future__ import annotations

from elasticdf.hardware import Board, load_board
from elasticdf.ir import RESOURCE_NAMES, Resources
from partitioner.plan import (
    Assignment,
    Certificate,
    Crossing,
    CrossingKind,
    LinkLoad,
    Mode,
    Outcome,
    Place,
    Plan,
    PlannedBoard,
    Proof,
    Utilisation,
)

TAKEN = Resources(lut=2_000, ff=3_000, bram18=4, uram=1, dsp=6)
ADAPTERS = 500


def planned(names: tuple[str, ...], *, replicas: int = 1, board: str = "u280") -> Plan:
    """Return a plan over two boards: every copy runs through all dies of both."""
    hardware = load_board(board)
    dies = tuple(die.name for die in hardware.dies)
    places = [(b, die) for b in (0, 1) for die in (dies if b == 0 else dies[::-1])]
    at = [places[i * len(places) // len(names)] for i in range(len(names))]
    assignments = tuple(
        Assignment(
            replica=replica,
            layer=name,
            board=at[i][0],
            die=at[i][1],
            attributes={"PE": i + 1},
            cycles=1_000 + 37 * i,
            resources=TAKEN,
        )
        for replica in range(replicas)
        for i, name in enumerate(names)
    )
    interval = 1_000 + 37 * (len(names) - 1)
    proof = Proof(value=1.0, bound=2.0, gap=0.5)
    return Plan(
        network=names[0],
        mode=Mode.HARDWARE,
        clock_hz=200_000_000,
        replicas=replicas,
        interval_cycles=interval,
        frames_per_second=replicas * 200e6 / interval,
        latency_seconds=1.5e-3,
        cluster=f"2x{board}",
        boards=tuple(PlannedBoard(id=b, board=board, dies=dies) for b in (0, 1)),
        links=(
            LinkLoad(
                origin=(0, hardware.ports[0].number),
                destination=(1, hardware.ports[0].number),
                load_bits_per_second=92e9,
                capacity_bits_per_second=95e9,
            ),
        ),
        certificate=Certificate(
            outcome=Outcome.FEASIBLE,
            seconds=1.0,
            solver="by hand",
            seed=7,
            throughput=proof,
            crossing_cost=proof,
        ),
        assignments=assignments,
        crossings=_crossings(names, at, replicas),
        utilisation=_utilisation(assignments, hardware),
        costs="calibrated",
        notes=("Everything here is made up.",),
    )


def _crossings(names: tuple[str, ...], at: list[Place], replicas: int) -> tuple[Crossing, ...]:
    return tuple(
        Crossing(
            replica=replica,
            source=names[i],
            target=names[i + 1],
            kind=CrossingKind.DIE if at[i][0] == at[i + 1][0] else CrossingKind.BOARD,
            origin=at[i],
            destination=at[i + 1],
            route=(at[i], at[i + 1]),
            bits_per_frame=8_192,
            wires=32,
        )
        for replica in range(replicas)
        for i in range(len(names) - 1)
        if at[i] != at[i + 1]
    )


def _utilisation(assignments: tuple[Assignment, ...], board: Board) -> tuple[Utilisation, ...]:
    return tuple(
        Utilisation(
            board=b,
            die=die.name,
            resource=resource,
            used=(ADAPTERS if resource == "lut" else 0)
            + sum(
                getattr(a.resources, resource)
                for a in assignments
                if (a.board, a.die) == (b, die.name)
            ),
            available=getattr(die.capacity, resource),
            limit=0.7,
        )
        for b in (0, 1)
        for die in board.dies
        for resource in RESOURCE_NAMES
    )
