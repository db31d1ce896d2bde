"""The kinds: attributes as FINN declares them, and formulas where the reference tables are silent.

Expected numbers are worked out by hand from FINN's formulas.
"""

from __future__ import annotations

import json

import pytest

from elasticdf.errors import UserError
from elasticdf.ir import AttributeValue, Layer, Resources
from elasticdf.layers import KINDS, attributes_of, kind_of, with_defaults
from elasticdf.layers.kind import COMMON_ATTRIBUTES, FpgaPart, fpga_part
from elasticdf.layers.memory import bram18, cascaded_bram18, divisors, uram
from tests.truth import needs_shared, shared

U250 = fpga_part("xcu250-figd2104-2L-e")
VERSAL = fpga_part("xcvc1902-vsva2197-2MP-e-S")
_OURS = frozenset({"cycles_estimate", "normal_shape"})
"""Attributes with a default of our own: FINN's tables leave them out or have them required."""


def made(op_type: str, **attributes: AttributeValue) -> Layer:
    return with_defaults(Layer(name=f"{op_type}_0", op_type=op_type, attributes=attributes))


def figures(layer: Layer) -> tuple[int, tuple[int, ...], tuple[int, ...], int]:
    kind = kind_of(layer)
    ports = kind.ports(layer)
    return kind.cycles(layer), ports.input_bits, ports.output_bits, ports.output_values


def resources(layer: Layer, part: FpgaPart = U250) -> Resources:
    return kind_of(layer).resources(layer, part)


@needs_shared
def test_attributes_are_declared_as_finn_declares_them() -> None:
    declared = json.loads(shared("truth/op_attributes.json").read_text())
    compared = 0
    for op_type, entry in declared.items():
        family = op_type.removesuffix("_hls").removesuffix("_rtl")
        if family not in KINDS or not entry.get("attrs"):
            continue
        layer = Layer(name="x", op_type=op_type)
        for name, ours in attributes_of(layer).items():
            theirs = entry["attrs"].get(name)
            if name in _OURS:
                continue
            assert theirs is not None, f"{op_type} has no {name}"
            assert ours.type == {"i": "int", "ints": "ints", "s": "text"}[theirs["type"]], name
            if ours.default is not None:
                given = theirs["default"]
                default = tuple(given) if isinstance(given, list) else given
                assert ours.default == default, f"{op_type} {name}"
            else:
                assert theirs["required"], f"{op_type} {name} is optional"
            allowed = sorted(str(value) for value in ours.allowed)
            assert allowed == theirs.get("allowed", []), f"{op_type} {name}"
            compared += 1
    assert compared > 600


def test_kinds_are_listed_under_their_own_family() -> None:
    assert all(family == kind.family for family, kind in KINDS.items())
    assert all(set(kind.flavours) <= {"hls", "rtl"} for kind in KINDS.values())
    assert "backend" in COMMON_ATTRIBUTES


def test_an_unknown_op_is_refused_with_those_that_are_known() -> None:
    with pytest.raises(UserError, match=r"op type 'Softmax_hls' is not a hardware layer known"):
        kind_of(Layer(name="x", op_type="Softmax_hls"))
    with pytest.raises(UserError, match="op type 'Pool_rtl' is not"):
        kind_of(Layer(name="x", op_type="Pool_rtl"))


def test_a_missing_attribute_is_named() -> None:
    with pytest.raises(UserError) as caught:
        with_defaults(Layer(name="p", op_type="Pool_hls", attributes={"Channels": 4}))
    assert str(caught.value) == (
        "layer p (Pool_hls): required attribute KernelSize is missing; "
        "export the graph again from FINN"
    )


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"ImgDim": (8,)}, "attribute ImgDim is [8]; FINN takes 2 whole numbers from 1 to"),
        ({"ImgDim": (8, 0)}, "attribute ImgDim is [8, 0]; FINN takes 2 whole numbers from 1 to"),
        ({"NumChannels": "ten"}, "attribute NumChannels is 'ten'; FINN takes a whole number from"),
        ({"SIMD": 0}, "attribute SIMD is 0; FINN takes a whole number from 1 to"),
        ({"Padding": (1, 1, 1, -1)}, "attribute Padding is [1, 1, 1, -1]; FINN takes 4 whole"),
        ({"dynamic_mode": 2}, "attribute dynamic_mode is 2; FINN takes 0 or 1"),
        ({"inputDataType": 4}, "attribute inputDataType is 4; FINN takes text"),
    ],
)
def test_values_that_make_no_sense_are_refused(
    attributes: dict[str, AttributeValue], message: str
) -> None:
    stated: dict[str, AttributeValue] = {
        "ImgDim": (8, 8), "NumChannels": 4, "inputDataType": "INT4",
    }  # fmt: skip
    with pytest.raises(UserError) as caught:
        made("FMPadding_rtl", **(stated | attributes))
    assert message in str(caught.value)


