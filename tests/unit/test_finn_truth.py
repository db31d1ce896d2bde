"""Our costs against FINN's own, layer by layer, for every network and folding of the truth."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from typing import Any

import onnx
import pytest

import models
from elasticdf import frontend
from elasticdf.costs.network import estimate_network
from elasticdf.costs.profile import load_profile
from elasticdf.folding import coupled, fold_for_cycles, folding_document
from elasticdf.frontend import finn
from elasticdf.frontend.specialise import specialise
from elasticdf.frontend.stream_adapters import (
    insert_fifos,
    insert_width_converters,
    split_deep_fifos,
)
from elasticdf.ir import Graph, Resources
from elasticdf.layers import kind_of
from elasticdf.layers.kind import FpgaPart, fpga_part, padded
from tests.finn_tables import FOLDINGS, attribute, document, graph_of, layer_of
from tests.truth import SHARED, needs_shared, shared

pytestmark = needs_shared

GRAPHS = SHARED / "truth/graphs" if SHARED else Path("absent")
BUILT = sorted(str(path.parent.relative_to(GRAPHS)) for path in GRAPHS.glob("*/*/dataflow.onnx"))


def part_of(folding: str) -> FpgaPart:
    return fpga_part(document(f"{folding}/layers.json")["meta"]["fpga_part"])


def resources_of(estimate: dict[str, Any]) -> Resources:
    return Resources(
        lut=int(estimate["LUT"]),
        ff=None,
        bram18=int(estimate["BRAM_18K"]),
        uram=int(estimate["URAM"]),
        dsp=int(estimate["DSP"]),
    )


def mismatches(entry: dict[str, Any], folding: str) -> list[str]:
    """Return what differs between FINN's entry and ours, one sentence each."""
    layer, part = layer_of(entry), part_of(folding)
    kind = kind_of(layer)
    ports = kind.ports(layer)
    pairs = {
        "cycles": (kind.cycles(layer), entry["exp_cycles"]),
        "input bits": (ports.input_bits[0], entry["instream_width"]),
        "padded input bits": (padded(ports.input_bits[0]), entry["instream_width_padded"]),
        "output bits": (ports.output_bits[0], entry["outstream_width"]),
        "padded output bits": (padded(ports.output_bits[0]), entry["outstream_width_padded"]),
        "output values": (ports.output_values, entry["number_output_values"]),
        "resources": (kind.resources(layer, part), resources_of(entry["res_selected"])),
        "variants": (
            [dict(variant) for variant in kind.published_variants],
            [variant["config"] for variant in entry["res_variants"]],
        ),
        "attributes": (
            dict(layer.attributes),
            {name: attribute(value) for name, value in sorted(entry["attrs"].items())},
        ),
    }
    for variant in entry["res_variants"]:
        ours = kind.resources(layer.with_attributes(variant["config"]), part)
        pairs[f"resources with {variant['config']}"] = (ours, resources_of(variant["estimate"]))
    return [
        f"{folding} {entry['name']}: {what} {ours}, FINN says {theirs}"
        for what, (ours, theirs) in pairs.items()
        if ours != theirs
    ]


def test_every_layer_costs_what_finn_says() -> None:
    checked: Counter[str] = Counter()
    variants = 0
    wrong: list[str] = []
    for folding in FOLDINGS:
        for stage in ("layers.json", "layers_fifo.json"):
            for entry in document(f"{folding}/{stage}")["layers"]:
                checked[entry["op_type"]] += 1
                variants += len(entry["res_variants"])
                wrong += mismatches(entry, folding)
    lines = [f"{op_type:38} {count:6}" for op_type, count in sorted(checked.items())]
    lines.append(f"{'all':38} {checked.total():6}, with {variants} variants")
    sys.stdout.write("\n".join(("layers equal to FINN's:", *lines, "")))
    assert wrong == []
    assert checked.total() == 4004


def unfolded(graph: Graph) -> Graph:
    """Undo every choice SetFolding makes."""
    reset = {"PE": 1, "SIMD": 1, "parallel_window": 0}
    return graph.with_layers(
        layer.with_attributes({k: v for k, v in reset.items() if k in layer.attributes})
        if layer.family not in ("FMPadding", "StreamingMaxPool")  # FINN leaves these as they are
        else layer
        for layer in graph
    )


@pytest.mark.parametrize("folding", [name for name in FOLDINGS if "/fps" in name])
def test_folding_for_a_frame_rate_is_finns(folding: str) -> None:
    meta = document(f"{folding}/layers.json")["meta"]
    cycles = int(1e9 / meta["clk_ns"] / meta["target_fps"])
    folded = fold_for_cycles(unfolded(graph_of(folding)), cycles)
    expected = document(f"{folding}/auto_folding_config.json")
    assert folding_document(folded) == expected
    assert list(folding_document(folded)) == list(expected), "order of the layers"


@pytest.mark.parametrize("folding", FOLDINGS)
def test_network_figures_are_finns(folding: str) -> None:
    meta = document(f"{folding}/layers.json")["meta"]
    expected = document(f"{folding}/estimate_network_performance.json")
    ours = estimate_network(
        graph_of(folding),
        board=meta["board"],
        clock_hz=round(1e9 / meta["clk_ns"]),
        profile=load_profile("finn"),
        part=fpga_part(meta["fpga_part"]),
        variants=False,
    ).to_json()
    assert ours["interval_cycles"] == expected["max_cycles"]
    assert ours["bottleneck"] == expected["max_cycles_node_name"]
    assert ours["latency_cycles"] == expected["critical_path_cycles"]
    assert ours["frames_per_second"] == pytest.approx(expected["estimated_throughput_fps"])


