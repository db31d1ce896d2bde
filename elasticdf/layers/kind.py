"""What a kind of hardware layer must be able to say about itself.

Every file in this package describes one kind as one `LayerKind` record called ``KIND``; the table
in ``elasticdf.layers`` lists them. All functions are pure and need only the layer's attributes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from elasticdf.ir import AttributeValue, DataType, Layer, Resources

Attributes: TypeAlias = Mapping[str, AttributeValue]
"""A change of attributes: a folding (PE, SIMD, ...) or a variant (resType, ram_style, ...)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FpgaPart:
    """What resource formulas need to know of the FPGA.

    Attributes:
        name: AMD's part name, for example ``xcu280-fsvh2892-2L-e``.
        has_uram: Whether UltraRAM exists.
        dsp58: Whether the DSP is Versal's DSP58 (else DSP48).
        series7: Whether it is a 7-series part.
    """

    name: str
    has_uram: bool = True
    dsp58: bool = False
    series7: bool = False


class OnnxBuilder(Protocol):
    """What an emulation rule may use to write ONNX nodes; see ``codegen.segments``."""

    def node(self, op_type: str, inputs: tuple[str, ...], **attributes: object) -> str:
        """Add a node with one output and return the output's name."""
        ...

    def constant(self, values: NDArray[np.generic]) -> str:
        """Add an initialiser and return its name."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerPorts:
    """The streams of a layer and what a frame puts on them.

    Attributes:
        input_bits: Bits per transfer of each stream input, unpadded.
        output_bits: The same for each output.
        output_values: Transfers per frame on the outputs as FINN counts them.
    """

    input_bits: tuple[int, ...]
    output_bits: tuple[int, ...]
    output_values: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerKind:
    """One kind of hardware layer.

    Attributes:
        family: FINN's op type without ``_hls`` and ``_rtl``.
        flavours: The implementations that exist, of ``hls`` and ``rtl``.
        cycles: Cycles per frame (batch 1), FINN's ``get_exp_cycles``.
        ports: Stream widths and output count.
        resources: FINN's estimate (profile ``finn``), its known errors included.
        foldings: Every legal folding as attribute changes, fewest resources first.
        variants: Implementation variants at a given folding, FINN's own choice first.
        emulate: Adds the layer's integer arithmetic to an ONNX graph: takes the layer, the builder,
            the names of its stream inputs (float32 or float64 tensors holding whole numbers,
            channels last, batch first) and its parameters' values; returns the outputs' names.
            None if the kind only moves data unchanged.
    """

    family: str
    flavours: tuple[str, ...]
    cycles: Callable[[Layer], int]
    ports: Callable[[Layer], LayerPorts]
    resources: Callable[[Layer, FpgaPart], Resources]
    foldings: Callable[[Layer], tuple[Attributes, ...]]
    variants: Callable[[Layer, FpgaPart], tuple[Attributes, ...]]
    emulate: (
        Callable[
            [Layer, OnnxBuilder, tuple[str, ...], tuple[NDArray[np.generic], ...]],
            tuple[str, ...],
        ]
        | None
    ) = None


def padded(bits: int) -> int:
    """Return the width rounded up to whole bytes, as AXI streams carry it."""
    return (bits + 7) // 8 * 8


def input_datatype(layer: Layer) -> DataType:
    """Return the data type of the layer's first stream input."""
    return layer.datatype("inputDataType")
