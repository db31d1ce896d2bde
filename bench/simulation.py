"""How long simulating and FIFO sizing take, and how that grows with layers and frames.

    python -m bench.simulation [NETWORK/FOLDING ...]

Takes networks from the reference material beside the checkout.
"""

from __future__ import annotations

import sys
import time

from elasticdf.ir import Graph
from elasticdf.simulation import Hop, finn_depths, least_depths, simulate
from tests.finn_tables import graph_of
from tests.truth import ABSENT, SHARED

CLOCK_HZ = 200_000_000
CABLE = Hop(
    name="cable",
    latency_cycles=107,  # 0.535 us, see elasticdf.hardware.framing
    wire_cycles_per_byte=8 * CLOCK_HZ / 100e9,
)
CASES = {
    "tfc_1w1a/shipped_bnnpynq_U250": 1,
    "cnv_1w1a/shipped_bnnpynq_U250": 2,
    "mobilenet_v1_w4a4/shipped_U250": 2,
    "resnet50_w1a2/shipped_U250": 3,
}
"""Network and folding, and the boards it is cut over."""


def cuts(graph: Graph, boards: int) -> dict[str, tuple[Hop, ...]]:
    """Return a cable on every stream that crosses from one equal share of layers to the next."""
    place = {layer.name: i * boards // len(graph) for i, layer in enumerate(graph)}
    return {
        arc.tensor: (CABLE,) * (place[str(arc.target)] - place[str(arc.source)])
        for arc in graph.arcs
        if place[str(arc.target)] != place[str(arc.source)]
    }


def row(name: str) -> str:
    """Return one line of the table."""
    graph, boards = graph_of(name), CASES.get(name, 1)
    hops = cuts(graph, boards)
    started = time.process_time()
    depths = finn_depths(graph, hops=hops)
    seconds = [time.process_time() - started]
    started = time.process_time()
    least_depths(graph, hops=hops)
    seconds.append(time.process_time() - started)
    for frames in (2, 6):
        started = time.process_time()
        simulate(graph, clock_hz=CLOCK_HZ, placement=hops, depths=depths, frames=frames)
        seconds.append(time.process_time() - started)
    return f"{name:36}{len(graph):6}{boards:7}" + "".join(f"{spent:14.2f}" for spent in seconds)


def main() -> None:
    """Print the table."""
    if SHARED is None:
        print(ABSENT)
        return
    simulate(graph_of("tfc_1w1a/shipped_bnnpynq_U250"), clock_hz=CLOCK_HZ)  # loads compiled code
    columns = "".join(
        f"{name:>14}" for name in ("FINN depths", "least depths", "2 frames", "6 frames")
    )
    print(f"{'network/folding':36}layers boards{columns} (seconds)")
    for name in sys.argv[1:] or CASES:
        print(row(name), flush=True)


if __name__ == "__main__":
    main()
