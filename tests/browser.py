"""A real browser for tests: Debian's Chromium without a window, driven by Selenium."""

from __future__ import annotations

import os
import shutil
import tarfile
import time
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CHROMIUM = ("chromium", "chromium-browser", "google-chrome")


def missing(what: str) -> NoReturn:
    """Skip the test here; where the project is checked nothing may be left out."""
    if os.environ.get("CI"):
        pytest.fail(f"{what} is missing, and CI is set")
    pytest.skip(f"{what} is missing")


def program(*names: str) -> str:
    return next(filter(None, map(shutil.which, names)), None) or missing(names[0])


@contextmanager
def chromium(downloads: Path) -> Iterator[Any]:
    """A browser that downloads into this folder without asking."""
    if find_spec("selenium") is None:
        missing("selenium")
    from selenium.webdriver import Chrome, ChromeOptions
    from selenium.webdriver.chrome.service import Service

    options = ChromeOptions()
    options.binary_location = program(*CHROMIUM)
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"):
        options.add_argument(argument)
    options.add_experimental_option("prefs", {"download.default_directory": str(downloads)})
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    browser = Chrome(options, Service(program("chromedriver")))
    try:
        yield browser
    finally:
        browser.quit()


def show(browser: Any, width: int, height: int, theme: str) -> None:
    """Give the page this size in pixels, and `theme` light or dark."""
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    features = [{"name": "prefers-color-scheme", "value": theme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})


def downloaded(folder: Path, name: str) -> Path:
    """The file, once it is whole. The browser keeps the name with an empty file, and moves what it loaded over that."""
    for _ in range(100):
        if (folder / name).exists() and (folder / name).stat().st_size:
            return folder / name
        time.sleep(0.1)
    raise AssertionError(f"{name} was not downloaded, but {[path.name for path in folder.iterdir()]}")


def axe_source(folder: Path) -> str:
    """The accessibility checker axe-core, from npm."""
    import subprocess

    npm = program("npm")
    done = subprocess.run([npm, "pack", "axe-core@4"], cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        missing("axe-core, which npm could not fetch,")
    with tarfile.open(folder / done.stdout.split()[-1]) as archive:
        content = archive.extractfile("package/axe.min.js")
        assert content
        return content.read().decode()
