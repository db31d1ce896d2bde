"""The measured designs as they were built, for the simulator.

What the reference material leaves open follows from numbers it states, never from the cycles that
are predicted: FINN's published ``critical_path_cycles`` is met exactly by both CNV designs once
their max pools are window generators with a Pool, as newer FINN builds and folds them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace

from elasticdf.folding import apply_folding
from elasticdf.ir import Graph, Layer
from elasticdf.layers import kind_of, with_defaults
from elasticdf.simulation import pools_as_windows
from tests.finn_tables import graph_of
from tests.silicon_designs import COMPLETIONS, TABLES
from tests.truth import shared


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A design and the cycles that were measured and estimated."""

    name: str
    graph: Graph
    interval: int
    latency: int
    loaded_latency: int
    finn_critical_path: int
    finn_interval: int


def measured_designs() -> Iterator[Measured]:
    """Return the five designs."""
    for entry in json.loads(shared("truth/silicon/measured.json").read_text())["designs"]:
        network = entry["same_network_in_truth"]
        graph = COMPLETIONS.get(network, lambda graph: graph)(graph_of(TABLES[network]))
        if isinstance(entry["folding"], dict):
            graph = apply_folding(graph, entry["folding"])
        graph = pools_as_windows(graph)
        if network == "zoo_kwsmlp_w3a3":
            graph = _with_input_threshold(graph)
        yield Measured(
            name=network.split("/")[0],
            graph=graph,
            interval=entry["measured"]["interval_cycles"],
            latency=entry["measured"]["min_latency_cycles"],
            loaded_latency=entry["measured"]["latency_cycles"],
            finn_critical_path=entry["est_perf"]["critical_path_cycles"],
            finn_interval=entry["est_perf"]["max_cycles"],
        )


def summed_cycles(graph: Graph) -> int:
    """Return the sum FINN calls critical path in a chain."""
    return sum(kind_of(layer).cycles(layer) for layer in graph)


def _with_input_threshold(graph: Graph) -> Graph:
    """Add the layer FINN's report of the build names as its slowest, 490 cycles at PE = 1."""
    before = graph.inputs[0]
    stream = graph.tensors[before]
    threshold = Layer(
        name="Thresholding_rtl_0",
        op_type="Thresholding_rtl",
        attributes={
            "PE": 1,
            "NumChannels": stream.shape[-1],
            "inputDataType": stream.datatype.name,
            "weightDataType": stream.datatype.name,
            "outputDataType": stream.datatype.name,
        },
        inputs=("features", "levels"),
        outputs=(before,),
    )
    tensors = {
        **graph.tensors,
        "features": replace(stream, name="features"),
        "levels": replace(stream, name="levels"),
    }
    layers = (with_defaults(threshold), *graph.layers)
    return replace(graph, layers=layers, tensors=tensors, inputs=("features",))
