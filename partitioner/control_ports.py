"""Fewer control ports: options without one wherever a die stays roomy.

What has a control port must be loaded by the host before the first frame and makes kernels of its
own, so it is worth having only where it saves what is scarce. Changes options of equal speed and
width only, never a region or a route; proves nothing, and gives back what the verifier accepts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from partitioner.problem import Option, Problem, Region
from partitioner.solution import Placement
from partitioner.verify import copies, measure, violations

_ROOMY = 0.5
"""Share of what a region allows up to which it may become fuller."""


def with_fewer_control_ports(problem: Problem, placement: Placement) -> Placement:
    """Return the placement with options without control ports where a region has room for them.

    A region becomes no fuller than it is, or than half of what it allows.
    """
    options = list(placement.options)
    used = [list(amounts) for amounts in measure(problem, placement).resources]
    most = [
        _ROOMY if record.is_hub else max(_ROOMY, _fullest(record, used[region]))
        for region, record in enumerate(problem.regions)
    ]
    for position, _, item in copies(problem):
        region = placement.regions[position]
        now = problem.items[item].options[options[position]]
        for index in _without_port(problem, item, now, region):
            wanted = problem.items[item].options[index]
            changes = zip(used[region], now.resources, wanted.resources, strict=True)
            after = [amount - old + new for amount, old, new in changes]
            if _fullest(problem.regions[region], after) <= most[region]:
                options[position], used[region] = index, after
                break
    changed = replace(placement, options=tuple(options))
    return placement if violations(problem, changed) else changed


def _without_port(problem: Problem, item: int, now: Option, region: int) -> list[int]:
    """Return the options that could stand in for one that has a control port, first ones first."""
    if not now.control_ports:
        return []
    part = problem.regions[region].part
    return [
        index
        for index, option in enumerate(problem.items[item].options)
        if not option.control_ports
        and (option.cycles, option.wires) == (now.cycles, now.wires)
        and option.fits_part(part)
    ]


def _fullest(region: Region, used: Sequence[int]) -> float:
    """Return the largest share of a limit that is used."""
    allowed = region.allowed()
    shares = [a / most if most else float(a) for a, most in zip(used, allowed, strict=True)]
    for mean in region.mean_limits:
        parts = [used[r] / region.capacity[r] for r in mean.resources if region.capacity[r]]
        shares.append(sum(parts) / max(len(parts), 1) / mean.limit)
    return max(shares)
