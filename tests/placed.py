"""Small networks and plans by hand, for tests of what comes after the partitioner."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise

import numpy as np

from elasticdf.hardware import Cluster
from elasticdf.hardware.load import load_board
from elasticdf.ir import DataType, Graph, Layer, Resources, Tensor
from elasticdf.layers import kind_of, with_defaults
from elasticdf.layers.kind import padded
from partitioner.plan import (
    Assignment,
    Certificate,
    Crossing,
    CrossingKind,
    Mode,
    Outcome,
    Place,
    Plan,
    PlannedBoard,
    Proof,
)

CHANNELS = 8


def _tensor(name: str, datatype: str, shape: tuple[int, ...] = (1, 4, 4, CHANNELS)) -> Tensor:
    return Tensor(name=name, shape=shape, datatype=DataType.parse(datatype))


def _thresholding(number: int, source: str, target: str, pe: int, datatype: str) -> Layer:
    return with_defaults(
        Layer(
            name=f"Thresholding_rtl_{number}",
            op_type="Thresholding_rtl",
            attributes={
                "NumChannels": CHANNELS,
                "PE": pe,
                "numSteps": 3,
                "inputDataType": datatype,
                "weightDataType": datatype,
                "outputDataType": "UINT2",
                "numInputVectors": (1, 4, 4),
            },
            inputs=(source, f"thresholds_{number}"),
            outputs=(target,),
        )
    )


def chain(length: int, pe: tuple[int, ...] = (2, 4)) -> Graph:
    """Return thresholdings one after another, their foldings taken in turn from ``pe``."""
    layers, tensors = [], {"t0": _tensor("t0", "INT8")}
    for i in range(length):
        datatype = "INT8" if i == 0 else "UINT2"
        layers.append(_thresholding(i, f"t{i}", f"t{i + 1}", pe[i % len(pe)], datatype))
        tensors[f"t{i + 1}"] = _tensor(f"t{i + 1}", "UINT2")
        tensors[f"thresholds_{i}"] = Tensor(
            name=f"thresholds_{i}",
            shape=(CHANNELS, 3),
            datatype=DataType.parse(datatype),
            values=np.tile(np.arange(1, 4, dtype=np.int64), (CHANNELS, 1)),
        )
    return Graph(
        name="chain",
        layers=tuple(layers),
        tensors=tensors,
        inputs=("t0",),
        outputs=(f"t{length}",),
    )


def dense(widths: tuple[int, ...]) -> Graph:
    """Return fully connected layers one after another, each waiting for all outputs of the last."""
    layers, tensors = [], {"t0": _tensor("t0", "UINT4", (1, widths[0]))}
    for i, (inputs, outputs) in enumerate(pairwise(widths)):
        layer = Layer(
            name=f"MVAU_hls_{i}",
            op_type="MVAU_hls",
            attributes={
                "MW": inputs,
                "MH": outputs,
                "PE": 1,
                "SIMD": 1,
                "numInputVectors": (1,),
                "inputDataType": "UINT4",
                "weightDataType": "INT4",
                "outputDataType": "UINT4",
                "accDataType": "INT16",
            },
            inputs=(f"t{i}", f"weights_{i}", f"thresholds_{i}"),
            outputs=(f"t{i + 1}",),
        )
        layers.append(with_defaults(layer))
        tensors[f"t{i + 1}"] = _tensor(f"t{i + 1}", "UINT4", (1, outputs))
        tensors[f"weights_{i}"] = _tensor(f"weights_{i}", "INT4", (inputs, outputs))
        tensors[f"thresholds_{i}"] = _tensor(f"thresholds_{i}", "INT16", (outputs, 15))
    return Graph(
        name="dense",
        layers=tuple(layers),
        tensors=tensors,
        inputs=("t0",),
        outputs=(f"t{len(widths) - 1}",),
    )


def diamond(branch: int) -> Graph:
    """Return a fork, ``branch`` layers on one side and none on the other, and a join."""
    names = ["in", "left0", "right", *(f"left{i + 1}" for i in range(branch)), "out"]
    tensors = {name: _tensor(name, "UINT3" if name == "out" else "UINT2") for name in names}
    fork = Layer(
        name="DuplicateStreams_hls_0",
        op_type="DuplicateStreams_hls",
        attributes={
            "NumChannels": CHANNELS,
            "PE": 2,
            "NumOutputStreams": 2,
            "inputDataType": "UINT2",
            "numInputVectors": (1, 4, 4),
        },
        inputs=("in",),
        outputs=("left0", "right"),
    )
    layers = [with_defaults(fork)]
    for i in range(branch):
        layers.append(_thresholding(i, f"left{i}", f"left{i + 1}", 2, "UINT2"))
        tensors[f"thresholds_{i}"] = _tensor(f"thresholds_{i}", "UINT2", (CHANNELS, 3))
    join = Layer(
        name="AddStreams_hls_0",
        op_type="AddStreams_hls",
        attributes={
            "NumChannels": CHANNELS,
            "PE": 2,
            "inputDataType": "UINT2",
            "numInputVectors": (1, 4, 4),
        },
        inputs=(f"left{branch}", "right"),
        outputs=("out",),
    )
    layers.append(with_defaults(join))
    return Graph(
        name="diamond", layers=tuple(layers), tensors=tensors, inputs=("in",), outputs=("out",)
    )


def small_board(luts: tuple[int, ...]) -> Cluster:
    """Return a board whose dies have so few LUTs and nothing to pay for memory."""
    board = load_board("u280")
    dies = tuple(
        replace(die, capacity=replace(die.capacity, lut=lut))
        for die, lut in zip(board.dies, luts, strict=True)
    )
    return Cluster(name="small", boards=(replace(board, dies=dies, controllers=()),))


def placed(
    graph: Graph,
    cluster: Cluster,
    mode: Mode,
    places: Mapping[tuple[int, str], Place],
    routes: Mapping[tuple[int, str, str], tuple[Place, ...]] | None = None,
) -> Plan:
    """Return the plan that puts (replica, layer) there; only what later stages read is real."""
    replicas = 1 + max(replica for replica, _ in places)
    assignments = tuple(
        Assignment(
            replica=replica,
            layer=layer.name,
            board=places[replica, layer.name][0],
            die=places[replica, layer.name][1],
            attributes=layer.attributes,
            cycles=kind_of(layer).cycles(layer),
            resources=Resources(lut=100),
        )
        for replica in range(replicas)
        for layer in graph
    )
    interval = max(64, *(assignment.cycles for assignment in assignments))
    exact = Proof(value=1.0, bound=1.0, gap=0.0)
    return Plan(
        network=graph.name,
        mode=mode,
        clock_hz=200_000_000,
        replicas=replicas,
        interval_cycles=interval,
        frames_per_second=replicas * 200e6 / interval,
        latency_seconds=1e-6,
        cluster=cluster.name,
        boards=tuple(
            PlannedBoard(id=i, board=board.name, dies=tuple(die.name for die in board.dies))
            for i, board in enumerate(cluster.boards)
        ),
        links=(),
        certificate=Certificate(
            outcome=Outcome.OPTIMAL,
            seconds=0.0,
            solver="by hand",
            seed=0,
            throughput=exact,
            crossing_cost=exact,
        ),
        assignments=assignments,
        crossings=_crossings(graph, mode, places, routes or {}, replicas),
        utilisation=(),
        costs="finn",
    )


def _crossings(
    graph: Graph,
    mode: Mode,
    places: Mapping[tuple[int, str], Place],
    routes: Mapping[tuple[int, str, str], tuple[Place, ...]],
    replicas: int,
) -> tuple[Crossing, ...]:
    found = []
    for replica in range(replicas):
        for arc in graph.arcs:
            source, target = arc.source or "", arc.target or ""
            origin, destination = places[replica, source], places[replica, target]
            if origin == destination:
                continue
            between = CrossingKind.HOST if mode is Mode.SOFTWARE else CrossingKind.BOARD
            producer = graph.layer(source)
            bits = kind_of(producer).ports(producer).output_bits[arc.source_port]
            found.append(
                Crossing(
                    replica=replica,
                    source=source,
                    target=target,
                    kind=CrossingKind.DIE if origin[0] == destination[0] else between,
                    origin=origin,
                    destination=destination,
                    route=routes.get((replica, source, target), (origin, destination)),
                    bits_per_frame=16 * CHANNELS * graph.tensors[arc.tensor].datatype.bits,
                    wires=padded(bits),
                )
            )
    return tuple(found)
