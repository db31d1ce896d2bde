"""StreamingMaxPool: maximum over windows that do not overlap.

Formulas: FINN's ``streamingmaxpool.py``. A row may stand upright. The two-dimensional cycle count
is known to be inaccurate (error F9: it ignores channels and height), and two-dimensional pooling
always takes all channels at once, whatever PE says.
"""

from __future__ import annotations

from elasticdf.ir import Layer
from elasticdf.layers.emulation import Values, reshape
from elasticdf.layers.kind import (
    Attributes,
    LayerKind,
    LayerPorts,
    OnnxBuilder,
    fold,
    no_resources,
    no_variants,
    text,
    whole,
    wholes,
)
from elasticdf.layers.memory import ceil_div, divisor_foldings


def row_of(layer: Layer) -> tuple[int, int] | None:
    """Return length and window of a one-dimensional image, None in two dimensions."""
    (height, width), (pool_h, pool_w) = layer.integers("ImgDim"), layer.integers("PoolDim")
    if width == 1:
        height, width, pool_h, pool_w = width, height, pool_w, pool_h
    return (width, pool_w) if height == pool_h == 1 else None


def _outputs(layer: Layer, length: int, window: int) -> int:
    steps = length - window
    return (ceil_div(steps, window) if layer.integer("CeilMode") else steps // window) + 1


def _cycles(layer: Layer) -> int:
    row = row_of(layer)
    if row is not None:
        folds = fold(layer, layer.integer("NumChannels"), "PE")
        return _outputs(layer, *row) * folds * (row[1] + 1)
    width, window = layer.integers("ImgDim")[1], layer.integers("PoolDim")[1]
    return int(width * width * (1 + 1 / (window * window)))


def _ports(layer: Layer) -> LayerPorts:
    bits = layer.datatype("dataType").bits
    row = row_of(layer)
    if row is not None:
        width = layer.integer("PE") * bits
        values = _outputs(layer, *row) * fold(layer, layer.integer("NumChannels"), "PE")
    else:
        (height, length), (pool_h, pool_w) = layer.integers("ImgDim"), layer.integers("PoolDim")
        width = layer.integer("NumChannels") * bits
        values = (height // pool_h) * (length // pool_w)
    return LayerPorts(input_bits=(width,), output_bits=(width,), output_values=values)


def _foldings(layer: Layer) -> tuple[Attributes, ...]:
    if row_of(layer) is None:
        return ({},)
    return divisor_foldings(layer, "PE", layer.integer("NumChannels"))


def _emulate(
    layer: Layer, builder: OnnxBuilder, inputs: tuple[str, ...], parameters: tuple[Values, ...]
) -> tuple[str, ...]:
    size, pool = layer.integers("ImgDim"), layer.integers("PoolDim")
    channels = layer.integer("NumChannels")
    tensor = reshape(builder, inputs[0], *size, channels)
    if any(side % window for side, window in zip(size, pool, strict=True)):
        return (_ragged(layer, builder, tensor, pool),)
    # no MaxPool here: runtimes merge padding in front of it, zeros, with its own, which is endless
    windows = (size[0] // pool[0], pool[0], size[1] // pool[1], pool[1])
    tensor = reshape(builder, tensor, *windows, channels)
    return (builder.node("ReduceMax", (tensor,), axes=[2, 4], keepdims=0),)


def _ragged(layer: Layer, builder: OnnxBuilder, tensor: str, pool: tuple[int, ...]) -> str:
    """Pool an image the windows do not divide; what is left over counts if CeilMode says so."""
    tensor = builder.node("Transpose", (tensor,), perm=[0, 3, 1, 2])
    tensor = builder.node(
        "MaxPool",
        (tensor,),
        kernel_shape=list(pool),
        strides=list(pool),
        ceil_mode=layer.integer("CeilMode", 0),
    )
    return builder.node("Transpose", (tensor,), perm=[0, 2, 3, 1])


KIND = LayerKind(
    family="StreamingMaxPool",
    flavours=("hls",),
    attributes={
        "ImgDim": wholes(length=2),
        "PoolDim": wholes(length=2),
        "NumChannels": whole(),
        "PE": whole(0),
        "CeilMode": whole(0),
        "dataType": text(),
    },
    cycles=_cycles,
    ports=_ports,
    resources=no_resources,
    foldings=_foldings,
    variants=no_variants,
    unknown=("lut", "ff"),
    emulate=_emulate,
)
