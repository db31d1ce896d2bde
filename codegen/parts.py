"""Kernels as FINN can package them: at most one AXI-Lite port each.

Layers whose weights are written at run time (URAM cannot be initialised on UltraScale+) have such a
port, and FINN packs one per kernel. A kernel with several becomes a row of parts, the first under
its own name. Only the build sees parts; the deployment that the runtime reads keeps whole kernels.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from codegen.depths import STREAM_DEPTH, with_depths
from codegen.segmentation import all_streams, port_of
from elasticdf.artifact.deployment import Deployment, Kernel, LocalStream, Port, StreamEnd
from elasticdf.ir import Graph, Layer, Stream


@dataclass(frozen=True, slots=True, kw_only=True)
class _Split:
    """A kernel in parts; ``ends`` says where each of its ports went."""

    parts: tuple[Kernel, ...]
    inner: tuple[LocalStream, ...]
    ends: Mapping[StreamEnd, StreamEnd]


def buildable(deployment: Deployment, graphs: Mapping[int, Graph]) -> Deployment:
    """Return the deployment with every kernel in parts that can be packaged.

    Args:
        deployment: As planned.
        graphs: The network, folded, by replica.
    """
    splits = [_split(kernel, graphs[kernel.replica]) for kernel in deployment.kernels]
    moved = {end: new for split in splits for end, new in split.ends.items()}
    inner = tuple(stream for split in splits for stream in split.inner)
    built = replace(
        deployment,
        kernels=tuple(part for split in splits for part in split.parts),
        local=(
            *(replace(s, source=moved[s.source], target=moved[s.target]) for s in deployment.local),
            *inner,
        ),
        links=tuple(
            replace(link, source=moved[link.source], target=moved[link.target])
            for link in deployment.links
        ),
        host=tuple(replace(s, end=moved[s.end]) for s in deployment.host),
    )
    return with_depths(built)


def has_control_port(layer: Layer) -> bool:
    """Return whether FINN gives the layer an AXI-Lite port."""
    return layer.attributes.get("runtime_writeable_weights") == 1


def _split(kernel: Kernel, graph: Graph) -> _Split:
    levels = _levels(kernel, graph)
    count = len(set(levels.values()))
    if count <= 1:
        ends = {(kernel.name, p.name): (kernel.name, p.name) for p in _ports(kernel)}
        return _Split(parts=(kernel,), inner=(), ends=ends)
    names = {
        level: kernel.name if index == 0 else f"{kernel.name}_p{index}"
        for index, level in enumerate(sorted(set(levels.values())))
    }
    place = {layer: names[level] for layer, level in levels.items()}
    crossing = [
        s for s in all_streams(graph) if place.get(s.source or "") != place.get(s.target or "")
    ]
    made: dict[Stream, StreamEnd] = {}
    taken: dict[Stream, StreamEnd] = {}
    parts = []
    for name in names.values():
        inputs = [s for s in crossing if place.get(s.target or "") == name]
        outputs = [s for s in crossing if place.get(s.source or "") == name]
        taken.update({s: (name, f"s_axis_{i}") for i, s in enumerate(inputs)})
        made.update({s: (name, f"m_axis_{i}") for i, s in enumerate(outputs)})
        part = replace(
            kernel,
            name=name,
            layers=tuple(layer for layer in kernel.layers if place[layer] == name),
            inputs=tuple(port_of(graph, s, f"s_axis_{i}") for i, s in enumerate(inputs)),
            outputs=tuple(port_of(graph, s, f"m_axis_{i}") for i, s in enumerate(outputs)),
        )
        parts.append(part)
    inner = tuple(
        LocalStream(board=kernel.board, source=made[s], target=taken[s], depth=STREAM_DEPTH)
        for s in crossing
        if s in made and s in taken
    )
    outer_in = {s.tensor: end for s, end in taken.items() if s not in made}
    outer_out = {s.tensor: end for s, end in made.items() if s not in taken}
    return _Split(
        parts=tuple(parts),
        inner=inner,
        ends={
            **{(kernel.name, p.name): outer_in[p.tensor] for p in kernel.inputs},
            **{(kernel.name, p.name): outer_out[p.tensor] for p in kernel.outputs},
        },
    )


def _levels(kernel: Kernel, graph: Graph) -> dict[str, int]:
    """Number the parts: never falling along a stream, at most one control port in each.

    So there are as many as control ports, which is what the partitioner counts.
    """
    members = set(kernel.layers)
    levels: dict[str, int] = {}
    full: set[int] = set()
    for name in kernel.layers:
        layer = graph.layer(name)
        before = [p for p in graph.predecessors(name) if p in members]
        level = max((levels[p] for p in before), default=0)
        if has_control_port(layer):
            while level in full:
                level += 1
            full.add(level)
        levels[name] = level
    return levels


def _ports(kernel: Kernel) -> tuple[Port, ...]:
    return (*kernel.inputs, *kernel.outputs)
