"""Max pools the way newer FINN builds them: a window generator and a Pool.

FINN has two forms of a 2D max pool. StreamingMaxPool takes all channels at once; newer releases
build a depthwise window generator and a Pool instead, and the measured CNV designs consist of
those. This turns the first form into the second, for predicting such builds; nothing is emitted
from it.
"""

from __future__ import annotations

from dataclasses import replace

from elasticdf.ir import DataType, Graph, Layer, Tensor
from elasticdf.layers import kind_of, with_defaults
from elasticdf.layers.memory import divisors


def pools_as_windows(graph: Graph) -> Graph:
    """Return the graph with every 2D StreamingMaxPool as a window generator and a Pool.

    The Pool gets the least PE with which it keeps up with the slowest of the other layers, its
    window generator the same SIMD: FINN's own rule for folding to a target.
    """
    slowest = max((kind_of(layer).cycles(layer) for layer in graph), default=1)
    layers: list[Layer] = []
    tensors = dict(graph.tensors)
    for layer in graph:
        if layer.family != "StreamingMaxPool" or 1 in layer.integers("ImgDim"):
            layers.append(layer)
            continue
        windows, pool, tensor = _window_and_pool(layer, slowest)
        tensors[tensor.name] = tensor
        layers += [windows, pool]
    return replace(graph, layers=tuple(layers), tensors=tensors)


def _window_and_pool(layer: Layer, cycles: int) -> tuple[Layer, Layer, Tensor]:
    """Return the two layers, the Pool no slower than ``cycles``, and the stream between them."""
    (height, width), (down, across) = layer.integers("ImgDim"), layer.integers("PoolDim")
    channels, element = layer.integer("NumChannels"), layer.text("dataType")
    size = (height // down, width // across)
    work = channels * down * across * size[0] * size[1]
    parallel = next((pe for pe in divisors(channels) if work // pe <= cycles), channels)
    tensor = Tensor(
        name=f"{layer.outputs[0]}_windows",
        shape=(1, *size, down * across * channels),
        datatype=DataType.parse(element),
    )
    windows = Layer(
        name=f"{layer.name}_windows",
        op_type="ConvolutionInputGenerator_rtl",
        attributes={
            "ConvKernelDim": (down, across),
            "IFMChannels": channels,
            "IFMDim": (height, width),
            "OFMDim": size,
            "SIMD": parallel,
            "Stride": (down, across),
            "Dilation": (1, 1),
            "inputDataType": element,
            "outputDataType": element,
            "depthwise": 1,
        },
        inputs=layer.inputs,
        outputs=(tensor.name,),
    )
    pool = Layer(
        name=f"{layer.name}_pool",
        op_type="Pool_hls",
        attributes={
            "Channels": channels,
            "PE": parallel,
            "KernelSize": (down, across),
            "Function": "MaxPool",
            "OutImgDims": size,
            "InputDataType": element,
            "OutputDataType": element,
        },
        inputs=(tensor.name,),
        outputs=layer.outputs,
    )
    return with_defaults(windows), with_defaults(pool), tensor
