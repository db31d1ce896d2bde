"""Folding files, FINN's heuristic at its edges, and the options offered to the partitioner."""

from __future__ import annotations

from typing import Any

import pytest

from elasticdf.costs.profile import load_profile
from elasticdf.errors import InfeasibleError, UserError
from elasticdf.folding import (
    apply_folding,
    coupled,
    cycle_targets,
    fastest_cycles,
    fold_for_cycles,
    folding_document,
    options,
)
from elasticdf.frontend.stream_adapters import insert_fifos, insert_width_converters
from elasticdf.ir import AttributeValue, DataType, Graph, Layer, Tensor
from elasticdf.layers import kind_of, with_defaults
from elasticdf.layers.kind import fpga_part

U250 = fpga_part("xcu250-figd2104-2L-e")
FINN = load_profile("finn")


def layer(name: str, inputs: tuple[str, ...], output: str, **attributes: AttributeValue) -> Layer:
    op_type = name.rstrip("0123456789").removesuffix("_")
    return with_defaults(
        Layer(name=name, op_type=op_type, attributes=attributes, inputs=inputs, outputs=(output,))
    )


def network() -> Graph:
    """Return a depthwise convolution followed by a dense one and a label."""
    types: dict[str, AttributeValue] = {"inputDataType": "UINT4", "weightDataType": "INT4"}
    layers = (
        layer(
            "ConvolutionInputGenerator_rtl_0", ("in",), "a",
            ConvKernelDim=(3, 3), IFMChannels=16, IFMDim=(10, 10), OFMDim=(8, 8), SIMD=1,
            Stride=(1, 1), Dilation=(1, 1), inputDataType="UINT4", outputDataType="UINT4",
            depthwise=1,
        ),
        layer(
            "VVAU_hls_0", ("a", "w0"), "b",
            PE=1, SIMD=1, Dim=(8, 8), Channels=16, Kernel=(3, 3), outputDataType="UINT4", **types,
        ),
        layer(
            "MVAU_hls_0", ("b", "w1"), "c",
            PE=1, SIMD=1, MW=16, MH=32, numInputVectors=(1, 8, 8), outputDataType="INT12",
            noActivation=1, **types,
        ),
        layer("Thresholding_rtl_0", ("c", "t"), "d", PE=1, NumChannels=32, numSteps=15,
              inputDataType="INT12", weightDataType="INT12", outputDataType="UINT4",
              numInputVectors=(1, 8, 8)),
    )  # fmt: skip
    shapes = {"in": (1, 10, 10, 16), "a": (1, 8, 8, 144), "b": (1, 8, 8, 16), "c": (1, 8, 8, 32),
              "d": (1, 8, 8, 32), "w0": (16, 1, 3, 3), "w1": (16, 32), "t": (32, 15)}  # fmt: skip
    kinds = {"w0": "INT4", "w1": "INT4", "c": "INT12", "t": "INT12"}
    tensors = {
        name: Tensor(name=name, shape=shape, datatype=DataType.parse(kinds.get(name, "UINT4")))
        for name, shape in shapes.items()
    }
    return Graph(name="small", layers=layers, tensors=tensors, inputs=("in",), outputs=("d",))


def slowest(graph: Graph) -> int:
    return max(kind_of(item).cycles(item) for item in graph)


def test_finn_stops_strictly_below_the_target() -> None:
    graph = network()
    # Unfolded the dense layer takes 32768 cycles; exactly that target is not good enough.
    at = fold_for_cycles(graph, 32768, two_pass=False).layer("MVAU_hls_0")
    above = fold_for_cycles(graph, 32769, two_pass=False).layer("MVAU_hls_0")
    assert (at.integer("PE"), at.integer("SIMD")) == (1, 2)
    assert (above.integer("PE"), above.integer("SIMD")) == (1, 1)


def test_finn_limits_the_weight_stream_before_it_adds_elements() -> None:
    """Eight weights of 4 bits fit into 36 bits, sixteen do not."""
    dense = fold_for_cycles(network(), 500, two_pass=False).layer("MVAU_hls_0")
    assert (dense.integer("SIMD"), dense.integer("PE")) == (8, 16)


def test_depthwise_window_follows_its_consumer() -> None:
    folded = fold_for_cycles(network(), 200)
    unit, window = folded.layer("VVAU_hls_0"), folded.layer("ConvolutionInputGenerator_rtl_0")
    assert unit.integer("PE") == window.integer("SIMD") == 16
    assert unit.integer("SIMD") > 1
    assert window.integer("parallel_window") == 1


