"""The shared language: tensors, layers and the layer graph; with data types and resources.

Layers carry FINN's op types and attribute names, because every file we read or write for FINN
does. What an op type *means* (cycles, widths, resources) is in ``elasticdf.layers``; this module
only holds and checks the structure.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import MappingProxyType
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from elasticdf.errors import InternalError, UserError
from elasticdf.quantities import RESOURCE_NAMES, DataType, Resources

__all__ = [
    "RESOURCE_NAMES",
    "AttributeValue",
    "DataType",
    "Graph",
    "HostModel",
    "Layer",
    "Resources",
    "Stream",
    "Tensor",
]

AttributeValue: TypeAlias = (
    int | float | str | tuple[int, ...] | tuple[float, ...] | tuple[str, ...]
)
"""Values FINN's op attributes take."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Tensor:
    """A tensor of the layer graph: a stream between layers or a parameter of one.

    Attributes:
        name: Unique in the graph.
        shape: In elements, channels last (FINN's "normal" shape), batch first.
        datatype: Of each element.
        values: The parameter's content, or None for streams and for stripped parameters.
            Integers are held in int64 (float64 only where FINN itself allows real thresholds).
    """

    name: str
    shape: tuple[int, ...]
    datatype: DataType
    values: NDArray[np.generic] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """One hardware layer: FINN op type, FINN attributes, tensors by name.

    Attributes:
        name: Unique in the graph; FINN's naming (``MVAU_hls_0``).
        op_type: ``MVAU_hls``; without a suffix before specialisation (``MVAU``).
        attributes: FINN's names and values, read-only, sorted by name.
        inputs: Tensor names; streams first, then parameters, in FINN's order.
        outputs: Tensor names of the output streams.
    """

    name: str
    op_type: str
    attributes: Mapping[str, AttributeValue] = field(default_factory=dict)
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        ordered = MappingProxyType(dict(sorted(self.attributes.items())))
        object.__setattr__(self, "attributes", ordered)

    @property
    def family(self) -> str:
        """The op type without its implementation suffix: ``MVAU`` for ``MVAU_hls``."""
        return self.op_type.removesuffix("_hls").removesuffix("_rtl")

    def with_attributes(self, changes: Mapping[str, AttributeValue]) -> Layer:
        """Return the layer with some attributes set."""
        return replace(self, attributes={**self.attributes, **changes})

    def integer(self, name: str, default: int | None = None) -> int:
        """Return an integer attribute, or the default where it is absent.

        Raises:
            UserError: The attribute is absent without a default, or not an integer.
        """
        value = self.attributes.get(name, default)
        if not isinstance(value, int):
            raise UserError(
                f"layer {self.name} ({self.op_type}): attribute {name} is {value!r}, "
                "a whole number is needed; export the graph again from FINN"
            )
        return value

    def integers(self, name: str) -> tuple[int, ...]:
        """Return an attribute that is a list of integers.

        Raises:
            UserError: The attribute is absent or not a list of integers.
        """
        value = self.attributes.get(name)
        if not isinstance(value, tuple) or not all(isinstance(item, int) for item in value):
            raise UserError(
                f"layer {self.name} ({self.op_type}): attribute {name} is {value!r}, "
                "a list of whole numbers is needed; export the graph again from FINN"
            )
        return tuple(int(item) for item in value)

    def text(self, name: str, default: str | None = None) -> str:
        """Return a text attribute, or the default where it is absent.

        Raises:
            UserError: The attribute is absent without a default, or not text.
        """
        value = self.attributes.get(name, default)
        if not isinstance(value, str):
            raise UserError(
                f"layer {self.name} ({self.op_type}): attribute {name} is {value!r}, "
                "text is needed; export the graph again from FINN"
            )
        return value

    def datatype(self, name: str) -> DataType:
        """Return an attribute that names a data type.

        Raises:
            UserError: The attribute is absent or names no data type.
        """
        return DataType.parse(self.text(name))


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """A tensor on its way from one layer to another.

    Attributes:
        tensor: Name of the tensor.
        source: Producing layer, or None for a graph input.
        source_port: Index among the producer's outputs.
        target: Consuming layer, or None for a graph output.
        target_port: Index among the consumer's stream inputs.
    """

    tensor: str
    source: str | None
    source_port: int
    target: str | None
    target_port: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class HostModel:
    """What the host computes beside the accelerator, as a serialised standard ONNX model.

    Attributes:
        model: ONNX bytes; one input, one output, standard ops only.
        input: Name of its input.
        output: Name of its output.
    """

    model: bytes
    input: str
    output: str