def test_flat_windows_in_hls() -> None:
    """A one-dimensional convolution over 12 samples of 4 channels, 3 taps, 2 at a time."""
    plain = made(
        "ConvolutionInputGenerator_hls",
        ConvKernelDim=(3, 1), IFMChannels=4, IFMDim=(12, 1), OFMDim=(10, 1), SIMD=2,
        Stride=(1, 1), Dilation=(1, 1), inputDataType="INT8", outputDataType="INT8", is1D=1,
    )  # fmt: skip
    assert figures(plain) == (1 + 10 * 3 * 2, (16,), (16,), 60)
    assert resources(plain).lut == 300 + 1  # 8 bits of 2 positions of 4 channels: one LUT
    parallel = plain.with_attributes({"SIMD": 4, "parallel_window": 1})
    assert figures(parallel) == (3 + 10, (32,), (96,), 10)
    assert resources(parallel) == Resources(lut=300 + 2, ff=None), "32 bits of 4 positions"
    unnamed = parallel.with_attributes({"ram_style": "auto"})
    assert resources(unnamed) == Resources(lut=300, ff=None)
    depthwise = plain.with_attributes({"depthwise": 1})
    assert kind_of(depthwise).cycles(depthwise) == 1 + 60 + 2 * 2 - 2
    dilated = depthwise.with_attributes({"Dilation": (2, 1), "OFMDim": (8, 1)})
    assert kind_of(dilated).cycles(dilated) == 12 * 2 + 8 * 3 * 2


def test_flat_windows_in_rtl() -> None:
    flat = made(
        "ConvolutionInputGenerator_rtl",
        ConvKernelDim=(1, 3), IFMChannels=4, IFMDim=(1, 12), OFMDim=(1, 5), SIMD=1,
        Stride=(1, 2), Dilation=(1, 1), inputDataType="INT8", outputDataType="INT8",
        ram_style="block",
    )  # fmt: skip
    assert figures(flat) == (5 * 3 * 4 + 2, (8,), (8,), 60)
    assert kind_of(flat).cycles(flat.with_attributes({"depthwise": 1})) == 62 + 4 * 2 * 1 - 2
    turned = flat.with_attributes(
        {"ConvKernelDim": (3, 1), "IFMDim": (12, 1), "OFMDim": (5, 1), "Stride": (2, 1)}
    )
    assert kind_of(turned).cycles(turned) == kind_of(flat).cycles(flat)
    parallel = flat.with_attributes({"SIMD": 4, "parallel_window": 1})
    assert figures(parallel) == (12 + 2, (32,), (96,), 5)
    assert resources(parallel).bram18 == 0, "registers, no line buffers"


def test_strided_depthwise_windows_take_longer() -> None:
    window = made(
        "ConvolutionInputGenerator_rtl",
        ConvKernelDim=(3, 3), IFMChannels=8, IFMDim=(9, 9), OFMDim=(4, 4), SIMD=2,
        Stride=(2, 2), Dilation=(1, 1), inputDataType="INT4", outputDataType="INT4", depthwise=1,
    )  # fmt: skip
    fill, row = (2 * 9 + 2 + 1) * 4, 4 * 9 * 4 + 4 * 1 * 3
    assert kind_of(window).cycles(window) == fill + 4 * row + 9 * 4


