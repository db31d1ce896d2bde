"""From a layer graph to the processes and channels that are simulated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from elasticdf.errors import UserError
from elasticdf.frontend.stream_adapters import insert_width_converters
from elasticdf.ir import Graph, Layer
from elasticdf.layers import kind_of
from elasticdf.simulation import windows
from elasticdf.simulation.hops import Hop, hop_processes
from elasticdf.simulation.patterns import buffered_patterns, pattern_of
from elasticdf.simulation.process import MOST_PORTS, Channel, Net, Pattern, Process, table

WIRE_LATENCY = 1
"""Cycles from a process's output register to the next one's input."""

FIFO_LATENCY = 1
"""Cycles a FIFO adds when it is empty: FINN's ``Q_srl`` has an output register."""

LEAST_DEPTH = 2
"""Transfers the registers at both ends of a stream without a FIFO hold."""


@dataclass(slots=True)
class _Builder:
    """The net as it grows.

    Attributes:
        ends: Where each tensor comes from: process, port, bits.
        delays: Cycles and depth each tensor has collected from FIFO layers on its way.
    """

    processes: list[Process] = field(default_factory=list)
    channels: list[Channel] = field(default_factory=list)
    ends: dict[str, tuple[int, int, int]] = field(default_factory=dict)
    queued: dict[str, int] = field(default_factory=dict)

    def add(self, process: Process) -> int:
        self.processes.append(process)
        return len(self.processes) - 1

    def connect(
        self,
        tensor: str,
        target: int,
        port: int,
        depth: int | None,
        latency: int,
        *,
        sized: bool = True,
    ) -> None:
        source, source_port, bits = self.ends[tensor]
        self.channels.append(
            Channel(
                tensor=tensor,
                source=source,
                source_port=source_port,
                target=target,
                target_port=port,
                depth=depth,
                latency=latency,
                bits=bits,
                sized=sized,
            )
        )


def build_net(
    graph: Graph,
    *,
    depths: Mapping[str, int] | None = None,
    hops: Mapping[str, Sequence[Hop]] | None = None,
    unlimited: bool = False,
) -> Net:
    """Return what is simulated for a graph.

    Width converters that the graph lacks are added. FIFO layers become depths of their streams;
    streams without one get what their layers ask for (inFIFODepths, outFIFODepths).

    Args:
        graph: Folded.
        depths: FIFO depth by tensor name, instead of what the graph says.
        hops: Die crossings and links by tensor name.
        unlimited: Whether every FIFO is as deep as it could ever need to be.

    Raises:
        UserError: A layer has no rule, a stream carries another number of transfers than its
            consumer takes, or ``depths`` or ``hops`` name an unknown tensor.
    """
    graph = _with_converters(graph)
    builder = _Builder()
    given = dict(depths or {})
    crossing = dict(hops or {})
    _known(graph, (*given, *crossing))
    sources = tuple(_source(builder, graph, tensor) for tensor in graph.inputs)
    for layer in graph:
        if layer.family == "StreamingFIFO":
            _pass_through(builder, layer)
        else:
            _layer(builder, graph, layer, given, crossing, unlimited=unlimited)
    sinks = tuple(
        _sink(builder, graph, tensor, given, unlimited=unlimited) for tensor in graph.outputs
    )
    net = Net(
        processes=tuple(builder.processes),
        channels=tuple(builder.channels),
        sources=sources,
        sinks=sinks,
    )
    _check_counts(net)
    return net


def _with_converters(graph: Graph) -> Graph:
    """Return the graph with width converters; its own layers keep their names."""
    names = {layer.outputs: layer.name for layer in graph}
    converted = insert_width_converters(graph)
    layers = tuple(
        replace(layer, name=names.get(layer.outputs, f"width:{layer.outputs[0]}"))
        for layer in converted
    )
    return replace(converted, layers=layers)


def _known(graph: Graph, names: Sequence[str]) -> None:
    unknown = sorted(set(names) - set(graph.tensors))
    if unknown:
        raise UserError(
            f"network {graph.name} has no stream {unknown[0]!r}; its streams start with "
            f"{graph.inputs[0]} and end with {graph.outputs[0]}"
        )


def _source(builder: _Builder, graph: Graph, tensor: str) -> int:
    """Add the process that feeds a graph input, one transfer a cycle."""
    layer, port = next(
        (layer, layer.inputs.index(tensor)) for layer in graph if tensor in layer.inputs
    )
    transfers = _input_transfers(layer, port)
    index = builder.add(
        Process(name=f"host:{tensor}", layer="", pattern=table([1], [0], [1], repeat=transfers))
    )
    builder.ends[tensor] = (index, 0, kind_of(layer).ports(layer).input_bits[port])
    return index


def _input_transfers(layer: Layer, port: int) -> int:
    if layer.family == "StreamingFIFO":
        return kind_of(layer).ports(layer).output_values
    return _processes_of(layer)[0].transfers(port=port, out=False)


def _processes_of(layer: Layer) -> tuple[Pattern, ...]:
    """Return the layer's patterns, the one that reads first."""
    if layer.family == "ConvolutionInputGenerator" and not windows.in_registers(layer):
        return buffered_patterns(layer)
    return (pattern_of(layer),)


