"""ConvolutionInputGenerator: turns an image stream into a stream of convolution windows.

Formulas: FINN's ``convolutioninputgenerator.py`` and its RTL and HLS flavours. Depthwise windows
feed a VVAU or Pool and must have SIMD equal to that layer's PE.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from math import ceil, prod

from elasticdf.ir import Layer, Resources
from elasticdf.layers.emulation import Values, integers, reshape
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
from elasticdf.layers.memory import (
    bram18_word_bits,
    cascaded_bram18,
    ceil_div,
    divisors,
    uram,
)

_BASE_LUTS = 300
_LUT_WORDS = 38
"""Words a LUT bit-column of the RTL buffer holds in FINN's estimate."""
_HLS_LUT_WORDS = 64


@dataclass(frozen=True, slots=True)
class _Window:
    """Geometry of the windows; height first where there are two numbers."""

    kernel: tuple[int, ...]
    image: tuple[int, ...]
    output: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    channel_fold: int

    @property
    def one_dimensional(self) -> bool:
        return 1 in self.image

    def along_width(self) -> _Window:
        """Return the geometry of a one-dimensional image with the long side as the width."""
        if self.image[1] != 1:
            return self
        return _Window(
            self.kernel[::-1],
            self.image[::-1],
            self.output[::-1],
            self.stride[::-1],
            self.dilation[::-1],
            self.channel_fold,
        )


def _window(layer: Layer) -> _Window:
    return _Window(
        kernel=layer.integers("ConvKernelDim"),
        image=layer.integers("IFMDim"),
        output=layer.integers("OFMDim"),
        stride=layer.integers("Stride"),
        dilation=layer.integers("Dilation"),
        channel_fold=fold(layer, layer.integer("IFMChannels"), "SIMD"),
    )


def _is_rtl(layer: Layer) -> bool:
    return not layer.op_type.endswith("_hls")


def parallel_window(layer: Layer) -> bool:
    """Tell whether a whole window leaves in one transfer."""
    if not layer.integer("parallel_window"):
        return False
    if _is_rtl(layer):
        return True
    return (
        bool(layer.integer("is1D"))
        and layer.integer("SIMD") == layer.integer("IFMChannels")
        and not layer.integer("depthwise")
        and set(layer.integers("Stride")) | set(layer.integers("Dilation")) == {1}
        and layer.text("ram_style") in ("auto", "distributed")
    )


def registers_hold_window(layer: Layer) -> bool:
    """Tell whether FINN picks the RTL style with window registers and line buffers."""
    return parallel_window(layer) or prod(layer.integers("ConvKernelDim")) == 1


def buffer_words(layer: Layer) -> int:
    """Return the words the whole RTL buffer holds."""
    window = _window(layer)
    (kernel_h, kernel_w), width = window.kernel, window.image[1]
    span = (kernel_h - 1) * window.dilation[0] * width + (kernel_w - 1) * window.dilation[1]
    if registers_hold_window(layer):
        return span * window.channel_fold + 2
    taps = kernel_h * kernel_w
    preload = max(0, window.stride[1] - 1 - taps) + max(0, (window.stride[0] - 1) * width - taps)
    return (span + 1 + preload) * window.channel_fold


def _rtl_cycles(layer: Layer) -> int:
    window = _window(layer)
    if registers_hold_window(layer):
        return prod(window.image) * window.channel_fold + 2
    depthwise = bool(layer.integer("depthwise"))
    if window.one_dimensional:
        return _rtl_cycles_1d(window.along_width(), depthwise=depthwise)
    return _rtl_cycles_2d(window, depthwise=depthwise)


def _rtl_cycles_1d(window: _Window, *, depthwise: bool) -> int:
    taps, stride, folds = window.kernel[1], window.stride[1], window.channel_fold
    cycles = window.output[1] * taps * folds + 2
    if depthwise:
        cycles += folds * (taps - 1) * (stride - 1) - (taps - 1)
    return cycles


