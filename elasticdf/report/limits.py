"""What holds a plan back and what would help, in sentences.

Refuses to promise: what was not solved is a command to run, never a claim.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence

from elasticdf.report.loads import Fullness, LayerLoad, link_share
from partitioner.plan import Outcome, Plan

NEARLY_FULL = 0.9
"""Share of a limit from which on it is called binding."""

_MORE_BOARDS = 2
_NOTICED = 1.01
"""Times the pace from which on a simulated interval is worth a sentence."""


def binding(
    plan: Plan, layers: Sequence[LayerLoad], fullness: Sequence[Fullness]
) -> tuple[str, ...]:
    """Return what limits the plan, the pace first."""
    return (
        *_pace(plan, layers),
        *_waiting(plan),
        *_full_dies(fullness),
        *_uncertain(fullness),
        *_full_links(plan),
    )


def advice(plan: Plan, model: str) -> tuple[str, ...]:
    """Return what to try next; ``model`` is what the plan was made of, as a command takes it."""
    proof = plan.certificate.throughput
    found = []
    if plan.certificate.outcome is Outcome.OPTIMAL or proof.gap <= 0:
        found.append(
            "On these boards, under these limits, no plan is faster: that is proven. More frames "
            "per second need more boards, another clock or higher limits (`--limit`)."
        )
    else:
        found.append(
            f"Up to {proof.bound:,.1f} frames per second are not ruled out "
            f"({proof.gap:.1%} more); a longer `--time-limit` may find them."
        )
    low, names = len(plan.boards), {board.board for board in plan.boards}
    name = min(names, default="")
    if len(names) == 1 and plan.cluster in (name, f"{low}x{name}"):
        targets = f"{low}..{low + _MORE_BOARDS}x{name}"
        command = f"elasticdf explore {shlex.quote(model)} --targets {shlex.quote(targets)}"
        found.append(f"What one or two more boards buy: `{command} --modes all -o sweep`")
    return tuple(found)


def _pace(plan: Plan, layers: Sequence[LayerLoad]) -> Iterator[str]:
    slowest = [layer.name for layer in layers if layer.slack_cycles == 0]
    if slowest:
        others = len(slowest) - 1
        who = f" and {others} more set" if others else " sets"
        yield f"{slowest[0]}{who} the pace: {plan.interval_cycles:,} cycles per frame"


def _waiting(plan: Plan) -> Iterator[str]:
    """Yield a sentence if a simulation found frames to take longer than the slowest layer."""
    entries = plan.extra.get("simulation")
    found = [
        entry["interval_cycles"]
        for entry in (entries if isinstance(entries, list | tuple) else ())
        if isinstance(entry, Mapping) and isinstance(entry.get("interval_cycles"), int | float)
    ]
    longest = max(found, default=0)
    if longest > _NOTICED * plan.interval_cycles:
        yield (
            f"simulated with its FIFOs, a copy takes a frame every {longest:,.0f} cycles: "
            "what layers wait for each other and between frames is not in the pace"
        )


def _full_dies(fullness: Sequence[Fullness]) -> Iterator[str]:
    """Yield a sentence per resource that is nearly full somewhere."""
    for resource in dict.fromkeys(row.resource for row in fullness):
        rows = [row for row in fullness if row.resource == resource and row.available]
        near = [row for row in rows if row.fraction >= NEARLY_FULL * row.limit]
        if near:
            most = max(near, key=lambda row: row.fraction / row.limit)
            yield (
                f"{resource}: {len(near)} of {len(rows)} dies are nearly at their limit, most so "
                f"board {most.board} {most.die}: {most.fraction:.1%} used, {most.limit:.0%} allowed"
            )


def _uncertain(fullness: Sequence[Fullness]) -> Iterator[str]:
    """Yield a sentence if the dies might not hold the plan, were the estimates too low."""
    over = [
        row
        for row in fullness
        if row.high is not None and row.available and row.high > row.limit * row.available
    ]
    if over:
        most = max(over, key=lambda row: (row.high or 0) / row.available)
        yield (
            "if layers take as much as the cost profile's error band allows, "
            f"{len({(row.board, row.die) for row in over})} dies exceed a limit, most so board "
            f"{most.board} {most.die}: {(most.high or 0) / most.available:.1%} of {most.resource}"
        )


def _full_links(plan: Plan) -> Iterator[str]:
    for link in plan.links:
        if link_share(link) >= NEARLY_FULL:
            yield (
                f"the link from board {link.origin[0]} port {link.origin[1]} to board "
                f"{link.destination[0]} port {link.destination[1]} is {link_share(link):.1%} full"
            )