def test_square_windows_in_hls() -> None:
    window = made(
        "ConvolutionInputGenerator_hls",
        ConvKernelDim=(3, 3), IFMChannels=8, IFMDim=(9, 9), OFMDim=(4, 4), SIMD=2,
        Stride=(2, 2), Dilation=(1, 1), inputDataType="INT4", outputDataType="INT4",
    )  # fmt: skip
    assert kind_of(window).cycles(window) == 9 * 3 * 4 + 4 * (4 * 9 * 4)
    assert resources(window).lut == 300 + 5 * 8 * 1
    assert resources(window.with_attributes({"ram_style": "block"})).bram18 == 5
    assert resources(window.with_attributes({"ram_style": "ultra"})).uram == 5


def test_versal_multiplies_in_its_own_dsps() -> None:
    dense = made(
        "MVAU_rtl", PE=5, SIMD=7, MW=14, MH=10, noActivation=1, inputDataType="INT8",
        weightDataType="INT8", outputDataType="INT24",
    )  # fmt: skip
    assert resources(dense).dsp == 2 * 7
    assert resources(dense, VERSAL).dsp == 5 * 3
    unit = made(
        "VVAU_rtl", PE=4, SIMD=9, Dim=(4, 4), Channels=4, Kernel=(3, 3), noActivation=1,
        inputDataType="INT8", weightDataType="INT8", outputDataType="INT24",
    )  # fmt: skip
    assert resources(unit, VERSAL).dsp == 4 * 3
    with pytest.raises(UserError, match="has no DSP58; FINN builds this layer on Versal only"):
        resources(unit)


def test_hls_dsps() -> None:
    dense = made(
        "MVAU_hls", PE=2, SIMD=3, MW=6, MH=4, inputDataType="INT8", weightDataType="INT8",
        outputDataType="INT24", noActivation=1, resType="dsp",
    )  # fmt: skip
    assert resources(dense).dsp == 6
    unit = made(
        "VVAU_hls", PE=4, SIMD=3, Dim=(4, 4), Channels=4, Kernel=(3, 3), noActivation=1,
        inputDataType="INT8", weightDataType="INT8", outputDataType="INT24", resType="dsp",
    )  # fmt: skip
    assert resources(unit).dsp == 4, "FINN leaves SIMD out (error F5)"


def test_weights_in_every_memory() -> None:
    """8 x 8 lanes of 4 bits, 1024 words of 256 bits."""
    dense = made(
        "MVAU_hls", PE=8, SIMD=8, MW=256, MH=256, inputDataType="UINT4", weightDataType="INT4",
        outputDataType="INT16", noActivation=1,
    )  # fmt: skip
    bare = resources(dense).lut
    assert resources(dense).bram18 == 15  # one word deep, 18 bits each
    assert resources(dense.with_attributes({"ram_style": "ultra"})).uram == 4
    distributed = resources(dense.with_attributes({"ram_style": "distributed"}))
    assert (distributed.lut - bare, distributed.bram18) == (256 * 16, 0)
    external = dense.with_attributes({"mem_mode": "external"})
    assert resources(external).bram18 == resources(external).uram == 0
    assert kind_of(external).ports(external).input_bits == (32, 256)
    embedded = resources(dense.with_attributes({"mem_mode": "internal_embedded"}))
    assert (embedded.bram18, embedded.uram) == (15, 4), "FINN counts both"


def test_few_depthwise_weights_take_no_block_ram() -> None:
    unit = made(
        "VVAU_hls", PE=2, Dim=(4, 4), Channels=16, Kernel=(3, 3), inputDataType="UINT4",
        weightDataType="INT4", outputDataType="INT12", noActivation=1,
    )  # fmt: skip
    assert resources(unit).bram18 == 0
    assert resources(unit.with_attributes({"ram_style": "block"})).bram18 == 1


