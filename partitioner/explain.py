"""What an explanation says: names of limits, how to drop or loosen them, words and changes.

Pure functions of requests and problems; whether something is feasible is decided in
`partitioner.infeasible.decision`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from math import ceil, inf, log10
from types import MappingProxyType
from typing import Any

from elasticdf.hardware.cluster import Cluster, implied_cluster
from partitioner.plan import Mode
from partitioner.problem import LinkEnd, MeanLimit, Problem, Region
from partitioner.request import Anchor, Request
from partitioner.topology import DEFAULT_LIMITS

Loosened = Mapping[str, float]
"""Limits by name and the factor they are raised by; infinite for limits that are dropped."""

NOTHING: Loosened = MappingProxyType({})

_ENDLESS = 10**10
"""More of anything than a placement could use."""

PLAIN_LIMITS = (
    "memory_ports",
    "kernels",
    "sockets",
    "links",
    "wires",
    "capacity[ff]",
    "capacity[dsp]",
    "capacity[mean]",
    "capacity[uram]",
    "capacity[bram18]",
    "capacity[lut]",
)
"""Limits of boards and of how full they may be, those a user thinks of first last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """What to tell the user.

    Attributes:
        message: One sentence or two.
        conflict: Names of limits that cannot hold together.
        irreducible: Whether each of them was shown to be needed for the conflict.
        shortfall: What is missing, in units.
        remedies: Changes that were solved and work.
    """

    message: str
    conflict: tuple[str, ...]
    irreducible: bool = True
    shortfall: tuple[Mapping[str, Any], ...] = ()
    remedies: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the value of the key ``explanation`` of ``plan.json``."""
        return {
            "message": self.message,
            "conflict": list(self.conflict),
            "irreducible": self.irreducible,
            "shortfall": [dict(entry) for entry in self.shortfall],
            "remedies": [{"change": change, "verified": True} for change in self.remedies],
        }


def wishes(request: Request) -> tuple[str, ...]:
    """Return the names of the limits the user set, in the order in which they are dropped."""
    present = {
        "routes": _may_pass(request),
        "variants": not request.variants,
        "as_is": request.as_is,
        "linear_cuts": request.linear_cuts,
        "mode": _freest(request) is not None,
    }
    last = {"replicas": request.replicas is not None, "fps": request.fps is not None}
    return (
        *(name for name, there in present.items() if there),
        *map(group_name, request.together),
        *map(anchor_name, request.anchors),
        *(name for name, there in last.items() if there),
    )


def group_name(group: tuple[str, ...]) -> str:
    """Return the name of the limit that keeps layers together."""
    return f"together[{','.join(group)}]"


def anchor_name(anchor: Anchor) -> str:
    """Return the name of the limit that keeps a layer where it is wanted."""
    return f"anchor[{anchor.layer}={_place(anchor)}]"


def _place(anchor: Anchor) -> str:
    return str(anchor.board) if anchor.die is None else f"{anchor.board}.{anchor.die}"


def dropped(request: Request, names: Loosened) -> Request:
    """Return the request without some of the user's limits.

    Limits on resources, wires and links are properties of problems; see `relaxed`.
    """
    return replace(
        request,
        linear_cuts=request.linear_cuts and "linear_cuts" not in names,
        together=tuple(g for g in request.together if group_name(g) not in names),
        anchors=tuple(a for a in request.anchors if anchor_name(a) not in names),
        replicas=None if "replicas" in names else request.replicas,
        fps=None if "fps" in names else request.fps,
        mode=(_freest(request) or request.mode) if "mode" in names else request.mode,
        through_boards=request.through_boards or "routes" in names,
        variants=request.variants or "variants" in names,
        as_is=request.as_is and "as_is" not in names,
    )


def _joined(request: Request) -> bool:
    return isinstance(request.target, Cluster) and bool(request.target.joined_ports)


def _may_pass(request: Request) -> bool:
    """Whether streams could pass through a third board, if that were allowed."""
    target = request.target
    several = isinstance(target, Cluster) and len(target.boards) > 2 and bool(target.cables)
    networked = request.mode in (Mode.HARDWARE, Mode.TRANSPARENT)
    return several and networked and not request.through_boards


def _freest(request: Request) -> Mode | None:
    """Return the mode that allows all this one does and more; None if there is none."""
    bound = request.mode in (Mode.DATA_PARALLEL, Mode.TRANSPARENT)
    return Mode.HARDWARE if bound and _joined(request) else None


def relaxed(problem: Problem, names: Loosened) -> Problem:
    """Return a problem with some of its limits on resources, links and kernels raised."""
    if not any(name in names for name in PLAIN_LIMITS):
        return problem
    ports = names.get("sockets", 1.0)
    return replace(
        problem,
        regions=tuple(_roomier(problem, region, names) for region in problem.regions),
        links=tuple(
            replace(
                link,
                ends=(_more_sockets(link.ends[0], ports), _more_sockets(link.ends[1], ports)),
                wires=raised(link.wires, names.get("wires", 1.0)),
                bits_per_second=raised(link.bits_per_second, names.get("links", 1.0)),
            )
            for link in problem.links
        ),
        compute_units=raised(problem.compute_units, names.get("kernels", 1.0)),
    )


def raised(limit: int | None, factor: float) -> int | None:
    """Return a limit times a factor, rounded up; None for no limit.

    >>> raised(16, 1.1), raised(16, float("inf")), raised(None, 2.0)
    (18, None, None)
    """
    return None if limit is None or factor == inf else ceil(limit * factor - 1e-9)


def _more_sockets(end: LinkEnd, factor: float) -> LinkEnd:
    return replace(end, sockets=raised(end.sockets, factor))


def _roomier(problem: Problem, region: Region, names: Loosened) -> Region:
    if region.is_hub:
        return region
    free = [f"capacity[{name}]" in names for name in problem.resources]
    # What a die has none of cannot be raised by a fraction; its means stay those of the others.
    given = [drop and not c for c, drop in zip(region.capacity, free, strict=True)]
    return replace(
        region,
        capacity=tuple(
            _ENDLESS if new else c for c, new in zip(region.capacity, given, strict=True)
        ),
        limits=tuple(
            1.0 if new else _ENDLESS / c if drop and c else limit
            for c, drop, new, limit in zip(region.capacity, free, given, region.limits, strict=True)
        ),
        mean_limits=tuple(
            MeanLimit(resources=tuple(r for r in mean.resources if not given[r]), limit=mean.limit)
            for mean in region.mean_limits
            if "capacity[mean]" not in names
        ),
        memory_ports=raised(region.memory_ports, names.get("memory_ports", 1.0)),
    )


def words(request: Request, name: str) -> str:
    """Return a limit in words, for messages."""
    limits = {**DEFAULT_LIMITS, **request.limits}
    if name.startswith("capacity["):
        resource = name[len("capacity[") : -1]
        what = "BRAM, URAM and DSP in the mean" if resource == "mean" else resource.upper()
        return f"at most {100 * limits[resource]:g} % of each die's {what}"
    for group in request.together:
        if name == group_name(group):
            return f"{' and '.join(group)} together on one die"
    for anchor in request.anchors:
        if name == anchor_name(anchor):
            return f"layer {anchor.layer} on board {_place(anchor)}"
    rate = "" if request.fps is None else f"{number(request.fps)} frames per second"
    return {
        "fps": rate,
        "replicas": f"{request.replicas} replicas",
        "mode": f"mode {request.mode}",
        "linear_cuts": "no cut inside a branch",
        "variants": "only FINN's own implementation of every layer",
        "as_is": "the folding the network comes with",
        "routes": "no stream through a third board",
        "wires": "the wires between dies",
        "links": "the rate of the connections between boards",
        "sockets": "the sockets of the network ports",
        "kernels": "the kernels a board can hold",
        "memory_ports": "the kernels a memory can serve",
    }[name]


def number(value: float) -> str:
    """Return a number as people write it.

    >>> number(25e6), number(0.5), number(3985.25)
    ('25000000', '0.5', '3985.25')
    """
    return str(int(value)) if value == int(value) else f"{value:.6g}"


def rounded_down(rate: float) -> float:
    """Return a rate with four digits, rounded down.

    >>> rounded_down(3985.97), rounded_down(0.123456)
    (3985.0, 0.1234)
    """
    unit = 10.0 ** (int(log10(rate)) - 3 - (rate < 1)) if rate > 0 else 1.0
    return round(int(rate / unit + 1e-9) * unit, 12)


def sentence(request: Request, conflict: tuple[str, ...]) -> str:
    """Return what is wrong, in one sentence."""
    parts = [words(request, name) for name in conflict]
    if not parts:
        return "the network finds no place on the target, whatever limit is dropped"
    if len(parts) == 1:
        return f"no plan keeps this: {parts[0]}"
    return f"no plan keeps these together: {'; '.join(parts)}"


def more_boards(request: Request, count: int) -> tuple[str, Request] | None:
    """Return the change to so many more boards like the last one; None where that means nothing."""
    target = request.target
    if not isinstance(target, Cluster):
        return None
    boards = (*target.boards, *(target.boards[-1],) * count)
    kinds = list(dict.fromkeys(board.name for board in boards))
    if [board.name for board in boards] != sorted(
        (board.name for board in boards), key=kinds.index
    ):
        return None
    name = "+".join(f"{sum(b.name == kind for b in boards)}x{kind}" for kind in kinds)
    more = "one more board" if count == 1 else f"{count} more boards"
    cluster = implied_cluster(name, boards)
    return f"{more}: --target {name}", replace(request, target=cluster)


def with_limit(request: Request, resource: str, hundredths: int) -> tuple[str, Request]:
    """Return the change to another limit on a resource."""
    limits = {**request.limits, resource: hundredths / 100}
    return f"raise the limit: --limit {resource}={hundredths / 100:g}", replace(
        request, limits=limits
    )


def fewer_wishes(request: Request) -> Iterator[tuple[str, Request]]:
    """Yield the changes that give up one wish of the user."""
    for anchor in request.anchors:
        rest = tuple(a for a in request.anchors if a != anchor)
        yield (
            f"drop the anchor of layer {anchor.layer} on board {_place(anchor)}",
            replace(request, anchors=rest),
        )
    for group in request.together:
        rest_groups = tuple(g for g in request.together if g is not group)
        yield f"let {' and '.join(group)} be apart", replace(request, together=rest_groups)
    if request.linear_cuts:
        yield (
            "allow cuts inside branches: without --linear-cuts",
            replace(request, linear_cuts=False),
        )
    if not request.variants:
        yield (
            "allow implementation variants: without --no-variants",
            replace(request, variants=True),
        )
    if request.as_is:
        yield "let the folding be chosen", replace(request, as_is=False)
    if _may_pass(request):
        yield (
            "let streams pass a third board: routes_through = true in the cluster file",
            replace(request, through_boards=True),
        )
    if request.replicas is not None and request.replicas > 1:
        yield "leave the number of replicas open: --replicas auto", replace(request, replicas=None)
    for mode in (Mode.HARDWARE, Mode.SOFTWARE):
        several = isinstance(request.target, Cluster) and len(request.target.boards) > 1
        possible = several and (mode is Mode.SOFTWARE or _joined(request))
        if possible and request.mode is not mode:
            yield (
                f"change the mode to {mode.value}: --mode {mode.value}",
                replace(request, mode=mode),
            )