def _rtl_cycles_2d(window: _Window, *, depthwise: bool) -> int:
    (kernel_h, kernel_w), (stride_h, stride_w) = window.kernel, window.stride
    width, folds = window.image[1], window.channel_fold
    fill = (kernel_h - 1) * window.dilation[0] * width + (kernel_w - 1) * window.dilation[1] + 1
    write = window.output[1] * kernel_w * kernel_h * folds
    row = max(write, stride_w * width * folds)
    if not depthwise:
        return fill * folds + window.output[0] * row
    row += window.output[1] * (stride_w - 1) * (folds - 1)
    return fill * folds + window.output[0] * row + (stride_h - 1) * width * folds


def _line_buffers(layer: Layer) -> tuple[int, int]:
    """Return (number, words) of the RTL flavour's memories."""
    window = _window(layer)
    if not registers_hold_window(layer):
        return 1, buffer_words(layer)
    if window.one_dimensional:
        return 0, 0
    reach = (window.kernel[1] - 1) * window.dilation[1] + 1
    width = window.image[1]
    return window.kernel[0] - 1, width - reach + width * (window.dilation[0] - 1)


def _rtl_resources(layer: Layer) -> Resources:
    bits = layer.integer("SIMD") * layer.datatype("inputDataType").bits
    count, words = _line_buffers(layer)
    style = layer.text("ram_style")
    in_luts = bits * ceil_div(buffer_words(layer), _LUT_WORDS) if style == "distributed" else 0
    return Resources(
        lut=_BASE_LUTS + in_luts,
        ff=None,
        bram18=count * cascaded_bram18(bits, words) if style in ("block", "auto") else 0,
        uram=count * uram(bits, words) if style == "ultra" else 0,
    )


def _hls_variant(layer: Layer) -> str:
    """Return which window generator of finn-hlslib is used for a one-dimensional image."""
    stride, dilation = prod(layer.integers("Stride")), prod(layer.integers("Dilation"))
    if parallel_window(layer):
        return "parallel"
    if not layer.integer("depthwise"):
        return "plain"
    return "naive" if stride > 2 or dilation > 1 else "depthwise"


def _hls_cycles(layer: Layer) -> int:
    window = _window(layer)
    folds = window.channel_fold
    if not layer.integer("is1D"):
        width = window.image[1]
        row = max(window.output[1] * prod(window.kernel) * folds, window.stride[1] * width * folds)
        return width * window.kernel[0] * window.dilation[0] * folds + window.output[0] * row
    window = window.along_width()
    taps, outputs = window.kernel[1], window.output[1]
    return {
        "parallel": taps + outputs,
        "plain": 1 + outputs * taps * folds,
        "depthwise": 1 + outputs * taps * folds + folds * (taps - 1) - (taps - 1),
        "naive": window.image[1] * folds + outputs * taps * folds,
    }[_hls_variant(layer)]


def _hls_buffers(layer: Layer) -> tuple[int, int]:
    """Return (number, words) of the HLS flavour's memories; a parallel window is no memory."""
    window = _window(layer)
    if not layer.integer("is1D"):
        return window.kernel[0] + window.stride[0], window.image[0] * window.channel_fold
    window = window.along_width()
    positions = {
        "parallel": window.kernel[1] + 1,
        "plain": window.kernel[1] - 1,
        "depthwise": window.kernel[1],
        "naive": window.image[1],
    }[_hls_variant(layer)]
    return int(_hls_variant(layer) != "parallel"), positions * window.channel_fold


def _hls_luts(layer: Layer, count: int, words: int) -> int:
    """Return the LUTs of HLS buffers; FINN rounds one- and two-dimensional ones differently."""
    if layer.text("ram_style") != "distributed":
        return _BASE_LUTS
    bits = layer.datatype("inputDataType").bits
    if layer.integer("is1D"):
        return _BASE_LUTS + ceil(bits * words * layer.integer("SIMD") / _HLS_LUT_WORDS)
    return _BASE_LUTS + count * layer.integer("SIMD") * bits * ceil_div(words, _HLS_LUT_WORDS)


def _hls_resources(layer: Layer) -> Resources:
    bits = layer.integer("SIMD") * layer.datatype("inputDataType").bits
    count, words = _hls_buffers(layer)
    style = layer.text("ram_style")
    flat = bool(layer.integer("is1D"))
    rows = ceil_div(words, 18432) if flat else 1
    block = count * ceil(bits / bram18_word_bits(words)) * rows
    ultra = count * ceil_div(bits, 72 if flat else 64) * ceil_div(words, 4096)
    return Resources(
        lut=_hls_luts(layer, count, words),
        ff=None,
        bram18=block if style in ("block", "auto") else 0,
        uram=ultra if style == "ultra" else 0,
    )


