"""Fixtures that several test files share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest
from hypothesis import settings
from writing import SAMPLES, ByHeart, write_page

if TYPE_CHECKING:
    from pathlib import Path

# How long an example takes says more about what else the machine does than about the code.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--kills", type=int, default=3, help="How often tests/faults kills a run.")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "kill" in metafunc.fixturenames:
        metafunc.parametrize("kill", range(metafunc.config.getoption("kills")))


@pytest.fixture
def by_heart() -> ByHeart:
    """A classifier that reads what `writing.write_page` writes."""
    return ByHeart()


@pytest.fixture(scope="session")
def scans(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two pages, a file of three pages, a blank page and a damaged file."""
    folder = tmp_path_factory.mktemp("scans")
    _write(folder / "a.png", "31415 007", "92653")
    _write(folder / "b.jpg", "27182")
    pages = [write_page([text], hand=3).pixels for text in ("11", "22", "33")]
    assert cv2.imwritemulti(str(folder / "c.tiff"), pages)
    assert cv2.imwrite(str(folder / "d.png"), np.full((200, 200), 240, np.uint8))
    (folder / "e.jpg").write_bytes((SAMPLES / "damaged.jpg").read_bytes())
    return folder


@pytest.fixture(scope="session")
def good_scans(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one page, and nothing wrong."""
    folder = tmp_path_factory.mktemp("good")
    _write(folder / "a.png", "31415 007", "92653")
    return folder


def _write(path: Path, *lines: str) -> None:
    assert cv2.imwrite(str(path), write_page(lines).pixels)
