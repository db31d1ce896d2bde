"""Why a request has no answer: what conflicts, how much is missing, and what would help.

The conflict is irreducible by construction: limits are dropped one after another while there is
still no placement, and every one that is left is needed. Remedies are only named after the
changed request was solved. Obvious reasons are named before anything is solved.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from elasticdf.hardware.cluster import Cluster, implied_cluster
from elasticdf.ir import RESOURCE_NAMES
from partitioner.plan import Mode
from partitioner.problem import Problem
from partitioner.request import Request
from partitioner.topology import DEFAULT_LIMITS

Attempt = Callable[[Request, frozenset[str]], bool]
"""Whether a request has a placement when the named limits are dropped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """What to tell the user.

    Attributes:
        message: One sentence or two.
        conflict: Names of limits that cannot hold together; none of them is superfluous.
        shortfall: What is missing, in units.
        remedies: Changes that were solved and work.
    """

    message: str
    conflict: tuple[str, ...]
    shortfall: tuple[Mapping[str, Any], ...]
    remedies: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the value of the key ``explanation`` of ``plan.json``."""
        return {
            "conflict": list(self.conflict),
            "shortfall": [dict(entry) for entry in self.shortfall],
            "remedies": [{"change": change, "verified": True} for change in self.remedies],
        }


def droppable(request: Request) -> tuple[str, ...]:
    """Return the names of the limits of a request, the ones a user changes last first."""
    return (
        "links",
        "wires",
        "mode",
        "linear_cuts",
        *(f"together[{','.join(group)}]" for group in request.together),
        *(f"anchor[{a.layer}={a.board}]" for a in request.anchors),
        "capacity[ff]",
        "capacity[dsp]",
        "capacity[mean]",
        "capacity[uram]",
        "capacity[bram18]",
        "capacity[lut]",
        "replicas",
        "fps",
    )


def dropped(request: Request, names: frozenset[str]) -> Request:
    """Return the request without some of its limits on layers, replicas and frame rate.

    Limits on resources, wires and links are properties of regions; see `relaxed`.
    """
    return replace(
        request,
        linear_cuts=request.linear_cuts and "linear_cuts" not in names,
        together=tuple(g for g in request.together if f"together[{','.join(g)}]" not in names),
        anchors=tuple(a for a in request.anchors if f"anchor[{a.layer}={a.board}]" not in names),
        replicas=None if "replicas" in names else request.replicas,
        fps=None if "fps" in names else request.fps,
        mode=_freest(request) if "mode" in names else request.mode,
    )


def _freest(request: Request) -> Mode:
    """Return the mode that forbids least: streams between boards wherever there is a network."""
    if not isinstance(request.target, Cluster) or not request.target.joined_ports:
        return request.mode
    return Mode.HARDWARE if request.mode is not Mode.SOFTWARE else request.mode


def relaxed(problem: Problem, names: frozenset[str]) -> Problem:
    """Return a problem without some of its limits on resources, wires and links."""
    if not any(name.startswith("capacity") or name in ("wires", "links") for name in names):
        return problem
    free = [f"capacity[{name}]" in names for name in problem.resources]
    most = 1_000_000.0
    return replace(
        problem,
        regions=tuple(
            replace(
                region,
                capacity=tuple(
                    10**9 if drop and c == 0 and not region.is_hub else c
                    for c, drop in zip(region.capacity, free, strict=True)
                ),
                limits=tuple(
                    most if drop else limit for limit, drop in zip(region.limits, free, strict=True)
                ),
                mean_limits=() if "capacity[mean]" in names else region.mean_limits,
            )
            for region in problem.regions
        ),
        links=tuple(
            replace(
                link,
                wires=None if "wires" in names else link.wires,
                bits_per_second=None if "links" in names else link.bits_per_second,
            )
            for link in problem.links
        ),
    )


def conflict(request: Request, attempt: Attempt) -> tuple[str, ...]:
    """Return limits that cannot hold together, none of them superfluous (a deletion filter)."""
    gone: frozenset[str] = frozenset()
    kept: list[str] = []
    for name in droppable(request):
        if not _applies(request, name):
            continue
        if attempt(request, gone | {name}):
            kept.append(name)
        else:
            gone |= {name}
    return tuple(kept)


def _applies(request: Request, name: str) -> bool:
    return not (
        (name == "replicas" and request.replicas is None)
        or (name == "fps" and request.fps is None)
        or (name == "linear_cuts" and not request.linear_cuts)
        or (name == "mode" and _freest(request) is request.mode)
    )


def remedies(
    request: Request, conflicting: tuple[str, ...], attempt: Attempt, fastest: float | None
) -> tuple[str, ...]:
    """Return changes that make the request work, each tried on its own.

    Args:
        request: What was asked.
        conflicting: From `conflict`.
        attempt: Tries a request.
        fastest: Frames per second that are reached without a goal, if that is known.
    """
    found = []
    for text, changed in _changes(request, conflicting, fastest, attempt):
        if attempt(changed, frozenset()):
            found.append(text)
    return tuple(found)


def _raises(request: Request, resource: str, attempt: Attempt) -> Iterator[tuple[str, Request]]:
    """Yield the least raise of a limit that works, in hundredths."""
    now = {**DEFAULT_LIMITS, **request.limits}[resource]

    def raised(hundredths: int) -> Request:
        return replace(request, limits={**request.limits, resource: hundredths / 100})

    steps = range(int(now * 100) + 1, 101)
    index = bisect_left(steps, 1, key=lambda step: int(attempt(raised(step), frozenset())))
    if index < len(steps):
        yield f"raise the limit on {resource} to {steps[index] / 100}", raised(steps[index])


def _changes(
    request: Request,
    conflicting: tuple[str, ...],
    fastest: float | None,
    attempt: Attempt,
) -> Iterator[tuple[str, Request]]:
    yield from _more_boards(request)
    for name in conflicting:
        if name.startswith("capacity["):
            resource = name[len("capacity[") : -1]
            yield from _raises(request, resource, attempt)
    yield from _fewer_wishes(request, fastest)


def _more_boards(request: Request) -> Iterator[tuple[str, Request]]:
    target = request.target
    if isinstance(target, Cluster) and len({board.name for board in target.boards}) == 1:
        board, count = target.boards[0], len(target.boards)
        cluster = implied_cluster(f"{count + 1}x{board.name}", (board,) * (count + 1))
        yield f"one more board: {cluster.name}", replace(request, target=cluster)


def _fewer_wishes(request: Request, fastest: float | None) -> Iterator[tuple[str, Request]]:
    for anchor in request.anchors:
        rest = tuple(a for a in request.anchors if a is not anchor)
        yield f"drop the anchor of layer {anchor.layer}", replace(request, anchors=rest)
    for group in request.together:
        rest_groups = tuple(g for g in request.together if g is not group)
        yield f"let {' and '.join(group)} be apart", replace(request, together=rest_groups)
    if request.linear_cuts:
        yield "allow cuts inside branches", replace(request, linear_cuts=False)
    if not request.variants:
        yield "allow implementation variants (URAM, DSP, LUT)", replace(request, variants=True)
    if request.as_is:
        yield "let the folding be chosen", replace(request, as_is=False)
    if request.replicas is not None and request.replicas > 1:
        yield "leave the number of replicas open", replace(request, replicas=None)
    if request.fps is not None and fastest is not None:
        lower = int(min(fastest, request.fps))
        if lower >= 1:
            yield f"lower --fps to {lower}", replace(request, fps=float(lower))
    if _freest(request) is not request.mode:
        freest = _freest(request)
        yield f"change the mode to {freest.value}", replace(request, mode=freest)


def instant(problem: Problem) -> Explanation | None:
    """Return a reason that needs no solver: an item no region holds in any of its options."""
    for item in problem.items:
        regions = [problem.regions[r] for r in item.regions or problem.places]
        if any(
            option.fits_part(region.part)
            and all(a <= m for a, m in zip(option.resources, region.allowed(), strict=True))
            for option in item.options
            for region in regions
        ):
            continue
        return _too_large(problem, item.name, regions)
    return None


def _too_large(problem: Problem, name: str, regions: list[Any]) -> Explanation:
    item = next(item for item in problem.items if item.name == name)
    largest = max(regions, key=lambda region: region.allowed())
    option = min(
        item.options,
        key=lambda o: max(
            amount / max(most, 1)
            for amount, most in zip(o.resources, largest.allowed(), strict=True)
        ),
    )
    short = [
        {"layer": name, "die": largest.name, "resource": r, "needed": a, "allowed": m}
        for r, a, m in zip(RESOURCE_NAMES, option.resources, largest.allowed(), strict=True)
        if a > m
    ]
    words = ", ".join(f"{s['needed']} {s['resource']} of {s['allowed']} allowed" for s in short)
    return Explanation(
        message=(
            f"layer {name} alone is larger than any die: on {largest.name} it needs {words}; "
            "layers are not split over dies"
        ),
        conflict=tuple(f"capacity[{s['resource']}]" for s in short),
        shortfall=tuple(short),
        remedies=(),
    )


def shortfall(problem: Problem, conflicting: tuple[str, ...]) -> tuple[Mapping[str, Any], ...]:
    """Return, per resource in the conflict, what all items need at least and what is allowed."""
    found = []
    for r, name in enumerate(problem.resources):
        if f"capacity[{name}]" in conflicting:
            least = sum(min(o.resources[r] for o in item.options) for item in problem.items)
            needed = least * problem.replicas
            allowed = sum(problem.regions[p].allowed()[r] for p in problem.places)
            found.append(
                {
                    "resource": name,
                    "needed_at_least": needed,
                    "allowed": allowed,
                    "short": max(0, needed - allowed),
                }
            )
    return tuple(found)
