"""From placed layers to kernels: which layers of a replica become one compute unit.

Layers share a kernel if they share a die, the number of region borders before them and the number
of host copies before them; along any stream that triple never falls, so the kernels form an
acyclic graph whatever way the layers were placed. Nothing is named or wired beyond that here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias

from elasticdf.artifact.deployment import Kernel, Port
from elasticdf.errors import InternalError, UserError
from elasticdf.ir import DataType, Graph, Layer, Stream, Tensor
from elasticdf.layers import kind_of
from elasticdf.layers.mvau import has_external_weights, takes_rows
from partitioner.plan import Assignment, Mode, Plan

Place: TypeAlias = tuple[int, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Join:
    """A stream that leaves its kernel.

    Attributes:
        stream: In the graph.
        source: Kernel name and port name, or None from the host.
        target: Kernel name and port name, or None to the host.
        weights: Layer whose weights it carries, or None.
    """

    stream: Stream
    source: tuple[str, str] | None
    target: tuple[str, str] | None
    weights: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Segmentation:
    """One replica cut into kernels.

    Attributes:
        kernels: In topological order.
        joins: Every stream between kernels or to and from the host, in graph order.
        steps: Host copies before each kernel, by kernel name.
    """

    kernels: tuple[Kernel, ...]
    joins: tuple[Join, ...]
    steps: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class _Key:
    depth: int
    step: int
    board: int
    die: str


def segment(graph: Graph, plan: Plan, replica: int) -> Segmentation:
    """Cut a replica into kernels.

    Args:
        graph: The network, folded for this replica.
        plan: Where the layers sit.
        replica: Which copy.
    """
    places = {a.layer: a for a in plan.assignments if a.replica == replica}
    keys = _keys(graph, places, through_host=plan.mode is Mode.SOFTWARE)
    names = {
        key: f"seg_r{replica}_s{stage}" for stage, key in enumerate(sorted(set(keys.values())))
    }
    weights = weight_streams(graph)
    leaving = [s for s in all_streams(graph) if _leaves(s, keys)]
    kernels, ports = [], {}
    for stage, (key, name) in enumerate(names.items()):
        layers = tuple(layer.name for layer in graph if keys[layer.name] == key)
        inputs = [s for s in leaving if s.target is not None and keys[s.target] == key]
        outputs = [s for s in leaving if s.source is not None and keys[s.source] == key]
        kernel = Kernel(
            name=name,
            replica=replica,
            stage=stage,
            board=key.board,
            die=key.die,
            layers=layers,
            inputs=tuple(port_of(graph, s, f"s_axis_{i}") for i, s in enumerate(inputs)),
            outputs=tuple(port_of(graph, s, f"m_axis_{i}") for i, s in enumerate(outputs)),
        )
        kernels.append(kernel)
        ports.update({(s, "in"): (name, f"s_axis_{i}") for i, s in enumerate(inputs)})
        ports.update({(s, "out"): (name, f"m_axis_{i}") for i, s in enumerate(outputs)})
    joins = tuple(
        Join(
            stream=s,
            source=ports.get((s, "out")),
            target=ports.get((s, "in")),
            weights=s.target if s in weights else None,
        )
        for s in leaving
    )
    return Segmentation(
        kernels=tuple(kernels),
        joins=joins,
        steps={name: key.step for key, name in names.items()},
    )


def weight_streams(graph: Graph) -> tuple[Stream, ...]:
    """Return the streams of weights that come from the host, in layer order."""
    return tuple(
        Stream(tensor=layer.inputs[1], source=None, source_port=0, target=layer.name, target_port=1)
        for layer in graph
        if has_external_weights(layer)
    )


def all_streams(graph: Graph) -> tuple[Stream, ...]:
    """Return the streams of data and of weights, in layer order; of a layer, its data first."""
    position = {layer.name: number for number, layer in enumerate(graph)}
    streams = (*graph.streams, *weight_streams(graph))
    return tuple(sorted(streams, key=lambda s: position.get(s.target or "", len(position))))


def relay(source: Kernel, port: Port, name: str, place: Place) -> Kernel:
    """Return the stand-in for a board that only passes a stream on: a kernel without layers.

    The binary holds no logic for it beyond the two link adapters, which feed each other.
    """
    return Kernel(
        name=name,
        replica=source.replica,
        stage=source.stage,
        board=place[0],
        die=place[1],
        layers=(),
        inputs=(replace(port, name="s_axis_0"),),
        outputs=(replace(port, name="m_axis_0"),),
    )


def _keys(
    graph: Graph, places: Mapping[str, Assignment], *, through_host: bool
) -> Mapping[str, _Key]:
    before: dict[str, list[str]] = defaultdict(list)
    for stream in graph.arcs:
        if stream.source is not None and stream.target is not None:
            before[stream.target].append(stream.source)
    keys: dict[str, _Key] = {}
    for layer in graph:
        here = places[layer.name]
        depth = step = 0
        for name in before[layer.name]:
            key, there = keys[name], places[name]
            moved = (there.board, there.die) != (here.board, here.die)
            copied = through_host and there.board != here.board
            depth, step = max(depth, key.depth + moved), max(step, key.step + copied)
        keys[layer.name] = _Key(depth=depth, step=step, board=here.board, die=here.die)
    return keys


def _leaves(stream: Stream, keys: Mapping[str, _Key]) -> bool:
    if stream.source is None or stream.target is None:
        return True
    return keys[stream.source] != keys[stream.target]


def port_of(graph: Graph, stream: Stream, name: str) -> Port:
    """Return the port of a stream: its producer's width, or the first layer's at a graph input.

    A consumer that folds differently gets a width converter inside its own kernel, so that both
    ends of a stream agree on the transfer.
    """
    tensor = stream_tensor(graph, stream)
    datatype = _datatype(graph, stream, tensor)
    bits = _bits(graph, stream)
    elements, odd = divmod(bits, datatype.bits)
    if odd or not elements:
        raise UserError(
            f"stream {stream.tensor}: {bits} bits per transfer do not hold whole elements of type "
            f"{datatype.name}; export the graph again from FINN"
        )
    return Port(
        name=name,
        tensor=tensor.name,
        shape=tensor.shape,
        datatype=datatype.name,
        elements=elements,
        bits=bits,
        transfers=-(-_volume(tensor) // elements),
    )


def stream_tensor(graph: Graph, stream: Stream) -> Tensor:
    """Return what a frame of a stream holds; of weights the matrix (outputs, inputs).

    Raises:
        UserError: The layer's folding wants the weights in another order.
    """
    tensor = graph.tensors[stream.tensor]
    if stream not in weight_streams(graph):
        return tensor
    layer = graph.layer(stream.target or "")
    if not takes_rows(layer):
        raise UserError(
            f"layer {layer.name}: weights that come with a request are read row by row, "
            f"PE={layer.integer('PE')} and SIMD={layer.integer('SIMD')} want rows interleaved; "
            f"fold it with PE=1 or SIMD={layer.integer('MW')}"
        )
    return weight_frame(tensor)


def weight_frame(tensor: Tensor) -> Tensor:
    """Return a weight matrix (inputs, outputs), as layers hold it, as requests bring it."""
    return replace(tensor, shape=(1, *reversed(tensor.shape)))


def _datatype(graph: Graph, stream: Stream, tensor: Tensor) -> DataType:
    """Return the element type; FINN leaves it out behind the width converters it inserts.

    A layer's own attribute decides then; a stream that is FLOAT32 for all layers stays so.
    """
    if tensor.datatype.is_integer:
        return tensor.datatype
    ends = ((stream.source, ("outputDataType", "dataType")), (stream.target, ("inputDataType",)))
    for layer, attributes in ends:
        for attribute in attributes:
            if layer is not None and attribute in graph.layer(layer).attributes:
                return graph.layer(layer).datatype(attribute)
    return tensor.datatype


def _bits(graph: Graph, stream: Stream) -> int:
    if stream.source is not None:
        producer = graph.layer(stream.source)
        return _pick(producer, kind_of(producer).ports(producer).output_bits, stream.source_port)
    if stream.target is None:
        raise InternalError(f"stream {stream.tensor} joins the host with itself")
    consumer = graph.layer(stream.target)
    return _pick(consumer, kind_of(consumer).ports(consumer).input_bits, stream.target_port)


def _pick(layer: Layer, widths: tuple[int, ...], port: int) -> int:
    if port >= len(widths):
        raise UserError(
            f"layer {layer.name} ({layer.op_type}) has {len(widths)} streams but port {port} is "
            "connected; export the graph again from FINN"
        )
    return widths[port]


def _volume(tensor: Tensor) -> int:
    volume = 1
    for size in tensor.shape:
        volume *= size
    return volume
