"""Worker processes."""

from __future__ import annotations

import multiprocessing
import signal
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING

import cv2

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@contextmanager
def workers(jobs: int, start: Callable[..., None] | None = None, *arguments: object) -> Iterator[ProcessPoolExecutor]:
    """`jobs` processes for the time of a block; in each, `start` is called with `arguments` first.

    When the block is left early, tasks that haven't begun are dropped.
    """
    # OpenCV and LiteRT hold threads, which a forked child would lose: workers start afresh.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(jobs, context, _start, (start, arguments))
    try:
        yield pool
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _start(start: Callable[..., None] | None, arguments: tuple[object, ...]) -> None:
    cv2.setNumThreads(1)
    # Ctrl-C reaches the whole process group; the parent alone decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if start:
        start(*arguments)
