"""Makes the pictures of README.md and docs/ again: ``python -m tests.pictures``.

Plans and sweeps the reference networks with the commands a user would give, opens the pages in a
headless Chromium and keeps what it shows. Prints the scaling table of docs/results.md.
"""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.browser import BROWSER, DRIVER, browser

PICTURES = Path("docs/pictures")
WORK = Path("build/pictures")
NETWORKS = {"MobileNetV1 w4a4": "mobilenetv1-w4a4", "ResNet-50 w1a2": "resnet50-w1a2"}
TARGETS = {"mobilenetv1-w4a4": "1..4xu280", "resnet50-w1a2": "1..3xu280"}
_WIDTH = 1200
_QUIET = (
    "document.head.insertAdjacentHTML('beforeend',"
    "'<style>[role=status]{display:none}.scroll{content-visibility:visible}</style>')"
)
_PLACE = (
    "const ends = arguments[0].map(s => document.querySelector(s).getBoundingClientRect());"
    "return [scrollX, scrollY + Math.min(...ends.map(e => e.top)), "
    "Math.max(...ends.map(e => e.bottom)) - Math.min(...ends.map(e => e.top))]"
)


def main() -> int:
    """Make every picture; return the exit code."""
    if BROWSER is None or DRIVER is None:
        sys.stderr.write("pictures need a browser: apt-get install chromium chromium-driver\n")
        return 2
    _command("partition", "zoo:mobilenetv1-w4a4", "--target", "2xu280", "-o", str(WORK / "plan"))
    _command("report", str(WORK / "plan"))
    for name in NETWORKS.values():
        sweep = ("--targets", TARGETS[name], "--modes", "all", "-o", str(WORK / name))
        _command("explore", f"zoo:{name}", *sweep)
    PICTURES.mkdir(parents=True, exist_ok=True)
    with browser() as driver:
        _keep(driver, WORK / "plan/report.html", "report.png", ("h1", "#cluster"))
        for name in NETWORKS.values():
            _keep(driver, WORK / name / "explore.html", f"scaling-{name}.png", (".two",))
    sys.stdout.write(f"{_table()}\n")
    return 0


def _command(*words: str) -> None:
    subprocess.run([sys.executable, "-m", "elasticdf", *words, "-q"], check=True)


def _keep(driver: Any, page: Path, name: str, selectors: tuple[str, ...]) -> None:
    """Keep the part of a page between the first and the last of some elements."""
    size = {"width": _WIDTH, "height": 1000, "deviceScaleFactor": 1, "mobile": False}
    light = {"features": [{"name": "prefers-color-scheme", "value": "light"}]}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    driver.execute_cdp_cmd("Emulation.setScrollbarsHidden", {"hidden": True})
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", light)
    driver.get(page.resolve().as_uri())
    driver.execute_script(_QUIET)
    left, top, height = driver.execute_script(_PLACE, list(selectors))
    clip = {"x": left, "y": max(0, top - 12), "width": _WIDTH, "height": height + 24, "scale": 1}
    shot = driver.execute_cdp_cmd(
        "Page.captureScreenshot", {"format": "png", "clip": clip, "captureBeyondViewport": True}
    )
    (PICTURES / name).write_bytes(base64.b64decode(shot["data"]))


def _table() -> str:
    """Return the fastest plan of every number of boards, as a table in Markdown."""
    lines = [
        "| network | boards | frames/s | copies | times linear | mode | gap |",
        "|---|---:|---:|---:|---:|---|---:|",
    ]
    for title, name in NETWORKS.items():
        rows = json.loads((WORK / name / "explore.json").read_text())["rows"]
        for boards in sorted({row["boards"] for row in rows if row["boards"]}):
            chosen = [row for row in rows if row["boards"] == boards]
            best = max(chosen, key=lambda row: row["frames_per_second"])
            modes = [
                row["point"]["mode"]
                for row in chosen
                if row["frames_per_second"] == best["frames_per_second"]
            ]
            fps, bound = best["frames_per_second"], best["bound"]
            lines.append(
                f"| {title} | {boards} | {fps:,.1f} | {best['replicas']} | {best['scaling']:.3f} "
                f"| {', '.join(modes)} | {max(0.0, 1 - fps / bound):.1%} |"
            )
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
