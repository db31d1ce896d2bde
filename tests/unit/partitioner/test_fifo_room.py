"""Where FIFOs overfill a die, the same foldings built in other ways make room for them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from elasticdf.costs.estimate import estimate
from elasticdf.costs.profile import load_profile
from elasticdf.costs.streams import StreamCosts
from elasticdf.flow import simulating
from elasticdf.frontend.stream_adapters import insert_fifos, insert_width_converters
from elasticdf.hardware.cluster import Cluster, parse_target
from elasticdf.hardware.load import load_board
from elasticdf.ir import Graph, Resources
from elasticdf.layers.kind import fpga_part
from elasticdf.options import SimulateOptions
from elasticdf.progress import silent
from elasticdf.simulation import fifo_attributes, simulate
from partitioner import search
from partitioner.choices import FOLDING_ATTRIBUTES
from partitioner.clock import Clock
from partitioner.fifos import fitting
from partitioner.fifos.charges import FIFOS, SIMULATION, charged
from partitioner.fifos.fitting import plan_with_fifos
from partitioner.fifos.sizing import SHALLOW, Sized, sized_groups
from partitioner.placed import folded
from partitioner.plan import Assignment, Mode, Plan
from partitioner.problem import exact
from partitioner.request import Request
from partitioner.solver import SolverOptions
from tests.placed import chain, dense, placed, small_board

_WORDS = 1024
"""Of a FIFO that takes 9 of the 30 block RAMs allowed; layers of the least logic take 27."""


def _deeper(graph: Graph, plan: Plan, clock: Clock) -> tuple[Sized, ...]:
    """Return the FIFOs of a plan, one of them so deep that it takes block RAM."""
    found = []
    for group in sized_groups(graph, plan, clock):
        streams = tuple(
            replace(stream, depth=_WORDS) if stream.target == "MVAU_hls_1" else stream
            for stream in group.result.streams
        )
        found.append(replace(group, result=replace(group.result, streams=streams)))
    return tuple(found)


def _folding(a: Assignment) -> tuple[object, ...]:
    return (a.replica, a.layer, a.board, a.die, *map(a.attributes.get, FOLDING_ATTRIBUTES))


def test_layers_give_block_ram_to_fifos(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    request = Request(
        graph=dense((128, 64, 64, 16)),
        target=small_board((14_000, 0, 0)),
        mode=Mode.DATA_PARALLEL,
        replicas=1,
        fps=3e6,
        limits={"bram18": 0.03},
        costs="calibrated",
        options=SolverOptions(time_limit=10),
        progress=told.append,
    )
    first = search.plan(request)
    monkeypatch.setattr(fitting, "sized_groups", _deeper)
    plan, problem = plan_with_fifos(request)
    assert any(text.startswith("building layers in other ways: ") for text in told)
    assert not any(text.startswith("searching again") for text in told)
    assert max(fifo["depth"] for fifo in plan.extra[FIFOS]) == _WORDS
    assert all(u.used <= exact(u.limit) * u.available for u in plan.utilisation)
    # Only how layers are built differs: where they are, their foldings, rate and proof stay.
    assert list(map(_folding, plan.assignments)) == list(map(_folding, first.assignments))
    assert plan.certificate == first.certificate
    assert plan.latency_seconds == first.latency_seconds
    assert problem.regions == search.plan_with_problem(request)[1].regions
    assert plan_with_fifos(request)[0] == plan


def _total(graph: Graph) -> Resources:
    profile, part = load_profile("calibrated"), fpga_part(load_board("u280").part)
    return Resources.total(estimate(layer, profile, part).high for layer in graph)


def test_streams_pay_for_what_is_built() -> None:
    """Of a chain of two foldings: converters, and the FIFOs FINN inserts however shallow."""
    graph, cluster = chain(3), small_board((20_000, 0, 0))
    places = {(0, layer.name): (0, "SLR0") for layer in graph}
    plan = replace(placed(graph, cluster, Mode.DATA_PARALLEL, places), costs="calibrated")
    plan = charged(graph, plan, sized_groups(graph, plan, Clock(20)))
    assert plan.extra[FIFOS] == []
    built = insert_fifos(insert_width_converters(graph), shallow=True)
    assert len(tuple(built)) == 11
    assert Resources.total(a.resources for a in plan.assignments) == _total(built)


def test_a_project_of_shallow_fifos_is_simulated_with_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """FINN's own sizing would find deeper ones, and another latency under load."""
    graph, cluster = chain(3, (4, 2)), small_board((20_000, 0, 0))
    places = {(0, layer.name): (0, "SLR0") for layer in graph}
    plan = placed(graph, cluster, Mode.DATA_PARALLEL, places)
    plan = charged(graph, plan, sized_groups(graph, plan, Clock(20)))
    assert plan.extra[FIFOS] == []
    monkeypatch.setattr(simulating, "project_plan", lambda _: plan)
    monkeypatch.setattr(simulating, "project_graph", lambda _: graph)
    options = SimulateOptions(
        what=str(tmp_path),
        folding=None,
        clock_hz=plan.clock_hz,
        size_fifos=False,
        fifo_depth=None,
        trace=None,
    )
    result = simulating.simulate(options, silent)
    assert {stream.depth for stream in result.streams} == {SHALLOW}
    (found,) = plan.extra[SIMULATION]
    assert found["loaded_latency_cycles"] == result.loaded_latency_cycles
    own = simulate(graph, clock_hz=plan.clock_hz)
    assert own.loaded_latency_cycles != result.loaded_latency_cycles


