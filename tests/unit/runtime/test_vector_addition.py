"""The example of the orchestrator's own documentation: two arrays in, their sum out."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

from elasticdf.artifact.bitstream import KernelObject
from elasticdf.artifact.deployment import Deployment, Direction
from elasticdf.artifact.opening import open_artifact
from elasticdf.runtime.coral.server import Server
from tests.runtime_samples import Sample

pytest.importorskip("inaccel.coral", reason="the client is not installed: elasticdf[mlperf]")

PROGRAM = """
import threading
import inaccel.coral as inaccel
import numpy as np

SIZE = 16

def add(seed):
    random = np.random.default_rng(seed)
    with inaccel.allocator:
        a = random.integers(0, 100, SIZE).astype(np.uint8)
        b = random.integers(0, 100, SIZE).astype(np.uint8)
        c = np.ndarray(SIZE, dtype=np.uint8)
    request = inaccel.request("test.vector.tiny").arg(a).arg(b).arg(c)
    request.arg(np.array([1], np.uint32))
    response = inaccel.submit(request)
    response.result()
    assert np.array_equal(c, a + b)

add(0)
workers = [threading.Thread(target=add, args=(seed,)) for seed in range(8)]
for worker in workers:
    worker.start()
for worker in workers:
    worker.join()
print("right")
"""


@dataclass(frozen=True, kw_only=True)
class Addition(Sample):
    """A kernel that waits for frames on both its inputs."""

    mode: str = "dp"
    boards: int = 1

    def deployment(self) -> Deployment:
        plain = super().deployment()
        kernel = plain.kernels[0]
        second = self.port("s_axis_1", "u0")
        into = next(stream for stream in plain.host if stream.direction is Direction.IN)
        other = replace(into, dma=f"{into.dma}_b", end=(kernel.name, second.name), memory="HBM[3]")
        inputs = (*kernel.inputs, second)
        return replace(
            plain,
            kernels=(replace(kernel, inputs=inputs),),
            host=(into, other, *(s for s in plain.host if s is not into)),
        )

    def model(self, first: int, last: int) -> bytes:
        info = helper.make_tensor_value_info
        inputs = [info(name, TensorProto.FLOAT, ["N", self.width]) for name in ("t0", "u0")]
        node = helper.make_node("Add", ["t0", "u0"], ["t1"])
        outputs = [info("t1", TensorProto.FLOAT, ["N", self.width])]
        model = helper.make_model(
            helper.make_graph([node], "addition", inputs, outputs),
            opset_imports=[helper.make_opsetid("", 17)],
        )
        model.ir_version = 9
        onnx.checker.check_model(model)
        return bytes(model.SerializeToString())


def test_vectors_are_added(tmp_path: Path) -> None:
    artifact = Addition().artifact(tmp_path / "p", bitstream_id="test.vector")
    (kernel,) = open_artifact(artifact).bitstream.kernels
    assert isinstance(kernel, KernelObject)
    assert [argument.access for argument in kernel.arguments] == ["r", "r", "w", None]
    with Server([artifact], tmp_path):
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM],
            env={**os.environ, "INACCEL": str(tmp_path)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.stdout == "right\n", done.stderr
