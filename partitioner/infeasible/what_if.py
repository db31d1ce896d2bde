"""Asks whether a request that has no plan would have one if it, or a limit of the boards, differed.

Every question ends with a share of the time left, so that a hard one leaves time for others.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from elasticdf.errors import UserError
from elasticdf.hardware.cluster import Cluster
from partitioner import explain
from partitioner.clock import Clock
from partitioner.explain import NOTHING, Loosened
from partitioner.infeasible.decision import Decision, decide
from partitioner.request import Objective, Request
from partitioner.space import Space

_QUESTION_SHARE = 0.25
_QUESTION_SECONDS = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class WhatIf:
    """A request to be changed.

    Attributes:
        space: The request on its cluster.
        request: As changes start from it: for any plan, silently, with a memory to share.
    """

    space: Space
    request: Request

    @staticmethod
    def of(space: Space) -> WhatIf:
        """Return the questions about a space's request."""
        request = replace(
            space.request,
            objective=Objective.THROUGHPUT,
            progress=None,
            memory=space.request.memory or {},
        )
        return WhatIf(space=space, request=request)

    def decide(self, request: Request, without: Loosened, clock: Clock) -> Decision:
        """Return whether a changed request has a plan where limits are dropped or raised."""
        clock = _question(clock)
        if clock.left() <= 0:
            return Decision()
        changed = self.space_of(explain.dropped(request, without), clock, without)
        return Decision() if changed is None else decide(changed, clock)

    def works(self, request: Request, without: Loosened = NOTHING) -> bool:
        """Return whether a changed request is shown to have a plan."""
        return self.decide(request, without, self.space.clock).found is not None

    def space_of(self, request: Request, clock: Clock, without: Loosened = NOTHING) -> Space | None:
        """Return the space of a changed request; None if it makes no sense."""
        cluster = request.target if isinstance(request.target, Cluster) else self.space.cluster
        try:
            return Space.of(request, cluster, clock, without)
        except UserError:
            return None


def _question(clock: Clock) -> Clock:
    """Return the clock of one question."""
    return clock.part(min(_QUESTION_SHARE, _QUESTION_SECONDS / max(clock.left(), 1e-9)))
