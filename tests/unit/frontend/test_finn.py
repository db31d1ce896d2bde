"""Reading FINN graphs: what is kept, filled in, sorted and refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from elasticdf.errors import UserError
from elasticdf.frontend import finn, load
from elasticdf.frontend.specialise import specialise
from elasticdf.frontend.stream_adapters import (
    insert_fifos,
    insert_width_converters,
    split_deep_fifos,
    without_adapters,
)
from elasticdf.ir import Graph
from elasticdf.layers.kind import fpga_part

DOMAIN = "finn.custom_op.fpgadataflow"
U250 = fpga_part("xcu250-figd2104-2L-e")
PYNQ = fpga_part("xc7z020clg400-1")
VERSAL = fpga_part("xcvc1902-vsva2197")


def dense(name: str, inputs: list[str], output: str, **attributes: Any) -> onnx.NodeProto:
    stated = {
        "PE": 1, "SIMD": 1, "MW": 8, "MH": 8, "inputDataType": "UINT4", "weightDataType": "INT4",
        "outputDataType": "UINT4", "backend": "fpgadataflow", "numInputVectors": [1],
    }  # fmt: skip
    op_type, domain = attributes.pop("op", ("MVAU", DOMAIN))
    return helper.make_node(
        op_type, inputs, [output], name=name, domain=domain, **(stated | attributes)
    )


def value(name: str, *shape: int) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


def annotation(tensor: str, datatype: str) -> onnx.TensorAnnotation:
    entry = onnx.StringStringEntryProto(key="finn_datatype", value=datatype)
    return onnx.TensorAnnotation(tensor_name=tensor, quant_parameter_tensor_names=[entry])


def model(
    nodes: list[onnx.NodeProto],
    weights: dict[str, np.ndarray] | None = None,
    inputs: tuple[str, ...] = ("in",),
    **more: Any,
) -> onnx.ModelProto:
    names = {name for node in nodes for name in (*node.input, *node.output)}
    graph = helper.make_graph(
        nodes,
        "test",
        [value(name, 1, 8) for name in inputs],
        [value("out", 1, 8)],
        initializer=[numpy_helper.from_array(v, k) for k, v in (weights or {}).items()],
        value_info=[
            value(name, 8, 8) if name.startswith("w") else value(name, 1, 8)
            for name in sorted(names - {"in", "out"})
        ],
    )
    graph.quantization_annotation.extend(
        annotation(name, "INT4" if name.startswith("w") else "UINT4") for name in sorted(names)
    )
    made = helper.make_model(graph, **more)
    made.metadata_props.add(key="origin", value="test")
    return made


def two(**attributes: Any) -> onnx.ModelProto:
    return model(
        [
            dense("MVAU_0", ["in", "w0"], "middle", **attributes),
            dense("MVAU_1", ["middle", "w1"], "out"),
        ]
    )


def read(made: onnx.ModelProto) -> Graph:
    return finn.read(made, "net")


def test_finn_graphs_are_told_from_others() -> None:
    assert finn.is_finn_graph(two())
    assert finn.is_finn_graph(
        model([dense("a", ["in", "w"], "out", op=("MVAU_hls", DOMAIN + ".hls"))])
    )
    plain = model([helper.make_node("Relu", ["in"], ["out"])])
    assert not finn.is_finn_graph(plain)
    assert not finn.is_finn_graph(
        model([helper.make_node("MVAU", ["in"], ["out"], domain="finn.custom_op.fpgadataflowx")])
    )


def test_defaults_types_and_metadata_are_filled_in() -> None:
    graph = read(two(resType=b"dsp", code_gen_dir_ipgen="/somewhere"))
    layer = graph.layer("MVAU_0")
    assert layer.text("resType") == "dsp"
    assert layer.text("mem_mode") == "internal_decoupled"
    assert "code_gen_dir_ipgen" not in layer.attributes, "paths of another machine"
    assert graph.tensors["w0"].datatype.name == "INT4"
    assert graph.metadata == {"origin": "test"}
    assert (graph.inputs, graph.outputs) == (("in",), ("out",))
    assert graph.successors("MVAU_0") == ("MVAU_1",)


def test_weights_come_as_whole_numbers_or_not_at_all() -> None:
    weights = np.arange(64, dtype=np.float32).reshape(8, 8) % 8
    graph = read(model([dense("MVAU_0", ["in", "w"], "out")], {"w": weights}))
    (parameter,) = graph.parameters(graph.layers[0])
    assert parameter.values is not None
    assert parameter.values.dtype == np.int64
    assert (parameter.values == weights).all()
    (stripped,) = read(two()).parameters(read(two()).layers[0])
    assert stripped.values is None
    assert stripped.shape == (8, 8)


def test_parameters_listed_as_inputs_are_no_streams() -> None:
    """Old ONNX files list initialisers, and stripped ones stay behind there."""
    made = model([dense("MVAU_0", ["in", "w"], "out")], inputs=("in", "w"))
    assert read(made).inputs == ("in",)


def test_files_out_of_order_are_sorted() -> None:
    made = two()
    nodes = list(made.graph.node)
    del made.graph.node[:]
    made.graph.node.extend(reversed(nodes))
    assert [layer.name for layer in read(made)] == ["MVAU_0", "MVAU_1"]


def test_streams_without_annotation_take_their_layers_word() -> None:
    made = two()
    del made.graph.quantization_annotation[:]
    assert read(made).tensors["middle"].datatype.name == "UINT4"


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        (
            [dense("a", ["in", "w"], "x"), helper.make_node("Relu", ["x"], ["out"], name="relu")],
            r"op relu \(Relu\) is not a FINN hardware layer, but the graph holds hardware layers",
        ),
        (
            [
                helper.make_node(
                    "StreamingDataflowPartition", ["in"], ["out"], name="sdp", domain=DOMAIN
                )
            ],
            "sdp stands for a whole dataflow partition; give the model it names",
        ),
        (
            [dense("a", ["in", "w"], "out", op=("Mystery_hls", DOMAIN + ".hls"))],
            "op type 'Mystery_hls' is not a hardware layer known here",
        ),
        (
            [dense("a", ["x", "w"], "out"), dense("b", ["out", "w"], "x")],
            "the layers around a feed each other in a circle",
        ),
        (
            [dense("a", ["in", "w"], "out"), dense("b", ["in", "w"], "out")],
            "tensor out comes out of both a and b",
        ),
        (
            [dense("a", ["in", "w"], "x"), dense("a", ["x", "w"], "out")],
            "two layers are called a",
        ),
    ],
)
def test_what_cannot_be_read_is_refused(nodes: list[onnx.NodeProto], message: str) -> None:
    with pytest.raises(UserError, match=message):
        read(model(nodes))


def test_a_refused_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    onnx.save(model([dense("a", ["in", "w"], "x"), dense("a", ["x", "w"], "out")]), path)
    with pytest.raises(UserError) as caught:
        load(path)
    assert str(caught.value).startswith(f"{path}: two layers are called a")


def test_a_tensor_without_shape_is_refused() -> None:
    made = two()
    kept = [info for info in made.graph.value_info if info.name != "middle"]
    del made.graph.value_info[:]
    made.graph.value_info.extend(kept)
    with pytest.raises(UserError, match="tensor middle has no shape in the model; run FINN's Inf"):
        read(made)


def test_a_symbolic_shape_is_refused() -> None:
    made = two()
    made.graph.input[0].type.tensor_type.shape.dim[0].dim_param = "N"
    with pytest.raises(UserError, match=r"tensor in has the shape \(0, 8\); every size must be"):
        read(made)


def flavours(made: onnx.ModelProto, part=U250, **overrides: str) -> list[str]:
    return [layer.name for layer in specialise(read(made), part, overrides)]


def test_dense_layers_are_rtl_where_finn_has_it() -> None:
    assert flavours(two(noActivation=1)) == ["MVAU_rtl_0", "MVAU_hls_0"]
    assert flavours(two(noActivation=1, inputDataType="UINT2")) == ["MVAU_hls_0", "MVAU_hls_1"]
    assert flavours(two(noActivation=1, weightDataType="UINT4")) == ["MVAU_hls_0", "MVAU_hls_1"]
    assert flavours(two(noActivation=1, inputDataType="INT9")) == ["MVAU_rtl_0", "MVAU_hls_0"]
    assert flavours(two(noActivation=1, inputDataType="UINT9")) == ["MVAU_hls_0", "MVAU_hls_1"]


def test_old_dsps_need_narrow_weights() -> None:
    narrow = np.full((8, 8), -7, dtype=np.float32)
    for weights, expected in ((narrow, "MVAU_rtl_0"), (narrow - 1, "MVAU_hls_0")):
        made = model([dense("MVAU_0", ["in", "w"], "out", noActivation=1)], {"w": weights})
        assert flavours(made, PYNQ) == [expected]
        assert flavours(made, U250) == ["MVAU_rtl_0"]


def test_wishes_are_met_or_noted() -> None:
    made = two(noActivation=1, inputDataType="UINT2")
    assert flavours(made, MVAU_0="rtl") == ["MVAU_rtl_0", "MVAU_hls_0"]
    graph = specialise(read(two()), U250, {"MVAU_0": "rtl"})
    assert graph.notes == ("MVAU_0: implementation rtl is not possible, hls is used",)
    with pytest.raises(UserError, match="has no layer 'MVAU_9'"):
        specialise(read(two()), U250, {"MVAU_9": "rtl"})
    with pytest.raises(UserError, match="implementation 'vhdl' is neither 'hls' nor 'rtl'"):
        specialise(read(two()), U250, {"MVAU_0": "vhdl"})


def test_specialised_graphs_stay_as_they_are() -> None:
    once = specialise(read(two(noActivation=1)), U250)
    assert specialise(once, PYNQ).layers == once.layers


def folded() -> Graph:
    return specialise(read(two(PE=4, outFIFODepths=[300])), U250)


def test_width_converters_bridge_what_differs() -> None:
    graph = insert_width_converters(folded())
    names = ["MVAU_hls_0", "StreamingDataWidthConverter_rtl_0", "MVAU_hls_1"]
    assert [layer.name for layer in graph] == names
    converter = graph.layers[1]
    assert (converter.integer("inWidth"), converter.integer("outWidth")) == (16, 4)
    assert insert_width_converters(graph).layers == graph.layers, "nothing is left to bridge"
    odd = specialise(read(two(PE=4)), U250)
    odd = odd.with_layers([odd.layers[0], odd.layers[1].with_attributes({"SIMD": 6, "MW": 24})])
    assert insert_width_converters(odd).layers[1].op_type == "StreamingDataWidthConverter_hls"


def test_fifos_take_the_larger_depth_and_split_into_powers_of_two() -> None:
    graph = insert_fifos(folded())
    assert [layer.integer("depth") for layer in graph if layer.family == "StreamingFIFO"] == [300]
    assert len(insert_fifos(folded(), shallow=True)) == 5, "both ends too"
    deep = insert_fifos(folded(), deepest_rtl=256, ram_style="ultra")
    fifo = next(layer for layer in deep if layer.family == "StreamingFIFO")
    assert (fifo.text("impl_style"), fifo.text("ram_style")) == ("vivado", "ultra")
    split = split_deep_fifos(graph)
    depths = [
        (layer.integer("depth"), layer.text("impl_style"))
        for layer in split
        if layer.family == "StreamingFIFO"
    ]
    assert depths == [(256, "rtl"), (44, "rtl")]
    assert split.predecessors("MVAU_hls_1") == ("StreamingFIFO_rtl_1",)


def test_what_was_inserted_can_be_left_out_again() -> None:
    bare = folded()
    bridged = split_deep_fifos(insert_fifos(insert_width_converters(bare), shallow=True))
    again = without_adapters(bridged)
    assert [layer.name for layer in again] == [layer.name for layer in bare]
    assert [again.predecessors(x.name) for x in again] == [bare.predecessors(x.name) for x in bare]
    assert again.notes == ("6 FIFOs and width converters of the file are left out",)
    assert without_adapters(bare) is bare


def test_a_stream_that_is_no_whole_number_of_elements_is_refused() -> None:
    made = two()
    for entry in made.graph.quantization_annotation:
        if entry.tensor_name == "middle":
            entry.quant_parameter_tensor_names[0].value = "INT3"
    with pytest.raises(UserError, match="cannot be streamed 4 bits at a time"):
        insert_fifos(specialise(read(made), U250), shallow=True)
