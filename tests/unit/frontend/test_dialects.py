"""What other exporters write: small networks in their dialects compute what the reference computes.

All scales are powers of two, so that single precision is exact and equality is bit for bit.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from elasticdf.errors import UserError
from elasticdf.frontend import load
from elasticdf.ir import Graph
from elasticdf.layers.kind import fpga_part
from tests.execution import reference, run_graph

QONNX = "qonnx.custom_op.general"
IMAGE, SIGNAL, VECTOR = (1, 2, 6, 6), (1, 4, 17), (1, 8)


class Net:
    """Draws a network node by node; numbers become initialisers."""

    def __init__(self, shape: tuple[int, ...], *, opset: int = 13) -> None:
        self.shape, self.opset = shape, opset
        self.random = np.random.default_rng(1)
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def op(
        self, kind: str, *inputs: str | float | NDArray[np.generic] | None, **more: object
    ) -> str:
        domain = QONNX if kind in ("Quant", "BipolarQuant", "Trunc") else ""
        names = ["" if value is None else self._name(value) for value in inputs]
        output = f"t{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, names, [output], domain=domain, **more))
        return output

    def _name(self, value: str | float | NDArray[np.generic]) -> str:
        if isinstance(value, str):
            return value
        array = np.float32(value) if isinstance(value, float) else value
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def quant(
        self, x: str | NDArray[np.generic], scale: float = 0.25, bits: int = 4, signed: int = 1,
        zero: float = 0.0, mode: str = "ROUND",
    ) -> str:  # fmt: skip
        settings = {"signed": signed, "narrow": 0, "rounding_mode": mode}
        return self.op("Quant", x, scale, zero, float(bits), **settings)

    def linear(
        self, x: str | NDArray[np.generic], scale: float, zero: NDArray[np.generic], *clip: int
    ) -> str:
        """Quantise as ONNX does: QuantizeLinear, perhaps Clip, DequantizeLinear."""
        codes = self.op("QuantizeLinear", x, scale, zero)
        if clip:
            codes = self.op("Clip", codes, *(np.array(bound, zero.dtype) for bound in clip))
        return self.op("DequantizeLinear", codes, scale, zero)

    def whole(self, *shape: int, bits: int = 4) -> NDArray[np.float32]:
        largest = 2 ** (bits - 1) - 1
        return self.random.integers(-largest, largest + 1, shape).astype(np.float32)

    def weights(self, *shape: int) -> str:
        return self.quant(self.whole(*shape) / 4)

    def model(self, output: str, *, qonnx: int = 1) -> onnx.ModelProto:
        graph = helper.make_graph(
            self.nodes,
            "net",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, self.shape)],
            [helper.make_tensor_value_info(output, TensorProto.FLOAT, None)],
            self.constants,
        )
        versions = [helper.make_opsetid("", self.opset), helper.make_opsetid(QONNX, qonnx)]
        return helper.make_model(graph, opset_imports=versions, ir_version=8)


Drawing = tuple[onnx.ModelProto, str]
"""A network and the families of its layers, in order."""


def transposed(shape: tuple[int, ...], kernel: int, **more: object) -> Drawing:
    net = Net(shape)
    codes = net.quant("x", signed=0)
    table = net.weights(shape[1], 3, *(kernel for _ in shape[2:]))
    bias = net.whole(3) / 8
    output = net.quant(net.op("ConvTranspose", codes, table, bias, **more), 0.5)
    return net.model(output), "FMPadding_Pixel FMPadding ConvolutionInputGenerator MVAU"


def linear_network(zero: NDArray[np.generic], *clip: int) -> Drawing:
    net = Net(IMAGE)
    codes = net.linear("x", 0.25, zero, *clip)
    table = net.linear(net.whole(3, 2, 3, 3) / 4, 0.25, np.array(0, np.int8), -7, 7)
    bias = net.op(
        "DequantizeLinear", net.whole(3, bits=8).astype(np.int32), 0.0625, np.array(0, np.int32)
    )
    sums = net.op("Conv", codes, table, bias, kernel_shape=[3, 3])
    return net.model(net.linear(sums, 0.5, zero, *clip)), "ConvolutionInputGenerator MVAU"


def linear_per_channel() -> Drawing:
    net = Net(VECTOR)
    scales = np.array([0.5, 0.25, 1.0], np.float32)
    whole = net.whole(8, 3).astype(np.int8)
    table = net.op("DequantizeLinear", whole, scales, np.zeros(3, np.int8), axis=1)
    sums = net.op("MatMul", net.linear("x", 0.25, np.array(3, np.uint8)), table)
    return net.model(net.quant(sums, 0.5)), "MVAU"


def rounded_input(mode: str) -> Drawing:
    net = Net(VECTOR)
    sums = net.op("MatMul", net.quant("x", mode=mode), net.quant(net.whole(8, 3) / 3, mode=mode))
    return net.model(net.quant(sums, 0.5, mode=mode)), "MVAU"


def row_pool(ceil_mode: int) -> Drawing:
    net = Net(SIGNAL)
    pooled = net.op("MaxPool", net.quant("x"), kernel_shape=[2], strides=[2], ceil_mode=ceil_mode)
    sums = net.op("Conv", pooled, net.weights(3, 4, 1))
    return net.model(net.quant(sums, 0.5)), "StreamingMaxPool MVAU"


def thinned_row() -> Drawing:
    net = Net(SIGNAL)
    sums = net.op("Conv", net.quant("x"), net.weights(3, 4, 1), strides=[2])
    return net.model(net.quant(sums, 0.5)), "DownSampler MVAU"


def whole_maximum() -> Drawing:
    net = Net(IMAGE)
    flat = net.op("Flatten", net.op("GlobalMaxPool", net.quant("x")))
    sums = net.op("MatMul", flat, net.weights(2, 3))
    return net.model(net.quant(sums, 0.5)), "StreamingMaxPool MVAU"


def pooled_activation() -> Drawing:
    net = Net(IMAGE)
    sums = net.op("Conv", net.quant("x"), net.weights(3, 2, 3, 3))
    pooled = net.op("MaxPool", net.op("Relu", sums), kernel_shape=[2, 2], strides=[2, 2])
    families = "ConvolutionInputGenerator MVAU StreamingMaxPool Thresholding"
    return net.model(net.quant(pooled, 0.5, signed=0)), families


def radio() -> Drawing:
    """A signal network with 8-bit activations: 255 thresholds per channel."""
    net = Net(SIGNAL)
    sums = net.op("Conv", net.quant("x", 2.0**-3, 8), net.weights(5, 4, 3), pads=[1, 1])
    codes = net.quant(net.op("Relu", sums), 2.0**-4, 8, signed=0)
    flat = net.op("Flatten", net.op("MaxPool", codes, kernel_shape=[2], strides=[2]))
    output = net.quant(net.op("MatMul", flat, net.weights(40, 3)), 2.0**-2, 8)
    return net.model(output), "FMPadding ConvolutionInputGenerator MVAU StreamingMaxPool MVAU"


def joined(kind: str, signed: int, families: str) -> Drawing:
    """Join the input with a convolution of it: kind is Add or Sub."""
    net = Net(IMAGE)
    codes = net.quant("x", signed=signed)
    sums = net.op("Conv", codes, net.weights(2, 2, 1, 1))
    branch = net.quant(sums, bits=3, signed=signed)
    return net.model(net.quant(net.op(kind, branch, codes), 0.5)), families


def idle_relu() -> Drawing:
    """A ReLU behind unsigned codes changes nothing; newer Pads name their axes."""
    net = Net(IMAGE, opset=18)
    codes = net.op("Relu", net.quant("x", signed=0))
    padded = net.op("Pad", codes, np.array([1, 0, 0, 2]), None, np.array([-1, 2]))
    sums = net.op("Conv", padded, net.weights(3, 2, 3, 3))
    return net.model(net.quant(sums, 0.5)), "FMPadding ConvolutionInputGenerator MVAU"


def newer_trunc() -> Drawing:
    net = Net(IMAGE)
    mean = net.op("AveragePool", net.quant("x", signed=0), kernel_shape=[2, 2], strides=[2, 2])
    output = net.op(
        "Trunc", mean, 0.0625, 0.0, 6.0, 0.25, 4.0, rounding_mode="FLOOR", signed=0, narrow=0
    )
    return net.model(output, qonnx=2), "ConvolutionInputGenerator Pool"


def reshaped_weights() -> Drawing:
    net = Net(VECTOR)
    scales = np.array([[0.25], [0.5], [0.25]], np.float32)
    table = net.op(
        "Quant", net.whole(3, 8) / 4, scales, 0.0, 4.0, signed=1, narrow=0, rounding_mode="ROUND"
    )
    table = net.op("Reshape", net.op("Unsqueeze", table, np.array([0])), np.array([3, 8]))
    sums = net.op("MatMul", net.quant("x"), net.op("Transpose", table, perm=[1, 0]))
    return net.model(net.quant(sums, 0.5)), "MVAU"


def pixels_to_space() -> Drawing:
    net = Net(IMAGE)
    sums = net.op("Conv", net.quant("x"), net.weights(4, 2, 3, 3))
    shuffled = net.op("DepthToSpace", net.quant(sums, 0.5), blocksize=2)
    return net.model(shuffled), "ConvolutionInputGenerator MVAU"


def channels_last() -> Drawing:
    """A convolutional network as TensorFlow's exporters write it."""
    net = Net((1, 6, 6, 3))
    image = net.op("Transpose", net.quant("x", bits=3), perm=[0, 3, 1, 2])
    sums = net.op("Conv", image, net.weights(4, 3, 3, 3), net.whole(4) / 8)
    codes = net.op("Transpose", net.quant(sums, 0.5), perm=[0, 2, 3, 1])
    flat = net.op("Reshape", net.op("Mul", codes, np.abs(net.whole(4)) + 1), np.array([-1, 64]))
    return net.model(net.quant(flat, 0.5)), "ConvolutionInputGenerator MVAU Thresholding"


