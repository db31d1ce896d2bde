"""A large batch reaches the board's memory with one copy: from the client's array, and no more."""

from __future__ import annotations

import os
import tracemalloc
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from elasticdf.runtime.coral.protocol import ArrayArgument, Request, ScalarArgument
from elasticdf.runtime.coral.server import Server
from tests.runtime_samples import Sample

IMAGES = (64, 224, 224, 3)
CLIENT = "client"


@dataclass(frozen=True, kw_only=True)
class Pictures(Sample):
    """An accelerator that takes images and gives them back."""

    mode: str = "dp"
    boards: int = 1
    width: int = 224 * 224 * 3
    elements: int = 64

    def model(self, first: int, last: int) -> bytes:
        ends = [
            helper.make_tensor_value_info(name, TensorProto.UINT8, ["N", self.width])
            for name in (f"t{first}", f"t{last + 1}")
        ]
        node = helper.make_node("Identity", [f"t{first}"], [f"t{last + 1}"])
        graph = helper.make_graph([node], "pictures", ends[:1], ends[1:])
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
        model.ir_version = 9
        onnx.checker.check_model(model)
        return bytes(model.SerializeToString())


def test_64_images_are_copied_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images = np.random.default_rng(0).integers(0, 256, IMAGES, np.uint8)
    copied: list[int] = []
    read = os.preadv

    def counting(descriptor: int, buffers: Sequence[memoryview], offset: int) -> int:
        count = read(descriptor, buffers, offset)
        copied.append(count)
        return count

    with Server([Pictures().artifact(tmp_path / "p")], tmp_path) as server:
        folder = tmp_path / "shm" / CLIENT
        folder.mkdir()
        (folder / "images").write_bytes(images.tobytes())
        (folder / "result").write_bytes(bytes(images.size))
        arguments = (
            ArrayArgument(id="images", offset=0, size=images.size, version=0),
            ArrayArgument(id="result", offset=0, size=images.size, version=0),
            ScalarArgument(value=np.uint32(len(images)).tobytes()),
        )
        request = Request(accelerator="test.tiny.tiny", arguments=arguments, client=CLIENT)
        accelerator = server._accelerators[request.accelerator]
        monkeypatch.setattr(os, "preadv", counting)
        tracemalloc.start()
        try:
            accelerator.serve(request)
            first = sum(copied)
            accelerator.serve(request)  # the client wrote nothing: nothing is copied again
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert (folder / "result").read_bytes() == images.tobytes()
    assert first == images.size
    assert sum(copied) == images.size
    assert peak < images.size / 10, "the images lay in the server's own memory too"
