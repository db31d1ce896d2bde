"""What a kind of hardware layer must be able to say about itself.

Every file in this package describes one kind as one `LayerKind` record called ``KIND``; the table
in ``elasticdf.layers`` lists them. All functions are pure and need only the layer's attributes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from elasticdf.errors import UserError
from elasticdf.ir import AttributeValue, Layer, Resources

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


_PART_FAMILIES: tuple[tuple[str, FpgaPart], ...] = (
    ("xc7", FpgaPart(name="", has_uram=False, series7=True)),
    ("xcvu", FpgaPart(name="")),
    ("xcv", FpgaPart(name="", dsp58=True)),
    ("xczu2eg", FpgaPart(name="", has_uram=False)),
    ("xczu2cg", FpgaPart(name="", has_uram=False)),
    ("xczu1eg", FpgaPart(name="", has_uram=False)),
    ("xczu1cg", FpgaPart(name="", has_uram=False)),
    ("xczu3", FpgaPart(name="", has_uram=False)),
    ("xczu6", FpgaPart(name="", has_uram=False)),
    ("xczu9", FpgaPart(name="", has_uram=False)),
    ("xczu15eg", FpgaPart(name="")),
    ("xcku0", FpgaPart(name="", has_uram=False)),
)
"""What AMD's part names tell (DS890, DS891, DS180); the longest matching prefix counts."""


def fpga_part(name: str) -> FpgaPart:
    """Return what is known of a part by its name; unknown ones count as UltraScale+ with URAM."""
    matches = [entry for entry in _PART_FAMILIES if name.lower().startswith(entry[0])]
    known = max(matches, key=lambda entry: len(entry[0]))[1] if matches else FpgaPart(name="")
    return replace(known, name=name)


class OnnxBuilder(Protocol):
    """What an emulation rule may use to write ONNX nodes; see ``codegen.segments``."""

    def node(self, op_type: str, inputs: tuple[str, ...], **attributes: object) -> str:
        """Add a node with one output and return the output's name."""
        ...

    def nodes(
        self, op_type: str, inputs: tuple[str, ...], outputs: int, **attributes: object
    ) -> tuple[str, ...]:
        """Add a node with several outputs and return their names."""
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


_LARGEST = 2**31 - 1
"""No dimension of a layer that could be built comes near."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribute:
    """One attribute of a FINN op.

    Attributes:
        type: Of its value.
        default: What FINN takes when the graph does not say; None where it must say.
        allowed: The values FINN accepts; empty means any.
        flavours: The implementations that have it; empty means all, and the abstract op too.
        lowest: Smallest number that makes sense; None for any.
        length: Numbers a list has; None for any.
    """

    type: Literal["int", "ints", "text"]
    default: AttributeValue | None = None
    allowed: tuple[int | str, ...] = ()
    flavours: tuple[str, ...] = ()
    lowest: int | None = None
    length: int | None = None

    def refusal(self, value: AttributeValue) -> str | None:
        """Return what is needed instead, or None if the value will do."""
        if self.allowed and value not in self.allowed:
            return " or ".join(map(repr, self.allowed))
        if self.type == "text":
            return None if isinstance(value, str) else "text"
        if self.type == "int":
            return None if self._is_number(value) else f"a whole number{self._range()}"
        count = len(value) if isinstance(value, tuple) else -1
        right_count = count == self.length if self.length else count > 0 or value == self.default
        if right_count and isinstance(value, tuple) and all(map(self._is_number, value)):
            return None
        return f"{self.length or 'a list of'} whole numbers{self._range()}"

    def _is_number(self, value: object) -> bool:
        if not isinstance(value, int) or isinstance(value, bool):
            return False
        return self.lowest is None or self.lowest <= value <= _LARGEST

    def _range(self) -> str:
        return "" if self.lowest is None else f" from {self.lowest} to {_LARGEST}"


def whole(
    default: int | None = None,
    *,
    allowed: tuple[int, ...] = (),
    flavours: tuple[str, ...] = (),
    lowest: int | None = None,
    signed: bool = False,
) -> Attribute:
    """Declare an attribute that is a whole number; no default means it is required.

    Unless something else is said, it is at least 1, or at least 0 where that is the default.
    """
    usual = 1 if default is None or default > 0 else 0
    least = None if signed else usual if lowest is None else lowest
    return Attribute(type="int", default=default, allowed=allowed, flavours=flavours, lowest=least)


def wholes(
    default: tuple[int, ...] | None = None, *, length: int | None = None, lowest: int = 1
) -> Attribute:
    """Declare an attribute that is a list of whole numbers."""
    return Attribute(type="ints", default=default, lowest=lowest, length=length)


def text(
    default: str | None = None, *, allowed: tuple[str, ...] = (), flavours: tuple[str, ...] = ()
) -> Attribute:
    """Declare an attribute that is text."""
    return Attribute(type="text", default=default, allowed=allowed, flavours=flavours)


COMMON_ATTRIBUTES: Mapping[str, Attribute] = {
    "backend": text("fpgadataflow"),
    "preferred_impl_style": text("", allowed=("", "hls", "rtl")),
    "cycles_estimate": whole(0),
    "slr": whole(-1, signed=True),
    "mem_port": text(""),
    "partition_id": whole(0),
    "device_id": whole(0),
    "inFIFODepths": wholes((2,), lowest=0),
    "outFIFODepths": wholes((2,), lowest=0),
}
"""The attributes every FINN layer has, without those that only hold paths of a FINN build."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerKind:
    """One kind of hardware layer.

    Attributes:
        family: FINN's op type without ``_hls`` and ``_rtl``.
        flavours: The implementations that exist, of ``hls`` and ``rtl``.
        attributes: The op's own attributes beside `COMMON_ATTRIBUTES`; may override those.
        cycles: Cycles per frame (batch 1), FINN's ``get_exp_cycles``.
        ports: Stream widths and output count.
        resources: FINN's estimate (profile ``finn``), its known errors included.
        foldings: Every legal folding as attribute changes, fewest resources first.
        variants: Implementation variants at a given folding, FINN's own choice first.
        published_variants: The variants the published FINN partitioner considers.
        unknown: What FINN has no formula for although the layer takes it; shown as assumed.
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
    attributes: Mapping[str, Attribute] = field(default_factory=dict)
    published_variants: tuple[Attributes, ...] = ({},)
    unknown: tuple[str, ...] = ()
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


def fold(layer: Layer, total: int, name: str) -> int:
    """Return ``total`` over the parallelism attribute ``name``.

    Raises:
        UserError: The parallelism is not a divisor of the total.
    """
    parallel = layer.integer(name)
    if parallel < 1 or total % parallel:
        raise UserError(
            f"layer {layer.name} ({layer.op_type}): {name}={parallel} does not divide {total}; "
            f"choose {name} among the divisors of {total}"
        )
    return total // parallel


def no_folding(_layer: Layer) -> tuple[Attributes, ...]:
    """Say that the layer cannot be folded."""
    return ({},)


def no_variants(_layer: Layer, _part: FpgaPart) -> tuple[Attributes, ...]:
    """Say that there is one implementation only."""
    return ({},)


def no_resources(_layer: Layer, _part: FpgaPart) -> Resources:
    """Return FINN's estimate for kinds it has no formula for: nothing at all (error F5)."""
    return Resources(ff=None)
