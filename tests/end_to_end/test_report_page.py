"""The page in a real browser."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from elasticdf.report.page import page, write_page
from elasticdf.report.record import of_plan
from partitioner.plan import Plan
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
    write_page(page(of_plan(plan)), tmp_path / "report.html")
    open_file(driver, tmp_path / "report.html")
    return plan


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
    assert driver.find_element("id", "fps").text == f"{plan.frames_per_second:,.1f}"


def test_pointing_at_a_layer_lights_it_everywhere(driver: Any, plan: Plan):
    from selenium.webdriver import ActionChains

    block = driver.find_element("css selector", "#cluster .block[data-l='3']")
    ActionChains(driver).move_to_element(block).perform()
    lit = driver.find_elements("css selector", ".lit")
    assert {element.get_attribute("data-l").split()[0] for element in lit} <= {"2", "3"}
    for place in ("#cluster rect", "#pipeline rect", "#t-layers tr", "#t-assignments tr"):
        assert driver.find_elements("css selector", f"{place}.lit"), place
    assert "layer3" in driver.find_element("id", "status").text


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
    write_page(page(of_plan(plan)), tmp_path / "report.html")
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
