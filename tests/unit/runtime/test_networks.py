"""Reference networks on emulated boards, with what the host computes before and after."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from elasticdf.errors import UserError
from elasticdf.runtime.mlperf.benchmark import MlperfOptions, Scenario, main_figure, run_mlperf
from elasticdf.runtime.run import run_artifact
from elasticdf.runtime.session import open_session
from tests.runtime_networks import build


def pictures(count: int, shape: tuple[int, ...]) -> np.ndarray:
    return np.random.default_rng(0).random((count, *shape)).astype(np.float32)


def test_labels_of_a_network_over_three_boards_are_the_whole_networks(tmp_path: Path) -> None:
    built = build("tfc-w2a2", "3xu280", "hw", tmp_path)
    labels, report = run_artifact(
        built.artifact, pictures(20, (1, 28, 28)), whole_model=built.whole
    )
    assert (labels.shape, report.checked, report.resource) == ((20, 1), True, "3xu280")
    assert len(np.unique(labels)) > 1


@dataclass(frozen=True)
class Signed:
    """A prologue of a network that takes -1 to 1."""

    frame_shape: tuple[int, ...]

    def __call__(self, frames: np.ndarray) -> np.ndarray:
        return np.clip(frames, -1, 1)


def test_images_of_a_folder_are_frames_in_the_networks_range(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pillow = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    folder = tmp_path / "images"
    folder.mkdir()
    pixels = np.random.default_rng(1).integers(0, 256, (2, 32, 32, 3), np.uint8)
    for name, image in zip(("a.png", "b.png"), pixels, strict=True):
        pillow.fromarray(image).save(folder / name)
    built = build("cnv-w1a1", "1xu280", "dp", tmp_path / "p")
    with open_session(built.artifact) as session:
        frames = session.frames(folder)
        assert np.allclose(np.moveaxis(frames, 1, -1), pixels / 255)
        monkeypatch.setattr(session, "_prologue", Signed(frame_shape=session.frame_shape))
        with pytest.raises(UserError, match="saturates at 1 but not at 0; normalise them"):
            session.frames(folder)


@pytest.mark.slow
@pytest.mark.parametrize("network", ["tfc-w1a1", "cnv-w1a1"])
@pytest.mark.parametrize(
    ("target", "mode"), [("1xu280", "dp"), ("2xu280", "tmp"), ("2xu280", "hw"), ("2xu280", "sw")]
)
def test_the_benchmark_runs_unchanged_on_every_spread(
    network: str, target: str, mode: str, tmp_path: Path
) -> None:
    built = build(network, target, mode, tmp_path / "p")
    for scenario in Scenario:
        options = MlperfOptions(scenario=scenario, seconds=2.0)
        report = run_mlperf(built.artifact, None, options, tmp_path / "l", sample_count=32)
        assert main_figure(report) is not None
        assert report.valid is True or scenario is not Scenario.SINGLE_STREAM
    exact = run_mlperf(
        built.artifact,
        None,
        MlperfOptions(scenario=Scenario.OFFLINE, accuracy=True, expected_fps=100.0),
        tmp_path / "a",
        whole_model=built.whole,
        sample_count=32,
    )
    assert (exact.exact, exact.answers) == (32, 32)
