"""Emulation of each kind of layer against plain numpy loops."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from codegen.segments import whole_model
from elasticdf.errors import UserError
from elasticdf.ir import AttributeValue, DataType, Graph, Layer, Tensor
from elasticdf.layers import KINDS
from elasticdf.layers.emulation import exact_type
from tests.execution import run_model

Array = NDArray[Any]
RANDOM = np.random.default_rng(7)


def emulate(
    op_type: str,
    attributes: Mapping[str, AttributeValue],
    streams: list[tuple[Array, str]],
    results: list[str],
    parameters: tuple[Array, ...] = (),
) -> list[Array]:
    """Return a layer's outputs for input streams of these values and types."""
    inputs = [
        Tensor(name=f"in{i}", shape=values.shape, datatype=DataType.parse(kind))
        for i, (values, kind) in enumerate(streams)
    ]
    weights = [
        Tensor(name=f"p{i}", shape=v.shape, datatype=DataType.parse("INT32"), values=v)
        for i, v in enumerate(parameters)
    ]
    outputs = [
        Tensor(name=f"out{i}", shape=(1,), datatype=DataType.parse(kind))
        for i, kind in enumerate(results)
    ]
    layer = Layer(
        name="layer",
        op_type=op_type,
        attributes=attributes,
        inputs=tuple(t.name for t in (*inputs, *weights)),
        outputs=tuple(t.name for t in outputs),
    )
    graph = Graph(
        name="one",
        layers=(layer,),
        tensors={t.name: t for t in (*inputs, *weights, *outputs)},
        inputs=tuple(t.name for t in inputs),
        outputs=layer.outputs,
    )
    feeds = {
        tensor.name: values.astype(exact_type(float(np.abs(values).max(initial=0))))
        for tensor, (values, _) in zip(inputs, streams, strict=True)
    }
    found = run_model(whole_model(graph), feeds)
    return [found[tensor.name] for tensor in outputs]


def whole(low: int, high: int, *shape: int) -> Array:
    return RANDOM.integers(low, high + 1, shape)


def windows(image: Array, kernel: tuple[int, int], stride: tuple[int, int]) -> Array:
    """Return windows as [batch, rows, columns, kernel rows, kernel columns, channels]."""
    rows = (image.shape[1] - kernel[0]) // stride[0] + 1
    columns = (image.shape[2] - kernel[1]) // stride[1] + 1
    found = np.zeros((image.shape[0], rows, columns, *kernel, image.shape[3]), image.dtype)
    for r, c, i, j in product(range(rows), range(columns), range(kernel[0]), range(kernel[1])):
        found[:, r, c, i, j] = image[:, r * stride[0] + i, c * stride[1] + j]
    return found


def counted(sums: Array, thresholds: Array) -> Array:
    return (sums[..., None] >= thresholds).sum(axis=-1)


def test_add_streams() -> None:
    first, second = whole(-8, 7, 2, 3, 3, 4), whole(-8, 7, 2, 3, 3, 4)
    (found,) = emulate(
        "AddStreams_hls", {"inputDataType": "INT4"}, [(first, "INT4"), (second, "INT4")], ["INT5"]
    )
    np.testing.assert_array_equal(found, first + second)


@pytest.mark.parametrize(
    ("function", "expected", "kind"),
    [
        ("add", np.add, "INT12"),
        ("mul", np.multiply, "INT20"),
        ("cmp_le", np.less_equal, "BINARY"),
        ("cmp_ge", np.greater_equal, "BINARY"),
    ],
)
def test_channelwise_op(function: str, expected: Any, kind: str) -> None:
    values, parameter = whole(-128, 127, 2, 5), whole(-100, 100, 5, 1)
    attributes = {"Func": function, "inputDataType": "INT8", "outputDataType": kind}
    (found,) = emulate("ChannelwiseOp_hls", attributes, [(values, "INT8")], [kind], (parameter,))
    np.testing.assert_array_equal(found, expected(values, parameter[:, 0]))


