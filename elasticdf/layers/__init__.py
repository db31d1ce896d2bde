"""The kinds of hardware layers, one file each, and the table that lists them.

How to add one is in ``docs/architecture.md``: its file with a ``KIND`` record, its line in `KINDS`,
its coefficients and its simulation rule.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from elasticdf.errors import UserError
from elasticdf.ir import AttributeValue, Layer
from elasticdf.layers import (
    add_streams,
    channelwise_op,
    check_sum,
    convolution_input_generator,
    down_sampler,
    duplicate_streams,
    fm_padding,
    fm_padding_pixel,
    global_acc_pool,
    iodma,
    label_select,
    lookup,
    mvau,
    pool,
    streaming_concat,
    streaming_data_width_converter,
    streaming_eltwise,
    streaming_fifo,
    streaming_max_pool,
    thresholding,
    tlast_marker,
    upsample_nearest_neighbour,
    vvau,
)
from elasticdf.layers.kind import COMMON_ATTRIBUTES, Attribute, LayerKind

KINDS: Mapping[str, LayerKind] = MappingProxyType(
    {
        "AddStreams": add_streams.KIND,
        "ChannelwiseOp": channelwise_op.KIND,
        "CheckSum": check_sum.KIND,
        "ConvolutionInputGenerator": convolution_input_generator.KIND,
        "DownSampler": down_sampler.KIND,
        "DuplicateStreams": duplicate_streams.KIND,
        "FMPadding": fm_padding.KIND,
        "FMPadding_Pixel": fm_padding_pixel.KIND,
        "GlobalAccPool": global_acc_pool.KIND,
        "IODMA": iodma.KIND,
        "LabelSelect": label_select.KIND,
        "Lookup": lookup.KIND,
        "MVAU": mvau.KIND,
        "Pool": pool.KIND,
        "StreamingConcat": streaming_concat.KIND,
        "StreamingDataWidthConverter": streaming_data_width_converter.KIND,
        "StreamingEltwise": streaming_eltwise.KIND,
        "StreamingFIFO": streaming_fifo.KIND,
        "StreamingMaxPool": streaming_max_pool.KIND,
        "TLastMarker": tlast_marker.KIND,
        "Thresholding": thresholding.KIND,
        "UpsampleNearestNeighbour": upsample_nearest_neighbour.KIND,
        "VVAU": vvau.KIND,
    }
)
"""Every kind by its family: FINN's op type without ``_hls`` or ``_rtl``."""


def kind_of(layer: Layer) -> LayerKind:
    """Return the kind of a layer.

    Raises:
        UserError: The op type is not one this project knows.
    """
    kind = KINDS.get(layer.family)
    if kind is None or flavour_of(layer) not in (None, *kind.flavours):
        known = ", ".join(sorted(KINDS))
        raise UserError(
            f"layer {layer.name}: op type {layer.op_type!r} is not a hardware layer known here "
            f"({known}, each with its _hls or _rtl flavour); convert the model with a FINN of 2024 "
            "or later, or leave this layer out"
        )
    return kind


def flavour_of(layer: Layer) -> str | None:
    """Return ``hls`` or ``rtl``, or None before specialisation."""
    suffix = layer.op_type.removeprefix(layer.family)
    return suffix.removeprefix("_") or None


def attributes_of(layer: Layer) -> Mapping[str, Attribute]:
    """Return every attribute FINN accepts on the layer, in the flavour it has."""
    flavour = flavour_of(layer)
    declared = {**COMMON_ATTRIBUTES, **kind_of(layer).attributes}
    return {
        name: attribute
        for name, attribute in declared.items()
        if not attribute.flavours or flavour in attribute.flavours
    }


def with_defaults(layer: Layer) -> Layer:
    """Return the layer with the attributes it does not state set as FINN would.

    Raises:
        UserError: A required attribute is absent, or one has a value that makes no sense.
    """
    missing: dict[str, AttributeValue] = {}
    for name, attribute in attributes_of(layer).items():
        if name in layer.attributes:
            check_attribute(layer, name, attribute, layer.attributes[name])
        elif attribute.default is None:
            raise UserError(
                f"layer {layer.name} ({layer.op_type}): required attribute {name} is missing; "
                "export the graph again from FINN"
            )
        else:
            missing[name] = attribute.default
    return layer.with_attributes(missing)


def check_attribute(layer: Layer, name: str, attribute: Attribute, value: AttributeValue) -> None:
    """Check a value for an attribute of a layer.

    Raises:
        UserError: FINN would not take it.
    """
    needed = attribute.refusal(value)
    if needed is not None:
        shown = list(value) if isinstance(value, tuple) else value
        raise UserError(
            f"layer {layer.name} ({layer.op_type}): attribute {name} is {shown!r}; FINN takes "
            f"{needed}"
        )
