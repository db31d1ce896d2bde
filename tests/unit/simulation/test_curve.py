"""Curves are lower bounds of simulated latencies, and close ones."""

from __future__ import annotations

import pytest

from elasticdf import folding
from elasticdf.networks import load_network
from elasticdf.simulation import frame_latency
from elasticdf.simulation.curve import least_latency


@pytest.mark.parametrize(
    ("network", "share"),
    [
        ("tfc-w1a1", 0.85),
        ("kws-mlp-w3a3", 0.75),
        ("cnv-w1a1", 0.8),
        ("resnet18-cifar-w2a2", 0.7),
        ("mobilenetv1-w4a4", 0.75),
    ],
)
def test_no_frame_is_faster_than_its_curves(network: str, share: float) -> None:
    graph = load_network(f"zoo:{network}").graph
    targets = folding.cycle_targets(graph)
    for target in targets[5 :: max(1, len(targets) // 3)]:
        folded = folding.fold_for_cycles(graph, target)
        least, simulated = least_latency(folded), frame_latency(folded)
        assert share * simulated <= least <= simulated