@pytest.mark.parametrize("depthwise", [0, 1])
def test_convolution_input_generator(depthwise: int) -> None:
    image = whole(0, 15, 2, 7, 6, 3)
    attributes = {
        "ConvKernelDim": (3, 2),
        "IFMChannels": 3,
        "IFMDim": (7, 6),
        "OFMDim": (3, 5),
        "Stride": (2, 1),
        "Dilation": (1, 1),
        "depthwise": depthwise,
    }
    (found,) = emulate("ConvolutionInputGenerator_rtl", attributes, [(image, "UINT4")], ["UINT4"])
    expected = windows(image, (3, 2), (2, 1)).reshape(2, 3, 5, 6, 3)
    if depthwise:
        expected = expected.swapaxes(3, 4)
    np.testing.assert_array_equal(found, expected.reshape(2, 3, 5, 18))


def test_down_sampler() -> None:
    image = whole(0, 15, 2, 5, 5, 3)
    attributes = {"ImgDim": 5, "Stride": 2, "is1D": 0, "is1D_unitx": 0}
    (found,) = emulate("DownSampler_hls", attributes, [(image, "UINT4")], ["UINT4"])
    np.testing.assert_array_equal(found, image[:, ::2, ::2])
    line = whole(0, 15, 2, 1, 5, 3)
    attributes = {"ImgDim": 5, "Stride": 2, "is1D": 1, "is1D_unitx": 0}
    (found,) = emulate("DownSampler_hls", attributes, [(line, "UINT4")], ["UINT4"])
    np.testing.assert_array_equal(found, line[:, :, ::2])


def test_duplicate_streams() -> None:
    values = whole(0, 3, 2, 4)
    found = emulate(
        "DuplicateStreams_hls", {"NumOutputStreams": 3}, [(values, "UINT2")], ["UINT2"] * 3
    )
    for copy in found:
        np.testing.assert_array_equal(copy, values)


def test_fm_padding() -> None:
    image = whole(1, 15, 2, 3, 4, 2)
    (found,) = emulate("FMPadding_rtl", {"Padding": (1, 2, 0, 3)}, [(image, "UINT4")], ["UINT4"])
    np.testing.assert_array_equal(found, np.pad(image, ((0, 0), (1, 0), (2, 3), (0, 0))))


def test_fm_padding_pixel() -> None:
    image = whole(1, 15, 2, 3, 4, 2)
    attributes = {"ImgDim": (3, 4), "Stride": (2, 3), "NumChannels": 2}
    (found,) = emulate("FMPadding_Pixel_hls", attributes, [(image, "UINT4")], ["UINT4"])
    expected = np.zeros((2, 5, 10, 2))
    expected[:, ::2, ::3] = image
    np.testing.assert_array_equal(found, expected)


def test_global_acc_pool() -> None:
    image = whole(0, 15, 2, 3, 4, 2)
    attributes = {"inputDataType": "UINT4", "numInputVectors": (1, 3, 4)}
    (found,) = emulate("GlobalAccPool_hls", attributes, [(image, "UINT4")], ["UINT8"])
    np.testing.assert_array_equal(found, image.sum(axis=(1, 2), keepdims=True))


def test_label_select_prefers_the_lower_of_equal_labels() -> None:
    values = np.array([[3, 9, 9, -1], [5, 5, 5, 5]])
    attributes = {"Labels": 4, "K": 2, "numInputVectors": (1,)}
    (found,) = emulate("LabelSelect_hls", attributes, [(values, "INT8")], ["UINT8"])
    assert found.tolist() == [[1, 2], [0, 1]]


def test_lookup() -> None:
    table, index = whole(-8, 7, 10, 4), whole(0, 9, 2, 3)
    (found,) = emulate(
        "Lookup_hls", {"EmbeddingType": "INT4"}, [(index, "UINT4")], ["INT4"], (table,)
    )
    np.testing.assert_array_equal(found, table[index])


UNIT = {"inputDataType": "INT4", "accDataType": "INT16", "ActVal": 0, "noActivation": 0}


@pytest.mark.parametrize(("kind", "offset"), [("UINT2", 0), ("INT2", -2)])
def test_mvau_with_thresholds(kind: str, offset: int) -> None:
    values, weights = whole(-8, 7, 2, 3, 3, 6), whole(-3, 3, 6, 5)
    thresholds = np.sort(whole(-30, 30, 5, 3), axis=1)
    attributes = UNIT | {
        "MW": 6,
        "numInputVectors": (1, 3, 3),
        "outputDataType": kind,
        "ActVal": offset,
    }
    (found,) = emulate("MVAU_hls", attributes, [(values, "INT4")], [kind], (weights, thresholds))
    np.testing.assert_array_equal(found, counted(values @ weights, thresholds) + offset)


