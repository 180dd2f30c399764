from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest

from digitscan.errors import BusyError, OutputError
from digitscan.lock import locked

if TYPE_CHECKING:
    from pathlib import Path

HOLD = """
import sys, time
from digitscan.lock import locked
with locked(sys.argv[1]):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def report(tmp_path: Path) -> str:
    return str(tmp_path / "r.csv")


def test_nothing_is_left(report: str, tmp_path: Path) -> None:
    with locked(report):
        assert len(os.listdir(tmp_path)) == 1  # noqa: PTH208
    assert os.listdir(tmp_path) == []  # noqa: PTH208


@pytest.mark.parametrize("wait", [0.0, 0.3])
def test_a_second_run_stops(report: str, tmp_path: Path, wait: float) -> None:
    (tmp_path / "link.csv").symlink_to("r.csv")
    with locked(report):
        started = time.monotonic()
        with pytest.raises(BusyError, match="another run") as caught, locked(str(tmp_path / "link.csv"), wait):
            pytest.fail("the block was entered")
        assert time.monotonic() - started >= wait
    assert "\n" not in str(caught.value)


def test_a_second_run_waits(report: str) -> None:
    entered = []

    def second() -> None:
        with locked(report, 30):
            entered.append(time.monotonic())

    thread = threading.Thread(target=second)
    with locked(report):
        thread.start()
        time.sleep(0.3)
        left = time.monotonic()
    thread.join()
    assert entered[0] >= left


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_the_lock_of_a_dead_process_is_no_obstacle(report: str, tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLD, report], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        with pytest.raises(BusyError), locked(report):
            pytest.fail("the block was entered")
        process.send_signal(signal.SIGKILL)
    assert os.listdir(tmp_path)  # noqa: PTH208
    with locked(report):
        pass
    assert os.listdir(tmp_path) == []  # noqa: PTH208


@pytest.mark.parametrize("output", [None, "-", os.devnull])
def test_streams_need_no_lock(output: str | None) -> None:
    with locked(output), locked(output):
        pass


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="can't be written"), locked(str(tmp_path / "absent" / "r.csv")):
        pytest.fail("the block was entered")
