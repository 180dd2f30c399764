from __future__ import annotations

import multiprocessing
import multiprocessing.spawn
import os
import signal
import sys
import time
from typing import TYPE_CHECKING

import pytest

from digitscan.errors import DigitscanError
from digitscan.pool import Loss, LossyPool, Outcome

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DIE, SLEEP, FAIL = -1, -2, -3


def give(*items: int) -> Iterator[int]:
    """A task that gives numbers, or what befalls it."""
    for item in items:
        if item == DIE:
            os.kill(os.getpid(), signal.SIGKILL)
        if item == SLEEP:
            time.sleep(1000)
        if item == FAIL:
            raise ConnectionError("no server")  # What a lost worker looks like, from the inside.
        yield item


pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals")


def test_a_death_costs_nothing_but_the_rest_of_its_task() -> None:
    with LossyPool(2) as pool:
        tasks = [pool.submit(give, *items) for items in [(1, 2), (3, DIE, 4), (), (5,), (DIE,), (6,)]]
        assert [task.result() for task in tasks] == [
            *(Outcome([1, 2]), Outcome([3], Loss.DEATH), Outcome([])),
            *(Outcome([5]), Outcome([], Loss.DEATH), Outcome([6])),
        ]
    assert multiprocessing.active_children() == []


def test_a_delay_ends_a_task_and_time_is_counted_for_each_item() -> None:
    with LossyPool(1, timeout=0.5) as pool:
        slow, quick = pool.submit(give, 1, 2, SLEEP, 3), pool.submit(pace, 8)
        assert slow.result() == Outcome([1, 2], Loss.DELAY)
        assert quick.result() == Outcome([*range(8)])


def pace(count: int) -> Iterator[int]:
    for item in range(count):
        time.sleep(0.1)
        yield item


def test_an_error_is_raised_by_the_future_and_the_worker_goes_on() -> None:
    with LossyPool(1) as pool:
        failing, next_one = pool.submit(give, 1, FAIL), pool.submit(give, 2)
        with pytest.raises(ConnectionError, match="no server"):
            failing.result()
        assert next_one.result() == Outcome([2])


def test_leaving_the_block_stops_what_is_under_way() -> None:
    started = time.monotonic()
    with LossyPool(1) as pool:
        pool.submit(give, 1).result()
        under_way, waiting = pool.submit(give, SLEEP), pool.submit(give, 1)
        while not under_way.running():
            time.sleep(0.01)
    assert time.monotonic() - started < 30
    assert under_way.result() == Outcome([], Loss.DEATH)
    assert waiting.cancelled()
    assert multiprocessing.active_children() == []


def test_processes_that_never_start_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(multiprocessing.spawn, "_python_exe", b"/bin/false")
    with LossyPool(1) as pool, pytest.raises(DigitscanError, match="while they start"):
        pool.submit(give, 1).result()


def test_a_process_that_dies_before_it_has_read_its_arguments_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(multiprocessing.spawn, "_python_exe", b"/bin/false")
    with LossyPool(1, None, take, bytes(1 << 24)) as pool, pytest.raises(DigitscanError, match="while they start"):
        pool.submit(give, 1).result()


def take(_: bytes) -> None:
    """The start of a process with large arguments."""


def test_ctrl_c_while_a_process_starts_does_not_reach_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    interrupted = tmp_path / "python"
    interrupted.write_text(f'#!/bin/sh\nkill -INT $$\nexec {sys.executable} "$@"\n')
    interrupted.chmod(0o755)
    monkeypatch.setattr(multiprocessing.spawn, "_python_exe", os.fsencode(interrupted))
    with LossyPool(1) as pool:
        assert pool.submit(give, 1).result() == Outcome([1])


def test_no_task_no_process() -> None:
    with LossyPool(4):
        assert multiprocessing.active_children() == []
