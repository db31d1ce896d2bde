"""Cutting a FINN graph: one model per board and replica, everything FINN annotated kept.

A cut tensor becomes an output of the part that makes it and an input of the part that takes it; the
parts together are the graph again. Layers get what the plan decided: folding, die, board, kernel,
memory bank. Nothing else in a layer changes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import onnx
from onnx import helper

from elasticdf.artifact.deployment import Deployment, Kernel
from elasticdf.hardware import Cluster
from elasticdf.ir import AttributeValue, Graph
from partitioner.plan import Plan

Settings = Mapping[str, AttributeValue]


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """What FINN's floorplan says of one layer, under FINN's attribute names."""

    slr: int
    partition_id: int
    device_id: int
    mem_port: str

    def settings(self) -> dict[str, AttributeValue]:
        """Return FINN's attributes, as the floorplan file and the nodes hold them."""
        return {
            "slr": self.slr,
            "partition_id": self.partition_id,
            "device_id": self.device_id,
            "mem_port": self.mem_port,
        }


def placements(
    deployment: Deployment, cluster: Cluster, board: int, replica: int
) -> dict[str, Placement]:
    """Return the placement of every layer of a replica on a board, in kernel order.

    ``partition_id`` counts the kernels of that board and replica. ``mem_port`` is set on the layers
    at a kernel's first host stream only: FINN allows one bank per partition.
    """
    found = {}
    for number, kernel in enumerate(kernels_on(deployment, board, replica)):
        bank = _bank(deployment, kernel)
        for layer in kernel.layers:
            found[layer] = Placement(
                slr=cluster.boards[board].die_index(kernel.die),
                partition_id=number,
                device_id=board,
                mem_port=bank if layer == kernel.layers[0] else "",
            )
    return found


def kernels_on(deployment: Deployment, board: int, replica: int) -> tuple[Kernel, ...]:
    """Return the kernels with layers of a replica on a board, by stage."""
    return tuple(k for k in deployment.kernels_of(board) if k.replica == replica and k.layers)


def replicas_on(deployment: Deployment, board: int) -> tuple[int, ...]:
    """Return the replicas that have layers on a board."""
    return tuple(sorted({k.replica for k in deployment.kernels_of(board) if k.layers}))


def changes(graph: Graph, plan: Plan, replica: int) -> dict[str, Settings]:
    """Return the attributes in which the plan's choice differs from the graph, per layer."""
    return {
        a.layer: {
            name: value
            for name, value in a.attributes.items()
            if graph.layer(a.layer).attributes.get(name) != value
        }
        for a in plan.assignments
        if a.replica == replica
    }


def cut(
    model: onnx.ModelProto, name: str, layers: Mapping[str, Settings], streams: frozenset[str]
) -> onnx.ModelProto:
    """Return the part of a model that holds these layers.

    Args:
        model: The whole FINN graph.
        name: Of the part's graph.
        layers: Names of its nodes, and the attributes to set on each.
        streams: Every tensor that carries data (the others are parameters and travel along).
    """
    nodes = [node for node in model.graph.node if node.name in layers]
    made = {tensor for node in nodes for tensor in node.output}
    taken = {tensor for node in nodes for tensor in node.input if tensor}
    elsewhere = {t for node in model.graph.node if node.name not in layers for t in node.input}
    outputs = {value.name for value in model.graph.output}
    used = made | taken
    infos = _value_infos(model.graph)
    part = onnx.GraphProto(name=name, doc_string=model.graph.doc_string)
    part.node.extend(_with_settings(node, layers[node.name]) for node in nodes)
    inputs = [t for t in _in_order(nodes, "input") if t in streams and t not in made]
    leaving = [t for t in _in_order(nodes, "output") if t in outputs or t in elsewhere]
    part.input.extend(infos[tensor] for tensor in inputs)
    part.output.extend(infos[tensor] for tensor in leaving)
    part.initializer.extend(t for t in model.graph.initializer if t.name in used)
    ends = {*inputs, *leaving}
    part.value_info.extend(v for n, v in infos.items() if n in used and n not in ends)
    part.quantization_annotation.extend(
        a for a in model.graph.quantization_annotation if a.tensor_name in used
    )
    return _with_graph(model, part)


def _with_graph(model: onnx.ModelProto, graph: onnx.GraphProto) -> onnx.ModelProto:
    """Return the model with another graph; the old one, weights and all, is not copied."""
    result = onnx.ModelProto(
        ir_version=model.ir_version,
        producer_name=model.producer_name,
        producer_version=model.producer_version,
        domain=model.domain,
        model_version=model.model_version,
        doc_string=model.doc_string,
        graph=graph,
    )
    result.opset_import.extend(model.opset_import)
    result.metadata_props.extend(model.metadata_props)
    result.functions.extend(model.functions)
    return result


def _bank(deployment: Deployment, kernel: Kernel) -> str:
    frames = (s for s in deployment.host if s.weights is None)
    return next((s.memory for s in frames if s.end[0] == kernel.name), "")


def _in_order(nodes: Iterable[onnx.NodeProto], field: str) -> list[str]:
    return list(dict.fromkeys(t for node in nodes for t in getattr(node, field) if t))


def _value_infos(graph: onnx.GraphProto) -> dict[str, onnx.ValueInfoProto]:
    return {v.name: v for v in (*graph.value_info, *graph.input, *graph.output)}


def _with_settings(node: onnx.NodeProto, settings: Settings) -> onnx.NodeProto:
    changed = onnx.NodeProto()
    changed.CopyFrom(node)
    kept = [attribute for attribute in node.attribute if attribute.name not in settings]
    del changed.attribute[:]
    changed.attribute.extend(kept)
    changed.attribute.extend(
        helper.make_attribute(name, list(value) if isinstance(value, tuple) else value)
        for name, value in sorted(settings.items())
        if value != ()
    )
    return changed
