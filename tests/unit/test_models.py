"""The zoo by name: what it holds, how it fails, and that a seed decides every byte."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

import models
from elasticdf.errors import UserError
from tests.truth import ROOT

NAMES = tuple(models.ZOO)
SMALL = tuple(name for name in NAMES if not name.startswith(("lfc", "resnet", "mobilenet")))


def digest(name: str, seed: int = 0) -> str:
    content = models.build(name, seed).SerializeToString(deterministic=True)
    return hashlib.sha256(content).hexdigest()


def test_the_zoo_holds_the_published_networks() -> None:
    assert NAMES == (
        "tfc-w1a1",
        "tfc-w1a2",
        "tfc-w2a2",
        "sfc-w1a1",
        "sfc-w1a2",
        "sfc-w2a2",
        "lfc-w1a1",
        "lfc-w1a2",
        "lfc-w2a2",
        "cnv-w1a1",
        "cnv-w1a2",
        "cnv-w2a2",
        "kws-mlp-w3a3",
        "mobilenetv1-w4a4",
        "resnet18-cifar-w2a2",
        "resnet18-cifar-w4a4",
        "resnet50-w1a2",
        "resnet50-w4a4",
    )


@pytest.mark.parametrize("name", NAMES)
def test_record_and_model_agree(name: str) -> None:
    record = models.ZOO[name]
    assert record.name == name
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name)
    assert name.endswith(f"w{record.weight_bits}a{record.activation_bits}")
    model = models.build(name)
    onnx.checker.check_model(model)
    (value,) = model.graph.input
    assert tuple(d.dim_value for d in value.type.tensor_type.shape.dim) == record.input_shape
    assert model.ir_version <= 11
    assert [(entry.domain, entry.version) for entry in model.opset_import] == [
        ("", 11),
        ("qonnx.custom_op.general", 1),
    ]


def test_json_form() -> None:
    assert models.ZOO["cnv-w1a2"].to_json() == {
        "name": "cnv-w1a2",
        "title": "CNV, six convolutions and three fully connected layers",
        "task": "small colour images, 10 classes",
        "weight_bits": 1,
        "activation_bits": 2,
        "input_shape": [1, 3, 32, 32],
    }


def test_a_typo_gets_the_likely_name() -> None:
    with pytest.raises(UserError) as failure:
        models.build("mobilenet-w4a4")
    assert str(failure.value) == (
        "no reference network is called 'mobilenet-w4a4'; did you mean mobilenetv1-w4a4? "
        f"the reference networks are {', '.join(NAMES)}"
    )


def test_a_family_gets_its_first_network() -> None:
    with pytest.raises(UserError, match="did you mean tfc-w"):
        models.find("tfc")


def test_a_foreign_name_gets_the_list() -> None:
    with pytest.raises(UserError) as failure:
        models.find("yolo")
    assert str(failure.value) == (
        f"no reference network is called 'yolo'; the reference networks are {', '.join(NAMES)}"
    )


@pytest.mark.parametrize("make", [models.build, models.sample])
def test_a_negative_seed(make: Callable[[str, int], object]) -> None:
    with pytest.raises(UserError) as failure:
        make("tfc-w1a1", -3)
    assert str(failure.value) == "seed -3 is negative; take 0 or any whole number above it"


@pytest.mark.parametrize("name", ["tfc-w2a2", "cnv-w1a1", "kws-mlp-w3a3", "resnet18-cifar-w2a2"])
def test_the_seed_decides(name: str) -> None:
    assert digest(name) == digest(name, 0)
    assert digest(name) != digest(name, 1)


@pytest.mark.parametrize("hash_seed", ["1", "4000000000"])
def test_bytes_do_not_depend_on_the_hash_seed(hash_seed: str) -> None:
    script = (
        "import hashlib, models\n"
        f"for name in {SMALL!r}:\n"
        "    content = models.build(name).SerializeToString(deterministic=True)\n"
        "    print(hashlib.sha256(content).hexdigest())\n"
    )
    finished = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        check=True,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert finished.stdout.split() == [digest(name) for name in SMALL]


@pytest.mark.parametrize("name", NAMES)
def test_weights_lie_on_their_grid_and_no_channel_is_dead(name: str) -> None:
    graph = models.build(name).graph
    constants = {tensor.name: tensor for tensor in graph.initializer}
    producers = {output: node for node in graph.node for output in node.output}
    checked = 0
    for node in graph.node:
        if node.op_type not in {"Conv", "MatMul", "Gemm"}:
            continue
        quantiser = producers[node.input[1]]
        rows_last = node.op_type == "MatMul"
        if quantiser.op_type == "Transpose":
            quantiser, rows_last = producers[quantiser.input[0]], False
        weights, step = (
            numpy_helper.to_array(constants[quantiser.input[index]]) for index in (0, 1)
        )
        levels = weights / step
        np.testing.assert_array_equal(levels, np.rint(levels))
        if quantiser.op_type == "BipolarQuant":
            assert set(np.unique(levels)) == {-1, 1}
        else:
            bits = int(numpy_helper.to_array(constants[quantiser.input[3]]))
            assert np.abs(levels).max() == 2 ** (bits - 1) - 1
        rows = levels.T if rows_last else levels.reshape(levels.shape[0], -1)
        assert rows.any(axis=1).all()
        checked += 1
    assert checked >= 4


def test_export_writes_the_model_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "small.onnx"
    path.write_bytes(b"something older")
    models.export("tfc-w1a1", path)
    assert onnx.load(path) == models.build("tfc-w1a1")
    assert list(tmp_path.iterdir()) == [path]
    assert path.stat().st_mode & 0o777 == 0o644


def test_export_into_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    path = tmp_path / "file" / "small.onnx"
    with pytest.raises(UserError) as failure:
        models.export("tfc-w1a1", path)
    assert str(failure.value) == f"cannot write {path}: File exists; choose another path"
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_export_over_a_folder_leaves_no_draft(tmp_path: Path) -> None:
    path = tmp_path / "folder"
    path.mkdir()
    with pytest.raises(UserError, match="Is a directory"):
        models.export("tfc-w1a1", path)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", NAMES)
def test_samples_are_what_the_input_takes(name: str) -> None:
    sample = models.sample(name, 5)
    assert sample.shape == models.ZOO[name].input_shape
    assert sample.dtype == np.float32
    np.testing.assert_array_equal(sample, models.sample(name, 5))
    assert (sample != models.sample(name, 6)).any()
    if name.startswith(("mobilenet", "resnet")):
        assert set(np.unique(sample)) <= set(range(256))
    elif not name.startswith("kws"):
        assert 0 <= sample.min() < 0.2
        assert 0.8 < sample.max() <= 1
