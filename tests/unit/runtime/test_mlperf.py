"""LoadGen through the unmodified client; the harness knows nothing of boards or modes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from elasticdf.errors import UserError
from elasticdf.runtime.images import read_images
from elasticdf.runtime.mlperf.benchmark import (
    MlperfOptions,
    Scenario,
    main_figure,
    read_summary,
    run_mlperf,
)
from tests.runtime_samples import Sample

pytest.importorskip("mlperf_loadgen", reason="LoadGen is not installed: elasticdf[mlperf]")
pytest.importorskip("inaccel.coral", reason="the client is not installed: elasticdf[mlperf]")

SPREADS = {
    "one board": Sample(mode="dp", boards=1),
    "tmp": Sample(mode="tmp"),
    "hw": Sample(mode="hw"),
    "sw": Sample(mode="sw"),
}


def test_every_answer_equals_the_whole_networks(tmp_path: Path) -> None:
    sample = SPREADS["hw"]
    report = run_mlperf(
        sample.artifact(tmp_path / "p"),
        sample.frames(50),
        MlperfOptions(scenario=Scenario.OFFLINE, accuracy=True, expected_fps=100.0),
        tmp_path / "logs",
        whole_model=sample.whole,
    )
    assert (report.answers, report.exact, report.samples) == (50, 50, 50)
    assert report.valid is None
    assert report.to_json()["resource"] == "2xu280"


def test_single_stream_is_valid(tmp_path: Path) -> None:
    sample = SPREADS["sw"]
    options = MlperfOptions(scenario=Scenario.SINGLE_STREAM, seconds=1.0, expected_fps=100.0)
    report = run_mlperf(sample.artifact(tmp_path / "p"), None, options, tmp_path / "logs")
    assert report.valid is True
    figure = main_figure(report)
    assert figure is not None
    assert int(figure[1]) > 0


@pytest.mark.slow
@pytest.mark.parametrize("spread", SPREADS)
@pytest.mark.parametrize("scenario", Scenario)
def test_all_scenarios_on_all_spreads(spread: str, scenario: Scenario, tmp_path: Path) -> None:
    sample = SPREADS[spread]
    artifact = sample.artifact(tmp_path / "p")
    options = MlperfOptions(scenario=scenario, seconds=2.0)
    report = run_mlperf(artifact, None, options, tmp_path / "logs", sample_count=64)
    assert main_figure(report) is not None
    assert report.valid is True or scenario is not Scenario.SINGLE_STREAM
    exact = run_mlperf(
        artifact,
        None,
        MlperfOptions(scenario=scenario, accuracy=True, expected_fps=100.0),
        tmp_path / "accuracy",
        whole_model=sample.whole,
        sample_count=64,
    )
    assert (exact.exact, exact.answers) == (64, 64)


def test_a_summary_is_read_by_its_own_words(tmp_path: Path) -> None:
    assert read_summary(tmp_path) == {}
    (tmp_path / "mlperf_log_summary.txt").write_text(
        "====\nScenario : SingleStream\nResult is : VALID\n  Min duration satisfied : Yes\n"
    )
    assert read_summary(tmp_path)["Result is"] == "VALID"


def test_folders_without_images_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=f"{tmp_path} holds no images"):
        read_images(tmp_path, 8, 8)


def test_images_become_arrays_in_order_of_name(tmp_path: Path) -> None:
    pillow = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    for name, value in (("b.png", 200), ("a.png", 100)):
        pillow.fromarray(np.full((10, 20, 3), value, np.uint8)).save(tmp_path / name)
    images = read_images(tmp_path, 4, 4)
    assert images.shape == (2, 4, 4, 3)
    assert images[:, 0, 0, 0].tolist() == [100, 200]
