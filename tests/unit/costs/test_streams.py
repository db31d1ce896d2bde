"""Room for what stands between layers: converters, FIFOs, and buffers where branches join."""

from __future__ import annotations

from math import ceil, prod

import pytest

from elasticdf.costs.profile import load_profile
from elasticdf.costs.streams import StreamCosts, join_buffers
from elasticdf.folding import options
from elasticdf.frontend.stream_adapters import insert_fifos, insert_width_converters
from elasticdf.ir import Resources
from elasticdf.layers import kind_of
from elasticdf.layers.kind import fpga_part
from tests.finn_tables import graph_of
from tests.truth import needs_shared

U250 = fpga_part("xcu250-figd2104-2L-e")
CALIBRATED = StreamCosts(profile=load_profile("calibrated"), part=U250)


def test_shallow_fifos_take_logic_and_no_memory() -> None:
    cost = CALIBRATED.before((32,), (2,), ())
    assert 50 < cost.lut < 300
    assert cost.bram18 == cost.uram == cost.dsp == 0


def test_what_must_be_stored_takes_block_ram() -> None:
    # 4096 words of 36 bits are 8 BRAM18; the band's upper end is a seventh above.
    cost = CALIBRATED.before((36,), (2,), (36 * 4096,))
    assert 8 <= cost.bram18 <= 10
    asked = CALIBRATED.before((36,), (4096,), ())
    assert asked == cost


def test_every_input_counts() -> None:
    one, two = CALIBRATED.before((8,), (2,), ()), CALIBRATED.before((8, 8), (2, 2), ())
    assert two == one + one


@needs_shared
def test_joins_store_about_what_finns_simulation_found() -> None:
    """The depths of the shipped ResNet-50 were found by FINN simulating it."""
    graph = graph_of("resnet50_w1a2/shipped_U250")
    buffers = join_buffers(graph)
    joins = [layer for layer in graph if layer.family == "AddStreams"]
    assert set(buffers) == {layer.name for layer in joins}
    # The first join's depth in that file is the whole run-in of the network.
    for layer in joins[1:]:
        widths = kind_of(layer).ports(layer).input_bits
        for bits, width, found in zip(
            buffers[layer.name], widths, layer.integers("inFIFODepths"), strict=True
        ):
            words = ceil(bits / width)
            assert (words == 0) == (found == 2)
            assert found == 2 or 1 < words / found < 1.9


@needs_shared
def test_no_join_stores_more_than_a_frame() -> None:
    graph = graph_of("resnet18_w2a2_cifar/fps500")
    for name, buffers in join_buffers(graph).items():
        for bits, tensor in zip(buffers, graph.layer(name).inputs, strict=True):
            shape = graph.tensors[tensor].shape
            assert 0 <= bits <= prod(shape) * graph.tensors[tensor].datatype.bits


@needs_shared
@pytest.mark.parametrize("costs", ["finn", "calibrated"])
def test_graphs_with_fifos_of_their_own_get_no_allowance(costs: str) -> None:
    profile = load_profile(costs)
    bare = graph_of("tfc_1w1a/fps100000")
    bridged = insert_fifos(insert_width_converters(bare), shallow=True)

    def lut(graph) -> int:
        found = options(graph, cycles=None, profile=profile, part=U250, variants=False)
        return Resources.total(choices[0].resources for choices in found.values()).lut

    alike = lut(bridged) / lut(bare)
    # FINN's profile leaves out what stands between layers until it is there.
    assert (0.75 < alike < 1.1) if costs == "calibrated" else alike > 1.0
