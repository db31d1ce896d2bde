"""What one layer costs under a cost profile.

Profile ``finn`` is FINN's own estimate, errors included. The others start from it, repair what is
documented to be wrong (`elasticdf.costs.corrections`) and scale it by fitted coefficients. Whatever
rests on a coefficient instead of a formula is named in `LayerEstimate.assumed`.
"""

from __future__ import annotations

from dataclasses import dataclass

from elasticdf.costs.profile import CostProfile
from elasticdf.ir import Layer, Resources
from elasticdf.layers import kind_of
from elasticdf.layers.kind import FpgaPart


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
    kind = kind_of(layer)
    resources = kind.resources(layer, part)
    assumed = tuple(sorted({*kind.unknown, *(n for n, v in resources.items() if v is None)}))
    return LayerEstimate(
        cycles=kind.cycles(layer),
        resources=resources,
        low=resources,
        high=resources,
        assumed=assumed,
    )
