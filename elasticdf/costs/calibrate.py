"""Corrections from your own builds: compares estimates with reports, layer by layer.

Each op type gets one factor per resource, a weighted median of measured over estimated, so that a
few odd layers do not spoil it. Op types with too few layers keep the base profile's estimate and
stay marked as assumed; so do layers far outside the sizes that were measured.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from elasticdf.costs.estimate import estimate
from elasticdf.costs.profile import CostProfile, KindCosts
from elasticdf.errors import UserError
from elasticdf.ir import Graph, Resources
from elasticdf.layers.kind import FpgaPart

FEWEST_LAYERS = 3
"""Layers of an op type a factor needs."""

_LARGEST_FACTOR = 20.0
"""A factor beyond this says that report and graph do not belong together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Residual:
    """How well one resource of one op type is estimated.

    Attributes:
        op_type: FINN's.
        resource: ``lut``, ``ff`` or ``bram18``.
        layers: Compared.
        factor: The correction found.
        before: Median over layers of the relative error without it.
        after: The same with it.
    """

    op_type: str
    resource: str
    layers: int
    factor: float
    before: float
    after: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """The outcome of comparing builds with estimates.

    Attributes:
        profile: The base profile with the factors found.
        residuals: One per op type and resource that was corrected, in that order.
        notes: What could not be used, one sentence each.
    """

    profile: CostProfile
    residuals: tuple[Residual, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Pair:
    estimated: Resources
    measured: Resources


def calibrate(
    builds: Sequence[tuple[Graph, Mapping[str, Resources]]],
    *,
    base: CostProfile,
    part: FpgaPart,
    name: str,
    origin: Mapping[str, str],
) -> Calibration:
    """Return a profile corrected by builds.

    Args:
        builds: Each graph as it was built, and what its layers took by layer name.
        base: Profile to correct; not ``finn``, which has nothing to correct.
        part: The builds are for.
        name: Of the new profile.
        origin: Its source, tool, part and date.

    Raises:
        UserError: No layer of the graphs is in the reports, or they do not belong together.
    """
    if base.coefficients is None:
        raise UserError("profile 'finn' cannot be corrected; calibrate 'corrected' or 'calibrated'")
    pairs, notes = _pairs(builds, base, part)
    kinds = dict(base.coefficients.kinds)
    residuals: list[Residual] = []
    for op_type, found in sorted(pairs.items()):
        if len(found) < FEWEST_LAYERS:
            notes.append(
                f"{op_type}: {len(found)} layers are too few for a correction, "
                f"{FEWEST_LAYERS} are needed"
            )
            continue
        corrected = {r: _residual(op_type, r, found, notes) for r in ("lut", "ff", "bram18")}
        residuals += [r for r in corrected.values() if r is not None]
        kinds[op_type] = _corrected(kinds.get(op_type, KindCosts()), corrected, found)
    profile = replace(
        base,
        name=name,
        origin=dict(origin),
        coefficients=replace(base.coefficients, kinds=dict(sorted(kinds.items()))),
    )
    return Calibration(profile=profile, residuals=tuple(residuals), notes=tuple(notes))


def _pairs(
    builds: Sequence[tuple[Graph, Mapping[str, Resources]]], base: CostProfile, part: FpgaPart
) -> tuple[dict[str, list[_Pair]], list[str]]:
    pairs: dict[str, list[_Pair]] = {}
    notes: list[str] = []
    for graph, report in builds:
        absent = [layer.name for layer in graph if layer.name not in report]
        if len(absent) == len(graph):
            raise UserError(
                f"network {graph.name}: none of its layers (such as {graph.layers[0].name}) is in "
                f"the report, which names {', '.join(sorted(report)[:3])}; give the report of "
                "this network's build"
            )
        if absent:
            notes.append(f"{graph.name}: {len(absent)} layers are not in the report")
        for layer in graph:
            if layer.name in report:
                cost = estimate(layer, base, part).resources
                pairs.setdefault(layer.op_type, []).append(_Pair(cost, report[layer.name]))
    return pairs, notes


def _residual(
    op_type: str, resource: str, pairs: Sequence[_Pair], notes: list[str]
) -> Residual | None:
    """Return the correction of one resource; None, noted if odd, where there is none."""
    values = [
        (float(estimated), float(measured))
        for pair in pairs
        if (estimated := getattr(pair.estimated, resource) or 0) > 0
        and (measured := getattr(pair.measured, resource) or 0) > 0
    ]
    if len(values) < FEWEST_LAYERS:
        return None
    factor = _weighted_median([(measured / estimated, estimated) for estimated, measured in values])
    if not 1 / _LARGEST_FACTOR <= factor <= _LARGEST_FACTOR:
        if resource == "lut":
            raise UserError(
                f"{op_type}: builds took {factor:.3g} times the estimated LUTs; report and network "
                "do not belong together, or were folded differently"
            )
        notes.append(f"{op_type}: {factor:.3g} times the estimated {resource} is not believed")
        return None
    return Residual(
        op_type=op_type,
        resource=resource,
        layers=len(values),
        factor=factor,
        before=_median([abs(estimated / measured - 1) for estimated, measured in values]),
        after=_median([abs(factor * estimated / measured - 1) for estimated, measured in values]),
    )


def _corrected(
    before: KindCosts, found: Mapping[str, Residual | None], pairs: Sequence[_Pair]
) -> KindCosts:
    factors = {
        resource: getattr(before, resource) * residual.factor
        for resource, residual in found.items()
        if residual is not None
    }
    sizes = [pair.measured.lut for pair in pairs]
    return replace(
        before,
        lut=factors.get("lut", before.lut),
        ff=factors.get("ff", before.ff),
        bram18=factors.get("bram18", before.bram18),
        samples=before.samples + len(pairs),
        lut_range=(float(min(sizes)), float(max(sizes))),
    )


def _weighted_median(values: Sequence[tuple[float, float]]) -> float:
    """Return the value at which half the weight is reached.

    >>> _weighted_median([(1.0, 1.0), (2.0, 5.0), (9.0, 1.0)])
    2.0
    """
    half = sum(weight for _, weight in values) / 2
    reached = 0.0
    for value, weight in sorted(values):
        reached += weight
        if reached >= half:
            return value
    return 1.0


def _median(values: Sequence[float]) -> float:
    return _weighted_median([(value, 1.0) for value in values])
