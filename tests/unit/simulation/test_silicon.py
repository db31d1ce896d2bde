"""The simulator against measured designs: interval within 2 %, latency of one frame within 5 %."""

from __future__ import annotations

import sys
from dataclasses import replace

import pytest

from elasticdf.simulation import finn_depths, simulate
from elasticdf.simulation.engine import run
from elasticdf.simulation.netlist import build_net
from elasticdf.simulation.process import Process
from elasticdf.simulation.simulate import report
from tests.simulated_designs import Measured, measured_designs, summed_cycles
from tests.truth import SHARED, needs_shared

pytestmark = needs_shared

DESIGNS = {design.name: design for design in measured_designs()} if SHARED else {}
SMALL = [name for name in DESIGNS if not name.startswith("mobilenet")]
CLOCK_HZ = 100_000_000


def _errors(design: Measured, depths: dict[str, int] | None = None) -> tuple[float, float, float]:
    frames = 12 if depths is None else 6
    result = simulate(design.graph, clock_hz=CLOCK_HZ, frames=frames, depths=depths)
    found = (
        float(result.interval_cycles) / design.interval - 1,
        result.latency_cycles / design.latency - 1,
        result.loaded_latency_cycles / design.loaded_latency - 1,
    )
    sys.stdout.write(f"\n{design.name}: {found}")
    return found


@pytest.mark.parametrize("name", SMALL)
def test_interval_and_latency_are_those_measured(name: str) -> None:
    interval, latency, _ = _errors(DESIGNS[name])
    assert abs(interval) <= 0.02
    assert abs(latency) <= 0.05


@pytest.mark.parametrize("name", [name for name in SMALL if name.startswith("cnv")])
def test_latency_under_load_shows_the_fifos_are_as_deep_as_built(name: str) -> None:
    assert abs(_errors(DESIGNS[name])[2]) <= 0.02


@pytest.mark.parametrize("name", [name for name in DESIGNS if name != "tfc_1w1a"])
def test_the_designs_are_those_built(name: str) -> None:
    # FINN's sum for tfc_1w1a, 266, is 40 cycles more than its folding explains.
    assert summed_cycles(DESIGNS[name].graph) == DESIGNS[name].finn_critical_path


@pytest.mark.parametrize(
    ("slower", "latency"), [(None, 432), ("MVAU_hls_1", 766), ("MVAU_hls_2", 831)]
)
def test_latency_under_load_hangs_on_which_of_equal_layers_is_slowest(
    slower: str | None, latency: int
) -> None:
    """Measured is 815: three layers of TFC take 70 cycles, a cycle more in one fills its FIFO."""
    graph, frames = DESIGNS["tfc_1w1a"].graph, 400
    net = build_net(graph, depths=finn_depths(graph))
    changed = replace(net, processes=tuple(_slowed(p, p.name == slower) for p in net.processes))
    result = report(graph, changed, run(changed, frames=frames), clock_hz=CLOCK_HZ, frames=frames)
    assert result.loaded_latency_cycles == latency
    assert result.interval_cycles == 70 + bool(slower)


def _slowed(process: Process, by: int) -> Process:
    pattern = process.pattern
    return replace(process, pattern=replace(pattern, restart=pattern.restart + by))


@pytest.mark.slow
def test_mobilenet_with_finns_smallest_fifos_is_as_measured() -> None:
    """Its FIFOs were not sized by simulation: 29 kB were built where that finds 301 kB.

    Depths are not public. With 32 words, the least FINN builds, on each of its streams (32 kB), all
    three measured numbers are met.
    """
    design = DESIGNS["mobilenet_v1_w4a4_septh"]
    depths = {channel.tensor: 32 for channel in build_net(design.graph).channels}
    interval, latency, loaded = _errors(design, depths)
    assert abs(interval) <= 0.02
    assert abs(latency) <= 0.01
    assert abs(loaded) <= 0.01
