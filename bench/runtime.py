"""Times the runtime: what server, client and links cost, as ratios measured in one run.

    python -m bench.runtime

Goals: a small synchronous request costs at most 1 ms over a direct call; 64 images of 224x224x3
reach the board with one copy; client, server and two boards in ``hw`` keep 30 % of what onnxruntime
reaches with the whole network in one process, TFC, batch 64. What is compared takes turns of
seconds, because a virtual machine's speed changes by a third while it is under load.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from codegen.segments.emit import whole_model
from elasticdf import flow, frontend
from elasticdf.options import PackageOptions, PartitionOptions
from elasticdf.progress import silent
from elasticdf.runtime.packing import unpack
from elasticdf.runtime.session import Session, open_session
from partitioner.plan import Mode

NETWORK = "tfc-w1a1"
TARGET = "2xu280"
CUT = (("MVAU_hls_0", 0, None), ("MVAU_hls_3", 1, None))
"""The first layer on board 0, the last on board 1: frames pass the cable."""

BATCH = 64
TURNS = 15
SECONDS = 3.0
"""Of a turn: long beside the time in which the last requests in flight end."""

IMAGES = (64, 224, 224, 3)
IN_FLIGHT = 1024
SHARED_MEMORY = Path("/dev/shm")
"""Where the orchestrator has the clients' arrays, too."""

CLIENT = """
import sys, time
import numpy as np
from inaccel import coral

name, inputs, output_bytes, in_flight = sys.argv[1:]
frames = np.load(inputs)
count = np.array([len(frames)], np.uint32)
one = np.array([1], np.uint32)
with coral.allocator:
    pairs = [(np.array(frames), np.zeros((len(frames), int(output_bytes)), np.uint8))
             for _ in range(int(in_flight))]

# A request may be submitted again: what its arrays hold is looked at then.
requests = [coral.request(name).arg(inputs).arg(outputs).arg(count) for inputs, outputs in pairs]

def single(seconds):
    inputs, outputs = (array[:1] for array in pairs[0])
    times, end = [], time.perf_counter() + seconds
    while time.perf_counter() < end:
        start = time.perf_counter()
        coral.submit(coral.request(name).arg(inputs).arg(outputs).arg(one)).result()
        times.append(time.perf_counter() - start)
    return sorted(times)[len(times) // 2]

def many(seconds):
    spent, start, done, waiting = time.process_time(), time.perf_counter(), 0, []
    while time.perf_counter() - start < seconds:
        waiting.append(coral.submit(requests[done % len(requests)]))
        done += 1
        if len(waiting) == len(requests):
            waiting.pop(0).result()
    for future in waiting:
        future.result()
    return time.perf_counter() - start, time.process_time() - spent, done

for request in requests:
    coral.submit(request).result()
for line in sys.stdin:
    what, seconds = line.split()
    print({"single": single, "many": many}[what](float(seconds)), flush=True)
"""


def median_seconds(call: Callable[[], object], seconds: float = SECONDS) -> float:
    """Return the median time of a call."""
    call()
    times = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


@dataclass(frozen=True, kw_only=True)
class Bench:
    """What is compared.

    Attributes:
        artifact: The network on two boards.
        whole: Runs a batch in onnxruntime.
        frames: A batch, packed.
        name: Of the accelerator.
        output_bytes: Of a frame.
    """

    artifact: Path
    whole: Callable[[], object]
    frames: NDArray[np.uint8]
    name: str
    output_bytes: int


def prepare(folder: Path) -> Bench:
    """Plan and package the network as the commands do; return it with a batch of random images."""
    options = PartitionOptions(
        model=f"zoo:{NETWORK}",
        target=TARGET,
        output=folder / "project",
        mode=Mode.HARDWARE,
        replicas=1,
        anchors=CUT,
    )
    flow.partition(options, silent)
    flow.build_emulated(options.output, silent)
    artifact = flow.package(PackageOptions(directory=options.output)).folder
    model = whole_model(frontend.load(options.output / "network.onnx"))
    whole = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    with open_session(artifact) as session:
        images = np.random.default_rng(0).random((BATCH, *session.frame_shape)).astype(np.float32)
        frames = session.encode(images)
        values = {whole.get_inputs()[0].name: unpack(frames, session.input)}
        return Bench(
            artifact=artifact,
            whole=lambda: whole.run(None, values),
            frames=frames,
            name=f"{session.artifact.bitstream.bitstream_id}.{session.deployment.network}",
            output_bytes=session.process(frames).shape[1],
        )


