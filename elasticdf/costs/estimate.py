"""What one layer costs under a cost profile.

Profile ``finn`` is FINN's own estimate, errors included. The others start from it, repair what is
documented to be wrong (`elasticdf.costs.corrections`) and scale it by fitted coefficients. Whatever
rests on a coefficient instead of a formula is named in `LayerEstimate.assumed`.
"""

from __future__ import annotations

from dataclasses import dataclass

from elasticdf.costs.corrections import Parts, flip_flops, parts
from elasticdf.costs.profile import Coefficients, CostProfile, KindCosts
from elasticdf.ir import Layer, Resources
from elasticdf.layers import kind_of
from elasticdf.layers.kind import FpgaPart

_TRUSTED_STRETCH = 2.0
"""A measured correction is trusted up to this factor beyond the layers it was measured on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerEstimate:
    """The cost of one layer.

    Attributes:
        cycles: Cycles per frame.
        resources: The best guess.
        low: What at least is expected.
        high: What at most is expected; what limits are held against.
        assumed: Names of resources that are unknown, or known by a coefficient only.
    """

    cycles: int
    resources: Resources
    low: Resources
    high: Resources
    assumed: tuple[str, ...] = ()


def estimate(layer: Layer, profile: CostProfile, part: FpgaPart) -> LayerEstimate:
    """Return what the layer takes.

    Raises:
        UserError: The layer's folding or attributes are illegal.
    """
    cycles = kind_of(layer).cycles(layer)
    if profile.coefficients is None:
        return _as_finn(layer, cycles, part)
    coefficients = profile.coefficients
    consists = parts(layer, coefficients, part)
    own = coefficients.kinds.get(layer.op_type, KindCosts())
    amounts = _amounts(consists, coefficients, own)
    band = coefficients.band
    return LayerEstimate(
        cycles=cycles,
        resources=_resources(amounts, consists),
        low=_resources(_times(amounts, band.lut[0], band.ff[0], band.bram18[0]), consists),
        high=_resources(_times(amounts, band.lut[1], band.ff[1], band.bram18[1]), consists),
        assumed=_assumed(amounts[0], own),
    )


def _as_finn(layer: Layer, cycles: int, part: FpgaPart) -> LayerEstimate:
    kind = kind_of(layer)
    resources = kind.resources(layer, part)
    unknown = {*kind.unknown, *(name for name, amount in resources.items() if amount is None)}
    return LayerEstimate(
        cycles=cycles,
        resources=resources,
        low=resources,
        high=resources,
        assumed=tuple(sorted(unknown)),
    )


def _amounts(
    consists: Parts, coefficients: Coefficients, own: KindCosts
) -> tuple[float, float, float]:
    """Return LUTs, flip-flops and BRAM18 of a layer, scaled and unrounded."""
    scale = coefficients.scale
    luts = (
        scale.compute * consists.compute
        + scale.storage * consists.storage
        + scale.control * consists.control
    )
    return (
        own.lut * luts,
        own.ff * scale.ff * flip_flops(consists, coefficients),
        own.bram18 * scale.bram18 * consists.bram18,
    )


def _times(
    amounts: tuple[float, float, float], lut: float, ff: float, bram18: float
) -> tuple[float, float, float]:
    return amounts[0] * lut, amounts[1] * ff, amounts[2] * bram18


def _resources(amounts: tuple[float, float, float], consists: Parts) -> Resources:
    """Round to whole primitives; a factor on a few block RAMs does not make one more of each."""
    luts, ffs, brams = (round(amount) for amount in amounts)
    if consists.bram18 and not brams:
        brams = 1
    return Resources(lut=luts, ff=ffs, bram18=brams, uram=consists.uram, dsp=consists.dsp)


def _assumed(luts: float, own: KindCosts) -> tuple[str, ...]:
    """Return what rests on coefficients that no build of this kind and size has confirmed."""
    lowest, highest = own.lut_range
    confirmed = own.samples > 0 and (
        lowest / _TRUSTED_STRETCH <= luts <= highest * _TRUSTED_STRETCH
    )
    return () if confirmed else ("ff", "lut")
