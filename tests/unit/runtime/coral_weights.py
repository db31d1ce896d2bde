"""The unmodified client calling ``(in, out, weights, n)``; see ``test_external_weights.py``."""

from __future__ import annotations

import os
import sys

import numpy as np
from inaccel import coral

NAME = os.environ["ACCELERATOR"]


def submit(inputs: np.ndarray, outputs: np.ndarray, weights: np.ndarray) -> object:
    request = coral.request(NAME).arg(inputs).arg(outputs).arg(weights)
    return coral.submit(request.arg(np.array([len(inputs)], np.uint32)))


def main(source: str, target: str) -> None:
    """Answer every frame with every array of weights, all requests under way at once, twice."""
    given = np.load(source)
    with coral.allocator:
        inputs = np.array(given["inputs"])
        weights = [np.array(array) for array in given["weights"]]
        outputs = [np.zeros((len(inputs), int(given["output_bytes"])), np.uint8) for _ in range(4)]
        short = np.array(weights[0][1:])
    for future in [
        submit(inputs, out, array) for out, array in zip(outputs, 2 * weights, strict=True)
    ]:
        future.result()
    changed = outputs[0].copy()
    weights[0][:] = given["weights"][1]  # the same array, written to between two requests
    submit(inputs, outputs[0], weights[0]).result()
    try:
        submit(inputs, outputs[1], short).result()
        said = "nothing"
    except Exception as error:  # noqa: BLE001 - whatever the client raises is the result
        said = str(error).rstrip("\0")
    np.savez(target, answers=[changed, *outputs[1:], outputs[0]], said=said)


if __name__ == "__main__":
    main(*sys.argv[1:])