@dataclass(frozen=True, kw_only=True)
class Client:
    """A process with the orchestrator's client, and those that serve it.

    Attributes:
        process: It.
        serving: Process ids by name.
    """

    process: subprocess.Popen[str]
    serving: Mapping[str, int]

    def ask(self, what: str) -> list[float]:
        """Let it work for a turn; return what it found."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{what} {SECONDS}\n")
        self.process.stdin.flush()
        return [float(value) for value in self.process.stdout.readline().strip("()\n").split(",")]

    def processor(self) -> Counter[str]:
        """Return seconds of a processor that those who serve it took so far."""
        return Counter({name: processor_seconds(pid) for name, pid in self.serving.items()})


def processor_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def children(pid: int) -> list[int]:
    """Return the processes that a process started, in this order."""
    threads = Path(f"/proc/{pid}/task").iterdir()
    return sorted(int(n) for thread in threads for n in (thread / "children").read_text().split())


@contextmanager
def serving(artifact: Path, root: Path) -> Iterator[dict[str, int]]:
    """Serve an artifact as the command does; yield the process ids of server and boards."""
    command = [sys.executable, "-m", "elasticdf", "serve", str(artifact), "--root", str(root)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as server:
        while not (root / "run" / "coral.sock").exists():
            if server.poll() is not None:
                sys.exit("the server did not start")
            time.sleep(0.1)
        boards = {f"board {n}": pid for n, pid in enumerate(children(server.pid))}
        try:
            yield {"server": server.pid, **boards}
        finally:
            server.terminate()


@contextmanager
def served(bench: Bench) -> Iterator[Client]:
    """Serve the artifact and start a client."""
    shared = SHARED_MEMORY if SHARED_MEMORY.is_dir() else None
    with tempfile.TemporaryDirectory(prefix="edf", dir=shared) as folder:
        inputs = Path(folder) / "in.npy"
        np.save(inputs, bench.frames)
        arguments = [bench.name, str(inputs), str(bench.output_bytes), str(IN_FLIGHT)]
        with (
            serving(bench.artifact, Path(folder)) as pids,
            subprocess.Popen(
                [sys.executable, "-c", CLIENT, *arguments],
                env={**os.environ, "INACCEL": folder},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            ) as process,
        ):
            yield Client(process=process, serving=pids)
            assert process.stdin is not None
            process.stdin.close()


@dataclass(kw_only=True)
class Throughput:
    """Batches of both, turn by turn.

    Attributes:
        shares: Of onnxruntime's rate, per turn.
        seconds: Of all turns, by who worked.
        batches: Of all turns, by who worked.
        processor: Seconds of a processor in all turns, by process.
    """

    shares: list[float] = field(default_factory=list)
    seconds: Counter[str] = field(default_factory=Counter)
    batches: Counter[str] = field(default_factory=Counter)
    processor: Counter[str] = field(default_factory=Counter)

    def rate(self, who: str) -> float:
        """Return batches per second."""
        return self.batches[who] / self.seconds[who]

    def show(self) -> None:
        """Print the ratio of all turns, and what a batch costs."""
        share = self.rate("client") / self.rate("onnxruntime")
        print(f"client, server, two boards      {share:6.1%} of onnxruntime, goal 30 %")
        print(f"  {len(self.shares)} turns: {min(self.shares):.1%} to {max(self.shares):.1%}")
        print(f"  {BATCH * self.rate('onnxruntime'):8.0f} frames/s onnxruntime, whole network")
        print(f"  {BATCH * self.rate('client'):8.0f} frames/s, {IN_FLIGHT} requests in flight")
        print("  processor time of a batch:")
        for process, seconds in self.processor.items():
            by = "onnxruntime" if process == "onnxruntime" else "client"
            print(f"  {seconds / self.batches[by] * 1e6:6.0f} us {process}")


def throughput(bench: Bench, client: Client) -> Throughput:
    """Let onnxruntime and the client take turns."""
    found = Throughput()
    for _ in range(TURNS):
        spent, start, batches = time.process_time(), time.perf_counter(), 0
        while time.perf_counter() - start < SECONDS:
            bench.whole()
            batches += 1
        passed = time.perf_counter() - start
        found.processor["onnxruntime"] += time.process_time() - spent
        before = client.processor()
        seconds, own, done = client.ask("many")
        found.processor.update(client=own)
        found.processor.update(client.processor() - before)
        found.seconds.update(onnxruntime=passed, client=seconds)
        found.batches.update(onnxruntime=batches, client=int(done))
        found.shares.append(done / seconds / (batches / passed))
    return found


def latency(bench: Bench, client: Client) -> None:
    """Let direct calls and the client's take turns, one frame at a time, and print the medians."""
    with open_session(bench.artifact) as session:
        frame = bench.frames[:1]
        pairs = [
            (median_seconds(lambda: session.process(frame)), client.ask("single")[0])
            for _ in range(TURNS // 3)
        ]
    extras = [1e3 * (through - direct) for direct, through in pairs]
    print(f"one frame, over a direct call   {statistics.median(extras):+6.2f} ms, goal +1")
    print(f"  {len(extras)} turns: {min(extras):+.2f} to {max(extras):+.2f} ms")
    direct, through = (1e3 * statistics.median(times) for times in zip(*pairs, strict=True))
    print(f"  direct {direct:.2f} ms, client {through:.2f} ms")


def copies(session: Session) -> None:
    """Print the time in which 64 images reach board memory, and how many plain copies that is."""
    images = np.random.default_rng(0).integers(0, 256, IMAGES, np.uint8).reshape(-1)
    target = np.empty_like(images)
    buffer = session.replicas[0][0].lane.create_buffer(0, images.size)
    try:
        there = median_seconds(lambda: buffer.copy_to_board(images))
    finally:
        buffer.release()
    plain = median_seconds(lambda: np.copyto(target, images))
    print(f"64 images to the board          {there * 1e3:6.2f} ms, {there / plain:.1f} copies")


def main() -> None:
    print(f"{NETWORK}, 2 boards, hw, batch {BATCH}, {os.cpu_count()} processors", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        bench = prepare(Path(folder))
        with served(bench) as client:
            throughput(bench, client).show()
            latency(bench, client)
        with open_session(bench.artifact) as session:
            alone = median_seconds(lambda: session.process(bench.frames))
            print(f"two boards, one batch at a time {BATCH / alone:6.0f} frames/s")
            copies(session)


if __name__ == "__main__":
    main()
