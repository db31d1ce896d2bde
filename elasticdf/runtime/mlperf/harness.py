"""The benchmark's application: LoadGen on one side, the unmodified client on the other.

Knows an accelerator's name, the bytes of a frame and weights to pass along, nothing of boards or
modes: the same file runs on one board and on any spread over several. Started as ``python -m ...
CONFIG.json`` with INACCEL set, because the client reads it once, when it is imported.
"""

from __future__ import annotations

import json
import queue
import sys
import threading
from pathlib import Path
from typing import Any

import mlperf_loadgen as loadgen
import numpy as np
from inaccel import coral
from numpy.typing import NDArray

_SCENARIOS = {
    name: getattr(loadgen.TestScenario, name)
    for name in ("SingleStream", "MultiStream", "Offline", "Server")
}
_MODES = {
    "performance": loadgen.TestMode.PerformanceOnly,
    "accuracy": loadgen.TestMode.AccuracyOnly,
}


class System:
    """The system under test: a few requests in flight, each a batch of whatever waits.

    Args:
        accelerator: Bitstream id and kernel id.
        frames: All samples in the accelerator's form, shape (samples, bytes).
        output_bytes: Per frame.
        batch: Most frames of a request.
        in_flight: Requests under way at once.
        weights: Arrays that every request brings behind its output.
    """

    def __init__(
        self,
        accelerator: str,
        frames: NDArray[np.uint8],
        output_bytes: int,
        batch: int,
        in_flight: int,
        weights: list[NDArray[np.int8]],
    ) -> None:
        self._accelerator = accelerator
        self._frames = frames
        self._output_bytes = output_bytes
        self._batch = batch
        with coral.allocator:
            self._weights = [np.array(array) for array in weights]
        self._waiting: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.failure: BaseException | None = None
        self._workers = [
            threading.Thread(target=self._work, name=f"requests {number}", daemon=True)
            for number in range(in_flight)
        ]
        for worker in self._workers:
            worker.start()

    def issue(self, samples: list[Any]) -> None:
        """Take queries; they are answered from the workers."""
        for sample in samples:
            self._waiting.put((sample.id, sample.index))

    def flush(self) -> None:
        """Nothing is held back."""

    def close(self) -> None:
        """End the workers."""
        for _ in self._workers:
            self._waiting.put(None)
        for worker in self._workers:
            worker.join()

    def _work(self) -> None:
        with coral.allocator:
            inputs = np.zeros((self._batch, self._frames.shape[1]), np.uint8)
            outputs = np.zeros((self._batch, self._output_bytes), np.uint8)
        while (first := self._waiting.get()) is not None:
            jobs = [first, *self._more()]
            try:
                self._request(inputs, outputs, [index for _, index in jobs])
            except Exception as error:  # noqa: BLE001 - LoadGen waits for every answer, even a bad one
                self.failure = self.failure or error
                outputs[:] = 0
            answer = outputs[: len(jobs)].copy()
            address, size = answer.ctypes.data, self._output_bytes
            loadgen.QuerySamplesComplete(
                [
                    loadgen.QuerySampleResponse(number, address + at * size, size)
                    for at, (number, _) in enumerate(jobs)
                ]
            )

    def _more(self) -> list[Any]:
        jobs: list[Any] = []
        while len(jobs) + 1 < self._batch:
            try:
                job = self._waiting.get_nowait()
            except queue.Empty:
                break
            if job is None:
                self._waiting.put(None)
                break
            jobs.append(job)
        return jobs

    def _request(
        self, inputs: NDArray[np.uint8], outputs: NDArray[np.uint8], indices: list[int]
    ) -> None:
        count = len(indices)
        inputs[:count] = self._frames[indices]
        # Not np.uint32(count): the client takes the address of a temporary copy of a NumPy scalar,
        # which another thread may reuse before the client has read it.
        number = np.array([count], np.uint32)
        request = coral.request(self._accelerator)
        request.arg(inputs[:count]).arg(outputs[:count])
        for array in self._weights:
            request.arg(array)
        request.arg(number)
        coral.submit(request).result()


def _settings(config: dict[str, Any]) -> Any:
    settings = loadgen.TestSettings()
    settings.scenario = _SCENARIOS[config["scenario"]]
    settings.mode = _MODES[config["mode"]]
    for name, value in config["settings"].items():
        setattr(settings, name, value)
    return settings


def _log_settings(folder: str) -> Any:
    settings = loadgen.LogSettings()
    settings.log_output.outdir = folder
    settings.log_output.copy_summary_to_stdout = False
    settings.enable_trace = False
    return settings


def main() -> None:
    """Run the benchmark that the configuration describes."""
    config = json.loads(Path(sys.argv[1]).read_text())
    frames = np.load(config["frames"], allow_pickle=False)
    system = System(
        config["accelerator"],
        frames,
        config["output_bytes"],
        config["batch"],
        config["in_flight"],
        [np.load(path, allow_pickle=False) for path in config["weights"]],
    )
    library = loadgen.ConstructQSL(
        len(frames), len(frames), lambda indices: None, lambda indices: None
    )
    under_test = loadgen.ConstructSUT(system.issue, system.flush)
    loadgen.StartTestWithLogSettings(
        under_test, library, _settings(config), _log_settings(config["logs"]), "audit.config"
    )
    loadgen.DestroyQSL(library)
    loadgen.DestroySUT(under_test)
    system.close()
    if system.failure is not None:
        sys.exit(f"a request failed: {system.failure}")


if __name__ == "__main__":
    main()
