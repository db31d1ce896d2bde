"""Times the runtime: what server, client and links cost, as ratios measured in one run.

    python -m bench.runtime

Goals: a small synchronous request costs at most 1 ms over a direct call; 64 images of 224x224x3
reach the board with one copy; client, server and two boards in ``hw`` keep 30 % of what onnxruntime
reaches with the whole network in one process, TFC, batch 64.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime

from elasticdf.runtime.coral.server import Server
from elasticdf.runtime.emulated.board import EmulatedBoard
from elasticdf.runtime.packing import unpack
from elasticdf.runtime.session import Session, open_session
from tests.runtime_networks import build

NETWORK = "tfc-w1a1"
BATCH = 64
SECONDS = 3.0
ROUNDS = 7
IMAGES = (64, 224, 224, 3)
IN_FLIGHT = 192
SHARED_MEMORY = Path("/dev/shm")
"""Where the orchestrator has the clients' arrays, too."""

CLIENT = """
import sys, time
import numpy as np
from inaccel import coral

name, inputs, output_bytes, seconds, in_flight = sys.argv[1:]
frames = np.load(inputs)
count = np.array([len(frames)], np.uint32)
one = np.array([1], np.uint32)
with coral.allocator:
    pairs = [(np.array(frames), np.zeros((len(frames), int(output_bytes)), np.uint8))
             for _ in range(int(in_flight))]

def single():
    inputs, outputs = (array[:1] for array in pairs[0])
    return coral.submit(coral.request(name).arg(inputs).arg(outputs).arg(one))

# A request may be submitted again: what its arrays hold is looked at then.
requests = [coral.request(name).arg(inputs).arg(outputs).arg(count) for inputs, outputs in pairs]
for request in requests:
    coral.submit(request).result()
times = []
end = time.perf_counter() + float(seconds) / 2
while time.perf_counter() < end:
    start = time.perf_counter()
    single().result()
    times.append(time.perf_counter() - start)
print(sorted(times)[len(times) // 2], flush=True)
spent, start, done, waiting = time.process_time(), time.perf_counter(), 0, []
while time.perf_counter() - start < float(seconds):
    waiting.append(coral.submit(requests[done % len(requests)]))
    done += 1
    if len(waiting) == len(pairs):
        waiting.pop(0).result()
for future in waiting:
    future.result()
print(done / (time.perf_counter() - start), (time.process_time() - spent) / done, done, flush=True)
"""


def median_seconds(call: Callable[[], object], seconds: float = SECONDS / 2) -> float:
    """Return the median time of a call."""
    call()
    times = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def whole_network(model: bytes, values: np.ndarray) -> tuple[float, float]:
    """Return seconds and processor seconds of onnxruntime for a batch, as it comes."""
    whole = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    name = whole.get_inputs()[0].name
    before, start, batches = time.process_time(), time.perf_counter(), 0
    while time.perf_counter() - start < SECONDS / 4:
        whole.run(None, {name: values})
        batches += 1
    passed = time.perf_counter() - start
    return passed / batches, (time.process_time() - before) / batches


@dataclass(frozen=True, kw_only=True)
class Served:
    """What a client saw, and what it cost.

    Attributes:
        latency: Seconds of a synchronous request of one frame.
        rate: Batches per second, many in flight.
        processor: Seconds of a processor per batch, by process.
    """

    latency: float
    rate: float
    processor: dict[str, float]


def processor_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def through_client(artifact: Path, name: str, frames: np.ndarray, output_bytes: int) -> Served:
    """Let the orchestrator's client send frames one at a time, then batches."""
    shared = SHARED_MEMORY if SHARED_MEMORY.is_dir() else None
    with tempfile.TemporaryDirectory(prefix="edf", dir=shared) as folder:
        inputs = Path(folder) / "in.npy"
        np.save(inputs, frames)
        arguments = [name, str(inputs), str(output_bytes), str(SECONDS), str(IN_FLIGHT)]
        with (
            Server([artifact], Path(folder)) as server,
            subprocess.Popen(
                [sys.executable, "-c", CLIENT, *arguments],
                env={**os.environ, "INACCEL": folder},
                stdout=subprocess.PIPE,
                text=True,
            ) as client,
        ):
            assert client.stdout is not None
            latency = float(client.stdout.readline())
            pids = {"server": os.getpid(), **{f"board {b.index}": b.pid for b in boards_of(server)}}
            before = {name: processor_seconds(pid) for name, pid in pids.items()}
            rate, own, done = map(float, client.stdout.readline().split())
            spent = {name: processor_seconds(pid) - before[name] for name, pid in pids.items()}
    each = {name: seconds / done for name, seconds in spent.items()}
    return Served(latency=latency, rate=rate, processor={"client": own, **each})