def test_mvau_counts_matching_bits() -> None:
    values, weights = whole(0, 1, 2, 9), whole(0, 1, 9, 4)
    matches = (values[:, :, None] == weights).sum(axis=1)
    attributes = UNIT | {
        "inputDataType": "BINARY",
        "MW": 9,
        "numInputVectors": (1,),
        "binaryXnorMode": 1,
        "noActivation": 1,
        "outputDataType": "INT5",
    }
    (found,) = emulate("MVAU_hls", attributes, [(values, "BINARY")], ["INT5"], (weights,))
    np.testing.assert_array_equal(found, matches)
    thresholds = whole(0, 9, 4, 1)
    attributes |= {"noActivation": 0, "outputDataType": "BIPOLAR", "inputDataType": "BIPOLAR"}
    (found,) = emulate(
        "MVAU_hls", attributes, [(2 * values - 1, "BIPOLAR")], ["BIPOLAR"], (weights, thresholds)
    )
    np.testing.assert_array_equal(found, 2 * (matches >= thresholds[:, 0]) - 1)


def test_mvau_beyond_single_precision_stays_exact() -> None:
    values, weights = whole(0, 255, 2, 4000), whole(-(2**14), 2**14, 4000, 2)
    attributes = UNIT | {
        "inputDataType": "UINT8",
        "MW": 4000,
        "numInputVectors": (1,),
        "noActivation": 1,
        "accDataType": "INT38",
        "outputDataType": "INT38",
    }
    (found,) = emulate("MVAU_hls", attributes, [(values, "UINT8")], ["INT38"], (weights,))
    assert found.dtype == np.float64
    np.testing.assert_array_equal(found, values @ weights)


def test_vvau() -> None:
    values, weights = whole(-8, 7, 2, 3, 3, 4, 6), whole(-3, 3, 4, 1, 3, 2)
    sums = (values * weights.reshape(4, 6)).sum(axis=-1)
    thresholds = np.sort(whole(-30, 30, 4, 3), axis=1)
    attributes = UNIT | {
        "Channels": 4,
        "Kernel": (3, 2),
        "Dim": (3, 3),
        "outputDataType": "UINT2",
    }
    (found,) = emulate(
        "VVAU_hls",
        attributes,
        [(values.reshape(2, 3, 3, 24), "INT4")],
        ["UINT2"],
        (weights, thresholds),
    )
    np.testing.assert_array_equal(found, counted(sums, thresholds))


@pytest.mark.parametrize(("function", "shift"), [("MaxPool", 0), ("QuantAvgPool", 2)])
def test_pool(function: str, shift: int) -> None:
    values = whole(0, 15, 2, 3, 3, 4, 6)
    attributes = {
        "Channels": 4,
        "KernelSize": (3, 2),
        "Function": function,
        "OutImgDims": (3, 3),
        "InputDataType": "UINT4",
        "OutputDataType": "UINT5",
        "Size": shift,
    }
    (found,) = emulate("Pool_hls", attributes, [(values.reshape(2, 3, 3, 24), "UINT4")], ["UINT5"])
    expected = values.max(axis=-1) if function == "MaxPool" else values.sum(axis=-1) >> shift
    np.testing.assert_array_equal(found, expected)


def test_streaming_concat() -> None:
    first, second = whole(0, 3, 2, 3, 4), whole(0, 3, 2, 3, 2)
    (found,) = emulate("StreamingConcat_hls", {}, [(first, "UINT2"), (second, "UINT2")], ["UINT2"])
    np.testing.assert_array_equal(found, np.concatenate((first, second), axis=-1))


@pytest.mark.parametrize(
    ("operation", "expected"),
    [("Add", np.add), ("Sub", np.subtract), ("AbsDiff", lambda a, b: np.abs(a - b))],
)
def test_streaming_eltwise(operation: str, expected: Any) -> None:
    first, second = whole(0, 15, 2, 4), whole(-4, 3, 2, 4)
    attributes = {"eltwiseOp": operation, "inputDataType0": "UINT4", "inputDataType1": "INT3"}
    (found,) = emulate(
        "StreamingEltwise_hls", attributes, [(first, "UINT4"), (second, "INT3")], ["INT6"]
    )
    np.testing.assert_array_equal(found, expected(first, second))