def channels_last_between() -> Drawing:
    """Bias, scale and quantiser on a turned stream that forks, and an output left that way."""
    net = Net(IMAGE)
    sums = net.op("Conv", net.quant("x"), net.weights(3, 2, 1, 1))
    turned = net.op("Transpose", sums, perm=[0, 2, 3, 1])
    turned = net.op("Add", net.op("Relu", turned), np.array([0.5, -1, 2], np.float32))
    one, other = net.quant(turned, 0.5), net.quant(turned, 0.5, signed=1)
    families = "MVAU DuplicateStreams Thresholding Thresholding AddStreams"
    return net.model(net.op("Add", one, other)), families


def real_first_layer() -> Drawing:
    """A convolution of real numbers in front of the first quantiser is the host's."""
    net = Net((1, 3, 6, 6))
    table = net.whole(2, 3, 3, 3) / 8
    sums = net.op("Relu", net.op("Conv", "x", table))
    output = net.op("Conv", net.quant(sums, signed=0), net.weights(3, 2, 1, 1))
    return net.model(net.quant(output, 0.5)), "MVAU"


NETWORKS: dict[str, Callable[[], Drawing]] = {
    "transposed convolution": lambda: transposed(IMAGE, 4, strides=[2, 2], pads=[1] * 4),
    "transposed, uneven": lambda: transposed(
        IMAGE, 3, strides=[2, 3], pads=[1, 0, 1, 2], output_padding=[1, 0]
    ),
    "transposed, dilated": lambda: transposed(IMAGE, 2, strides=[2, 2], dilations=[2, 2]),
    "transposed signal": lambda: transposed(SIGNAL, 4, strides=[2], pads=[1, 1]),
    "linear": lambda: linear_network(np.array(0, np.uint8)),
    "linear, clipped": lambda: linear_network(np.array(0, np.uint8), 0, 15),
    "linear, odd zero": lambda: linear_network(np.array(5, np.uint8)),
    "linear, signed": lambda: linear_network(np.array(-3, np.int8), -8, 7),
    "linear, per channel": linear_per_channel,
    **{f"rounded {mode}": lambda mode=mode: rounded_input(mode)  # type: ignore[misc]
       for mode in ("UP", "DOWN", "HALF_UP", "HALF_DOWN")},
    "row pooled": lambda: row_pool(0),
    "row pooled, rest too": lambda: row_pool(1),
    "row thinned": thinned_row,
    "whole maximum": whole_maximum,
    "pooled activation": pooled_activation,
    "sum of two types": lambda: joined(
        "Add", 1, "DuplicateStreams MVAU StreamingEltwise Thresholding"
    ),
    "difference": lambda: joined("Sub", 0, "DuplicateStreams MVAU StreamingEltwise Thresholding"),
    "radio": radio,
    "idle ReLU, named axes": idle_relu,
    "newer Trunc": newer_trunc,
    "channels last": channels_last,
    "channels last between": channels_last_between,
    "real first layer": real_first_layer,
    "reshaped weights": reshaped_weights,
    "pixels to space": pixels_to_space,
}  # fmt: skip


