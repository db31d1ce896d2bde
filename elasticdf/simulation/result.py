"""What a simulation found, for documents and tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

SIMULATION_SCHEMA = "elasticdf.simulation/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    """What a layer did per frame in the steady run, in cycles.

    Attributes:
        layer: Its name.
        busy: It worked, or could not have worked faster.
        starved: It waited for inputs.
        stalled: It waited for room at its outputs.
    """

    layer: str
    busy: float
    starved: float
    stalled: float


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamDepth:
    """A stream and the FIFO it was simulated with."""

    tensor: str
    source: str
    target: str
    bits: int
    depth: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkTraffic:
    """What one stream puts on one link.

    Attributes:
        name: Of the hop.
        tensor: The stream.
        packets: Per frame.
        wire_bytes: Per frame, headers, gaps and all.
        load: Share of the link's time this stream takes in the steady state.
        burst: Most packets sent back to back.
    """

    name: str
    tensor: str
    packets: int
    wire_bytes: int
    load: float
    burst: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """One step of a deadlock: a process that waits for another.

    Attributes:
        process: Who waits.
        stream: On which stream; empty if it waits for its own other half.
        why: ``empty`` or ``full``.
        other: Who could end it.
    """

    process: str
    stream: str
    why: str
    other: str

    def __str__(self) -> str:
        return f"{self.process} waits for {self.other}: {self.stream or 'its buffer'} is {self.why}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """When a process worked on a frame, in cycles.

    Attributes:
        process: Its name.
        frame: Counted from 0.
        first: Of its first event.
        last: Of its last event.
        starved: It waited for inputs since the end of the frame before.
        stalled: It waited for room at its outputs since then.
    """

    process: str
    frame: int
    first: int
    last: int
    starved: int
    stalled: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Burst:
    """Packets of a stream that followed each other on a link without a pause.

    Attributes:
        link: Name of the hop.
        tensor: The stream.
        packets: How many.
        first: Cycle in which the first begins.
        end: Cycle in which the link is free again.
    """

    link: str
    tensor: str
    packets: int
    first: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulationResult:
    """The outcome.

    Attributes:
        network: Its name.
        clock_hz: Of the accelerator.
        live: Whether the FIFOs' depths can never deadlock; a frame that passes alone and leaves
            everything as it was proves it for any number of frames.
        deadlock: The cycle of waits if not live.
        interval_cycles: Between two results in the steady state.
        latency_cycles: First input to last output of a frame in an empty pipeline.
        loaded_latency_cycles: The same in the steady state.
        frames: That were simulated.
        events: That were simulated.
        layers: In graph order.
        streams: In graph order.
        links: Every stream on every link.
        bars: When each process worked on each frame, for the trace.
        bursts: On every link, for the trace.
    """

    network: str
    clock_hz: int
    live: bool
    deadlock: tuple[Wait, ...]
    interval_cycles: Fraction
    latency_cycles: int
    loaded_latency_cycles: int
    frames: int
    events: int
    layers: tuple[Activity, ...] = ()
    streams: tuple[StreamDepth, ...] = ()
    links: tuple[LinkTraffic, ...] = ()
    bars: tuple[Bar, ...] = ()
    bursts: tuple[Burst, ...] = ()

    def with_link_names(self, names: Sequence[str]) -> SimulationResult:
        """Return it for a replica that runs alike over links of other names, in `Net.links`' order.

        One that deadlocks has none.
        """
        links = (replace(k, name=name) for k, name in zip(self.links, names, strict=self.live))
        return replace(self, links=tuple(links))

    @property
    def frames_per_second(self) -> float:
        """Results per second; 0 if it is not live or was too short to tell."""
        return self.clock_hz / float(self.interval_cycles) if self.interval_cycles else 0.0

    @property
    def latency_seconds(self) -> float:
        """Latency in an empty pipeline."""
        return self.latency_cycles / self.clock_hz

    def to_json(self) -> dict[str, Any]:
        """Return the document of ``simulate --json``."""
        return {
            "schema": SIMULATION_SCHEMA,
            "network": self.network,
            "clock_hz": self.clock_hz,
            "live": self.live,
            "deadlock": [_plain(wait) for wait in self.deadlock],
            "interval_cycles": float(self.interval_cycles),
            "frames_per_second": self.frames_per_second,
            "latency_cycles": self.latency_cycles,
            "latency_seconds": self.latency_seconds,
            "loaded_latency_cycles": self.loaded_latency_cycles,
            "frames": self.frames,
            "layers": [_plain(activity) for activity in self.layers],
            "streams": [_plain(stream) for stream in self.streams],
            "links": [_plain(link) for link in self.links],
        }


def _plain(record: Any) -> dict[str, Any]:
    return {name: getattr(record, name) for name in record.__slots__}
