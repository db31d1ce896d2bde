"""What a network does on its boards, cycle by cycle."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from elasticdf.documents import json_bytes
from elasticdf.files import write_file
from elasticdf.ir import Graph
from elasticdf.networks import fold_by_file, load_network, project_graph
from elasticdf.options import SimulateOptions
from elasticdf.progress import Report
from elasticdf.rundir import project_plan
from elasticdf.simulation import Hop, SimulationResult, size_fifos, sized_streams, trace_document
from elasticdf.simulation import simulate as simulate_graph
from elasticdf.simulation.netlist import LEAST_DEPTH, states_depths
from partitioner.fifos.charges import FIFOS
from partitioner.placed import folded, hops_of


def simulate(options: SimulateOptions, report: Report) -> SimulationResult:
    """Return what the network does on the board; of a project, its first replica in place.

    Raises:
        UserError: There is no such project or network, or its folding is illegal.
    """
    graph, hops, clock_hz, least = _simulated(options, report)
    depths = _fifo_depths(graph, hops, options)
    if depths is None and least:
        depths = dict.fromkeys(sized_streams(graph), LEAST_DEPTH)
    result = simulate_graph(graph, clock_hz=clock_hz, placement=hops, depths=depths)
    if options.trace is not None:
        write_file(options.trace, json_bytes(trace_document(result)))
    return result


def _fifo_depths(
    graph: Graph, hops: Mapping[str, tuple[Hop, ...]], options: SimulateOptions
) -> dict[str, int] | None:
    if options.fifo_depth is not None:
        return dict.fromkeys(sized_streams(graph), options.fifo_depth)
    return size_fifos(graph, hops=hops) if options.size_fifos else None


def _simulated(
    options: SimulateOptions, report: Report
) -> tuple[Graph, dict[str, tuple[Hop, ...]], int, bool]:
    """Return what is simulated: graph, hops, clock, and whether its FIFOs are known to be least.

    A plan names only deeper ones, and a graph that names none does not say who chose.
    """
    directory = Path(options.what)
    if not directory.is_dir():
        graph = fold_by_file(load_network(options.what).graph, options.folding)
        report("simulating")
        return graph, {}, options.clock_hz, False
    plan = project_plan(directory)
    graph = folded(project_graph(directory), plan, 0)
    report("simulating")
    least = FIFOS in plan.extra and not states_depths(graph)
    return graph, hops_of(graph, plan, 0), plan.clock_hz, least
