"""A pool of worker processes that outlives the loss of a worker."""

from __future__ import annotations

import os
import signal
import sys
import threading
import traceback
from contextlib import contextmanager, suppress
from enum import Enum
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

import cv2

from digitscan.errors import DigitscanError
from digitscan.memory import keep_freed_memory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from concurrent.futures import Future
    from multiprocessing.connection import Connection
    from multiprocessing.context import SpawnContext, SpawnProcess

_SECONDS_TO_DIE = 5.0
"""How long a killed worker is waited for: one that hangs in a network folder may not die before the server answers."""

_STARTS = 3
"""Processes that may be killed while they start, before it is clear that none will do."""

_STOPS = {signal.SIGINT, signal.SIGTERM}
"""What a terminal or a service sends to the whole process group."""

Item = TypeVar("Item")


class Loss(Enum):
    """Why a task has no end: its worker died, or took too long and was killed."""

    DEATH = "death"
    DELAY = "delay"


class Outcome(NamedTuple, Generic[Item]):
    """The items that a task gave, up to its end or to the loss of its worker."""

    items: list[Item]
    loss: Loss | None = None


class LossyPool:
    """`jobs` processes for the time of a block, that run generators; what a lost process had given is kept.

    Each process belongs to a thread that hands it one task at a time. So it is known which task a process was at when
    it died, no other task is touched, and the next task of that thread gets a new process. Processes start with the
    first task that needs them, and are killed when the block is left.
    """

    def __init__(
        self, jobs: int, timeout: float | None = None, start: Callable[..., None] | None = None, *arguments: object
    ) -> None:
        """`timeout` is the most that a task may take for one item, in seconds; a slower one loses its process.

        In each process `start` is called with `arguments` first.
        """
        from concurrent.futures import ThreadPoolExecutor

        self._timeout = timeout
        self._initializer = start, arguments
        self._threads = ThreadPoolExecutor(jobs)
        self._own = threading.local()
        self._lock = threading.Lock()
        self._workers: set[_Worker] = set()
        self._closed = False

    def __enter__(self) -> LossyPool:
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._closed = True
            for worker in self._workers:
                worker.process.kill()
        self._threads.shutdown(cancel_futures=True)
        for worker in self._workers:
            worker.process.join(_SECONDS_TO_DIE)

    def submit(self, task: Callable[..., Iterator[Item]], *arguments: object) -> Future[Outcome[Item]]:
        """Run `task(*arguments)`, both picklable, in a process; what it raises is raised by the future.

        The future raises DigitscanError where no process can be started.
        """
        return self._threads.submit(self._run, task, arguments)

    def _run(self, task: Callable[..., Iterator[Item]], arguments: tuple[object, ...]) -> Outcome[Item]:
        worker = self._worker()
        items: list[Item] = []
        said = self._ask(worker, (task, arguments))
        while isinstance(said, _Given):
            items.append(said.item)
            said = self._hear(worker)
        if isinstance(said, Exception):
            raise said
        if said:
            self._drop(worker)
        return Outcome(items, said)

    def _ask(self, worker: _Worker, task: tuple[object, ...]) -> _Message:
        try:
            worker.connection.send(task)
            worker.connection.recv()  # It has imported what the task needs, and begins: only now does time count.
        except (EOFError, OSError):
            return Loss.DEATH
        return self._hear(worker)

    def _hear(self, worker: _Worker) -> _Message:
        try:
            return worker.connection.recv() if worker.connection.poll(self._timeout) else Loss.DELAY
        except (EOFError, OSError):
            return Loss.DEATH

    def _worker(self) -> _Worker:
        """The process of the thread that asks."""
        worker: _Worker | None = getattr(self._own, "worker", None)
        for _ in range(_STARTS):
            worker = worker or self._start()
        if worker is None:
            raise DigitscanError("worker processes end while they start, maybe for want of memory; use fewer --jobs")
        return worker

    def _start(self) -> _Worker | None:
        with self._lock:  # One at a time, and none that would miss the end of the block.
            worker = self._own.worker = _start_worker(self._closed)
            self._workers.add(worker)
        try:
            worker.connection.send(self._initializer)
            worker.connection.recv()
        except (EOFError, OSError):
            self._drop(worker)
            return None
        return worker

    def _drop(self, worker: _Worker) -> None:
        worker.process.kill()
        worker.process.join(_SECONDS_TO_DIE)
        worker.connection.close()
        self._own.worker = None
        with self._lock:
            self._workers.discard(worker)


class _Worker(NamedTuple):
    process: SpawnProcess
    connection: Connection


class _Given(NamedTuple):
    """An item on its way to the parent."""

    item: Any


_Message = _Given | Exception | Loss | None
"""What is heard of a worker; None is the end of its task."""


def _start_worker(closed: bool) -> _Worker:
    if closed:
        raise DigitscanError("the pool is closed")
    context = _context()
    ours, theirs = context.Pipe()
    # What is large is sent when it has started: `multiprocessing` would wait for ever for one that was killed before it
    # had read all of its arguments.
    process = context.Process(target=_serve, args=(theirs,), daemon=True)
    try:
        with _stops_held():
            process.start()
    except OSError as error:
        raise DigitscanError(f"no worker process can be started: {error.strerror}; use fewer --jobs") from error
    finally:
        theirs.close()  # Else its end would go unnoticed.
    return _Worker(process, ours)


@contextmanager
def _stops_held() -> Iterator[None]:
    """A process that is started in the block gets a signal to stop in `_prepare` only: it would die of an earlier one
    with a traceback on the terminal.
    """
    if sys.platform == "win32":
        yield
        return
    from multiprocessing import resource_tracker

    resource_tracker.ensure_running()  # Starting it, which the first process does else, ends the hold.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _STOPS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _serve(connection: Connection) -> None:
    """What a process of `LossyPool` does until its parent is gone."""
    _prepare()
    with suppress(EOFError, OSError):
        start, arguments = connection.recv()
        if start:
            start(*arguments)
        connection.send(None)
        while True:
            task, arguments = connection.recv()
            connection.send(None)
            try:
                for item in task(*arguments):
                    connection.send(_Given(item))
            except Exception as error:  # noqa: BLE001 (the parent raises it)
                error.add_note(traceback.format_exc())
                connection.send(error)
            else:
                connection.send(None)


def _prepare() -> None:
    cv2.setNumThreads(1)
    keep_freed_memory()
    # Ctrl-C reaches the whole process group; the parent alone decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform != "win32":
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOPS)
    threading.Thread(target=_die_with_parent, daemon=True).start()


def _context() -> SpawnContext:
    """OpenCV and LiteRT hold threads, which a forked child would lose: workers start afresh."""
    import multiprocessing  # Only here: a few pages are read without any worker, and sooner.

    return multiprocessing.get_context("spawn")


def _die_with_parent() -> None:
    """A parent that was killed can't end a worker that hangs."""
    import multiprocessing

    parent = multiprocessing.parent_process()
    assert parent is not None, "a worker has a parent"
    parent.join()
    os._exit(1)
