"""Runs a command to its end, with a clock, and with an eye on the memory of all its processes."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from time import perf_counter
from typing import NamedTuple

import psutil

SECONDS_BETWEEN_LOOKS = 0.5
"""A look stops a process for a moment: none falls into a short one, whose start is measured."""

ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
"""With compiled modules kept, as any installation has them."""

PACKAGES = ("numpy", "opencv-python-headless", "ai-edge-litert", "pypdfium2")


class Run(NamedTuple):
    """What a command took: seconds, and the most bytes of memory that all its processes held together."""

    seconds: float
    memory: int


class Peak:
    """The most memory, in bytes, that a process and its children were seen with; what they share counts once."""

    def __init__(self, process: psutil.Process) -> None:
        self.bytes = 0
        self._process = process

    def look(self) -> None:
        """Look once more."""
        try:
            family = [self._process, *self._process.children(recursive=True)]
        except psutil.NoSuchProcess:
            return
        self.bytes = max(self.bytes, sum(map(_memory, family)))


def _memory(process: psutil.Process) -> int:
    try:
        found = process.memory_full_info()
    except (psutil.NoSuchProcess, psutil.AccessDenied):  # It has just ended.
        return 0
    return int(getattr(found, "pss", found.uss))


@contextmanager
def watched(process: subprocess.Popen[str]) -> Iterator[Peak]:
    """The peak of a process that runs during a `with` block."""
    peak, done = Peak(psutil.Process(process.pid)), threading.Event()

    def watch() -> None:
        while not done.wait(SECONDS_BETWEEN_LOOKS):
            peak.look()

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield peak
    finally:
        done.set()
        watcher.join()


def run(command: Sequence[str]) -> Run:
    """Run a command, which must end well."""
    started = perf_counter()
    streams = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, **streams, encoding="utf-8", env=ENVIRONMENT) as process, watched(process) as peak:
        _, said = process.communicate()
        seconds = perf_counter() - started
    if process.returncode:
        sys.exit(f"{' '.join(command[:4])} ended with exit code {process.returncode}: {said[-500:]}")
    return Run(seconds, peak.bytes)


def machine() -> str:
    """What was measured on."""
    cores, memory = psutil.cpu_count(), psutil.virtual_memory().total / 2**30
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    return (
        f"{_processor()}, {cores} cores, {memory:.0f} GiB; {platform.platform()}; "
        f"Python {platform.python_version()}, {packages}"
    )


def _processor() -> str:
    table = Path("/proc/cpuinfo")
    lines = table.read_text("utf-8").splitlines() if table.exists() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())
