"""FIFO depths against those FINN's own RTL simulation found, and published, for one design.

Source: github.com/eki-project/finn-plus, ``models/multi_dnn/mobilenetv1/type3/
final_hw_config_full_internal_decoupled_fifo.json``: MobileNetV1 in the folding of the reference
material's ``shipped_ZCU104``, every stream's FIFO sized by simulating the stitched RTL.
"""

from __future__ import annotations

from elasticdf.simulation import finn_depths
from elasticdf.simulation.netlist import build_net
from tests.finn_tables import graph_of
from tests.truth import needs_shared

pytestmark = needs_shared

STREAMS = 142
FOUND_BY_FINN = {
    0: 82151, 3: 3850, 4: 32, 6: 1821, 8: 32, 10: 213, 17: 887, 19: 1125, 24: 32, 27: 3582,
    29: 55, 34: 32, 37: 393, 39: 450, 44: 32, 47: 7166, 49: 111, 54: 32, 57: 769, 59: 1370,
    64: 32, 69: 2175, 74: 50, 77: 318, 79: 2175, 84: 50, 87: 321, 89: 2175, 94: 50, 97: 321,
    99: 2175, 104: 50, 107: 321, 109: 2175, 114: 50, 117: 321, 118: 15681, 122: 53, 127: 6544,
    132: 107,
}  # fmt: skip
"""Depth by number of the stream, in graph order; all others have 2."""


def test_depths_are_those_finn_finds_by_simulating_rtl() -> None:
    graph = graph_of("mobilenet_v1_w4a4_septh/shipped_ZCU104")
    net, depths = build_net(graph), finn_depths(graph)
    assert len(net.channels) == STREAMS
    for number, channel in enumerate(net.channels):
        found, expected = depths[channel.tensor], FOUND_BY_FINN.get(number, 2)
        if max(found, expected) > 32:  # FINN rounds 3 to 32 up to 32
            assert abs(found - expected) <= 2, (number, channel.tensor)
