"""What the server's tests run in a process of its own: the unmodified client, one job per name."""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Callable

import numpy as np
from inaccel import coral

from tests.runtime_samples import Sample

SAMPLE = Sample(**json.loads(os.environ["SAMPLE"]))
NAME = os.environ.get("ACCELERATOR", "test.tiny.tiny")
FRAMES = 20


def arrays(seed: int, frames: int = FRAMES) -> tuple[np.ndarray, np.ndarray]:
    with coral.allocator:
        return (
            np.array(SAMPLE.frames(frames, seed), np.uint8),
            np.zeros((frames, SAMPLE.width), np.uint8),
        )


def submit(inputs: np.ndarray, outputs: np.ndarray, frames: object = None) -> object:
    # An array, not a NumPy scalar: of these the client reads memory that is already free, which
    # other threads may have written to.
    count = np.array([len(inputs)], np.uint32) if frames is None else frames
    return coral.submit(coral.request(NAME).arg(inputs).arg(outputs).arg(count))


def check(inputs: np.ndarray, outputs: np.ndarray) -> None:
    assert np.array_equal(outputs, SAMPLE.expected(inputs)), "a wrong answer"


def once(seed: int = 0) -> None:
    inputs, outputs = arrays(seed)
    submit(inputs, outputs).result()
    check(inputs, outputs)


def versions() -> None:
    """The array is written between requests, read again, used as output and input."""
    inputs, outputs = arrays(1)
    for seed in range(5):
        inputs[:] = SAMPLE.frames(FRAMES, seed)
        for _ in range(2):
            outputs[:] = 0
            submit(inputs, outputs).result()
            check(inputs, outputs)
    before = outputs.copy()
    submit(outputs, inputs).result()  # what was an output is now an input
    assert np.array_equal(inputs, SAMPLE.expected(before))
    submit(inputs, outputs).result()
    check(inputs, outputs)


def views() -> None:
    inputs, outputs = arrays(2)
    submit(inputs[3:9], outputs[3:9]).result()
    check(inputs[3:9], outputs[3:9])
    assert not outputs[:3].any()
    assert not outputs[9:].any()


def pipelined() -> None:
    pairs = [arrays(seed) for seed in range(10)]
    for _ in range(5):
        for future in [submit(*pair) for pair in pairs]:
            future.result()
        for pair in pairs:
            check(*pair)
            pair[1][:] = 0


def threads() -> None:
    failures: list[BaseException] = []

    def work(seed: int) -> None:
        try:
            for _ in range(10):
                once(seed)
        except BaseException as error:  # noqa: BLE001 - handed to the main thread
            failures.append(error)

    workers = [threading.Thread(target=work, args=(seed,)) for seed in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not failures, failures[0]


def forked() -> None:
    """Fork before the first request: the client's own threads do not survive a fork."""
    pid = os.fork()
    if pid == 0:
        try:
            once(2)
            os._exit(0)
        finally:
            os._exit(1)
    assert os.waitpid(pid, 0)[1] == 0
    once(3)


def errors() -> None:
    """Write what the client says to every mistake."""
    inputs, outputs = arrays(3)
    plain = np.zeros((FRAMES, SAMPLE.width), np.uint8)
    mistakes: list[Callable[[], object]] = [
        lambda: coral.submit(coral.request("no.such%d").arg(inputs)),
        lambda: coral.submit(coral.request(NAME).arg(inputs)),
        lambda: submit(plain, outputs),
        lambda: submit(inputs, outputs, np.uint32(FRAMES + 1)),
        lambda: submit(inputs, outputs, np.uint32(0)),
        lambda: submit(inputs, outputs, np.uint64(1)),
        lambda: submit(inputs, outputs, inputs),
    ]
    said = []
    for mistake in mistakes:
        try:
            mistake().result()
            said.append("nothing")
        except Exception as error:  # noqa: BLE001 - whatever the client raises is the result
            said.append(str(error).rstrip("\0"))
    once(4)
    sys.stdout.write(json.dumps(said))


def patiently() -> None:
    """Try again after an error of the boards, once."""
    try:
        once()
    except Exception as error:
        if "its process was killed by signal 9" not in str(error):
            raise
        once()


def forever() -> None:
    seed = 0
    while True:
        once(seed)
        seed += 1
        sys.stdout.write(f"{seed}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    for job in sys.argv[1:]:
        globals()[job]()