def loaded(model: onnx.ModelProto, folder: Path, **options: object) -> Graph:
    path = folder / "net.onnx"
    onnx.save(model, path)
    return load(path, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", NETWORKS)
def test_network_computes_what_the_reference_computes(name: str, tmp_path: Path) -> None:
    model, families = NETWORKS[name]()
    graph = loaded(model, tmp_path)
    assert [layer.family for layer in graph] == families.split()
    shape = [dim.dim_value for dim in model.graph.input[0].type.tensor_type.shape.dim]
    for seed in range(4):
        frame = np.random.default_rng(seed).integers(-40, 41, shape).astype(np.float32) / 8
        np.testing.assert_array_equal(run_graph(graph, frame), reference(model, frame))


def last_layer(low: int, high: int) -> onnx.ModelProto:
    """Return a layer of logits whose 4-bit weights use the codes from low to high."""
    net = Net(VECTOR)
    table = np.resize(np.arange(low, high + 1), (8, 3)).astype(np.float32) / 4
    return net.model(net.op("MatMul", net.quant("x", signed=0), net.quant(table)))


@pytest.mark.parametrize(
    ("low", "high", "part", "op_type", "weights"),
    [
        (-3, 3, "xcu280-fsvh2892-2L-e", "MVAU_rtl", "INT3"),
        (-8, 7, "xcu280-fsvh2892-2L-e", "MVAU_rtl", "INT4"),
        (-4, 3, "xc7z020clg400-1", "MVAU_rtl", "INT3"),
        (-8, 7, "xc7z020clg400-1", "MVAU_hls", "INT4"),
    ],
)
def test_declared_weight_type_decides_between_hls_and_rtl(
    low: int, high: int, part: str, op_type: str, weights: str, tmp_path: Path
) -> None:
    """FINN's SpecializeLayers runs before it narrows types: four declared bits are enough."""
    layer = loaded(last_layer(low, high), tmp_path, part=fpga_part(part)).layers[0]
    assert (layer.op_type, layer.text("weightDataType")) == (op_type, weights)


def spoilt_pair(scale: float, between: str) -> onnx.ModelProto:
    net = Net(VECTOR)
    codes = net.op("QuantizeLinear", "x", 0.25, np.array(0, np.int8))
    codes = net.op(between, codes) if between else codes
    codes = net.op("DequantizeLinear", codes, scale, np.array(0, np.int8))
    return net.model(net.op("MatMul", codes, net.weights(8, 3)))


def cropped() -> onnx.ModelProto:
    return transposed(IMAGE, 2, strides=[2, 2], pads=[2] * 4)[0]


def upright() -> onnx.ModelProto:
    net = Net(IMAGE)
    turned = net.op("Transpose", net.quant("x"), perm=[0, 2, 3, 1])
    return net.model(net.quant(net.op("Conv", turned, net.weights(3, 6, 1, 1)), 0.5))


def uneven_scales() -> onnx.ModelProto:
    net = Net(VECTOR)
    pair = (np.ones(5, np.float32), np.zeros(5, np.int8))
    codes = net.op("DequantizeLinear", net.op("QuantizeLinear", "x", *pair), *pair)
    return net.model(net.op("MatMul", codes, net.weights(8, 3)))


def half_pair() -> onnx.ModelProto:
    net = Net(VECTOR)
    sums = net.op("MatMul", net.quant("x"), net.weights(8, 3))
    return net.model(net.op("QuantizeLinear", sums, 0.25, np.array(0, np.int8)))


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (
            spoilt_pair(0.5, ""),
            "operator DequantizeLinear (number 2 of 4, input tensor 't0') cannot become hardware: "
            "its scale or zero point is not that of the QuantizeLinear before it; export the "
            "network again",
        ),
        (
            spoilt_pair(0.25, "Relu"),
            "operator Relu (number 2 of 5, input tensor 't0') cannot become hardware: its input is "
            "not an integer stream; put a Quant node in front of it",
        ),
        (
            cropped(),
            "operator ConvTranspose (number 3 of 4, input tensor 't0') cannot become hardware: its "
            "pads are [2, 2, 2, 2], more than its kernel adds; use smaller pads",
        ),
        (
            upright(),
            "operator Conv (number 4 of 5, input tensor 't1') cannot become hardware: it works on "
            "a stream that has its channels last; transpose it back before, or export the network "
            "channels-first",
        ),
        (
            uneven_scales(),
            "operator QuantizeLinear (number 1 of 4, input tensor 'x') cannot become hardware: 5 "
            "scales do not fit axis 1 of [1, 8]; export the network again",
        ),
        (
            half_pair(),
            "the network ends in QuantizeLinear; let DequantizeLinear follow it",
        ),
    ],
)
def test_what_has_no_hardware_is_refused(
    model: onnx.ModelProto, message: str, tmp_path: Path
) -> None:
    with pytest.raises(UserError) as caught:
        loaded(model, tmp_path)
    assert str(caught.value) == f"{tmp_path}/net.onnx: {message}"
