"""A headless Chromium, if this machine has one."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

BROWSER = shutil.which("chromium")
DRIVER = shutil.which("chromedriver")

needs_browser = pytest.mark.skipif(
    BROWSER is None or DRIVER is None or importlib.util.find_spec("selenium") is None,
    reason="needs chromium, chromedriver (Debian: chromium chromium-driver) and selenium",
)


@contextmanager
def browser() -> Iterator[Any]:
    """Yield a driver that keeps a log of console and network; call only under `needs_browser`."""
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = BROWSER or ""
    for flag in ("headless=new", "no-sandbox", "disable-dev-shm-usage", "disable-gpu"):
        options.add_argument(f"--{flag}")
    options.add_argument("--window-size=1400,1000")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    service = webdriver.ChromeService(executable_path=DRIVER)
    driver = webdriver.Chrome(options=options, service=service)
    try:
        yield driver
    finally:
        driver.quit()


def open_file(driver: Any, path: Path) -> None:
    """Open a page and forget what was logged before."""
    for kind in ("browser", "performance"):
        driver.get_log(kind)
    driver.get(path.as_uri())
