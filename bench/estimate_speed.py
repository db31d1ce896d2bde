"""Times loading a network and pricing every layer's Pareto front at one target.

    python -m bench.estimate_speed [MODEL ...]

MODEL is an ONNX file or ``zoo:NAME``; by default two of the zoo. Prints processor seconds, so that
a busy machine does not count, and the peak memory of the process.
"""

from __future__ import annotations

import resource
import sys
import time

from elasticdf.costs.network import estimate_network
from elasticdf.costs.profile import load_profile
from elasticdf.folding import cycle_targets, options
from elasticdf.frontend.specialise import specialise
from elasticdf.layers.kind import fpga_part
from elasticdf.networks import load_network

U250 = fpga_part("xcu250-figd2104-2L-e")
NETWORKS = ("zoo:mobilenetv1-w4a4", "zoo:resnet50-w1a2")


def measure(model: str) -> str:
    """Return one line of the table."""
    profile = load_profile("calibrated")
    start = time.process_time()
    graph = specialise(load_network(model).graph, U250)
    loaded = time.process_time()
    targets = cycle_targets(graph)
    chosen = targets[len(targets) // 2]
    fronts = options(graph, cycles=chosen, profile=profile, part=U250)
    priced = time.process_time()
    estimate_network(graph, board="u250", clock_hz=200_000_000, profile=profile, part=U250)
    done = time.process_time()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return (
        f"{model:28}{len(graph):7}{loaded - start:10.2f}{priced - loaded:10.2f}"
        f"{done - priced:10.2f}{done - start:10.2f}{sum(map(len, fronts.values())):9}{peak:10.0f}"
    )


def main() -> None:
    """Print the table; each network counts in the peak of those after it."""
    print(
        f"{'network':28}{'layers':>7}{'load s':>10}{'fronts s':>10}{'variants s':>10}"
        f"{'total s':>10}{'options':>9}{'peak MiB':>10}"
    )
    for model in sys.argv[1:] or NETWORKS:
        print(measure(model))


if __name__ == "__main__":
    main()
