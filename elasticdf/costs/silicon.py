"""Whole designs against silicon: what is predicted, how the parts are fitted, how wrong it is.

Five public designs are few, so the fit only scales the parts of the estimate and is held towards
the uncalibrated one; `leave_one_out` says what that is worth on a design the fit has not seen.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from math import gcd, lcm, prod

import numpy as np
from numpy.typing import NDArray

from elasticdf.costs.corrections import flip_flops, parts
from elasticdf.costs.profile import Band, Coefficients, CostProfile, Scale
from elasticdf.errors import InternalError, UserError
from elasticdf.ir import Graph, Resources
from elasticdf.layers import kind_of
from elasticdf.layers.kind import FpgaPart, padded

_DMA_WIDEST_BITS = 64
"""FINN's DMA engines on Zynq read and write memory in words of up to this width."""

_ERROR = 0.05
"""Relative error the designs' totals are believed to have."""

_FREEDOM = 0.2
"""How far a factor may move from 1 as easily as a design's total may be off by `_ERROR`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Design:
    """A built design: what its layers consist of, unscaled, and what was measured.

    Attributes:
        name: For tables.
        compute: LUTs that compute, by the corrected estimate.
        storage: LUTs that store.
        control: LUTs that steer.
        fixed_lut: LUTs outside the layers.
        ff: Flip-flops of the layers.
        fixed_ff: Flip-flops outside the layers.
        bram18: Block RAMs of the layers.
        fixed_bram18: Block RAMs outside the layers.
        measured: After synthesis, of the whole design.
    """

    name: str
    compute: float
    storage: float
    control: float
    fixed_lut: float
    ff: float
    fixed_ff: float
    bram18: float
    fixed_bram18: float
    measured: Resources


@dataclass(frozen=True, slots=True, kw_only=True)
class Errors:
    """Relative errors of a prediction: 0.1 means a tenth too high."""

    name: str
    lut: float
    ff: float
    bram18: float


def design_of(
    name: str, graph: Graph, measured: Resources, profile: CostProfile, part: FpgaPart
) -> Design:
    """Return a design's parts.

    Args:
        name: For tables.
        graph: As built, width converters and FIFOs included.
        measured: After synthesis, of the whole design.
        profile: Whose coefficients are used; its scale is not.
        part: It was built for.
    """
    coefficients = _coefficients(profile)
    consists = [parts(layer, coefficients, part) for layer in graph]
    beside = coefficients.design
    dma_bits = _dma_bits(graph)
    return Design(
        name=name,
        compute=sum(p.compute for p in consists),
        storage=sum(p.storage for p in consists),
        control=sum(p.control for p in consists),
        fixed_lut=beside.lut + beside.lut_per_dma_bit * dma_bits,
        ff=sum(flip_flops(p, coefficients) for p in consists),
        fixed_ff=beside.ff + beside.ff_per_dma_bit * dma_bits,
        bram18=sum(p.bram18 for p in consists),
        fixed_bram18=beside.bram18,
        measured=measured,
    )


def _coefficients(profile: CostProfile) -> Coefficients:
    if profile.coefficients is None:
        raise UserError("profile 'finn' has no coefficients to fit; start from 'corrected'")
    return profile.coefficients


def _dma_bits(graph: Graph) -> int:
    """Return the widths the input's DMA engine converts through, if it converts."""
    first = next(layer for layer in graph if set(graph.inputs) & set(layer.inputs))
    tensor = graph.tensors[graph.inputs[0]]
    stream = padded(kind_of(first).ports(first).input_bits[0])
    memory = gcd(prod(tensor.shape) * tensor.datatype.bits, _DMA_WIDEST_BITS)
    through = lcm(memory, stream)
    return (through if through != memory else 0) + (stream if through != stream else 0)


def fit(designs: Sequence[Design]) -> Scale:
    """Return the factors that bring the designs' totals closest to what was measured.

    Weighted least squares on relative errors, held towards 1 (a ridge, or normal priors): with
    ``_ERROR`` on the totals and ``_FREEDOM`` on the factors.
    """
    if not designs:
        raise InternalError("a fit needs at least one design")
    lut = _ridge(
        [
            (d.compute, d.storage, d.control, _known(d.measured.lut) - d.fixed_lut, d.measured.lut)
            for d in designs
        ]
    )
    ff = _ridge([(d.ff, _known(d.measured.ff) - d.fixed_ff, d.measured.ff) for d in designs])
    bram = _ridge(
        [(d.bram18, d.measured.bram18 - d.fixed_bram18, d.measured.bram18) for d in designs]
    )
    return Scale(compute=lut[0], storage=lut[1], control=lut[2], ff=ff[0], bram18=bram[0])


def _known(amount: int | None) -> float:
    if amount is None:
        raise UserError("a measured design must state its flip-flops")
    return float(amount)


def _ridge(rows: Sequence[tuple[float | None, ...]]) -> tuple[float, ...]:
    """Return factors x near 1 with parts . x = rest, relative to the total.

    Each row holds the parts, what they should add up to, and the total errors are relative to.
    """
    table: NDArray[np.float64] = np.array(rows, dtype=np.float64)
    weights = 1 / (table[:, -1:] * _ERROR)
    columns = table.shape[1] - 2
    left = np.vstack([table[:, :-2] * weights, np.eye(columns) / _FREEDOM])
    right = np.concatenate([table[:, -2] * weights[:, 0], np.ones(columns) / _FREEDOM])
    solution = np.linalg.lstsq(left, right, rcond=None)[0]
    return tuple(float(value) for value in solution)


def predict(design: Design, scale: Scale) -> tuple[float, float, float]:
    """Return LUTs, flip-flops and BRAM18 of the whole design."""
    luts = (
        scale.compute * design.compute
        + scale.storage * design.storage
        + scale.control * design.control
    )
    return (
        luts + design.fixed_lut,
        scale.ff * design.ff + design.fixed_ff,
        scale.bram18 * design.bram18 + design.fixed_bram18,
    )


def errors(design: Design, scale: Scale) -> Errors:
    """Return how far the prediction is from the measurement."""
    lut, ff, bram = predict(design, scale)
    return Errors(
        name=design.name,
        lut=lut / design.measured.lut - 1,
        ff=ff / _known(design.measured.ff) - 1,
        bram18=bram / design.measured.bram18 - 1,
    )


def leave_one_out(designs: Sequence[Design]) -> tuple[Errors, ...]:
    """Return each design's errors under the fit to all the others."""
    return tuple(
        errors(design, fit([other for other in designs if other is not design]))
        for design in designs
    )


def band_of(found: Iterable[Errors]) -> Band:
    """Return the factors from an estimate to the least and the most that is expected.

    An estimate that was ``e`` too low must be multiplied by ``1 / (1 - e)`` to be safe. The errors
    are doubled, because the structure of the estimate was chosen knowing the designs.
    """
    listed = tuple(found)

    def factors(relative: Sequence[float]) -> tuple[float, float]:
        return (
            round(min(1.0, 1 / (1 + 2 * max(relative))), 2),
            round(max(1.0, 1 / (1 + 2 * min(relative))), 2),
        )

    return Band(
        lut=factors([e.lut for e in listed]),
        ff=factors([e.ff for e in listed]),
        bram18=factors([e.bram18 for e in listed]),
    )


def with_fit(profile: CostProfile, designs: Sequence[Design]) -> CostProfile:
    """Return the profile with factors and band fitted to the designs."""
    coefficients = replace(
        _coefficients(profile), scale=fit(designs), band=band_of(leave_one_out(designs))
    )
    return replace(profile, coefficients=coefficients)
