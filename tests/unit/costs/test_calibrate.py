"""Corrections from reports: parsing them, fitting robustly, refusing nonsense."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from elasticdf.costs.calibrate import Calibration, calibrate
from elasticdf.costs.estimate import estimate
from elasticdf.costs.profile import load_profile
from elasticdf.costs.reports import built_model, read_report
from elasticdf.errors import UserError
from elasticdf.ir import DataType, Graph, Layer, Resources, Tensor
from elasticdf.layers import with_defaults
from elasticdf.layers.kind import fpga_part

PART = fpga_part("xcu250-figd2104-2L-e")

TEXT = """
| Tool Version : Vivado v.2024.2
1. Utilization by Hierarchy
+------------------+-------------+------------+------------+---------+------+-----+--------+--------+------+------------+
|     Instance     |    Module   | Total LUTs | Logic LUTs | LUTRAMs | SRLs | FFs | RAMB36 | RAMB18 | URAM | DSP Blocks |
+------------------+-------------+------------+------------+---------+------+-----+--------+--------+------+------------+
| top              |       (top) |       3000 |       2000 |       0 | 1000 | 900 |      3 |      1 |    0 |          4 |
|   MVAU_hls_0     |      design |       1000 |       1000 |       0 |    0 | 300 |      1 |      1 |    0 |          4 |
|     inst         |        MVAU |        900 |        900 |       0 |    0 | 200 |      0 |      0 |    0 |          4 |
+------------------+-------------+------------+------------+---------+------+-----+--------+--------+------+------------+
"""  # noqa: E501 (Vivado's own layout)

XML = """<?xml version="1.0"?><RptDoc><section title="Utilization by Hierarchy"><table>
<tablerow><tableheader contents="Instance"/><tableheader contents="Total LUTs"/>
<tableheader contents="FFs"/><tableheader contents="RAMB36"/><tableheader contents="RAMB18"/>
<tableheader contents="URAM"/><tableheader contents="DSP Blocks"/></tablerow>
<tablerow><tablecell contents="  MVAU_hls_0"/><tablecell contents="1000(1.5%)"/>
<tablecell contents="300"/><tablecell contents="1"/><tablecell contents="1"/>
<tablecell contents="0"/><tablecell contents="4"/></tablerow></table></section></RptDoc>"""

JSON = json.dumps(
    {
        "(top)": {"LUT": 3000, "SRL": 1, "FF": 900, "BRAM_36K": 3, "BRAM_18K": 1, "DSP48": 4},
        "MVAU_hls_0": {
            "LUT": 1000, "FF": 300, "BRAM_36K": 1, "BRAM_18K": 1, "URAM": 0, "DSP48": 4,
        },
    }
)  # fmt: skip


@pytest.mark.parametrize("text", [TEXT, XML, JSON], ids=["text", "xml", "json"])
def test_every_report_form_says_the_same(text: str, tmp_path: Path) -> None:
    file = tmp_path / "report"
    file.write_text(text)
    expected = Resources(lut=1000, ff=300, bram18=3, uram=0, dsp=4)
    assert read_report(file)["MVAU_hls_0"] == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no table with a column 'Instance'"),
        ("{", "is not JSON"),
        ("{}", "holds no utilisation by instance"),
        ("<a>", "not valid XML"),
        ("<!DOCTYPE x [<!ENTITY a 'b'>]><a/>", "declares XML entities"),
        ('{"a": {"LUT": "many"}}', "a, LUT: 'many' is not a number"),
        ('{"a": {"LUT": -1}}', "-1 is not a count of resources"),
    ],
)
def test_what_is_no_report_is_refused(text: str, message: str, tmp_path: Path) -> None:
    file = tmp_path / "report"
    file.write_text(text)
    with pytest.raises(UserError, match=message):
        read_report(file)


def test_an_absent_report_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be read as text"):
        read_report(tmp_path / "absent")


def chain(count: int) -> Graph:
    """Return a pipeline of fully connected layers of growing width."""
    tensors = {
        f"t{i}": Tensor(name=f"t{i}", shape=(1, 64), datatype=DataType.parse("UINT4"))
        for i in range(count + 1)
    }
    layers = tuple(
        with_defaults(
            Layer(
                name=f"MVAU_hls_{i}",
                op_type="MVAU_hls",
                attributes={
                    "PE": 1 << (i % 6),
                    "SIMD": 4,
                    "MW": 64,
                    "MH": 64,
                    "inputDataType": "UINT4",
                    "weightDataType": "INT4",
                    "outputDataType": "UINT4",
                    "accDataType": "INT16",
                },
                inputs=(f"t{i}",),
                outputs=(f"t{i + 1}",),
            )
        )
        for i in range(count)
    )
    return Graph(
        name="chain", layers=layers, tensors=tensors, inputs=("t0",), outputs=(f"t{count}",)
    )


def built(graph: Graph, factor: float, odd: frozenset[str] = frozenset()) -> dict[str, Resources]:
    """Return a report in which everything took ``factor`` times the estimate, odd ones tenfold."""
    report = {}
    for layer in graph:
        cost = estimate(layer, load_profile("corrected"), PART).resources
        times = 10 * factor if layer.name in odd else factor
        report[layer.name] = Resources(
            lut=round(cost.lut * times), ff=round((cost.ff or 0) * times), bram18=cost.bram18
        )
    return report


def calibrated(graph: Graph, report: dict[str, Resources]) -> Calibration:
    return calibrate(
        [(graph, report)],
        base=load_profile("corrected"),
        part=PART,
        name="mine",
        origin={"source": "test", "tool": "none", "part": PART.name, "date": "2026-01-01"},
    )


def test_a_common_factor_is_found_and_removes_the_error() -> None:
    graph = chain(6)
    result = calibrated(graph, built(graph, 1.5))
    lut = next(r for r in result.residuals if r.resource == "lut")
    assert lut.factor == pytest.approx(1.5, rel=0.01)
    assert lut.before > 0.3
    assert lut.after < 0.01
    layer = graph.layers[2]
    before = estimate(layer, load_profile("corrected"), PART)
    after = estimate(layer, result.profile, PART)
    assert after.resources.lut == pytest.approx(1.5 * before.resources.lut, rel=0.01)
    assert before.assumed == ("ff", "lut")
    assert after.assumed == ()


def test_odd_layers_do_not_spoil_the_factor() -> None:
    graph = chain(7)
    result = calibrated(graph, built(graph, 1.5, odd=frozenset({"MVAU_hls_0", "MVAU_hls_1"})))
    lut = next(r for r in result.residuals if r.resource == "lut")
    assert lut.factor == pytest.approx(1.5, rel=0.01)


def test_layers_far_from_the_measured_sizes_stay_assumed() -> None:
    graph = chain(3)
    profile = calibrated(graph, built(graph, 1.2)).profile
    huge = graph.layers[0].with_attributes({"PE": 64, "SIMD": 64})
    assert estimate(graph.layers[0], profile, PART).assumed == ()
    assert estimate(huge, profile, PART).assumed == ("ff", "lut")


def test_too_few_layers_change_nothing_and_say_so() -> None:
    graph = chain(2)
    result = calibrated(graph, built(graph, 3.0))
    assert result.residuals == ()
    assert result.notes == ("MVAU_hls: 2 layers are too few for a correction, 3 are needed",)
    base = load_profile("corrected").coefficients
    assert result.profile.coefficients == base


def test_a_report_of_another_network_is_refused() -> None:
    with pytest.raises(UserError, match=r"none of its layers \(such as MVAU_hls_0\) is in the rep"):
        calibrated(chain(3), {"Pool_hls_0": Resources(lut=1)})


def test_a_report_of_another_folding_is_refused() -> None:
    graph = chain(4)
    with pytest.raises(UserError, match="report and network do not belong together"):
        calibrated(graph, built(graph, 50.0))


def test_a_factor_beyond_belief_is_left_out_and_noted() -> None:
    graph = chain(4)
    report = {
        name: Resources(lut=found.lut, ff=1, bram18=found.bram18)
        for name, found in built(graph, 1.0).items()
    }
    result = calibrated(graph, report)
    assert {r.resource for r in result.residuals} == {"lut", "bram18"}
    (note,) = result.notes
    assert note.endswith("times the estimated ff is not believed")


def test_finns_profile_cannot_be_corrected() -> None:
    with pytest.raises(UserError, match="profile 'finn' cannot be corrected"):
        calibrate([], base=load_profile("finn"), part=PART, name="mine", origin={})


def test_a_report_finds_the_model_finn_left_beside_it(tmp_path: Path) -> None:
    report = tmp_path / "report" / "post_synth_resources.json"
    models = tmp_path / "intermediate_models"
    for folder in (report.parent, models):
        folder.mkdir()
    report.write_text("{}")
    with pytest.raises(UserError, match=r"leave the report in FINN's output folder or name the mo"):
        built_model(report)
    (models / "step_apply_folding_config.onnx").write_bytes(b"")
    assert built_model(report).name == "step_apply_folding_config.onnx"
    (models / "step_create_stitched_ip.onnx").write_bytes(b"")
    assert built_model(report).name == "step_create_stitched_ip.onnx"
