"""How much a stream between two kernels of a board must hold.

FINN sizes the FIFOs inside a kernel. Between kernels that is up to us: a stream that goes straight
to a kernel others reach by a detour (a residual connection cut in two) has to hold what the detour
has under way, or the kernels wait for each other for ever.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace

from elasticdf.artifact.deployment import Deployment, Kernel, LocalStream

STREAM_DEPTH = 32
"""Words on a plain stream; enough to decouple two kernels, free in LUT RAM."""

MAX_DEPTH = 32_768
"""Words of the largest AXI stream FIFO."""


def with_depths(deployment: Deployment) -> Deployment:
    """Return the deployment with the depth of every local stream set.

    A stream past a detour holds a whole frame: the layers of a residual block hold a few rows each,
    so that is ample. It is no proof for detours through many blocks; there, simulate.
    """
    after: dict[str, set[str]] = defaultdict(set)
    streams = [(s.source, s.target) for s in deployment.local]
    streams += [(link.source, link.target) for link in deployment.links]
    for source, target in streams:
        after[source[0]].add(target[0])
    kernels = {kernel.name: kernel for kernel in deployment.kernels}
    return replace(
        deployment,
        local=tuple(replace(s, depth=_depth(s, kernels, after)) for s in deployment.local),
    )


def _depth(stream: LocalStream, kernels: dict[str, Kernel], after: dict[str, set[str]]) -> int:
    if not _has_detour(stream.source[0], stream.target[0], after):
        return STREAM_DEPTH
    ports = kernels[stream.source[0]].outputs
    transfers = next(port.transfers for port in ports if port.name == stream.source[1])
    return min(1 << max(transfers - 1, STREAM_DEPTH - 1).bit_length(), MAX_DEPTH)


def _has_detour(source: str, target: str, after: dict[str, set[str]]) -> bool:
    waiting = [kernel for kernel in sorted(after[source]) if kernel != target]
    seen: set[str] = set()
    while waiting:
        kernel = waiting.pop()
        if kernel == target:
            return True
        if kernel not in seen:
            seen.add(kernel)
            waiting += sorted(after[kernel])
    return False
