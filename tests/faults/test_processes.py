"""Two runs at once, and a worker that is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import pytest
from writing import PROGRAM, write_page

if TYPE_CHECKING:
    from collections.abc import Callable

PAGES = 24


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "scans").mkdir()
    for number in range(PAGES):
        assert cv2.imwrite(str(tmp_path / "scans" / f"{number}.png"), write_page([str(number)] * 20).pixels)
    return tmp_path


def start(folder: Path, *options: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", PROGRAM, "classify", "scans", "-o", "r.csv", "--quiet", "--jobs", "2", *options]
    return subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, text=True)


def wait_until(what: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    while not what() and process.poll() is None:
        time.sleep(0.01)
    assert what(), "the run ended too early"


@pytest.mark.parametrize("options", [[], ["--resume"]])
def test_two_runs_at_once(folder: Path, options: list[str]) -> None:
    first = start(folder, *options)
    wait_until((folder / ".r.csv.lock").exists, first)
    second, third = start(folder, *options), start(folder, *options, "--wait", "100")
    said = [process.communicate()[1] for process in (first, second, third)]
    assert [process.returncode for process in (first, second, third)] == [0, 7, 0]
    assert [text.count("\n") for text in said] == [0, 1, 0]
    files = {line.split(",")[0] for line in (folder / "r.csv").read_text("utf-8").splitlines()[1:]}
    assert len(files) == PAGES


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="Linux's list of children")
def test_a_killed_worker_costs_nothing_if_its_page_is_not_to_blame(folder: Path) -> None:
    whole = start(folder)
    assert whole.communicate()[1] == ""
    expected = (folder / "r.csv").read_bytes()
    run = start(folder)
    wait_until(lambda: len(workers(run.pid)) == 2, run)
    time.sleep(0.5)
    for worker in workers(run.pid):
        os.kill(worker, signal.SIGKILL)
    assert run.communicate()[1] == ""
    assert run.returncode == 0
    assert (folder / "r.csv").read_bytes() == expected


def workers(parent: int) -> list[int]:
    """A worker's command line has `spawn_main`; so does no other child."""
    try:
        tasks = Path(f"/proc/{parent}/task").iterdir()
        children = [int(child) for task in tasks for child in (task / "children").read_text().split()]
        return [child for child in children if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()]
    except OSError:
        return []
