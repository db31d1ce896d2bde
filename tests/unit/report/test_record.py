from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from elasticdf.errors import UserError
from elasticdf.report.page import page
from elasticdf.report.reading import read_plan_report
from elasticdf.report.record import of_plan, with_timeline
from elasticdf.simulation import Span
from partitioner.plan import Mode, PlannedBoard, infeasible_document
from tests.plan_samples import ADAPTERS, TAKEN, planned

NAMES = tuple(f"layer{i}" for i in range(6))


def test_slack_is_the_distance_to_the_pace():
    report = of_plan(planned(NAMES))
    assert [layer.slack_cycles for layer in report.layers] == [185, 148, 111, 74, 37, 0]
    assert report.layers[5].name == "layer5"


def test_the_slowest_copy_of_a_layer_counts():
    plan = planned(NAMES, replicas=2)
    slow = replace(plan.assignments[0], cycles=1_100)
    report = of_plan(replace(plan, assignments=(slow, *plan.assignments[1:])))
    assert report.layers[0].cycles == 1_100


def test_what_is_used_is_layers_and_the_rest():
    row = of_plan(planned(NAMES)).fullness[0]
    assert (row.layers, row.other, row.used) == (TAKEN.lut, ADAPTERS, TAKEN.lut + ADAPTERS)


def test_the_band_of_the_profile_applies_to_the_layers_only():
    row = of_plan(planned(NAMES)).fullness[0]
    assert row.low == ADAPTERS + round(0.89 * TAKEN.lut)
    assert row.high == ADAPTERS + round(1.22 * TAKEN.lut)


@pytest.mark.parametrize("costs", ["finn", "gone.toml"])
def test_profiles_without_band_have_none(costs: str):
    row = of_plan(replace(planned(NAMES), costs=costs)).fullness[0]
    assert (row.low, row.high) == (None, None)


def test_what_limits_the_plan_is_named():
    report = of_plan(planned(NAMES, replicas=125))
    assert report.binding == (
        "layer5 sets the pace: 1,185 cycles per frame",
        "lut: 6 of 6 dies are nearly at their limit, most so board 0 SLR1: 75.2% used, 70% allowed",
        "if layers take as much as the cost profile's error band allows, 6 dies exceed a limit, "
        "most so board 0 SLR1: 91.7% of lut",
        "the link from board 0 port 0 to board 1 port 0 is 96.8% full",
    )


def test_a_simulated_interval_beyond_the_pace_is_named():
    found = [{"interval_cycles": 1_190.0}, {"interval_cycles": 1_500.0}, {}, "?"]
    report = of_plan(replace(planned(NAMES), extra={"simulation": found}))
    assert report.binding[1].startswith(
        "simulated with its FIFOs, a copy takes a frame every 1,500"
    )
    quick = replace(planned(NAMES), extra={"simulation": found[:1]})
    assert not any("simulated" in sentence for sentence in of_plan(quick).binding)


def test_what_would_help_is_a_command_or_a_bound():
    assert of_plan(planned(NAMES), model="my net.onnx").advice == (
        "Up to 2.0 frames per second are not ruled out (50.0% more); "
        "a longer `--time-limit` may find them.",
        "What one or two more boards buy: "
        "`elasticdf explore 'my net.onnx' --targets 2..4xu280 --modes all -o sweep`",
    )
    mixed = replace(planned(NAMES), cluster="rack")
    assert len(of_plan(mixed).advice) == 1


def test_a_timeline_says_where_and_when_every_layer_works():
    spans = [Span(layer=name, first=i, last=10 * i + 1) for i, name in enumerate(NAMES)]
    report = with_timeline(of_plan(planned(NAMES)), spans, "by hand")
    assert [time.number for time in report.timeline] == list(range(6))
    last = report.timeline[5]
    assert (last.first_cycle, last.last_cycle, last.board, last.die) == (5, 51, 1, "SLR0")


def test_fifos_of_the_plan_are_shown():
    fifo = {
        "replica": 0,
        "stream": "t",
        "layer": "layer1",
        "board": 0,
        "die": "SLR0",
        "depth": 1_024,
    }
    plan = replace(planned(NAMES), extra={"fifos": [{**fifo, "bits": 8}]})
    assert of_plan(plan).fifos[0].depth == 1_024
    assert "1,024" in page(of_plan(plan))
    with pytest.raises(UserError, match=r"plan\.json, fifos\[0\]"):
        of_plan(replace(plan, extra={"fifos": [fifo]}))


def test_a_folder_without_plan_is_refused(tmp_path: Path):
    with pytest.raises(UserError) as error:
        read_plan_report(tmp_path)
    assert str(error.value) == (
        f"{tmp_path} holds no plan.json; "
        "make one with: elasticdf partition MODEL --target TARGET -o DIR"
    )


@pytest.mark.parametrize("text", ["", "[", "[]", "{}", '{"schema": NaN}', "\udcff", "[" * 100_000])
def test_broken_plans_get_a_sentence(tmp_path: Path, text: str):
    (tmp_path / "plan.json").write_text(text, errors="surrogateescape")
    with pytest.raises(UserError, match=r"plan\.json"):
        read_plan_report(tmp_path)


def test_a_broken_deployment_gets_a_sentence(tmp_path: Path):
    (tmp_path / "plan.json").write_text(json.dumps(planned(NAMES).to_json()))
    (tmp_path / "deployment.json").write_text('{"local": [{"board": "x"}]}')
    with pytest.raises(UserError) as error:
        read_plan_report(tmp_path)
    assert str(error.value) == (
        f"{tmp_path / 'deployment.json'}: local streams are not as elasticdf writes them; "
        "make the project again with elasticdf partition"
    )


def test_an_infeasible_request_has_a_report(tmp_path: Path):
    explanation = {"conflict": ["fps"], "shortfall": [], "remedies": [{"change": "lower --fps"}]}
    document = infeasible_document(
        network="net",
        mode=Mode.TRANSPARENT,
        clock_hz=200_000_000,
        cluster="u50",
        boards=(PlannedBoard(id=0, board="u50", dies=("SLR0",)),),
        certificate={"solver": "none", "seed": 0, "seconds": 0.0},
        explanation=explanation,
    )
    (tmp_path / "plan.json").write_text(json.dumps(document))
    report = read_plan_report(tmp_path)
    assert report.plan is None
    assert report.explanation == explanation
    assert report.request == (("target", "u50"), ("mode", "tmp"), ("clock", "200 MHz"))


def test_the_record_is_json(tmp_path: Path):
    plan = planned(NAMES)
    (tmp_path / "plan.json").write_text(json.dumps(plan.to_json()))
    manifest = {"network_sha256": "ab", "seed": 3, "versions": {"python": "3.11"}, "options": {}}
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    document = json.loads(json.dumps(read_plan_report(tmp_path).to_json(), allow_nan=False))
    assert document["schema"] == "elasticdf.report/1"
    assert document["plan"] == json.loads(json.dumps(plan.to_json()))
    assert document["provenance"] == {
        "network sha256": "ab",
        "seed": "3",
        "version python": "3.11",
    }