def test_a_missed_target_folds_again_for_what_is_reached() -> None:
    once = fold_for_cycles(network(), 10, weight_stream_bits=4, two_pass=False)
    twice = fold_for_cycles(network(), 10, weight_stream_bits=4)
    assert slowest(twice) == slowest(once)
    lanes = [
        sum(item.integer("PE", 1) for item in graph if "PE" in item.attributes)
        for graph in (once, twice)
    ]
    assert lanes[1] < lanes[0]


def test_estimated_cycles_are_noted_on_the_layers() -> None:
    for item in fold_for_cycles(network(), 1000):
        assert item.integer("cycles_estimate") == kind_of(item).cycles(item)


def test_a_target_below_one_cycle_is_refused() -> None:
    with pytest.raises(UserError, match="a target of 0 cycles per frame is impossible"):
        fold_for_cycles(network(), 0)


def test_a_depthwise_layer_without_its_window_is_refused() -> None:
    graph = network()
    lone = Graph(
        name="lone",
        layers=graph.layers[1:],
        tensors=graph.tensors,
        inputs=("a",),
        outputs=("d",),
    )
    with pytest.raises(UserError, match=r"VVAU_hls_0 .* is not fed by a ConvolutionInputGenerator"):
        fold_for_cycles(lone, 1000)


def test_a_folding_file_survives_the_round_trip() -> None:
    folded = fold_for_cycles(network(), 300)
    document = folding_document(folded)
    assert (
        apply_folding(network(), document).layers
        == apply_folding(folded, {})
        .with_layers(item.with_attributes({"cycles_estimate": 0}) for item in folded)
        .layers
    )
    assert document["Defaults"] == {}
    assert list(document["MVAU_hls_0"]) == [
        "PE", "SIMD", "ram_style", "resType", "mem_mode", "runtime_writeable_weights",
    ]  # fmt: skip


def test_defaults_reach_the_op_types_they_name() -> None:
    document = {
        "Defaults": {"ram_style": ["block", ["MVAU_hls"]], "resType": ["dsp", "all"]},
        "VVAU_hls_0": {"resType": "lut"},
    }
    folded = apply_folding(network(), document)
    assert folded.layer("MVAU_hls_0").text("ram_style") == "block"
    assert folded.layer("VVAU_hls_0").text("ram_style") == "auto"
    assert folded.layer("MVAU_hls_0").text("resType") == "dsp"
    assert folded.layer("VVAU_hls_0").text("resType") == "lut", "an entry beats the default"


def test_finns_all_in_a_list_matches_nothing() -> None:
    """Error F10: FINN writes [value, ["all"]] itself and then ignores it."""
    folded = apply_folding(network(), {"Defaults": {"resType": ["dsp", ["all"]]}})
    assert folded.layer("MVAU_hls_0").text("resType") == "auto"


def test_layers_finn_inserts_later_are_skipped_with_a_note() -> None:
    folded = apply_folding(network(), {"Defaults": {}, "StreamingFIFO_rtl_3": {"depth": 64}})
    assert folded.notes == (
        "folding of StreamingFIFO_rtl_3 is skipped: the network has no such layer yet",
    )


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (
            {"MVAU_hls_7": {"PE": 1}},
            "the folding file names layer 'MVAU_hls_7', which network small does not have; its "
            "layers run from ConvolutionInputGenerator_rtl_0 to Thresholding_rtl_0",
        ),
        (
            {"MVAU_hls_0": {"PE": 3}},
            "layer MVAU_hls_0 (MVAU_hls): PE=3 does not divide 32; choose PE among the divisors "
            "of 32",
        ),
        (
            {"MVAU_hls_0": {"ram_style": "huge"}},
            "layer MVAU_hls_0 (MVAU_hls): attribute ram_style is 'huge'; FINN takes 'auto' or "
            "'block' or 'distributed' or 'ultra'",
        ),
        (
            {"MVAU_hls_0": {"PE": "4"}},
            "layer MVAU_hls_0 (MVAU_hls): attribute PE is '4'; FINN takes a whole number from 1 "
            "to 2147483647",
        ),
        (
            {"MVAU_hls_0": {"PE": True}},
            "layer MVAU_hls_0 (MVAU_hls): attribute PE is True; FINN takes a whole number from 1 "
            "to 2147483647",
        ),
        (
            {"VVAU_hls_0": {"PE": 4}},
            "layer ConvolutionInputGenerator_rtl_0: SIMD=1 differs from PE=4 of VVAU_hls_0, which "
            "it feeds; depthwise windows need both equal",
        ),
        (
            {"MVAU_hls_0": 4},
            "the folding file's entry 'MVAU_hls_0' is 4; it must be an object of attributes, such "
            'as {"PE": 2, "SIMD": 4}',
        ),
        (
            {"Defaults": {"PE": 4}},
            "the folding file's default for PE is 4; it must be a value and the op types it is "
            'for, such as ["block", ["MVAU_hls"]] or ["block", "all"]',
        ),
    ],
)
def test_an_illegal_folding_file_is_refused(document: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError) as caught:
        apply_folding(network(), document)
    assert str(caught.value) == message