def _pass_through(builder: _Builder, layer: Layer) -> None:
    before, after = layer.inputs[0], layer.outputs[0]
    builder.ends[after] = builder.ends[before]
    builder.queued[after] = builder.queued.get(before, 0) + layer.integer("depth")


def _layer(
    builder: _Builder,
    graph: Graph,
    layer: Layer,
    depths: Mapping[str, int],
    hops: Mapping[str, Sequence[Hop]],
    *,
    unlimited: bool,
) -> None:
    ports = kind_of(layer).ports(layer)
    patterns = _processes_of(layer)
    streams = [tensor for tensor in layer.inputs if tensor in builder.ends]
    if max(len(streams), len(layer.outputs)) > MOST_PORTS:
        raise UserError(
            f"layer {layer.name} has {max(len(streams), len(layer.outputs))} streams on one side; "
            f"at most {MOST_PORTS} can be simulated"
        )
    if len(patterns) == 1:
        first = last = builder.add(Process(name=layer.name, layer=layer.name, pattern=patterns[0]))
    else:
        reader, fetcher = windows.buffered_needs(layer)
        first = len(builder.processes)
        last = first + 1
        builder.add(
            Process(
                name=f"{layer.name}:read",
                layer=layer.name,
                pattern=patterns[0],
                partner=last,
                need=reader,
            )
        )
        builder.add(
            Process(
                name=layer.name, layer=layer.name, pattern=patterns[1], partner=first, need=fetcher
            )
        )
    for port, tensor in enumerate(streams):
        depth = None if unlimited else _depth(builder, graph, tensor, (layer, port), depths)
        _feed(builder, tensor, first, port, depth, hops.get(tensor, ()))
    for port, tensor in enumerate(layer.outputs):
        builder.ends[tensor] = (last, port, ports.output_bits[port])


def _feed(
    builder: _Builder, tensor: str, target: int, port: int, depth: int | None, hops: Sequence[Hop]
) -> None:
    """Connect a stream to a layer's input, through its hops."""
    for hop in hops:
        source, source_port, bits = builder.ends[tensor]
        transfers = builder.processes[source].pattern.transfers(port=source_port, out=True)
        for process, room, delay in hop_processes(hop, tensor, bits, transfers):
            index = builder.add(process)
            builder.connect(tensor, index, 0, room, delay, sized=False)
            builder.ends[tensor] = (index, 0, bits)
    builder.connect(tensor, target, port, depth, WIRE_LATENCY + FIFO_LATENCY)


def _depth(
    builder: _Builder,
    graph: Graph,
    tensor: str,
    target: tuple[Layer, int] | None,
    depths: Mapping[str, int],
) -> int:
    """Return the depth given for a stream, or of its FIFO layers, or what its ends ask for."""
    if tensor in depths:
        return max(depths[tensor], 1)
    if tensor in builder.queued:
        return builder.queued[tensor]
    index, port, _ = builder.ends[tensor]
    name = builder.processes[index].layer
    source = _wish(graph.layer(name), "outFIFODepths", port) if name else LEAST_DEPTH
    return max(source, _wish(target[0], "inFIFODepths", target[1]) if target else LEAST_DEPTH)


def _wish(layer: Layer, attribute: str, port: int) -> int:
    """Return the depth a layer asks for at one of its streams."""
    wishes = layer.attributes.get(attribute, ())
    if not isinstance(wishes, tuple) or port >= len(wishes):
        return LEAST_DEPTH
    return max(LEAST_DEPTH, int(wishes[port]))


def states_depths(graph: Graph) -> bool:
    """Return whether a graph says how deep its FIFOs are: with FIFO layers, or layers that ask."""
    return any(
        layer.family == "StreamingFIFO"
        or any(
            _wish(layer, name, port) > LEAST_DEPTH
            for name, streams in (("inFIFODepths", layer.inputs), ("outFIFODepths", layer.outputs))
            for port in range(len(streams))
        )
        for layer in graph
    )


def _sink(
    builder: _Builder, graph: Graph, tensor: str, depths: Mapping[str, int], *, unlimited: bool
) -> int:
    source, source_port, _ = builder.ends[tensor]
    transfers = builder.processes[source].pattern.transfers(port=source_port, out=True)
    index = builder.add(
        Process(name=f"host:{tensor}", layer="", pattern=table([1], [1], [0], repeat=transfers))
    )
    depth = None if unlimited else _depth(builder, graph, tensor, None, depths)
    builder.connect(tensor, index, 0, depth, WIRE_LATENCY + FIFO_LATENCY)
    return index


def _check_counts(net: Net) -> None:
    """Check that producers give what consumers take."""
    for channel in net.channels:
        given = net.processes[channel.source].pattern.transfers(port=channel.source_port, out=True)
        taken = net.processes[channel.target].pattern.transfers(port=channel.target_port, out=False)
        if given != taken:
            raise UserError(
                f"stream {channel.tensor}: {net.processes[channel.source].name} gives {given} "
                f"transfers per frame, {net.processes[channel.target].name} takes {taken}; "
                "the graph's shapes or foldings disagree, export it again"
            )
