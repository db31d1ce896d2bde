"""The planner counts kernels as the emitter builds them, wherever layers sit."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from codegen.board_view import view
from codegen.deployment import deploy
from codegen.parts import buildable, has_control_port
from codegen.vitis.link import kernel_units
from elasticdf.hardware.cluster import Cluster, parse_target
from elasticdf.ir import Graph
from elasticdf.layers.mvau import has_external_weights
from partitioner.placed import folded
from partitioner.plan import Mode
from partitioner.problem import Arc, Item, Option, Problem
from partitioner.routes import RouteTable, assign_routes
from partitioner.solution import Placement
from partitioner.topology import Limits, build
from partitioner.verify import compute_units, measure, violations
from tests.placed import chain, dense, diamond, placed

CLOCK_HZ = 200_000_000


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    """A small network, some weights loaded by the host or sent with requests."""
    graph = draw(st.sampled_from([chain(4), chain(7), diamond(3), dense((4, 8, 4, 8, 4))]))
    layers = []
    for layer in graph:
        changes: dict[str, int | str] = {}
        if layer.op_type != "AddStreams_hls" and draw(st.integers(0, 2)) == 0:
            changes["runtime_writeable_weights"] = 1
        if layer.op_type == "MVAU_hls" and draw(st.integers(0, 2)) == 0:
            changes = {"mem_mode": "external", "PE": 1}
        layers.append(layer.with_attributes({**layer.attributes, **changes}))
    return graph.with_layers(layers)


def _problem(graph: Graph, cluster: Cluster, mode: Mode, replicas: int) -> Problem:
    topology = build(cluster, mode, Limits(), clock_hz=CLOCK_HZ)
    numbers = {layer.name: number for number, layer in enumerate(graph)}
    items = [
        Item(
            name=layer.name,
            options=(Option(resources=(0,) * 5, control_ports=int(has_control_port(layer))),),
            memory_ports=sum(
                layer.name in (s.source, s.target) and None in (s.source, s.target)
                for s in graph.streams
            )
            + has_external_weights(layer),
        )
        for layer in graph
    ]
    return Problem(
        name="kernels",
        resources=("lut", "ff", "bram18", "uram", "dsp"),
        regions=topology.regions,
        links=topology.links,
        items=tuple(items),
        arcs=tuple(
            Arc(source=numbers[s.source], target=numbers[s.target])
            for s in graph.arcs
            if s.source is not None and s.target is not None
        ),
        replicas=replicas,
        compute_units=topology.compute_units,
        segmented=mode is Mode.SOFTWARE,
    )


@settings(max_examples=80, deadline=None)
@given(graphs(), st.sampled_from(list(Mode)), st.integers(1, 2), st.data())
def test_kernels_are_counted_as_they_are_built(
    graph: Graph, mode: Mode, replicas: int, data: st.DataObject
) -> None:
    cluster = parse_target("1xu280" if mode is Mode.DATA_PARALLEL else "2xu280")
    assert isinstance(cluster, Cluster)
    problem = _problem(graph, cluster, mode, replicas)
    count = replicas * len(problem.items)
    regions = data.draw(st.lists(st.sampled_from(problem.places), min_size=count, max_size=count))
    routes = assign_routes(RouteTable(problem=problem), regions, [0] * count)
    assert routes is not None
    placement = Placement(regions=tuple(regions), options=(0,) * count, routes=routes)
    if any("comes back" in text for text in violations(problem, placement)):
        return  # the emitter refuses it, too
    places = {}
    for position, region in enumerate(regions):
        replica, item = divmod(position, len(problem.items))
        home = problem.regions[region]
        assert home.board is not None
        places[replica, problem.items[item].name] = (home.board, home.die)
    plan = placed(graph, cluster, mode, places)
    graphs_by_replica = {replica: folded(graph, plan, replica) for replica in range(replicas)}
    built = buildable(deploy(graph, plan, cluster), graphs_by_replica)
    assert compute_units(problem, placement, measure(problem, placement)) == {
        board.id: kernel_units(view(built, cluster, board.id)) for board in built.boards
    }
