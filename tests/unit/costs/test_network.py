"""The estimate of a network: its sums, bottleneck, latency, warnings and JSON form."""

from __future__ import annotations

import pytest

from elasticdf.costs.network import NetworkEstimate, estimate_network
from elasticdf.costs.profile import load_profile
from elasticdf.ir import DataType, Graph, Layer, Tensor
from elasticdf.layers import with_defaults
from elasticdf.layers.kind import fpga_part

U250 = fpga_part("xcu250-figd2104-2L-e")


def diamond() -> Graph:
    """Return a fork into a slow and a fast way that join again."""
    common = {"NumChannels": 8, "PE": 1, "inputDataType": "UINT4", "numInputVectors": (1, 4, 4)}
    steps = {
        "NumChannels": 8, "numSteps": 15, "inputDataType": "UINT4", "weightDataType": "UINT4",
        "outputDataType": "UINT4", "numInputVectors": (1, 4, 4),
    }  # fmt: skip
    drawn = (
        ("DuplicateStreams_hls", 0, {**common, "NumOutputStreams": 2}, ("in",), ("a", "b")),
        ("Thresholding_rtl", 0, {**steps, "PE": 1}, ("a", "t"), ("c",)),
        ("Thresholding_rtl", 1, {**steps, "PE": 8}, ("b", "t"), ("d",)),
        ("AddStreams_hls", 0, common, ("c", "d"), ("out",)),
    )
    layers = tuple(
        with_defaults(
            Layer(
                name=f"{op_type}_{number}",
                op_type=op_type,
                attributes=attributes,
                inputs=inputs,
                outputs=outputs,
            )
        )
        for op_type, number, attributes, inputs, outputs in drawn
    )
    tensors = {
        name: Tensor(name=name, shape=(1, 4, 4, 8), datatype=DataType.parse("UINT4"))
        for name in ("in", "a", "b", "c", "d", "t", "out")
    }
    return Graph(name="diamond", layers=layers, tensors=tensors, inputs=("in",), outputs=("out",))


def estimated(costs: str) -> NetworkEstimate:
    return estimate_network(
        diamond(),
        board="u250",
        clock_hz=200_000_000,
        profile=load_profile(costs),
        part=U250,
    )


def test_the_slowest_way_is_the_latency() -> None:
    found = estimated("finn")
    assert found.interval_cycles == 128
    assert found.latency_cycles == 3 * 128, "the fast way takes 16 cycles instead of 128"
    assert found.frames_per_second == 200_000_000 / 128
    assert [r.layer.name for r in found.bottlenecks] == [
        "DuplicateStreams_hls_0",
        "Thresholding_rtl_0",
        "AddStreams_hls_0",
        "Thresholding_rtl_1",
    ]


def test_the_document_has_what_other_programs_read() -> None:
    document = estimated("finn").to_json()
    assert document["schema"] == "elasticdf.estimate/1"
    assert {
        "network", "board", "clock_hz", "costs", "layers", "totals", "bottleneck",
        "frames_per_second", "latency_cycles",
    } <= set(document)  # fmt: skip
    fork = document["layers"][0]
    assert fork["successors"] == ["Thresholding_rtl_0", "Thresholding_rtl_1"]
    assert fork["attributes"]["numInputVectors"] == [1, 4, 4]
    assert (fork["input_bits"], fork["output_bits"]) == (4, 4)
    assert fork["resources"] == {"lut": 0, "ff": None, "bram18": 0, "uram": 0, "dsp": 0}
    assert fork["variants"] == [{"attributes": {}, "resources": fork["resources"]}]
    assert document["totals"]["ff"] is None, "unknown stays unknown in sums"
    join = document["layers"][3]
    assert join["predecessors"] == ["Thresholding_rtl_0", "Thresholding_rtl_1"]


def test_what_costs_nothing_or_is_unknown_is_warned_of() -> None:
    assert estimated("finn").warnings == (
        "DuplicateStreams_hls_0, AddStreams_hls_0 cost nothing in this profile, which is not true; "
        "use --costs calibrated",
        "the flip-flops of DuplicateStreams_hls_0, Thresholding_rtl_0, Thresholding_rtl_1 and 1 "
        "more layers are unknown in this profile",
    )
    assert estimated("calibrated").warnings == ()


def test_the_upper_estimate_lies_above_the_best_guess() -> None:
    document = estimated("calibrated").to_json()
    assert document["totals_high"]["lut"] > document["totals"]["lut"]
    assert document["totals"]["ff"] == sum(entry["resources"]["ff"] for entry in document["layers"])


@pytest.mark.parametrize("costs", ["corrected", "calibrated"])
def test_other_profiles_price_all_variants(costs: str) -> None:
    steps = estimated(costs).to_json()["layers"][1]
    assert len(steps["variants"]) > 1
    assert steps["variants"][0] == {"attributes": {}, "resources": steps["resources"]}
