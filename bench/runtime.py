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
IMAGES = (64, 224, 224, 3)
IN_FLIGHT = 48

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

def submit(pair, n):
    k = int(n[0])
    return coral.submit(coral.request(name).arg(pair[0][:k]).arg(pair[1][:k]).arg(n))

for pair in pairs:
    submit(pair, count).result()
times = []
end = time.perf_counter() + float(seconds) / 2
while time.perf_counter() < end:
    start = time.perf_counter()
    submit(pairs[0], one).result()
    times.append(time.perf_counter() - start)
print(sorted(times)[len(times) // 2], flush=True)
spent, start, done, waiting = time.process_time(), time.perf_counter(), 0, []
while time.perf_counter() - start < float(seconds):
    waiting.append(submit(pairs[done % len(pairs)], count))
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


def whole_network(session: Session, model: bytes, frames: np.ndarray) -> tuple[float, float]:
    """Return seconds and processor seconds of onnxruntime for a batch, as it comes."""
    whole = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    name = whole.get_inputs()[0].name
    values = unpack(frames, session.input)
    before, start, batches = time.process_time(), time.perf_counter(), 0
    while time.perf_counter() - start < SECONDS / 2:
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
    with tempfile.TemporaryDirectory(prefix="edf") as folder:
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


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        built = build(NETWORK, "2xu280", "hw", Path(folder))
        with open_session(built.artifact) as session:
            shape = session.frame_shape
            generator = np.random.default_rng(0)
            frames = session.encode(generator.random((BATCH, *shape)).astype(np.float32))
            whole, whole_processor = whole_network(session, built.whole, frames)
            direct = median_seconds(lambda: session.process(frames[:1]))
            alone = median_seconds(lambda: session.process(frames))
            there, plain = copy_seconds(session)
            name = f"{session.artifact.bitstream.bitstream_id}.{session.deployment.network}"
            output_bytes = session.process(frames).shape[1]
        served = through_client(built.artifact, name, frames, output_bytes)
    share, extra = served.rate * whole, (served.latency - direct) * 1e3
    print(f"{NETWORK}, 2 boards, hw, batch {BATCH}, {os.cpu_count()} processors")
    print(f"onnxruntime, whole network      {BATCH / whole:12.0f} frames/s")
    print(f"two boards, one batch at a time {BATCH / alone:12.0f} frames/s  {whole / alone:6.1%}")
    print(f"client, server, two boards      {BATCH * served.rate:12.0f} frames/s  {share:6.1%}")
    print(f"  goal 30 %; {IN_FLIGHT} requests in flight; processor time of a batch:")
    print(f"  {whole_processor * 1e6:6.0f} us onnxruntime")
    for process, seconds in served.processor.items():
        print(f"  {seconds * 1e6:6.0f} us {process}")
    print(f"direct call, one frame          {direct * 1e3:12.2f} ms")
    print(
        f"through client and server       {served.latency * 1e3:12.2f} ms  {extra:+.2f} ms, goal +1"
    )
    print(f"64 images to the board          {there * 1e3:12.2f} ms  {there / plain:.1f} copies")


if __name__ == "__main__":
    main()
