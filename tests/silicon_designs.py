"""The measured designs of the reference material as layer graphs.

What the material leaves open is filled in here, each with its reason; where FINN's own estimate of
the built design is stated, the result reproduces it (see ``tests/unit/costs/test_silicon.py``).
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any

from elasticdf.folding import apply_folding
from elasticdf.frontend.stream_adapters import insert_fifos, insert_width_converters
from elasticdf.ir import DataType, Graph, Layer, Resources, Tensor
from elasticdf.layers import with_defaults
from elasticdf.layers.kind import FpgaPart, fpga_part
from tests.finn_tables import graph_of
from tests.truth import shared

PART: FpgaPart = fpga_part("xczu28dr-ffvg1517-2-e")

TABLES = {
    "cnv_1w1a": "cnv_1w1a/shipped_bnnpynq_U250",
    "cnv_2w2a": "cnv_1w1a/shipped_bnnpynq_U250",
    "tfc_1w1a": "tfc_1w1a/shipped_bnnpynq_U250",
    "zoo_kwsmlp_w3a3": "zoo_kwsmlp_w3a3/fps100000",
    "mobilenet_v1_w4a4_septh/shipped_ZCU104": "mobilenet_v1_w4a4_septh/shipped_ZCU104",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """A design as built, its adapters included, with FINN's estimate and the measurement."""

    name: str
    graph: Graph
    finn_lut: int
    finn_bram18: int
    measured: Resources


def built_designs() -> tuple[Built, ...]:
    """Return the five designs."""
    text = shared("truth/silicon/measured.json").read_text()
    return tuple(_built(entry) for entry in json.loads(text)["designs"])


def _built(entry: dict[str, Any]) -> Built:
    network = entry["same_network_in_truth"]
    graph = COMPLETIONS.get(network, lambda graph: graph)(graph_of(TABLES[network]))
    if isinstance(entry["folding"], dict):
        graph = apply_folding(graph, entry["folding"])
    synth = entry["synth"]
    return Built(
        name=network.split("/")[0],
        graph=insert_fifos(insert_width_converters(graph), shallow=True),
        finn_lut=int(entry["est"]["LUT"]),
        finn_bram18=int(entry["est"]["BRAM_18K"]),
        measured=Resources(
            lut=synth["LUT"],
            ff=synth["FF"],
            bram18=synth["BRAM_18K"] + 2 * synth["BRAM_36K"],
            uram=synth["URAM"],
            dsp=synth["DSP"],
        ),
    )


def _two_bit(graph: Graph) -> Graph:
    """Make the one-bit CNV the two-bit one: same shape, other types and accumulators."""
    layers = tuple(_two_bit_layer(layer) for layer in graph)
    tensors = dict(graph.tensors)
    for layer in layers:
        stated = layer.attributes.get("outputDataType") or layer.attributes.get("dataType")
        for name in layer.outputs:
            tensors[name] = replace(tensors[name], datatype=DataType.parse(str(stated)))
    return replace(graph, layers=layers, tensors=tensors)


def _two_bit_layer(layer: Layer) -> Layer:
    changes = {
        name: "INT2"
        for name in ("inputDataType", "outputDataType", "dataType")
        if layer.attributes.get(name) == "BINARY"
    }
    if layer.family == "LabelSelect":
        return layer.with_attributes({"inputDataType": "INT12"})
    if layer.family != "MVAU":
        return layer.with_attributes(changes)
    largest = layer.integer("MW") * (128 if layer.text("inputDataType") == "INT8" else 2)
    accumulator = DataType.smallest_for(-largest - 1, largest).name
    if layer.integer("noActivation"):
        changes["outputDataType"] = accumulator
    return layer.with_attributes(
        {**changes, "weightDataType": "INT2", "binaryXnorMode": 0, "accDataType": accumulator}
    )


def _with_input_threshold(graph: Graph) -> Graph:
    """Add the layer that makes bits of the pixels; the table's network gets bits from the host."""
    bits = graph.inputs[0]
    threshold = with_defaults(
        Layer(
            name="Thresholding_rtl_0",
            op_type="Thresholding_rtl",
            attributes={
                "PE": 1,
                "NumChannels": 784,
                "numSteps": 1,
                "inputDataType": "UINT8",
                "weightDataType": "UINT8",
                "outputDataType": "BINARY",
            },
            inputs=("pixels", "levels"),
            outputs=(bits,),
        )
    )
    byte = DataType.parse("UINT8")
    tensors = {
        **graph.tensors,
        "pixels": Tensor(name="pixels", shape=(1, 784), datatype=byte),
        "levels": Tensor(name="levels", shape=(784, 1), datatype=byte),
    }
    layers = (threshold, *graph.layers)
    return replace(graph, layers=layers, tensors=tensors, inputs=("pixels",))


def _without_uram(graph: Graph) -> Graph:
    """Move memories as the build must have: no URAM used, seven windows in LUTs.

    Which windows follows from FINN's estimate of that build, whose 1070 BRAM18 it then meets.
    """
    in_luts = {f"ConvolutionInputGenerator_rtl_{i}" for i in (6, 7, 8, 9, 10, 11, 13)}
    return graph.with_layers(
        layer.with_attributes({"ram_style": "auto"})
        if layer.attributes.get("ram_style") == "ultra"
        else layer.with_attributes({"ram_style": "distributed"})
        if layer.name in in_luts
        else layer
        for layer in graph
    )


COMPLETIONS = {
    "cnv_2w2a": _two_bit,
    "tfc_1w1a": _with_input_threshold,
    "mobilenet_v1_w4a4_septh/shipped_ZCU104": _without_uram,
}