def _cycles(layer: Layer) -> int:
    return _rtl_cycles(layer) if _is_rtl(layer) else _hls_cycles(layer)


def _resources(layer: Layer, _part: FpgaPart) -> Resources:
    return _rtl_resources(layer) if _is_rtl(layer) else _hls_resources(layer)


def _ports(layer: Layer) -> LayerPorts:
    window = _window(layer)
    bits = layer.integer("SIMD") * layer.datatype("inputDataType").bits
    taps, positions = prod(window.kernel), prod(window.output)
    together = taps if parallel_window(layer) else 1
    return LayerPorts(
        input_bits=(bits,),
        output_bits=(bits * together,),
        output_values=positions * taps // together * window.channel_fold,
    )


def _foldings(layer: Layer) -> tuple[Attributes, ...]:
    channels = layer.integer("IFMChannels")
    foldings: list[Attributes] = [
        {"SIMD": simd, "parallel_window": 0} for simd in divisors(channels)
    ]
    widest: Attributes = {"SIMD": channels, "parallel_window": 1}
    if _is_rtl(layer) or parallel_window(layer.with_attributes(widest)):
        foldings.append(widest)
    return tuple(foldings)


def _variants(layer: Layer, part: FpgaPart) -> tuple[Attributes, ...]:
    styles = ["distributed", "block"]
    if part.has_uram:
        styles.append("ultra")
    if parallel_window(layer) and not _is_rtl(layer):
        styles = ["distributed"]
    return ({}, *({"ram_style": style} for style in styles))


def _emulate(
    layer: Layer, builder: OnnxBuilder, inputs: tuple[str, ...], parameters: tuple[Values, ...]
) -> tuple[str, ...]:
    """Cut the image into windows: position by position, each position its channels.

    For depthwise layers channel by channel, each channel its positions, as qonnx's Im2Col does.
    """
    kernel, strides = layer.integers("ConvKernelDim"), layer.integers("Stride")
    dilations, size = layer.integers("Dilation"), layer.integers("OFMDim")
    channels, positions = layer.integer("IFMChannels"), kernel[0] * kernel[1]
    image = reshape(builder, inputs[0], *layer.integers("IFMDim"), channels)
    parts = []
    for row, column in product(range(kernel[0]), range(kernel[1])):
        first = (row * dilations[0], column * dilations[1])
        last = tuple(first[a] + (size[a] - 1) * strides[a] + 1 for a in (0, 1))
        axes, steps = integers(builder, 1, 2), integers(builder, *strides)
        bounds = (integers(builder, *first), integers(builder, *last))
        parts.append(builder.node("Slice", (image, *bounds, axes, steps)))
    if not layer.integer("depthwise", 0):
        return (parts[0] if positions == 1 else builder.node("Concat", tuple(parts), axis=3),)
    columns = tuple(reshape(builder, part, *size, channels, 1) for part in parts)
    windows = builder.node("Concat", columns, axis=4)
    return (reshape(builder, windows, *size, channels * positions),)


KIND = LayerKind(
    family="ConvolutionInputGenerator",
    flavours=("hls", "rtl"),
    attributes={
        "ConvKernelDim": wholes(length=2),
        "IFMChannels": whole(),
        "IFMDim": wholes(length=2),
        "OFMDim": wholes(length=2),
        "SIMD": whole(),
        "Stride": wholes(length=2),
        "Dilation": wholes(length=2),
        "inputDataType": text(),
        "outputDataType": text(),
        "depthwise": whole(0, allowed=(0, 1)),
        "ram_style": text("distributed", allowed=("auto", "block", "distributed", "ultra")),
        "parallel_window": whole(0, allowed=(0, 1)),
        "is1D": whole(0),
        "dynamic_mode": whole(0, allowed=(0, 1)),
        "M": whole(1, flavours=("rtl",)),
    },
    cycles=_cycles,
    ports=_ports,
    resources=_resources,
    foldings=_foldings,
    variants=_variants,
    published_variants=(
        {"ram_style": "block"},
        {"ram_style": "distributed"},
        {"ram_style": "ultra"},
    ),
    emulate=_emulate,
)
