"""The page in a real browser."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from elasticdf.explore.grid import Point
from elasticdf.explore.page import page as explore_page
from elasticdf.explore.result import exploration, row_of
from elasticdf.explore.solve import Answer, Outcome
from elasticdf.report.page import page
from elasticdf.report.record import PlanReport, of_plan, with_timeline
from elasticdf.simulation import Span
from partitioner.plan import Mode, Plan
from tests.browser import browser, needs_browser, open_file
from tests.plan_samples import planned

pytestmark = needs_browser
HOSTILE = "<script>document.title='broken'</script>"


@pytest.fixture(scope="module")
def driver() -> Iterator[Any]:
    with browser() as found:
        yield found


@pytest.fixture
def plan(driver: Any, tmp_path: Path) -> Plan:
    plan = planned((*(f"layer{i}" for i in range(11)), HOSTILE), replicas=30)
    (tmp_path / "report.html").write_text(page(_simulated(plan)))
    open_file(driver, tmp_path / "report.html")
    return plan


def _simulated(plan: Plan) -> PlanReport:
    names = dict.fromkeys(a.layer for a in plan.assignments)
    spans = [Span(layer=name, first=9 * i, last=1_000 + 40 * i) for i, name in enumerate(names)]
    return with_timeline(of_plan(plan), spans, "Made up.")


def _rows(driver: Any, table: str) -> list[list[str]]:
    script = (
        "return [...document.querySelectorAll(arguments[0] + ' tbody tr')]"
        ".map(row => [...row.cells].map(cell => cell.textContent.trim().replaceAll(',', '')))"
    )
    return driver.execute_script(script, f"#{table}")


def test_it_loads_without_error_or_request(driver: Any, plan: Plan):
    assert driver.get_log("browser") == []
    messages = [json.loads(entry["message"])["message"] for entry in driver.get_log("performance")]
    asked = [
        m["params"]["request"]["url"]
        for m in messages
        if m["method"] == "Network.requestWillBeSent"
    ]
    assert asked == [driver.current_url]


def test_hostile_names_are_only_text(driver: Any, plan: Plan):
    assert driver.title == "layer0: report"
    assert _rows(driver, "t-layers")[11][1] == HOSTILE


def test_the_tables_are_the_plan(driver: Any, plan: Plan):
    assert _rows(driver, "t-assignments") == [
        [
            str(value)
            for value in (
                a.replica, a.layer, a.board, a.die, a.cycles, a.resources.lut, a.resources.ff,
                a.resources.bram18, a.resources.uram, a.resources.dsp,
            )
        ]
        for a in plan.assignments
    ]  # fmt: skip
    assert [[*row[:4], row[5]] for row in _rows(driver, "t-utilisation")] == [
        [str(u.board), u.die, u.resource, str(u.used), str(u.available)] for u in plan.utilisation
    ]
    assert _rows(driver, "t-crossings") == [
        [
            str(value).replace(",", "")
            for value in (
                c.replica, c.source, c.target, c.kind, f"{c.origin[0]} {c.origin[1]}",
                f"{c.destination[0]} {c.destination[1]}", c.bits_per_frame, c.wires,
            )
        ]
        for c in plan.crossings
    ]  # fmt: skip
    assert [row[4:6] for row in _rows(driver, "t-layers")] == [
        [str(9 * i), str(1_000 + 40 * i)] for i in range(12)
    ]
    assert driver.find_element("id", "fps").text == f"{plan.frames_per_second:,.1f}"


def test_pointing_at_a_layer_lights_it_everywhere(driver: Any, plan: Plan):
    from selenium.webdriver import ActionChains

    block = driver.find_element("css selector", "#cluster .block[data-l='3']")
    ActionChains(driver).move_to_element(block).perform()
    lit = driver.find_elements("css selector", ".lit")
    assert {element.get_attribute("data-l").split()[0] for element in lit} <= {"2", "3"}
    for place in ("#cluster", "#pipeline", "#timeline", "#t-layers", "#t-assignments"):
        assert driver.find_elements("css selector", f"{place} .lit"), place
    assert "layer3" in driver.find_element("id", "status").text


def test_pointing_at_a_crossing_lights_both_ends(driver: Any, plan: Plan):
    driver.execute_script(
        "document.querySelector('#t-crossings tbody tr')"
        ".dispatchEvent(new PointerEvent('pointerover', {bubbles: true}))"
    )
    lit = driver.find_elements("css selector", "#t-layers .lit td:nth-child(2)")
    first = plan.crossings[0]
    assert [cell.text for cell in lit] == [first.source, first.target]


def test_a_phone_scrolls_down_only(driver: Any, plan: Plan):
    phone = {"width": 390, "height": 800, "deviceScaleFactor": 1, "mobile": True}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", phone)
    width = driver.execute_script("return document.documentElement.scrollWidth")
    driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    assert width <= 390


def test_paper_shows_every_row(driver: Any, plan: Plan):
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    hidden = driver.execute_script(
        "return [...document.querySelectorAll('.scroll')]"
        ".filter(box => box.scrollHeight > box.clientHeight + 1).length"
    )
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
    assert hidden == 0


def test_a_sweep_has_a_page_that_lights_and_sorts(driver: Any, tmp_path: Path):
    answer = Answer(outcome=Outcome.PLANNED, plan=planned(("a", "b"), replicas=3).to_json())
    failed = Answer(outcome=Outcome.INFEASIBLE, reason=HOSTILE)
    points = [
        Point(target=target, mode=Mode.HARDWARE, clock_hz=10**8, frames_per_second=None)
        for target in ("2xu280", HOSTILE)
    ]
    rows = [row_of(i, "key", points[i], found) for i, found in enumerate((answer, failed))]
    (tmp_path / "explore.html").write_text(explore_page(exploration(HOSTILE, rows)))
    open_file(driver, tmp_path / "explore.html")
    assert driver.get_log("browser") == []
    assert driver.title == f"{HOSTILE}: exploration"
    assert [row[1] for row in _rows(driver, "t-rows")] == ["2xu280", HOSTILE]
    driver.find_element("css selector", "figure").send_keys("\ue014")  # arrow right
    assert len(driver.find_elements("css selector", ".dot.lit")) == 2  # one per chart
    assert "2xu280, hw, 100 MHz" in driver.find_element("id", "status").text
    button = driver.find_element("css selector", "#t-rows th:nth-child(1) button")
    button.click()
    button.click()
    assert [row[0] for row in _rows(driver, "t-rows")] == ["1", "0"]


def test_the_keyboard_walks_through_the_layers(driver: Any, plan: Plan):
    figure = driver.find_element("id", "pipeline")
    figure.send_keys("\ue014\ue014\ue014")  # arrow right
    assert driver.find_element("id", "status").text.startswith("2 layer2")
    figure.send_keys("\ue00c")  # escape
    assert driver.find_elements("css selector", ".lit") == []


def test_tables_sort_by_numbers(driver: Any, plan: Plan):
    button = driver.find_element("css selector", "#t-layers th:nth-child(4) button")
    driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", button)
    button.click()
    slack = [int(row[3]) for row in _rows(driver, "t-layers")]
    assert slack == sorted(slack)
    button.click()
    assert [int(row[3]) for row in _rows(driver, "t-layers")] == sorted(slack, reverse=True)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_in_both_schemes(driver: Any, plan: Plan, scheme: str):
    feature = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", feature)
    contrasts = driver.execute_script(_CONTRASTS)
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    assert len(contrasts) >= 8
    assert min(contrasts) >= 4.5, contrasts


_CONTRASTS = """
function light(colour) {
  const part = colour.match(/[0-9.]+/g).slice(0, 3).map(v => v / 255)
    .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
  return 0.2126 * part[0] + 0.7152 * part[1] + 0.0722 * part[2];
}
function contrast(a, b) {
  const [x, y] = [light(a), light(b)].sort((p, q) => q - p);
  return (x + 0.05) / (y + 0.05);
}
const page = getComputedStyle(document.body);
const found = [contrast(page.color, page.backgroundColor)];
const dim = getComputedStyle(document.querySelector(".dim")).color;
found.push(contrast(dim, page.backgroundColor));
for (let look = 0; look < 8; look++) {
  const block = document.querySelector("#cluster .block");
  block.setAttribute("class", "block look" + look);
  const text = getComputedStyle(document.querySelector("#cluster text"));
  found.push(contrast(text.fill, getComputedStyle(block).fill));
}
return found;
"""


def _thread_seconds(driver: Any) -> float:
    metrics = driver.execute_cdp_cmd("Performance.getMetrics", {})["metrics"]
    return next(m["value"] for m in metrics if m["name"] == "TaskDuration")


def test_640_layers_answer_within_a_second_of_work(driver: Any, tmp_path: Path):
    plan = planned(tuple(f"layer{i}" for i in range(640)), replicas=2)
    (tmp_path / "report.html").write_text(page(_simulated(plan)))
    driver.execute_cdp_cmd("Performance.enable", {"timeDomain": "threadTicks"})
    open_file(driver, tmp_path / "report.html")
    loaded = _thread_seconds(driver)
    driver.execute_script(_POINT_AT_EVERY_BAR)
    pointed = (_thread_seconds(driver) - loaded) / 640
    driver.execute_cdp_cmd("Performance.disable", {})
    assert loaded < 1.0
    assert pointed < 0.05
    assert driver.execute_script("return document.querySelectorAll('#t-layers .lit').length") == 1


_POINT_AT_EVERY_BAR = """
for (const bar of document.querySelectorAll("#pipeline rect")) {
  bar.dispatchEvent(new PointerEvent("pointerover", {bubbles: true}));
  document.body.getBoundingClientRect();
}
"""
