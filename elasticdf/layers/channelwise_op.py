"""ChannelwiseOp: adds to, multiplies or compares each channel with its own parameter.

Formulas: FINN's ``channelwise_op.py``, ``hls/channelwise_op_hls.py``.
"""

from __future__ import annotations

from math import prod

from elasticdf.ir import Layer, Resources
from elasticdf.layers.emulation import FLOAT, Values, cast, element_type
from elasticdf.layers.kind import (
    Attributes,
    FpgaPart,
    LayerKind,
    LayerPorts,
    OnnxBuilder,
    fold,
    text,
    whole,
    wholes,
)
from elasticdf.layers.memory import divisor_foldings
from elasticdf.layers.thresholding import channel_memory


def _cycles(layer: Layer) -> int:
    vectors = prod(layer.integers("numInputVectors"))
    return fold(layer, layer.integer("NumChannels"), "PE") * vectors


def _ports(layer: Layer) -> LayerPorts:
    pe = layer.integer("PE")
    return LayerPorts(
        input_bits=(pe * layer.datatype("inputDataType").bits,),
        output_bits=(pe * layer.datatype("outputDataType").bits,),
        output_values=_cycles(layer),
    )


def _resources(layer: Layer, _part: FpgaPart) -> Resources:
    return channel_memory(
        bits=layer.datatype("inputDataType").bits,
        pe=layer.integer("PE"),
        words=fold(layer, layer.integer("NumChannels"), "PE"),
        style=layer.text("ram_style"),
    )


def _foldings(layer: Layer) -> tuple[Attributes, ...]:
    return divisor_foldings(layer, "PE", layer.integer("NumChannels"))


def _variants(_layer: Layer, _part: FpgaPart) -> tuple[Attributes, ...]:
    return ({}, {"ram_style": "distributed"}, {"ram_style": "block"})


_FUNCTIONS = {"add": "Add", "mul": "Mul", "cmp_le": "LessOrEqual", "cmp_ge": "GreaterOrEqual"}
"""ONNX operators of FINN's ``Func``."""


def _emulate(
    layer: Layer, builder: OnnxBuilder, inputs: tuple[str, ...], parameters: tuple[Values, ...]
) -> tuple[str, ...]:
    source, result = layer.datatype("inputDataType"), layer.datatype("outputDataType")
    target, function = element_type(result), layer.text("Func")
    wide = max((element_type(source), target), key=lambda item: item.itemsize)
    tensor = cast(builder, inputs[0], element_type(source), wide)
    parameter = builder.constant(parameters[0].reshape(-1).astype(wide))
    answer = builder.node(_FUNCTIONS[function], (tensor, parameter))
    if function.startswith("cmp"):
        return (builder.node("Cast", (answer,), to=FLOAT),)
    return (cast(builder, answer, wide, target),)


KIND = LayerKind(
    family="ChannelwiseOp",
    flavours=("hls",),
    attributes={
        "Func": text("cmp_le", allowed=("cmp_le", "cmp_ge", "add", "mul")),
        "PE": whole(),
        "NumChannels": whole(),
        "ram_style": text("distributed", allowed=("block", "distributed")),
        "inputDataType": text(),
        "paramDataType": text(),
        "outputDataType": text(),
        "numInputVectors": wholes((1,)),
    },
    cycles=_cycles,
    ports=_ports,
    resources=_resources,
    foldings=_foldings,
    variants=_variants,
    emulate=_emulate,
)