@dataclass(frozen=True, kw_only=True, eq=False)
class Graph:
    """A dataflow graph of hardware layers, in topological order.

    Attributes:
        name: Of the network; letters, digits, ``_`` and ``.``.
        layers: Sorted so that producers come before consumers.
        tensors: All tensors by name.
        inputs: Names of the input streams (from the host).
        outputs: Names of the output streams (to the host).
        prologue: What the host computes from the network's own input to ``inputs[0]``; None means
            the network's input is the accelerator's.
        epilogue: The same at the output.
        notes: Assumptions made on the way here, one sentence each.
        metadata: Key-value pairs of the model file, kept for emission.
    """

    name: str
    layers: tuple[Layer, ...]
    tensors: Mapping[str, Tensor]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    prologue: HostModel | None = None
    epilogue: HostModel | None = None
    notes: tuple[str, ...] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        seen: set[str] = set()
        produced = set(self.inputs)
        for layer in self.layers:
            if layer.name in seen:
                raise UserError(f"two layers are called {layer.name}; give each its own name")
            seen.add(layer.name)
            for tensor in (*layer.inputs, *layer.outputs):
                if tensor not in self.tensors:
                    raise InternalError(f"layer {layer.name}: tensor {tensor} is not in the graph")
            produced.update(layer.outputs)
        object.__setattr__(self, "tensors", MappingProxyType(dict(sorted(self.tensors.items()))))
        self._check_order()

    def _check_order(self) -> None:
        ready = set(self.inputs)
        streams = {tensor for layer in self.layers for tensor in layer.outputs}
        for layer in self.layers:
            late = [name for name in layer.inputs if name in streams and name not in ready]
            if late:
                raise InternalError(f"layer {layer.name} comes before the producer of {late[0]}")
            ready.update(layer.outputs)

    def __iter__(self) -> Iterator[Layer]:
        return iter(self.layers)

    def __len__(self) -> int:
        return len(self.layers)

    def layer(self, name: str) -> Layer:
        """Return the layer of that name.

        Raises:
            UserError: There is none.
        """
        try:
            return self._by_name[name]
        except KeyError:
            close = difflib.get_close_matches(name, self._by_name, n=1)
            hint = f"did you mean {close[0]}? " if close else ""
            raise UserError(
                f"network {self.name} has no layer {name!r}; {hint}its layers run from "
                f"{self.layers[0].name} to {self.layers[-1].name}"
            ) from None

    @cached_property
    def _by_name(self) -> Mapping[str, Layer]:
        return {layer.name: layer for layer in self.layers}

    @cached_property
    def streams(self) -> tuple[Stream, ...]:
        """Every stream, graph inputs and outputs included, in layer order."""
        producer = {
            tensor: (layer.name, port)
            for layer in self.layers
            for port, tensor in enumerate(layer.outputs)
        }
        ends: list[tuple[str, str | None, int]] = [
            (tensor, layer.name, port)
            for layer in self.layers
            for port, tensor in enumerate(layer.inputs)
            if tensor in producer or tensor in self.inputs
        ]
        ends += [(tensor, None, 0) for tensor in self.outputs]
        found = []
        for tensor, target, target_port in ends:
            source, source_port = producer.get(tensor, (None, 0))
            found.append(
                Stream(
                    tensor=tensor,
                    source=source,
                    source_port=source_port,
                    target=target,
                    target_port=target_port,
                )
            )
        return tuple(found)

    @cached_property
    def arcs(self) -> tuple[Stream, ...]:
        """The streams between two layers."""
        return tuple(s for s in self.streams if s.source is not None and s.target is not None)

    def predecessors(self, name: str) -> tuple[str, ...]:
        """Return the names of the layers that feed this one, in port order."""
        return tuple(s.source for s in self.arcs if s.target == name and s.source is not None)

    def successors(self, name: str) -> tuple[str, ...]:
        """Return the names of the layers this one feeds, in layer order."""
        return tuple(s.target for s in self.arcs if s.source == name and s.target is not None)

    def stream_inputs(self, layer: Layer) -> tuple[str, ...]:
        """Return the layer's input tensors that are streams, without its parameters."""
        return tuple(name for name in layer.inputs if name in self._stream_names)

    def parameters(self, layer: Layer) -> tuple[Tensor, ...]:
        """Return the layer's parameter tensors, in FINN's order."""
        return tuple(self.tensors[n] for n in layer.inputs if n not in self._stream_names)

    @cached_property
    def _stream_names(self) -> frozenset[str]:
        return frozenset(self.inputs).union(*(layer.outputs for layer in self.layers))

    def with_layers(self, layers: Iterable[Layer]) -> Graph:
        """Return the graph with these layers in place of its own; tensors are kept."""
        return replace(self, layers=tuple(layers))