def test_streaming_max_pool() -> None:
    image = whole(-8, 7, 2, 6, 4, 3)
    attributes = {"PoolDim": (3, 2), "ImgDim": (6, 4), "NumChannels": 3, "CeilMode": 0}
    (found,) = emulate("StreamingMaxPool_hls", attributes, [(image, "INT4")], ["INT4"])
    np.testing.assert_array_equal(found, windows(image, (3, 2), (3, 2)).max(axis=(3, 4)))


@pytest.mark.parametrize("ceil_mode", [0, 1])
def test_streaming_max_pool_of_a_signal_with_a_rest(ceil_mode: int) -> None:
    signal = whole(-8, 7, 2, 1, 7, 3)
    attributes = {"PoolDim": (1, 3), "ImgDim": (1, 7), "NumChannels": 3, "CeilMode": ceil_mode}
    (found,) = emulate("StreamingMaxPool_hls", attributes, [(signal, "INT4")], ["INT4"])
    ends = ((0, 3), (3, 6), (6, 7))[: 2 + ceil_mode]
    expected = np.stack([signal[:, :, a:b].max(axis=2) for a, b in ends], axis=2)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    ("steps", "kind"),
    [(3, "INT8"), (15, "INT8"), (255, "INT8"), (15, "INT20"), (100, "INT20"), (255, "INT20")],
)
def test_thresholding(steps: int, kind: str) -> None:
    reach = 2**7 if kind == "INT8" else 2**19
    values = whole(-reach, reach - 1, 2, 3, 3, 4)
    thresholds = np.sort(whole(-reach, reach - 1, 4, steps), axis=1)
    attributes = {
        "inputDataType": kind,
        "outputDataType": "INT9",
        "NumChannels": 4,
        "numInputVectors": (1, 3, 3),
        "ActVal": -7,
    }
    (found,) = emulate("Thresholding_rtl", attributes, [(values, kind)], ["INT9"], (thresholds,))
    np.testing.assert_array_equal(found, counted(values, thresholds) - 7)


@pytest.mark.parametrize("one_dimensional", [0, 1])
def test_upsample_nearest_neighbour(one_dimensional: int) -> None:
    width = 1 if one_dimensional else 3
    image = whole(0, 15, 2, 3, width, 2)
    attributes = {"IFMDim": 3, "OFMDim": 6, "NumChannels": 2, "DimMode": one_dimensional}
    (found,) = emulate("UpsampleNearestNeighbour_hls", attributes, [(image, "UINT4")], ["UINT4"])
    expected = image.repeat(2, axis=1)
    np.testing.assert_array_equal(
        found, expected if one_dimensional else expected.repeat(2, axis=2)
    )


def test_kinds_without_a_rule_only_move_data() -> None:
    moving = {name for name, kind in KINDS.items() if kind.emulate is None}
    assert moving == {
        "CheckSum",
        "IODMA",
        "StreamingDataWidthConverter",
        "StreamingFIFO",
        "TLastMarker",
    }
    values = whole(0, 15, 2, 4)
    (found,) = emulate("StreamingFIFO_rtl", {"depth": 32}, [(values, "UINT4")], ["UINT4"])
    np.testing.assert_array_equal(found, values)


def test_stripped_weights_are_refused() -> None:
    layer = Layer(name="MVAU_0", op_type="MVAU", inputs=("x", "w"), outputs=("y",))
    kind = DataType.parse("INT4")
    tensors = {name: Tensor(name=name, shape=(1, 4), datatype=kind) for name in "xwy"}
    graph = Graph(name="g", layers=(layer,), tensors=tensors, inputs=("x",), outputs=("y",))
    with pytest.raises(UserError) as caught:
        whole_model(graph)
    assert str(caught.value) == (
        "layer MVAU_0: parameter w has no values, this graph was stripped of its weights; "
        "emulate from the QONNX network or the full FINN graph"
    )
