"""Everything the frontend refuses, with the full sentence a user reads."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from elasticdf.errors import UserError
from elasticdf.frontend import load

HEADER = '<ir_version: 8, opset_import: ["": 13, "qonnx.custom_op.general": 1, "com.microsoft": 1]>'
PARAMETERS = """
<float one = {1.0}, float zero = {0.0}, float two = {2.0}, float half = {0.5}, float wide = {16.0},
 float odd = {1.5}, float[2] steps = {1.0, 2.0}, float[2,2] w = {1.0, -1.0, 0.0, 1.0},
 float[2,2] real = {0.3, 0.1, 0.2, 0.7}, float[1] bare = {1.0},
 float[2,2,1,1] cw = {1.0, -1.0, 0.0, 1.0}, float[4,1,1,1] gw = {1.0, -1.0, 0.0, 1.0},
 float[2,2,3,3] kw, int64[1] k1 = {1}, int64[1] k9 = {9}, int64[2] turn = {2, 1},
 float[2] mean = {0.0, 0.0}, float[2] var = {-1.0, 1.0}, float[2] ones = {1.0, 1.0}>
"""
QUANT = "qonnx.custom_op.general.Quant"
BIPOLAR = "qonnx.custom_op.general.BipolarQuant"


def network(body: str, *, source: str = "float[1,2] x", sink: str = "float[1,2] y") -> bytes:
    """Return a network whose input x is quantised to q (2 bits, signed) before the body."""
    text = f"{HEADER} net ({source}) => ({sink}) {PARAMETERS} {{ {body} }}"
    model = onnx.parser.parse_model(text.replace("float[2,2,3,3] kw,", ""))
    kernel = numpy_helper.from_array(np.ones((2, 2, 3, 3), np.float32), "kw")
    model.graph.initializer.append(kernel)
    return bytes(model.SerializeToString())


def quantised(body: str, **ends: str) -> bytes:
    return network(f"q = {QUANT} <signed = 1, narrow = 0> (x, one, zero, two) {body}", **ends)


def refusal(tmp_path: Path, content: bytes) -> str:
    path = tmp_path / "net.onnx"
    path.write_bytes(content)
    with pytest.raises(UserError) as caught:
        load(path)
    return str(caught.value).replace(f"{tmp_path}/", "")


IMAGE = {"source": "float[1,2,4,4] x", "sink": "float[1,2,4,4] y"}

BLOCKED = {
    "sigmoid": (
        quantised("a = Sigmoid (q) y = MatMul (a, w)"),
        "net.onnx: operator Sigmoid (number 2 of 3, input tensor 'q') cannot become hardware: no "
        "hardware layer computes Sigmoid; replace it by a quantised ReLU or HardTanh, or move it "
        "behind the last layer",
    ),
    "several unknown": (
        quantised("a = Erf (q) b = Mish (a) y = MatMul (b, w)"),
        "net.onnx: operator Erf (number 2 of 4, input tensor 'q') cannot become hardware: no "
        "hardware layer computes Erf (also without one: Mish); replace it, or move it before the "
        "first or behind the last quantised layer",
    ),
    "float only": (
        network("a = MatMul (x, real) y = Relu (a)"),
        "net.onnx: the network is not quantised: no Quant, BipolarQuant or MultiThreshold node "
        "leads to its output; train it quantised (Brevitas, QKeras) and export QONNX",
    ),
    "float only, unknown operators": (
        network("a = Erf (x) y = Mish (a)"),
        "net.onnx: the network is not quantised: no Quant, BipolarQuant or MultiThreshold node "
        "leads to its output; train it quantised (Brevitas, QKeras) and export QONNX",
    ),
    "unknown on the host": (
        network(f"a = Mish (x) y = {QUANT} <signed = 1> (a, one, zero, two)"),
        "net.onnx: operator Mish (number 1 of 2, input tensor 'x') cannot become hardware: no "
        "hardware layer computes Mish; replace it, or move it before the first or behind the last "
        "quantised layer",
    ),
    "foreign domain": (
        quantised("y = com.microsoft.Gelu (q)"),
        "net.onnx: operator Gelu (number 2 of 2, input tensor 'q') cannot become hardware: no "
        "hardware layer computes Gelu; replace it, or move it before the first or behind the last "
        "quantised layer",
    ),
    "constant output": (
        quantised("y = Relu (w)"),
        "net.onnx: the network's output is constant; is this the whole network?",
    ),
    "only quantised": (
        quantised("y = Identity (q)"),
        "net.onnx: nothing is left to compute between the quantised input and the output; is this "
        "the whole network?",
    ),
    "real weights": (
        quantised("y = MatMul (q, real)"),
        "net.onnx: operator MatMul (number 2 of 2, input tensor 'q') cannot become hardware: its "
        "weights are real numbers, not quantised ones; train the network quantised (Brevitas, "
        "QKeras) and export QONNX",
    ),
    "computed weights": (
        quantised("y = MatMul (q, q)"),
        "net.onnx: operator MatMul (number 2 of 2, input tensor 'q') cannot become hardware: its "
        "weights are computed; use constant weights",
    ),
    "computed scale": (
        network(f"s = Relu (x) y = {QUANT} <signed = 1, narrow = 0> (x, s, zero, two)"),
        "net.onnx: operator Quant (number 2 of 2, input tensor 'x') cannot become hardware: its "
        "scale, zero point or bit width is computed, not constant; export the network in "
        "evaluation mode with fixed scales",
    ),
    "zero scale": (
        network(f"y = {QUANT} <signed = 1, narrow = 0> (x, zero, zero, two)"),
        "net.onnx: operator Quant (number 1 of 1, input tensor 'x') cannot become hardware: its "
        "scale is not positive; train or export the network again",
    ),
    "odd width": (
        network(f"y = {QUANT} <signed = 1, narrow = 0> (x, one, zero, odd)"),
        "net.onnx: operator Quant (number 1 of 1, input tensor 'x') cannot become hardware: its "
        "bit width is 1.5; use one whole bit width from 1 to 32",
    ),
    "odd zero point": (
        network(f"y = {QUANT} <signed = 1, narrow = 0> (x, one, half, two)"),
        "net.onnx: operator Quant (number 1 of 1, input tensor 'x') cannot become hardware: its "
        "zero point is not a whole number; use zero point 0",
    ),
    "rounding mode": (
        network(f'y = {QUANT} <signed = 1, rounding_mode = "DICE"> (x, one, zero, two)'),
        "net.onnx: operator Quant (number 1 of 1, input tensor 'x') cannot become hardware: its "
        "rounding mode is 'DICE'; use one of ROUND, HALF_EVEN, CEIL, FLOOR, UP, DOWN, HALF_UP, "
        "HALF_DOWN",
    ),
    "wide activation": (
        quantised(f"a = MatMul (q, w) y = {QUANT} <signed = 1> (a, one, zero, wide)"),
        "net.onnx: operator Quant (number 3 of 3, input tensor 'a') cannot become hardware: "
        "activations of 16 bits need 65535 thresholds; quantise activations to at most 8 bits",
    ),
    "twice quantised input": (
        network(
            f"a = {QUANT} <signed = 1> (x, one, zero, two) b = {QUANT} <signed = 1> "
            "(x, two, zero, two) y = Add (a, b)"
        ),
        "net.onnx: operator Quant (number 2 of 3, input tensor 'x') cannot become hardware: the "
        "network quantises its input more than once; quantise the input once and branch behind "
        "that",
    ),
    "missing inputs": (
        network(f"y = {QUANT} <signed = 1> (x, one)"),
        "net.onnx: operator Quant (number 1 of 1, input tensor 'x') cannot become hardware: it has "
        "2 inputs, 4 to 4 are defined; export the network again",
    ),
    "attribute type": (
        network(f'y = {QUANT} <signed = "yes"> (x, one, zero, two)'),
        "net.onnx: operator Quant (number 1 of 1, input tensor 'x') cannot become hardware: its "
        "attribute signed is 'yes', not of type int; export the network again",
    ),
    "channel scales mixed": (
        network(f"q = {QUANT} <signed = 1> (x, steps, zero, two) y = MatMul (q, w)"),
        "net.onnx: operator MatMul (number 2 of 2, input tensor 'q') cannot become hardware: the "
        "scale of its input differs between channels; quantise its input with one scale per tensor",
    ),
    "unquantised activation": (
        quantised("a = MatMul (q, w) b = Relu (a) y = MatMul (b, w)"),
        "net.onnx: operator MatMul (number 4 of 4, input tensor 'b') cannot become hardware: its "
        "input bends (ReLU or Clip) without being quantised; put a Quant node behind the "
        "activation",
    ),
    "scales differ": (
        quantised(f"a = MatMul (q, w) b = {QUANT} <signed = 1> (a, two, zero, two) y = Add (b, q)"),
        "net.onnx: operator Add (number 4 of 4, input tensor 'b') cannot become hardware: its two "
        "inputs do not have the same scale; quantise both branches with one shared Quant scale",
    ),
    "types differ": (
        quantised(f"a = MatMul (q, w) b = {QUANT} <signed = 0> (a, one, zero, two) y = Add (b, q)"),
        "net.onnx: operator Add (number 4 of 4, input tensor 'b') cannot become hardware: its two "
        "inputs are UINT2 and INT2; quantise both branches to the same bit width and sign",
    ),
    "falling codes": (
        quantised(f"a = Neg (q) y = {QUANT} <signed = 1> (a, one, zero, two)"),
        "net.onnx: operator Quant (number 3 of 3, input tensor 'a') cannot become hardware: its "
        "codes fall while the stream's values rise, on 2 of 2 channels; make the scale in front of "
        "it positive, or put it directly behind a Conv or MatMul",
    ),
    "negative variance": (
        quantised("a = MatMul (q, w) y = BatchNormalization (a, ones, mean, mean, var)"),
        "net.onnx: operator BatchNormalization (number 3 of 3, input tensor 'a') cannot become "
        "hardware: a variance is negative; train or export the network again",
    ),
    "division of a constant": (
        quantised("y = Div (one, q)"),
        "net.onnx: operator Div (number 2 of 2, input tensor 'one') cannot become hardware: it "
        "divides by a stream; rewrite it as a multiplication",
    ),
    "transpose": (
        quantised(
            "a = Transpose <perm = [0, 3, 2, 1]> (q) y = Relu (a)",
            source="float[1,2,4,4] x",
            sink="float[1,4,4,2] y",
        ),
        "net.onnx: operator Transpose (number 2 of 3, input tensor 'q') cannot become hardware: it "
        "reorders the stream by [0, 3, 2, 1]; export the network channels-first without transposes "
        "between layers",
    ),
    "reshape": (
        quantised("y = Reshape (q, turn)"),
        "net.onnx: operator Reshape (number 2 of 2, input tensor 'q') cannot become hardware: it "
        "turns [1, 2] into [2, 1]; keep the batch first and the number of elements",
    ),
    "topk values": (
        quantised("a = MatMul (q, w) y, i = TopK (a, k1)", sink="float[1,1] y"),
        "net.onnx: the network's output is the values of TopK; let it be the indices",
    ),
    "topk too large": (
        quantised("a = MatMul (q, w) v, y = TopK (a, k9)"),
        "net.onnx: operator TopK (number 3 of 3, input tensor 'a') cannot become hardware: it "
        "takes 9 of 2 values; use a smaller K",
    ),
    "groups": (
        quantised(
            "y = Conv <group = 2> (q, gw)", source="float[1,2,4,4] x", sink="float[1,4,4,4] y"
        ),
        "net.onnx: operator Conv (number 2 of 2, input tensor 'q') cannot become hardware: 2 "
        "groups over 2 input and 4 output channels; use group 1, or a depthwise convolution with "
        "as many outputs as inputs",
    ),
    "window too large": (
        quantised("y = Conv (q, kw)", source="float[1,2,2,2] x", sink="float[1,2,1,1] y"),
        "net.onnx: operator Conv (number 2 of 2, input tensor 'q') cannot become hardware: a "
        "window of 3x3 does not fit an image of 2x2; use a larger input",
    ),
    "bipolar padding": (
        network(f"q = {BIPOLAR} (x, one) y = Conv <pads = [1,1,1,1]> (q, kw)", **IMAGE),
        "net.onnx: operator Conv (number 2 of 2, input tensor 'q') cannot become hardware: it pads "
        "a bipolar stream, which has no zero; use activations of two or more bits there, or no "
        "padding",
    ),
    "padded offset": (
        quantised("a = Add (q, half) y = Conv <pads = [1,1,1,1]> (a, kw)", **IMAGE),
        "net.onnx: operator Conv (number 3 of 3, input tensor 'a') cannot become hardware: it pads "
        "a stream whose zero is not code 0; quantise its input with zero point 0 and without an "
        "offset",
    ),
    "padded signed maximum": (
        quantised("y = MaxPool <kernel_shape = [3,3], pads = [1,1,1,1]> (q)", **IMAGE),
        "net.onnx: operator MaxPool (number 2 of 2, input tensor 'q') cannot become hardware: it "
        "pads signed values with zero, which may exceed the true maximum; quantise its input "
        "unsigned, or pool without padding",
    ),
    "partial average": (
        quantised(
            "a = AveragePool <kernel_shape = [2,2], strides = [2,2]> (q) y = Relu (a)", **IMAGE
        ),
        "net.onnx: operator Relu (number 3 of 3, input tensor 'a') cannot become hardware: the "
        "average pooling before it covers part of the image and is not truncated; follow "
        "AveragePool with Mul by the window size and Trunc, as Brevitas exports it",
    ),
    "trunc alone": (
        quantised("y = qonnx.custom_op.general.Trunc (q, one, zero, two, one)"),
        "net.onnx: operator Trunc (number 2 of 2, input tensor 'q') cannot become hardware: it "
        "does not follow an AveragePool; use Quant to reduce the bit width elsewhere",
    ),
}


@pytest.mark.parametrize("case", BLOCKED)
def test_operator_that_blocks_is_named_with_place_reason_and_remedy(
    case: str, tmp_path: Path
) -> None:
    content, sentence = BLOCKED[case]
    assert refusal(tmp_path, content) == sentence


GRAPHS = {
    "two inputs": (
        network("y = Add (x, z)", source="float[1,2] x, float[1,2] z"),
        "net.onnx: 2 inputs (x, z), exactly one can be streamed; merge them, or make the others "
        "constants",
    ),
    "two outputs": (
        network("y = Relu (x) z = Neg (x)", sink="float[1,2] y, float[1,2] z"),
        "net.onnx: 2 outputs (y, z), exactly one can be streamed; keep one and remove what leads "
        "to the others",
    ),
    "open size": (
        network("y = Relu (x)", source="float[N,C,height,4] x"),
        "net.onnx: input 'x' leaves C, height open, only the batch may be; export with a fixed "
        "size",
    ),
    "no channels": (
        network("y = Relu (x)", source="float[4] x"),
        "net.onnx: input 'x' has 1 dimensions, batch and channels are needed; export with a fixed "
        "size",
    ),
    "missing tensor": (
        network("y = Relu (nowhere)"),
        "net.onnx: operator Relu '' reads tensor 'nowhere', which nothing produces before it (a "
        "cycle or a missing part); export the model again",
    ),
    "cycle": (
        network("a = Add (x, b) b = Relu (a) y = Neg (b)"),
        "net.onnx: operator Add '' reads tensor 'b', which nothing produces before it (a cycle or "
        "a missing part); export the model again",
    ),
    "old opset": (
        network("y = Relu (x)").replace(b"\x10\x0d", b"\x10\x07", 1),
        "net.onnx: standard operators of version 7, 9 or newer is needed; export with a newer "
        "opset",
    ),
    "empty file": (
        b"",
        "net.onnx: not an ONNX model, or one without operators; export it again",
    ),
    "text file": (
        b"this is not a model",
        "net.onnx: not an ONNX model, or cut short; export it again",
    ),
    "truncated": (
        network("y = Relu (x)")[:-20],
        "net.onnx: not an ONNX model, or cut short; export it again",
    ),
}


@pytest.mark.parametrize("case", GRAPHS)
def test_file_or_graph_that_cannot_be_read_is_refused(case: str, tmp_path: Path) -> None:
    content, sentence = GRAPHS[case]
    assert refusal(tmp_path, content) == sentence


def test_missing_file_and_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(
        UserError, match=r"nothing.onnx: cannot be read \(No such file or directory\)$"
    ):
        load(tmp_path / "nothing.onnx")
    with pytest.raises(UserError, match=r"this is no file; give the path of an ONNX model$"):
        load(tmp_path)


def test_odd_network_name_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    path.write_bytes(quantised("y = MatMul (q, w)"))
    sentence = "network name 'my-net' may only hold letters, digits, '_' and '.'; choose another"
    with pytest.raises(UserError, match=f"^{re.escape(sentence)}$"):
        load(path, name="my-net")
    assert load(path, name="my_net").name == "my_net"


def test_constant_that_is_not_finite_is_refused(tmp_path: Path) -> None:
    model = onnx.load_from_string(quantised("y = MatMul (q, w)"))
    broken = np.array([[np.nan, 1], [0, 1]], np.float32)
    for tensor in model.graph.initializer:
        if tensor.name == "w":
            tensor.CopyFrom(numpy_helper.from_array(broken, "w"))
    assert refusal(tmp_path, model.SerializeToString()) == (
        "net.onnx: constant 'w' contains values that are not finite; train or export the network "
        "again"
    )


def test_constant_shorter_than_its_shape_is_refused(tmp_path: Path) -> None:
    model = onnx.load_from_string(quantised("y = MatMul (q, w)"))
    for tensor in model.graph.initializer:
        if tensor.name == "w":
            tensor.dims[0] = 3
    assert refusal(tmp_path, model.SerializeToString()) == (
        "net.onnx: constant 'w' does not hold what its shape [3, 2] says; export the model again"
    )


def external(location: str, **where: str) -> bytes:
    """Return a network whose weights lie in another file."""
    model = onnx.load_from_string(quantised("y = MatMul (q, w)"))
    for tensor in model.graph.initializer:
        if tensor.name == "w":
            values = numpy_helper.to_array(tensor)
            tensor.Clear()
            tensor.name, tensor.data_type = "w", onnx.TensorProto.FLOAT
            tensor.dims.extend(values.shape)
            tensor.data_location = onnx.TensorProto.EXTERNAL
            for key, value in {"location": location, **where}.items():
                tensor.external_data.add(key=key, value=value)
    return bytes(model.SerializeToString())


WEIGHTS = np.array([[1, -1], [0, 1]], np.float32).tobytes()


def test_external_data_beside_the_model_is_read(tmp_path: Path) -> None:
    (tmp_path / "inside.onnx").write_bytes(quantised("y = MatMul (q, w)"))
    (tmp_path / "w.bin").write_bytes(b"pad." + WEIGHTS)
    (tmp_path / "net.onnx").write_bytes(external("w.bin", offset="4", length="16"))
    ours, theirs = load(tmp_path / "net.onnx"), load(tmp_path / "inside.onnx")
    (first, *_), (second, *_) = ours.layers, theirs.layers
    assert first.attributes == second.attributes
    np.testing.assert_array_equal(
        ours.parameters(first)[0].values, theirs.parameters(second)[0].values
    )


@pytest.mark.parametrize("location", ["../w.bin", "/etc/hostname", "link.bin", ""])
def test_external_data_outside_the_folder_is_refused(location: str, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (tmp_path / "w.bin").write_bytes(WEIGHTS)
    (folder / "link.bin").symlink_to(tmp_path / "w.bin")
    assert refusal(folder, external(location)) == (
        f"net.onnx: tensor 'w' lies in {location!r}, outside the model's folder; keep external "
        "data beside the model"
    )


def test_external_data_that_is_missing_or_short_is_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path, external("w.bin")) == (
        "net.onnx: tensor 'w' lies in 'w.bin', which is not there; copy it beside the model"
    )
    (tmp_path / "w.bin").write_bytes(WEIGHTS)
    assert refusal(tmp_path, external("w.bin", offset="8", length="16")) == (
        "net.onnx: tensor 'w' does not fit in w.bin; copy the external data again"
    )
