"""Frames through emulated boards, in every mode, equal the unpartitioned network bit for bit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from elasticdf.errors import InternalError, UserError
from elasticdf.runtime.run import read_input, run_artifact
from tests.runtime_samples import Sample

SAMPLES = {
    "one board": Sample(mode="dp", boards=1),
    "hw": Sample(mode="hw"),
    "two replicas on two boards": Sample(mode="dp", boards=2, replicas=2, datatype="INT3"),
    "frames of many packets, odd transfers": Sample(
        mode="tmp", width=1500, elements=1, datatype="UINT3"
    ),
    "sw on three boards": Sample(mode="sw", boards=3, datatype="INT11", elements=1),
    "tmp on four boards, two replicas": Sample(mode="tmp", boards=4, replicas=2, datatype="INT4"),
}


@pytest.mark.parametrize("name", SAMPLES)
def test_results_equal_the_whole_network(name: str, tmp_path: Path) -> None:
    sample = SAMPLES[name]
    frames = sample.frames(70)
    outputs, report = run_artifact(
        sample.artifact(tmp_path), frames, whole_model=sample.whole, stall_seconds=20
    )
    assert np.array_equal(outputs, sample.expected(frames))
    assert (report.mode, report.frames, report.checked) == (sample.mode, 70, True)
    assert report.to_json()["resource"] == f"{sample.boards}xu280"
    assert report.output_shape == outputs.shape


def test_the_check_finds_a_network_that_is_another(tmp_path: Path) -> None:
    sample, other = Sample(mode="dp", boards=1), Sample(mode="hw", boards=2)
    model = other.whole.replace(b"t2", b"t1").replace(b"w1", b"w9")
    assert model != sample.whole
    with pytest.raises(InternalError, match=r"frame 0: \d+ of 16 values from 1xu280 differ"):
        run_artifact(sample.artifact(tmp_path), sample.frames(2), whole_model=other.whole)


def test_values_beyond_the_input_type_are_refused(tmp_path: Path) -> None:
    sample = Sample(mode="dp", boards=1)
    with pytest.raises(
        UserError, match="stream t0: values from 0 to 256 are not all of type UINT8"
    ):
        run_artifact(sample.artifact(tmp_path), np.array([[0] * 15 + [256]]))


def test_an_artifact_of_others_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="does not exist"):
        run_artifact(tmp_path / "nothing", np.zeros((1, 1)))


def test_input_files_must_be_plain_arrays(tmp_path: Path) -> None:
    pickled, text = tmp_path / "a.npy", tmp_path / "b.npy"
    np.save(pickled, np.array([{}], dtype=object), allow_pickle=True)
    text.write_text("nothing")
    for path in (pickled, text, tmp_path / "missing.npy"):
        with pytest.raises(UserError, match=f"cannot read {path} as a NumPy array"):
            read_input(path)
    archive = tmp_path / "c.npz"
    np.savez(archive, a=np.zeros(1))
    with pytest.raises(UserError, match="is an archive of several arrays"):
        read_input(archive)
