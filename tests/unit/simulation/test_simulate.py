"""Whole simulations: links, deadlocks, depths in FINN's form, traces, refusals."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from codegen.finn.model import write_model
from elasticdf.errors import UserError
from elasticdf.hardware.framing import packets, wire_bits
from elasticdf.ir import AttributeValue, DataType, Graph, Layer, Tensor
from elasticdf.layers import with_defaults
from elasticdf.simulation import (
    Hop,
    fifo_attributes,
    finn_depths,
    least_depths,
    simulate,
    trace_document,
)
from tests.end_to_end.command_line import elasticdf

CLOCK_HZ = 100_000_000
CABLE = Hop(name="cable", latency_cycles=50, wire_cycles_per_byte=0.01)


def _layer(
    name: str, op_type: str, inputs: str, outputs: str, **attributes: AttributeValue
) -> Layer:
    return with_defaults(
        Layer(
            name=name,
            op_type=op_type,
            attributes=attributes,
            inputs=tuple(inputs.split()),
            outputs=tuple(outputs.split()),
        )
    )


def _residual(rows: int = 6, channels: int = 4) -> Graph:
    """A fork, a windowed convolution on one branch, nothing on the other, and their sum."""
    size = (1, rows, rows)
    plain = {"NumChannels": channels, "PE": channels, "inputDataType": "UINT4"}
    layers = (
        _layer(
            "fork",
            "DuplicateStreams_hls",
            "in",
            "a b",
            **plain,
            NumOutputStreams=2,
            numInputVectors=size,
        ),
        _layer(
            "pad",
            "FMPadding_rtl",
            "a",
            "padded",
            ImgDim=(rows, rows),
            NumChannels=channels,
            SIMD=channels,
            inputDataType="UINT4",
        ),
        _layer(
            "windows",
            "ConvolutionInputGenerator_rtl",
            "padded",
            "windows",
            ConvKernelDim=(3, 3),
            IFMChannels=channels,
            IFMDim=(rows + 2, rows + 2),
            OFMDim=(rows, rows),
            SIMD=channels,
            Stride=(1, 1),
            Dilation=(1, 1),
            inputDataType="UINT4",
            outputDataType="UINT4",
        ),
        _layer(
            "matrix",
            "MVAU_hls",
            "windows",
            "c",
            MW=9 * channels,
            MH=channels,
            SIMD=channels,
            PE=channels,
            numInputVectors=size,
            inputDataType="UINT4",
            outputDataType="UINT4",
            weightDataType="INT2",
        ),
        _layer("sum", "AddStreams_hls", "c b", "out", **plain, numInputVectors=size),
    )
    image = (1, rows, rows, channels)
    shapes = {
        "padded": (1, rows + 2, rows + 2, channels),
        "windows": (1, rows, rows, 9 * channels),
    }
    tensors = {
        name: Tensor(name=name, shape=shapes.get(name, image), datatype=DataType.parse("UINT4"))
        for name in ("in", "a", "b", "padded", "windows", "c", "out")
    }
    return Graph(name="residual", layers=layers, tensors=tensors, inputs=("in",), outputs=("out",))


def test_shallow_branch_of_a_residual_block_deadlocks() -> None:
    result = simulate(_residual(12), clock_hz=CLOCK_HZ, depths={"b": 3})
    assert not result.live
    assert [str(wait) for wait in result.deadlock] == [
        "fork waits for sum: b is full",
        "sum waits for matrix: c is empty",
        "matrix waits for windows: windows is empty",
        "windows waits for windows:read: its buffer is empty",
        "windows:read waits for pad: padded is empty",
        "pad waits for fork: a is empty",
    ]
    assert result.frames_per_second == 0.0


def test_known_depths_are_taken_where_they_do_and_only_there() -> None:
    graph = _residual()
    least = least_depths(graph)
    wide = {tensor: depth + 1 for tensor, depth in least.items()}
    tight = {**least, "b": 1}
    assert least_depths(graph, known=wide, same_latency=True) == wide
    assert least_depths(graph, known=tight) == least


def test_sized_depths_let_it_live_and_one_less_does_not_keep_the_interval() -> None:
    graph = _residual()
    depths = least_depths(graph)
    best = simulate(graph, clock_hz=CLOCK_HZ, depths=depths)
    assert best.live
    for tensor, depth in depths.items():
        if depth > 1:
            worse = simulate(graph, clock_hz=CLOCK_HZ, depths={**depths, tensor: depth - 1})
            assert not worse.live or worse.interval_cycles > best.interval_cycles


def test_finns_depths_are_deep_enough_for_the_branch() -> None:
    depths = finn_depths(_residual())
    assert depths["b"] >= 12
    assert simulate(_residual(), clock_hz=CLOCK_HZ, depths=depths).live


def test_latency_on_one_branch_deepens_the_other() -> None:
    graph = _residual()
    far = least_depths(graph, hops={"a": (Hop(name="crossing", latency_cycles=20),)})
    assert far["b"] > least_depths(graph)["b"]


def test_depths_in_finns_form_reach_both_neighbours() -> None:
    attributes = fifo_attributes(_residual(), {"b": 40})
    assert attributes["fork"] == {"inFIFODepths": [2], "outFIFODepths": [2, 40]}
    assert attributes["sum"]["inFIFODepths"] == [2, 40]


@pytest.mark.parametrize(("rows", "channels"), [(6, 4), (40, 4), (6, 4000)])
def test_link_carries_the_packets_the_framing_law_says(rows: int, channels: int) -> None:
    graph = _residual(rows, channels)
    result = simulate(graph, clock_hz=CLOCK_HZ, placement={"c": (CABLE,)}, frames=2)
    (link,) = result.links
    frame_bytes = rows * rows * -(-channels * 4 // 8)
    assert (link.name, link.tensor) == ("cable", "c")
    assert link.packets == packets(frame_bytes)
    assert link.wire_bytes * 8 == wire_bits(frame_bytes * 8)
    near = simulate(graph, clock_hz=CLOCK_HZ, frames=2)
    assert result.latency_cycles >= near.latency_cycles + CABLE.latency_cycles


def test_result_is_a_document_and_a_trace_opens() -> None:
    graph = _residual()
    result = simulate(graph, clock_hz=CLOCK_HZ, frames=2)
    document = json.loads(json.dumps(result.to_json()))
    assert document["schema"] == "elasticdf.simulation/1"
    assert [entry["layer"] for entry in document["layers"]] == [layer.name for layer in graph]
    trace = json.loads(json.dumps(trace_document(result)))
    bars = _events(trace, "X", "residual")
    assert len(bars) == 2 * len({bar.process for bar in result.bars})
    assert {"host:in", "windows:read", "sum"} <= {bar.process for bar in result.bars}
    assert all(bar["dur"] > 0 for bar in bars)


def _events(trace: dict[str, Any], kind: str, group: str) -> list[dict[str, Any]]:
    """Return a trace's events of a kind in a group, named like one of the format's processes."""
    events = trace["traceEvents"]
    names = {e["args"]["name"]: e["pid"] for e in events if e["name"] == "process_name"}
    return [event for event in events if event["ph"] == kind and event["pid"] == names[group]]


def test_a_trace_shows_who_waits_when() -> None:
    result = simulate(_residual(), clock_hz=CLOCK_HZ, frames=12)
    trace = json.loads(json.dumps(trace_document(result)))
    counters = _events(trace, "C", "waiting, % of each frame's time")
    assert {event["name"] for event in counters} == {entry.layer for entry in result.layers}
    steady = {event["name"]: event["args"] for event in counters}  # the last frame's
    assert steady["matrix"]["starved"] < 20
    assert steady["sum"]["starved"] > 50
    assert all(0 <= event["args"][why] <= 100 for event in counters for why in event["args"])
    for entry in result.layers:
        bars = [bar for bar in result.bars if bar.process == entry.layer]
        assert sum(bar.starved for bar in bars) == pytest.approx(12 * entry.starved)
        assert sum(bar.stalled for bar in bars) == pytest.approx(12 * entry.stalled)


def test_a_trace_shows_every_packet_in_its_burst() -> None:
    graph, frames = _residual(6, 4000), 3
    result = simulate(graph, clock_hz=CLOCK_HZ, placement={"c": (CABLE,)}, frames=frames)
    (link,) = result.links
    assert sum(burst.packets for burst in result.bursts) == frames * link.packets
    assert max(burst.packets for burst in result.bursts) == link.burst
    for before, after in pairwise(result.bursts):
        assert before.end < after.first
    spans = _events(json.loads(json.dumps(trace_document(result))), "X", "links")
    assert [span["args"]["packets"] for span in spans] == [b.packets for b in result.bursts]
    assert all(span["dur"] > 0 for span in spans)


def test_the_slowest_layer_is_busy_and_the_others_wait() -> None:
    result = simulate(_residual(), clock_hz=CLOCK_HZ, frames=12)
    activity = {entry.layer: entry for entry in result.layers}
    slowest = activity["matrix"]
    assert slowest.busy > 0.8 * float(result.interval_cycles)
    assert slowest.starved < 0.2 * float(result.interval_cycles)
    assert activity["sum"].starved > 0.5 * float(result.interval_cycles)


def test_unknown_streams_and_no_frames_are_refused() -> None:
    with pytest.raises(UserError) as caught:
        simulate(_residual(), clock_hz=CLOCK_HZ, depths={"d": 4})
    assert str(caught.value) == (
        "network residual has no stream 'd'; its streams start with in and end with out"
    )
    with pytest.raises(UserError) as caught:
        simulate(_residual(), clock_hz=CLOCK_HZ, frames=0)
    assert str(caught.value) == "0 frames cannot be simulated; at least 1 is needed"


def test_a_deadlock_on_the_command_line_is_a_circle_and_exit_code_2(tmp_path: Path) -> None:
    graph = _residual(12)
    shallow = graph.with_layers(
        layer.with_attributes({"inFIFODepths": (2, 3)}) if layer.name == "sum" else layer
        for layer in graph
    )
    path = tmp_path / "residual.onnx"
    path.write_bytes(write_model(shallow).SerializeToString())
    ran = elasticdf("simulate", path)
    assert ran.code == 2
    assert "DuplicateStreams_hls_0 waits for AddStreams_hls_0: b is full" in ran.out.splitlines()
    assert len(ran.out.splitlines()) == 6
    ran = elasticdf("simulate", path, "--json")
    assert ran.code == 2
    assert ran.document["live"] is False
    assert len(ran.document["deadlock"]) == 6
    sized = elasticdf(
        "simulate", path, "--size-fifos", "--json", "--trace", tmp_path / "trace.json"
    )
    assert sized.code == 0
    assert sized.document["live"] is True
    assert json.loads((tmp_path / "trace.json").read_text())["traceEvents"]