def test_fifos_of_the_graph_are_not_the_plans() -> None:
    graph, cluster = insert_width_converters(chain(3)), small_board((20_000, 0, 0))
    places = {(0, layer.name): (0, "SLR0") for layer in graph}
    plan = placed(graph, cluster, Mode.DATA_PARALLEL, places)
    after = charged(graph, plan, sized_groups(graph, plan, Clock(20)))
    assert FIFOS not in after.extra
    assert after.assignments == plan.assignments


def test_depths_that_the_graph_asks_for_give_way_to_those_found() -> None:
    bare, cluster = chain(3), small_board((20_000, 0, 0))
    graph = bare.with_layers(layer.with_attributes({"inFIFODepths": (64,)}) for layer in bare)
    places = {(0, layer.name): (0, "SLR0") for layer in graph}
    plan = placed(graph, cluster, Mode.DATA_PARALLEL, places)
    plan = charged(graph, plan, sized_groups(graph, plan, Clock(20)))
    built = folded(graph, plan, 0)
    assert {layer.integers("inFIFODepths") for layer in built} == {(SHALLOW,)}


@pytest.mark.parametrize(
    ("pe", "holder"), [((2, 2), 3), ((2, 4), 2)], ids=["same width", "converted on arrival"]
)
def test_a_deep_fifo_between_kernels_is_built_and_paid_once(
    pe: tuple[int, int], holder: int
) -> None:
    """Where a stream arrives, or where it leaves if its width changes; its other end is shallow."""
    graph, cluster = chain(6, pe), parse_target("2xu280")
    assert isinstance(cluster, Cluster)
    places = {(0, layer.name): (int(i >= 3), "SLR0") for i, layer in enumerate(graph)}
    plan = replace(placed(graph, cluster, Mode.HARDWARE, places), costs="calibrated")
    (group,) = sized_groups(graph, plan, Clock(20))
    streams = tuple(
        replace(stream, depth=100 if stream.tensor == "t3" else SHALLOW)
        for stream in group.result.streams
    )
    depths = {stream.tensor: stream.depth for stream in streams}
    settings = {
        layer: {name: tuple(values) for name, values in entry.items()}
        for layer, entry in fifo_attributes(graph, depths).items()
    }
    result = replace(group.result, streams=streams)
    plan = charged(graph, plan, (replace(group, settings=settings, result=result),))

    (fifo,) = plan.extra[FIFOS]
    name = f"Thresholding_rtl_{holder}"
    assert (fifo["layer"], fifo["board"], fifo["depth"]) == (name, int(holder >= 3), 100)
    built = folded(graph, plan, 0)
    asked = {
        layer.name: (layer.integers("inFIFODepths")[0], layer.integers("outFIFODepths")[0])
        for layer in built
    }
    shallow = dict.fromkeys(asked, (SHALLOW, SHALLOW))
    assert asked == {**shallow, name: (100, SHALLOW) if holder == 3 else (SHALLOW, 100)}
    (crossing,) = plan.crossings
    part = fpga_part(load_board("u280").part)
    beside = StreamCosts(profile=load_profile("calibrated"), part=part).fifo(
        crossing.wires, SHALLOW
    )
    whole = insert_fifos(insert_width_converters(built), shallow=True)
    assert Resources.total(a.resources for a in plan.assignments) == _total(whole) + beside