def test_small_kinds() -> None:
    padding = made(
        "FMPadding_Pixel_hls",
        ImgDim=(4, 5), Stride=(2, 3), NumChannels=8, SIMD=2, inputDataType="INT4",
    )  # fmt: skip
    assert figures(padding) == (4 * 7 * 13, (8,), (8,), 364)
    summed = made(
        "GlobalAccPool_hls",
        NumChannels=8, PE=2, inputDataType="UINT4", numInputVectors=(1, 7, 7),
    )  # fmt: skip
    assert figures(summed) == (49 * 4 + 4, (8,), (20,), 4)  # 49 * 15 needs 10 bits
    grown = made(
        "UpsampleNearestNeighbour_hls", OFMDim=8, IFMDim=4, NumChannels=6, inputDataType="INT3"
    )
    assert figures(grown) == (64, (18,), (18,), 64)
    joined = made(
        "StreamingConcat_hls",
        ElemsPerStream=(2, 6), inputDataType="INT4", numInputVectors=(1, 3, 3),
    )  # fmt: skip
    assert figures(joined) == (9, (8, 24), (32,), 9)
    table = made(
        "Lookup_hls", NumEmbeddings=3000, EmbeddingDim=10, EmbeddingType="INT8",
        InputType="UINT12", InputShape=(1, 5),
    )  # fmt: skip
    assert figures(table) == (5, (12,), (80,), 5)
    assert resources(table).bram18 == 5 * 3
    flat = made(
        "StreamingMaxPool_hls",
        ImgDim=(1, 11), PoolDim=(1, 4), NumChannels=6, PE=3, CeilMode=1, dataType="INT2",
    )  # fmt: skip
    assert figures(flat) == (3 * 2 * 5, (6,), (6,), 6)
    assert figures(flat.with_attributes({"CeilMode": 0}))[0] == 2 * 2 * 5
    upright = flat.with_attributes({"ImgDim": (11, 1), "PoolDim": (4, 1)})
    assert figures(upright) == figures(flat)
    thin = made(
        "DownSampler_hls",
        ImgDim=9, NumChannels=4, SIMD=2, Stride=2, inputDataType="INT4", is1D=1,
    )  # fmt: skip
    assert figures(thin) == (18, (8,), (8,), 10)


@pytest.mark.parametrize(
    ("operation", "left", "right", "bits"),
    [
        ("Add", "UINT4", "UINT4", 5),
        ("Add", "INT4", "INT4", 5),
        ("Sub", "UINT4", "UINT4", 5),
        ("AbsDiff", "UINT4", "UINT4", 4),
        ("AbsDiff", "INT4", "INT4", 4),
    ],
)
def test_results_of_two_streams(operation: str, left: str, right: str, bits: int) -> None:
    layer = made(
        "StreamingEltwise_hls",
        NumChannels=4, PE=2, inputDataType0=left, inputDataType1=right, eltwiseOp=operation,
    )  # fmt: skip
    assert figures(layer) == (2, (8, 8), (2 * bits,), 2)


def test_thresholds_by_hls() -> None:
    layer = made(
        "Thresholding_hls",
        PE=2, NumChannels=256, numSteps=3, inputDataType="INT12", weightDataType="INT12",
        outputDataType="UINT2",
    )  # fmt: skip
    assert resources(layer) == Resources(lut=24 + 24 * 2, ff=None)
    block = resources(layer.with_attributes({"ram_style": "block"}))
    assert block == Resources(lut=24, bram18=2, ff=None)


def test_labels_come_in_whole_bytes() -> None:
    labels = made("LabelSelect_hls", Labels=1000, PE=1, K=5, inputDataType="INT9")
    assert figures(labels) == (1000, (9,), (16,), 5)


def test_parts_are_recognised_by_name() -> None:
    assert fpga_part("xc7z020clg400-1").series7
    assert not fpga_part("xc7z020clg400-1").has_uram
    assert not fpga_part("xczu3eg-sbva484-1-e").has_uram
    assert fpga_part("xczu7ev-ffvc1156-2-e").has_uram
    assert fpga_part("xcvc1902-vsva2197").dsp58
    assert not fpga_part("xcvu9p-flgb2104-2-i").dsp58


def test_memory_primitives() -> None:
    assert divisors(1) == (1,)
    assert divisors(36) == (1, 2, 3, 4, 6, 9, 12, 18, 36)
    assert [bram18(w, 512) for w in (1, 2, 4, 9, 18, 36)] == [1, 1, 1, 1, 1, 1]
    assert bram18(36, 513) == 2
    assert bram18(8, 2049, widths=(8, 16, 32)) == 2
    assert uram(73, 4097) == 4
    # 20000 words of 8 bits: 8 columns deep, and the rest of 3616 words fits 4 bits wide.
    assert cascaded_bram18(8, 20000) == 8 + 2