def test_an_unknown_attribute_is_refused_with_those_that_exist() -> None:
    with pytest.raises(UserError, match="there is no attribute 'pe'; it has ActVal, MH, MW,"):
        apply_folding(network(), {"MVAU_hls_0": {"pe": 4}})


def test_coupled_layers_are_found() -> None:
    assert coupled(network()) == (("ConvolutionInputGenerator_rtl_0", "VVAU_hls_0"),)


def test_options_meet_the_target_and_fit_together() -> None:
    graph = network()
    offered = options(graph, cycles=1200, profile=FINN, part=U250)
    assert set(offered) == {item.name for item in graph}
    for name, choices in offered.items():
        assert choices, name
        assert all(choice.cycles <= 1200 for choice in choices), name
    simds = {c.attributes["SIMD"] for c in offered["ConvolutionInputGenerator_rtl_0"]}
    elements = {c.attributes["PE"] for c in offered["VVAU_hls_0"]}
    assert simds == elements, "one folding for the pair, whatever is combined"
    assert len(simds) == 1


def test_weights_may_go_to_every_memory() -> None:
    choices = options(network(), cycles=40000, profile=FINN, part=U250, limit=99)["MVAU_hls_0"]
    kinds = {(c.resources.bram18 > 0, c.resources.uram > 0, c.resources.dsp > 0) for c in choices}
    assert {(True, False, False), (False, True, False), (False, False, False)} <= kinds
    assert any(dsp for _, _, dsp in kinds)
    ultra = next(c for c in choices if c.resources.uram)
    assert ultra.attributes["runtime_writeable_weights"] == 1, "URAM has no initial content"


def test_kept_folding_offers_variants_only() -> None:
    graph = fold_for_cycles(network(), 500)
    for name, choices in options(graph, cycles=None, profile=FINN, part=U250).items():
        assert all(not {"PE", "SIMD"} & set(choice.attributes) for choice in choices), name
    alone = options(graph, cycles=None, profile=FINN, part=U250, variants=False)
    assert all(len(choices) == 1 for choices in alone.values())


def test_too_fast_a_target_names_the_layer_and_its_best() -> None:
    # The window generator must take in 100 pixels, whatever is done.
    with pytest.raises(InfeasibleError) as caught:
        options(network(), cycles=50, profile=FINN, part=U250)
    assert str(caught.value) == (
        "layer ConvolutionInputGenerator_rtl_0 with VVAU_hls_0 needs at least 102 cycles per frame "
        "however it is folded, 50 are asked for; lower the frame rate or raise the clock"
    )
    assert caught.value.exit_code == 3
    assert caught.value.explanation["shortfall"] == [
        {
            "layer": "ConvolutionInputGenerator_rtl_0 with VVAU_hls_0",
            "cycles": 102,
            "target_cycles": 50,
        }
    ]


def test_the_fastest_target_can_be_met_and_nothing_faster() -> None:
    graph = network()
    best = max(fastest_cycles(graph).values())
    assert cycle_targets(graph)[0] == best == 102
    options(graph, cycles=best, profile=FINN, part=U250)
    with pytest.raises(InfeasibleError):
        options(graph, cycles=best - 1, profile=FINN, part=U250)


def test_targets_between_two_change_nothing() -> None:
    graph = network()
    targets = cycle_targets(graph)
    assert list(targets) == sorted(set(targets))
    lower, upper = targets[3], targets[4]
    assert upper - lower > 1
    assert options(graph, cycles=lower, profile=FINN, part=U250) == options(
        graph, cycles=upper - 1, profile=FINN, part=U250
    )


def bridged() -> Graph:
    return insert_fifos(insert_width_converters(fold_for_cycles(network(), 500)), shallow=True)


def test_folding_anew_leaves_out_what_belonged_to_the_old_folding() -> None:
    again = fold_for_cycles(bridged(), 1000)
    assert again.layers == fold_for_cycles(network(), 1000).layers
    assert again.notes == ("11 FIFOs and width converters of the file are left out",)


def test_options_of_a_graph_with_fifos_keep_its_folding() -> None:
    assert set(options(bridged(), cycles=None, profile=FINN, part=U250)) == {
        item.name for item in bridged()
    }
    with pytest.raises(UserError, match=r"already has FIFOs and width converters \(StreamingFIFO"):
        options(bridged(), cycles=1000, profile=FINN, part=U250)