def boards_of(server: Server) -> tuple[EmulatedBoard, ...]:
    boards = (board for resource in server.resources for board in resource.boards)
    return tuple(board for board in boards if isinstance(board, EmulatedBoard))


def copy_seconds(session: Session) -> tuple[float, float]:
    """Return the seconds in which 64 images reach board memory, and of one plain copy of them."""
    images = np.random.default_rng(0).integers(0, 256, IMAGES, np.uint8).reshape(-1)
    target = np.empty_like(images)
    buffer = session.replicas[0][0].lane.create_buffer(0, images.size)
    try:
        there = median_seconds(lambda: buffer.copy_to_board(images))
    finally:
        buffer.release()
    return there, median_seconds(lambda: np.copyto(target, images))


@dataclass(frozen=True, kw_only=True)
class Round:
    """What was measured one after the other, so that the ratios are of one moment.

    Attributes:
        whole: Seconds of onnxruntime for a batch: the mean of before and after.
        whole_processor: Its processor seconds.
        direct: Seconds of a direct call with one frame.
        served: Through client and server.
    """

    whole: float
    whole_processor: float
    direct: float
    served: Served

    @property
    def share(self) -> float:
        """Part of onnxruntime's rate that is left."""
        return self.served.rate * self.whole

    @property
    def extra(self) -> float:
        """Seconds that client and server add to a direct call."""
        return self.served.latency - self.direct


def measure(artifact: Path, model: bytes, frames: np.ndarray) -> Round:
    """Measure once."""
    with open_session(artifact) as session:
        direct = median_seconds(lambda: session.process(frames[:1]), SECONDS / 4)
        name = f"{session.artifact.bitstream.bitstream_id}.{session.deployment.network}"
        output_bytes = session.process(frames).shape[1]
        values = unpack(frames, session.input)
    before = whole_network(model, values)
    served = through_client(artifact, name, frames, output_bytes)
    after = whole_network(model, values)
    whole, processor = ((a + b) / 2 for a, b in zip(before, after, strict=True))
    return Round(whole=whole, whole_processor=processor, direct=direct, served=served)


def show(rounds: list[Round]) -> None:
    """Print the middle of every ratio and the round that has the middle share."""
    shares = sorted(r.share for r in rounds)
    extras = sorted(1e3 * r.extra for r in rounds)
    middle = sorted(rounds, key=lambda r: r.share)[len(rounds) // 2]
    print(f"client, server, two boards      {statistics.median(shares):6.1%} of onnxruntime")
    print(f"  goal 30 %; {len(rounds)} rounds: {shares[0]:.1%} to {shares[-1]:.1%}")
    print(f"  {IN_FLIGHT} requests in flight; the middle round:")
    print(f"  {BATCH / middle.whole:8.0f} frames/s onnxruntime, whole network, one process")
    print(f"  {BATCH * middle.served.rate:8.0f} frames/s client, server, two boards")
    print("  processor time of a batch:")
    print(f"  {middle.whole_processor * 1e6:6.0f} us onnxruntime")
    for process, seconds in middle.served.processor.items():
        print(f"  {seconds * 1e6:6.0f} us {process}")
    print(f"one frame, over a direct call   {statistics.median(extras):+6.2f} ms, goal +1")
    print(f"  {len(rounds)} rounds: {extras[0]:+.2f} to {extras[-1]:+.2f} ms")
    print(f"  direct {middle.direct * 1e3:.2f} ms, client {middle.served.latency * 1e3:.2f} ms")


def main() -> None:
    print(f"{NETWORK}, 2 boards, hw, batch {BATCH}, {os.cpu_count()} processors")
    with tempfile.TemporaryDirectory() as folder:
        built = build(NETWORK, "2xu280", "hw", Path(folder))
        with open_session(built.artifact) as session:
            generator = np.random.default_rng(0)
            images = generator.random((BATCH, *session.frame_shape)).astype(np.float32)
            frames = session.encode(images)
            alone = median_seconds(lambda: session.process(frames))
            there, plain = copy_seconds(session)
        show([measure(built.artifact, built.whole, frames) for _ in range(ROUNDS)])
    print(f"two boards, one batch at a time {BATCH / alone:6.0f} frames/s")
    print(f"64 images to the board          {there * 1e3:6.2f} ms, {there / plain:.1f} copies")


if __name__ == "__main__":
    main()