def read(path: str) -> Graph:
    return finn.read(onnx.load(str(shared(f"truth/graphs/{path}"))), "network")


@pytest.mark.parametrize("folding", BUILT)
@pytest.mark.parametrize("stage", ["", "_fifo"])
def test_graph_files_hold_the_layers_of_the_table(folding: str, stage: str) -> None:
    graph = read(f"{folding}/dataflow{stage}.onnx")
    entries = document(f"{folding}/layers{stage}.json")["layers"]
    assert [layer.name for layer in graph] == [entry["name"] for entry in entries]
    for layer, entry in zip(graph, entries, strict=True):
        assert layer.attributes == layer_of(entry).attributes, layer.name
        assert list(graph.predecessors(layer.name)) == entry["predecessors"], layer.name
        assert sorted(graph.successors(layer.name)) == sorted(entry["successors"]), layer.name


@pytest.mark.parametrize("folding", BUILT)
def test_stripped_files_give_the_same_graph(folding: str) -> None:
    model = onnx.load(str(shared(f"truth/graphs/{folding}/dataflow.onnx")))
    whole = finn.read(model, "network")
    for tensor in model.graph.initializer:
        if tensor.name not in {value.name for value in model.graph.value_info}:
            model.graph.value_info.append(
                onnx.helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims)
            )
    model.graph.ClearField("initializer")
    stripped = finn.read(model, "network")
    assert stripped.layers == whole.layers
    assert stripped.arcs == whole.arcs
    assert all(tensor.values is None for tensor in stripped.tensors.values())


@pytest.mark.parametrize("folding", [name for name in BUILT if "resnet50_w1a2/shipped" not in name])
def test_width_converters_and_fifos_are_inserted_as_finn_does(folding: str) -> None:
    """Depths aside: the shipped foldings set those by a file that is not part of the truth."""
    graph = read(f"{folding}/dataflow.onnx")
    bridged = split_deep_fifos(insert_fifos(insert_width_converters(graph), shallow=True))
    entries = document(f"{folding}/layers_fifo.json")["layers"]
    assert [layer.name for layer in bridged] == [entry["name"] for entry in entries]
    for layer, entry in zip(bridged, entries, strict=True):
        assert list(bridged.predecessors(layer.name)) == entry["predecessors"], layer.name
        for name in ("inWidth", "outWidth", "shape", "dataType", "folded_shape", "normal_shape"):
            if name in entry["attrs"]:
                assert layer.attributes[name] == attribute(entry["attrs"][name]), layer.name


@pytest.mark.parametrize("network", ["cnv_1w1a", "mobilenet_v1_w4a4", "tfc_1w1a"])
def test_specialisation_is_finns(network: str) -> None:
    graph = read(f"{network}/dataflow_hw.onnx")
    for folding in FOLDINGS:
        if folding.startswith(f"{network}/fps"):
            names = [entry["name"] for entry in document(f"{folding}/layers.json")["layers"]]
            assert [layer.name for layer in specialise(graph, part_of(folding))] == names


@pytest.mark.parametrize("folding", FOLDINGS)
def test_finn_folds_coupled_layers_alike(folding: str) -> None:
    graph = graph_of(folding)
    for window, consumer in coupled(graph):
        assert graph.layer(window).integer("SIMD") == graph.layer(consumer).integer("PE")


QONNX = (
    "tfc_1w1a",
    "tfc_2w2a",
    "cnv_1w1a",
    "zoo_kwsmlp_w3a3",
    "finn_cybsec_mlp",
    "resnet18_w2a2_cifar",
    "mobilenet_v1_w4a4",
)
"""Networks there is both a QONNX file and FINN's tables of."""


@pytest.mark.parametrize("network", QONNX)
def test_quantised_networks_become_what_finn_makes_of_them(network: str) -> None:
    """Names, op types and every attribute, after FINN's own folding, at several frame rates."""
    lowered = frontend.load(shared(f"networks/{network}.onnx"), quirks=True)
    foldings = [name for name in FOLDINGS if name.startswith(f"{network}/fps")]
    assert foldings
    for folding in foldings:
        table = document(f"{folding}/layers.json")
        meta = table["meta"]
        cycles = int(1e9 / meta["clk_ns"] / meta["target_fps"])
        folded = fold_for_cycles(specialise(lowered, part_of(folding)), cycles)
        assert [layer.name for layer in folded] == [entry["name"] for entry in table["layers"]]
        for layer, entry in zip(folded, table["layers"], strict=True):
            assert layer.attributes == layer_of(entry).attributes, f"{folding} {layer.name}"
            assert kind_of(layer).cycles(layer) == entry["exp_cycles"]
            assert list(folded.predecessors(layer.name)) == entry["predecessors"]


def test_our_own_resnet50_is_the_one_finn_was_run_on(tmp_path: Path) -> None:
    """There is no file of it to read, so the zoo's builder stands in: every attribute agrees."""
    path = tmp_path / "resnet50.onnx"
    models.export("resnet50-w1a2", path)
    table = document("resnet50_w1a2/fps100/layers.json")
    lowered = frontend.load(path, quirks=True)
    folded = fold_for_cycles(lowered, int(1e9 / table["meta"]["clk_ns"] / 100))
    assert [layer.name for layer in folded] == [entry["name"] for entry in table["layers"]]
    for layer, entry in zip(folded, table["layers"], strict=True):
        assert layer.attributes == layer_of(entry).attributes, layer.name
        assert list(folded.predecessors(layer.name)) == entry["predecessors"]
