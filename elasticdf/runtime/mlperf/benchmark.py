"""`elasticdf mlperf`: serve an artifact, let the harness load it, read what LoadGen says.

The samples are given in the network's own terms; what the host computes before the accelerator is
done outside the measured time, as the benchmark's rules have it for preprocessing.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np

from elasticdf.artifact.manifest import HostComputation
from elasticdf.errors import InternalError, UserError
from elasticdf.records import encode
from elasticdf.runtime.coral.server import Server
from elasticdf.runtime.host import Array, HostModelRunner, model_ends
from elasticdf.runtime.packing import Bytes, frame_bytes, pack, unpack
from elasticdf.runtime.session import NO_WEIGHTS, STALL_SECONDS, Session, Weights, open_session

MLPERF_SCHEMA = "elasticdf.mlperf/1"
_HARNESS = "elasticdf.runtime.mlperf.harness"
_MARGIN_SECONDS = 120.0
_SECONDS = 1e9
_EXPECTED_LATENCY_NS = 500_000
"""LoadGen prepares queries for this: too low prepares too many, too high ends the run early."""

_SERVER_SHARE = 0.1
"""Of the measured rate: single frames through client and server, at random times."""

_MEASURED_SECONDS = 0.5


class Scenario(StrEnum):
    """How LoadGen sends queries."""

    SINGLE_STREAM = "SingleStream"
    MULTI_STREAM = "MultiStream"
    OFFLINE = "Offline"
    SERVER = "Server"


@dataclass(frozen=True, slots=True, kw_only=True)
class MlperfOptions:
    """A benchmark.

    Attributes:
        scenario: How queries are sent.
        accuracy: Answer every sample once and compare, instead of measuring.
        seconds: Shortest run.
        queries: Fewest queries.
        batch: Most frames in a request.
        in_flight: Requests under way at once.
        expected_fps: What ``Offline`` is prepared for and ``Server`` is asked to keep; None
            measures first.
        latency_seconds: What ``Server`` must keep.
        samples_per_query: Of ``MultiStream``.
    """

    scenario: Scenario
    accuracy: bool = False
    seconds: float = 10.0
    queries: int = 100
    batch: int = 64
    in_flight: int = 4
    expected_fps: float | None = None
    latency_seconds: float = 0.1
    samples_per_query: int = 8

    def settings(self, measured_fps: float) -> dict[str, Any]:
        """Return LoadGen's settings by its names.

        Args:
            measured_fps: What the boards reach without server and client.
        """
        offline, server = (
            self.expected_fps or measured_fps * share for share in (1.0, _SERVER_SHARE)
        )
        return {
            "min_duration_ms": round(self.seconds * 1000),
            "min_query_count": self.queries,
            "offline_expected_qps": offline,
            "server_target_qps": server,
            "server_target_latency_ns": round(self.latency_seconds * _SECONDS),
            "single_stream_expected_latency_ns": _EXPECTED_LATENCY_NS,
            "multi_stream_expected_latency_ns": _EXPECTED_LATENCY_NS,
            "multi_stream_samples_per_query": self.samples_per_query,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class MlperfReport:
    """What LoadGen and the comparison say.

    Attributes:
        network: Its name.
        mode: How it is spread over the boards.
        resource: ``2xu280``.
        scenario: How queries were sent.
        accuracy: Whether it was the accuracy mode.
        valid: LoadGen's verdict; None in accuracy mode, which has none.
        summary: LoadGen's summary by its own words.
        samples: In the library.
        exact: Answers equal to the unpartitioned network's, bit for bit; None if not compared.
        answers: Answers compared.
        logs: Folder of LoadGen's logs.
    """

    network: str
    mode: str
    resource: str
    scenario: str
    accuracy: bool
    valid: bool | None
    summary: tuple[tuple[str, str], ...]
    samples: int
    exact: int | None
    answers: int
    logs: str

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {"schema": MLPERF_SCHEMA, **encode(self), "summary": dict(self.summary)}


def run_mlperf(
    path: Path,
    samples: Array | Path | None,
    options: MlperfOptions,
    logs: Path,
    *,
    whole_model: bytes | None = None,
    sample_count: int = 256,
    threads: int = 1,
    stall_seconds: float = STALL_SECONDS,
    weights: Weights = NO_WEIGHTS,
) -> MlperfReport:
    """Run LoadGen against an artifact.

    Args:
        path: The artifact.
        samples: In the network's own terms, or a folder of images; None makes some at random in
            the accelerator's.
        options: What to run.
        logs: Folder for LoadGen's logs; made if missing.
        whole_model: The unpartitioned accelerator, for the comparison in accuracy mode.
        sample_count: How many samples to make where none are given.
        threads: onnxruntime may use so many per emulated board.
        stall_seconds: A request without any progress for so long has failed.
        weights: Of layers that take them with every request, by layer, shape (outputs, inputs).

    Raises:
        UserError: The artifact or the samples cannot be used, or LoadGen is not installed.
        BoardError: A board or a link failed.
    """
    with open_session(
        path, threads=threads, stall_seconds=stall_seconds, weights=weights
    ) as session:
        frames = _encoded(session, samples, sample_count)
        golden = None if whole_model is None else _golden(session, frames, whole_model)
        fps = options.expected_fps or _measure(session, frames, options.batch)
        output_bytes = frame_bytes(session.output)
        manifest, resource = session.manifest, session.resource.name
        order = session.weight_layers
        bitstream = session.artifact.bitstream.bitstream_id
    _make(logs)
    with tempfile.TemporaryDirectory(prefix="edf") as folder:
        root = Path(folder)
        _save(root / "frames.npy", frames)
        for number, layer in enumerate(order):
            _save(root / f"weights{number}.npy", weights[layer])
        config = {
            "accelerator": f"{bitstream}.{manifest.deployment.network}",
            "frames": str(root / "frames.npy"),
            "weights": [str(root / f"weights{number}.npy") for number in range(len(order))],
            "output_bytes": output_bytes,
            "batch": options.batch,
            "in_flight": options.in_flight,
            "scenario": options.scenario.value,
            "mode": "accuracy" if options.accuracy else "performance",
            "settings": options.settings(fps),
            "logs": str(logs),
        }
        (root / "config.json").write_text(json.dumps(config))
        with Server([path], root, threads=threads, stall_seconds=stall_seconds):
            _run_harness(root, options)
    answers = read_answers(logs) if options.accuracy else ()
    exact = None if golden is None else _compare(answers, golden)
    summary = read_summary(logs)
    return MlperfReport(
        network=manifest.deployment.network,
        mode=manifest.deployment.mode,
        resource=resource,
        scenario=options.scenario.value,
        accuracy=options.accuracy,
        valid=None if options.accuracy else summary.get("Result is") == "VALID",
        summary=tuple(summary.items()),
        samples=len(frames),
        exact=exact,
        answers=len(answers),
        logs=str(logs),
    )


def _measure(session: Session, frames: Bytes, batch: int) -> float:
    """Return the frames per second the boards reach in the harness's batches."""
    some = np.concatenate([frames] * -(-4 * batch // len(frames)))[: 4 * batch]
    session.process(some[:batch])
    start, done = time.perf_counter(), 0
    while (seconds := time.perf_counter() - start) < _MEASURED_SECONDS:
        session.process(some)
        done += len(some)
    return done / seconds


def _save(path: Path, array: Array) -> None:
    try:
        np.save(path, array)
    except OSError as error:
        raise UserError(
            f"cannot keep the samples in {path.parent}: {error.strerror}; make room there or set "
            "TMPDIR"
        ) from error


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot write logs to {folder}: {error.strerror}") from error


def _encoded(session: Session, samples: Array | Path | None, count: int) -> Bytes:
    if samples is not None:
        return session.encode(session.frames(samples))
    generator = np.random.default_rng(0)
    data = generator.integers(0, 256, (count, frame_bytes(session.input)), np.uint8)
    values = unpack(data, session.input, np.int64)  # drops random padding
    if session.input.datatype == "TERNARY":
        values = np.clip(values, -1, 1)
    return pack(values, session.input)


def _golden(session: Session, frames: Bytes, whole_model: bytes) -> Bytes:
    first, last = model_ends(whole_model)
    runner = HostModelRunner(
        HostComputation.of(whole_model, first, last), "the unpartitioned network"
    )
    pieces = [runner(unpack(frames[at : at + 1], session.input)) for at in range(len(frames))]
    values = np.concatenate(pieces).reshape(len(frames), *session.output.shape[1:])
    return pack(values, session.output)


def _run_harness(root: Path, options: MlperfOptions) -> None:
    environment = {
        **os.environ,
        "INACCEL": str(root),
        "PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry),
    }
    command = [sys.executable, "-m", _HARNESS, str(root / "config.json")]
    try:
        done = subprocess.run(
            command,
            env=environment,
            cwd=root,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=options.seconds * 10 + _MARGIN_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise InternalError(f"LoadGen did not end after {error.timeout:g} s") from error
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["it said nothing"]
        if "No module named" in lines[-1]:
            raise UserError(f"{lines[-1]}; install the extra: pip install 'elasticdf[mlperf]'")
        raise UserError(f"the benchmark failed: {lines[-1]}")


def read_summary(logs: Path) -> dict[str, str]:
    """Return LoadGen's summary as words and values; empty where it wrote none."""
    path = logs / "mlperf_log_summary.txt"
    found: dict[str, str] = {}
    for line in path.read_text().splitlines() if path.exists() else ():
        key, colon, value = line.partition(":")
        if colon and value.strip():
            found[key.strip()] = value.strip()
    return found


def read_answers(logs: Path) -> tuple[tuple[int, bytes], ...]:
    """Return (sample, answer) of an accuracy run.

    Raises:
        UserError: LoadGen left no such log.
    """
    path = logs / "mlperf_log_accuracy.json"
    try:
        entries = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise UserError(f"LoadGen left no answers in {path}: {error}") from error
    return tuple((entry["qsl_idx"], bytes.fromhex(entry["data"])) for entry in entries)


def _compare(answers: tuple[tuple[int, bytes], ...], golden: Bytes) -> int:
    """Return how many answers equal the unpartitioned network's.

    Raises:
        InternalError: One does not.
    """
    for sample, answer in answers:
        if answer != golden[sample].tobytes():
            raise InternalError(
                f"sample {sample}: the boards answer {answer.hex()}, the unpartitioned network "
                f"{golden[sample].tobytes().hex()}"
            )
    return len(answers)


def main_figure(report: MlperfReport) -> tuple[str, str] | None:
    """Return the line of LoadGen's summary that is the scenario's result."""
    wanted: Mapping[str, str] = {
        Scenario.SINGLE_STREAM: "90.0th percentile latency (ns)",
        Scenario.MULTI_STREAM: "99.0th percentile latency (ns)",
        Scenario.OFFLINE: "Samples per second",
        Scenario.SERVER: "Completed samples per second",
    }
    summary = dict(report.summary)
    key = wanted[report.scenario]
    return (key, summary[key]) if key in summary else None
