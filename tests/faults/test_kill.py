"""`kill -9` at random moments, each followed by `--resume`: the report is that of a run that nothing disturbed.

`pytest tests/faults --kills 200` for the long version.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import time
from typing import TYPE_CHECKING, NamedTuple

import cv2
import pytest
from writing import PROGRAM, write_page

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals")


class Before(NamedTuple):
    """What there is before the run that is killed, and the report that it would write."""

    folder: Path
    old: bytes | None
    new: bytes


OPTIONS = ["-o", "r.csv", "--resume", "--quiet", "--jobs", "2"]
COMMAND = [sys.executable, "-c", PROGRAM, "classify", "scans", *OPTIONS]


def run(folder: Path) -> bytes:
    done = subprocess.run(COMMAND, cwd=folder, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (6, "")
    return (folder / "r.csv").read_bytes()


@pytest.fixture(scope="module")
def befores(tmp_path_factory: pytest.TempPathFactory) -> tuple[Before, Before]:
    """A first run; and one after files were added, changed and removed."""
    first = tmp_path_factory.mktemp("first")
    (first / "scans").mkdir()
    for number in range(24):
        write(first, number, str(1000 + number))
    (first / "scans" / "5.5.png").write_bytes(b"no picture")
    assert cv2.imwritemulti(str(first / "scans" / "7.tiff"), [write_page([str(page)]).pixels for page in range(40)])
    empty, full = (tmp_path_factory.mktemp(name) / "f" for name in ("empty", "full"))
    shutil.copytree(first, empty)
    old = run(first)
    for number in range(20, 50):
        write(first, number, str(2000 + number))
    (first / "scans" / "3.png").unlink()
    shutil.copytree(first, full)
    new = run(first)
    return Before(empty, None, old), Before(full, old, new)


def write(folder: Path, number: int, text: str) -> None:
    assert cv2.imwrite(str(folder / "scans" / f"{number}.png"), write_page([text] * 3).pixels)


@pytest.fixture(scope="module")
def seconds(befores: tuple[Before, Before], tmp_path_factory: pytest.TempPathFactory) -> float:
    """How long a run takes that nothing disturbs."""
    folder = tmp_path_factory.mktemp("timed") / "f"
    shutil.copytree(befores[0].folder, folder)
    started = time.monotonic()
    assert run(folder) == befores[0].new
    return time.monotonic() - started


def test_killed_at_any_moment(kill: int, befores: tuple[Before, Before], seconds: float, tmp_path: Path) -> None:
    before, folder = befores[kill % 2], tmp_path / "f"
    shutil.copytree(before.folder, folder)
    with subprocess.Popen(COMMAND, cwd=folder, start_new_session=True) as process:
        time.sleep(random.Random(kill).uniform(0, seconds))
        process.kill()
    left = (folder / "r.csv").read_bytes() if (folder / "r.csv").exists() else None
    assert left in (before.old, before.new)
    assert run(folder) == before.new
    assert sorted(os.listdir(folder)) == [".r.csv.digitscan", "r.csv", "scans"]  # noqa: PTH208
    assert_ended(process.pid)


def assert_ended(group: int) -> None:
    """The workers of a killed run end by themselves."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return
        time.sleep(0.05)
    pytest.fail("workers were left")
